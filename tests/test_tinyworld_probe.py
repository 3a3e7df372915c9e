"""Accuracy by role: hidden words keep their roles, and the figure is right for known answers."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from course_lib import tinyworld
from course_lib.tinyworld.labels import ROLES
from course_lib.tinyworld.probe import accuracy_by_role, hidden_words

TOKENIZER = tinyworld.tokenizer()


@pytest.fixture(scope="module")
def hidden():
    return hidden_words(40, TOKENIZER, seed=5)


class Answers(nn.Module):
    """Says what it is told to say, whatever it reads."""

    def __init__(self, ids):
        super().__init__()
        self.ids, self.bias = ids, nn.Parameter(torch.zeros(1))

    def forward(self, **inputs):
        return SimpleNamespace(mlm_logits=nn.functional.one_hot(self.ids, TOKENIZER.vocab_size))


def test_hidden_words_are_masks_in_true_pairs(hidden):
    ids = hidden.inputs["input_ids"]
    at = ids.flatten()[hidden.inputs["masked_positions"]]
    assert (at == TOKENIZER.mask_id).all() and (ids == TOKENIZER.mask_id).sum() == len(at)
    assert len(at) == len(hidden.labels) == len(hidden.roles)
    assert ((ids == TOKENIZER.sep_id).sum(1) == 2).all() and ids.shape[1] <= 64
    assert not set(hidden.labels.tolist()) & set(TOKENIZER.special_ids)


def test_roles_are_those_of_the_hidden_words(hidden):
    assert set(hidden.roles) <= set(ROLES)
    agreement = {"is", "are", "was", "were"}
    words = TOKENIZER.ids_to_tokens(hidden.labels)
    found = {word for word, role in zip(words, hidden.roles, strict=True) if role == "agreement"}
    assert found and found <= agreement


def test_accuracy_of_known_answers(hidden):
    assert set(accuracy_by_role(Answers(hidden.labels), hidden).values()) == {1.0}
    half_wrong = hidden.labels.clone()
    half_wrong[[role == "function" for role in hidden.roles]] = TOKENIZER.pad_id
    found = accuracy_by_role(Answers(half_wrong), hidden)
    assert found["function"] == 0.0 and found["agreement"] == 1.0
