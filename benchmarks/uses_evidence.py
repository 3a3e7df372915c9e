"""Recorded runs for lesson 14: three uses of one small encoder, with and without pre-training.

    python -m benchmarks.uses_evidence uses

Writes notebooks/records/14-uses.json: for each task (praise or blame, names, answers to questions)
and each seed the score of the course's own BERT (bert-course-en) after fine-tuning, of the same
network from random weights, processor seconds, and the number of weights that the task adds. The
texts are tinyworld's: plain English, which that BERT has never read.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache
from typing import NamedTuple

import torch
from datasets import Dataset

from benchmarks import records
from course_lib import pretrained, tinyworld
from course_lib.bert import (
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
)
from course_lib.finetuning import FinetuneConfig, finetune, predict
from course_lib.tasks import measures, spans, tags
from course_lib.tasks.texts import encode_texts

ENCODER, TOKENIZER = pretrained.shipped(), pretrained.load_tokenizer(pretrained.shipped())
SHAPE = pretrained.load_config(ENCODER).replace(dropout=0.1)
LABELED = {"praise or blame": 400, "names": 40, "answers": 100}  # documents
TESTED = records.times(150)
STEPS = records.times(200)  # the same for all tasks
TUNING = FinetuneConfig(batch_size=16)
RATES = {"pre-trained": 4e-4, "from random weights": 8e-4}  # weights that know nothing need more
NAMES = list(tinyworld.NER_TAGS)
LENGTH = 96  # tokens of a row; longer documents are cut, or read in windows


class Use(NamedTuple):
    """A task: its documents, how they become rows, its model, and how answers are judged."""

    figure: str
    documents: Callable[[int, int], Dataset]
    encode: Callable[[Dataset], Dataset]
    model: Callable
    judge: Callable


def judge_praise(said, rows: Dataset, documents: Dataset) -> float:
    return measures.accuracy(said.values, documents["label"])


def judge_names(said, rows: Dataset, documents: Dataset) -> float:
    found = tags.word_tags(said.values, rows, NAMES)
    return tags.entity_scores(tags.named_tags(documents), found)["f1"]


def judge_answers(said, rows: Dataset, documents: Dataset) -> float:
    return spans.squad_scores(spans.answers_of(said.scores, rows, documents), documents)["f1"]


USES = {
    "praise or blame": Use(
        "accuracy", tinyworld.sentiment_dataset,
        lambda texts: encode_texts(texts, TOKENIZER, max_length=LENGTH),
        lambda: BertForSequenceClassification(SHAPE, 2), judge_praise),
    "names": Use(
        "F1", tinyworld.ner_dataset,
        lambda words: tags.encode_words(words, TOKENIZER, max_length=LENGTH),
        lambda: BertForTokenClassification(SHAPE, len(NAMES)), judge_names),
    "answers": Use(
        "F1", tinyworld.qa_dataset,
        lambda questions: spans.encode_questions(questions, TOKENIZER, LENGTH, 40),
        lambda: BertForQuestionAnswering(SHAPE), judge_answers),
}  # fmt: skip


@cache
def rows_of(name: str, documents: int, seed: int) -> tuple[Dataset, Dataset]:
    """(documents, their rows); no seed here is one of pre-training."""
    found = USES[name].documents(documents, seed)
    return found, USES[name].encode(found)


def one(arm: str, seed: int) -> dict:
    """Fine-tune on a few documents, judge on others."""
    name, start = arm.split(", ")
    use = USES[name]
    _, rows = rows_of(name, records.times(LABELED[name]), 100 + seed)
    documents, unseen = rows_of(name, TESTED, 99)
    torch.manual_seed(seed)
    model = use.model()
    if start == "pre-trained":
        knows = pretrained.load(ENCODER, BertModel).state_dict()
        model.bert.load_state_dict(knows, strict=False)  # taggers and span heads have no pooler
    epochs = max(1, round(STEPS / TUNING.steps_per_epoch(len(rows))))
    began = time.process_time()
    history = finetune(model, rows, replace(TUNING, epochs=epochs, seed=seed,
                       learning_rate=RATES[start]), metrics={}, monitor=False)  # fmt: skip
    if history.stopped_early:
        raise SystemExit("stopped; what was complete is in the records")
    seconds = time.process_time() - began
    new = sum(p.numel() for n, p in model.named_parameters() if not n.startswith("bert."))
    score = use.judge(predict(model, unseen), unseen, documents)
    return {
        "score": round(float(score), 4), "figure": use.figure, "steps": history.steps,
        "rows": len(rows), "processor_seconds": round(seconds, 1), "new_weights": new,
    }  # fmt: skip


def main(parts: list[str]) -> None:
    torch.set_num_threads(1)
    found = records.opened(
        "14-uses", "three uses of one encoder on tinyworld, with and without pre-training",
        "uses_evidence uses", settings=asdict(TUNING) | {
            "learning_rate": RATES, "labeled_documents": LABELED,
            "tested_documents": TESTED, "steps": STEPS,
            "shape": asdict(SHAPE)})  # fmt: skip
    records.run_missing("14-uses", found, one, [f"{u}, {s}" for u in USES for s in RATES])


if __name__ == "__main__":
    main(sys.argv[1:])
