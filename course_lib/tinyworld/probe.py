"""How well a model fills each kind of hidden word of tinyworld, where the true answers are known.

`tinyworld` notes for every word what decides it (its role): a rule, the subject of the sentence, a
name somewhere else. So an accuracy for each role says what a model has understood by now.

Axes: B documents, T tokens, N hidden words.
"""

from collections import Counter
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_lib import tinyworld
from course_lib.objectives import generator, mask_tokens


class HiddenWords(NamedTuple):
    """Documents with hidden words, and what each hidden word was."""

    inputs: dict[str, Tensor]  # arguments of BertForPreTraining, with masked_positions (N,)
    labels: Tensor  # (N,) the ids of the hidden words
    roles: list[str]  # N roles, see tinyworld.labels.ROLES


def hidden_words(
    n_documents: int, tokenizer, seed: int = 1, rate: float = 0.15, max_length: int = 64
) -> HiddenWords:
    """Documents as true pairs, [CLS] A [SEP] B [SEP], cut between two sentences near the middle.

    The chosen words are all replaced by [MASK]. Documents that do not fit are left out.
    """
    encoded, roles = [], []
    for document in tinyworld.documents(n_documents, seed):
        words = document.tokens
        middle = words[len(words) // 2].sentence
        cut = next(i for i, word in enumerate(words) if word.sentence == middle)
        if len(words) + 3 > max_length or cut == 0:
            continue
        ids = [tokenizer.vocab[word.text.lower()] for word in words]
        cls, sep = tokenizer.cls_id, tokenizer.sep_id
        encoded.append({"input_ids": [cls, *ids[:cut], sep, *ids[cut:], sep],
                        "token_type_ids": [0] * (cut + 2) + [1] * (len(ids) - cut + 1),
                        "attention_mask": [1] * (len(ids) + 3)})
        roles.append(["", *(w.role for w in words[:cut]), "", *(w.role for w in words[cut:]), ""])
    inputs = tokenizer.pad(encoded)  # each (B, T)
    special = torch.tensor(sorted(tokenizer.special_ids))
    inputs["input_ids"], labels = mask_tokens(
        inputs["input_ids"], ~torch.isin(inputs["input_ids"], special), tokenizer.mask_id,
        tokenizer.vocab_size, rate, mask_share=1.0, random_share=0.0, generator=generator(seed),
    )
    chosen = (labels != -100).nonzero().tolist()
    inputs["masked_positions"] = (labels.flatten() != -100).nonzero().squeeze(1)  # (N,)
    return HiddenWords(inputs, labels[labels != -100], [roles[b][t] for b, t in chosen])


@torch.no_grad()
def accuracy_by_role(model: nn.Module, hidden: HiddenWords) -> dict[str, float]:
    """Share of the hidden words that the model's first guess gets right, for each role."""
    was_training, device = model.training, next(model.parameters()).device
    model.eval()
    logits = model(**{name: x.to(device) for name, x in hidden.inputs.items()}).mlm_logits  # (N, V)
    model.train(was_training)
    right = (logits.argmax(-1).cpu() == hidden.labels).tolist()
    total = Counter(hidden.roles)
    hits = Counter(role for role, hit in zip(hidden.roles, right, strict=True) if hit)
    return {role: hits[role] / total[role] for role in total}
