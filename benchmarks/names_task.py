"""The question on which recorded runs of lessons 10 and 11 are judged: which words are names?"""

from functools import cache

import torch
from datasets import Dataset
from torch import nn

from course_lib import tinyworld
from course_lib.finetuning import predict

TOKENIZER = tinyworld.tokenizer()


@cache
def tagged(n: int, seed: int) -> Dataset:
    """Sentences whose words are marked as part of a name or not, each from another document."""
    ids, labels = [], []
    for document in tinyworld.documents(n, seed):
        last = [word for word in document.tokens if word.sentence == len(document.sentences) - 1]
        words = [TOKENIZER.vocab[word.text.lower()] for word in last]
        ids.append(TOKENIZER.add_special(words)["input_ids"])
        labels.append([-100, *(tinyworld.NER_TAGS.index(word.tag) for word in last), -100])
    return Dataset.from_dict({"input_ids": ids, "labels": labels})


def f1(tagger: nn.Module, test: Dataset) -> float:
    """F1 over the words of names: each must get the right kind of name."""
    said = torch.cat([tags[1:-1] for tags in predict(tagger, test).values])
    true = torch.cat([torch.tensor(tags[1:-1]) for tags in test["labels"]])
    hits = ((said == true) & (true > 0)).sum()
    return round(float(2 * hits / ((said > 0).sum() + (true > 0).sum())), 4)
