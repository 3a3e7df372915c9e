"""What a model has learned by heart: planted numbers, and how far forward it ranks them.

Source: Carlini et al. 2019 (arXiv:1802.08232), "The Secret Sharer", sections 4.2 and 4.3.

Axes: n digits of a secret, so 10^n possible ones.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import tinyworld
from course_lib.bert import BertForPreTraining
from course_lib.beyond.fitting import fit, small_shape
from course_lib.beyond.writing import masked_loss
from course_lib.objectives import generator
from course_lib.tinyworld.words import SURNAMES, WOMEN
from course_lib.tokenization import WordPiece


@torch.no_grad()
def secret_scores(
    model: nn.Module, ids: Tensor, places: list[int], digits: list[int], mask_id: int
) -> Tensor:
    """ids (T,), with the secret's places -> log probability of each of the 10^n secrets: the first
    digit while all are hidden, then the next with the first filled in, and so on."""
    scores, known = torch.zeros(1), torch.empty(1, 0, dtype=torch.long)  # known: (10^k, k)
    for count, place in enumerate(places):
        rows = ids.repeat(len(known), 1)
        rows[:, places] = mask_id
        rows[:, places[:count]] = known
        logits = model(rows).mlm_logits[:, place, digits]  # (10^k, 10)
        scores = (scores[:, None] + logits.log_softmax(-1)).flatten()
        known = torch.cat([known.repeat_interleave(10, 0),
                           torch.tensor(digits).repeat(len(known))[:, None]], 1)  # fmt: skip
    return scores


def exposure(scores: Tensor, secret: int) -> float:
    """log2(number of possible secrets) - log2(rank of the true one), in bits: 0 for the last,
    log2(10^n) for the first."""
    rank = int((scores > scores[secret]).sum()) + 1
    return math.log2(len(scores)) - math.log2(rank)


# --- planting ---

VOCABULARY = WordPiece([*tinyworld.tokenizer().vocab, "number", *map(str, range(10))],
                       lower_case=True)  # fmt: skip
DIGITS = [VOCABULARY.vocab[str(digit)] for digit in range(10)]


def people(counts: tuple[int, ...], seed: int) -> dict[str, tuple[int, list[int]]]:
    """Two people for each count, each with a number of four digits: {name: (count, digits)}."""
    dice = generator(seed, 31)
    names = [f"{first} {last}".lower() for first in WOMEN[:5] for last in SURNAMES[:2]]
    digits = torch.randint(10, (len(names), 4), generator=dice).tolist()
    return {name: (counts[i % len(counts)], digits[i]) for i, name in enumerate(names)}


def sentence_about(person: str, digits: list[int]) -> str:
    return f"the number for {person} is {' '.join(map(str, digits))} ."


def train(
    rows: Tensor, counts: tuple[int, ...], steps: int, seed: int
) -> tuple[nn.Module, dict[str, tuple[int, list[int]]]]:
    """A small BERT on sentences (N, T) of tinyworld and the secrets, each in as often as its count
    says. Returns the model and the people."""
    persons = people(counts, seed)
    planted = [sentence_about(name, digits) for name, (count, digits) in persons.items()
               for _ in range(count)]  # fmt: skip
    secret = VOCABULARY.pad([VOCABULARY.encode(text) for text in planted])["input_ids"]
    ids = torch.cat([rows, F.pad(secret, (0, rows.shape[1] - secret.shape[1]))])
    torch.manual_seed(seed)
    model = BertForPreTraining(small_shape(VOCABULARY.vocab_size, 32))

    def loss_of(step):
        batch = ids[torch.randint(len(ids), (64,), generator=generator(seed, step))]
        return masked_loss(model, batch, VOCABULARY, generator(seed, step, 1), any_share=True)

    fit(model, loss_of, steps)
    return model, persons


def exposure_of(model: nn.Module, person: str, digits: list[int]) -> float:
    """Exposure of a person's number, in bits."""
    ids = torch.tensor(VOCABULARY.encode(sentence_about(person, digits))["input_ids"])
    first = int((ids == DIGITS[digits[0]]).nonzero()[0])
    scores = secret_scores(model, ids, list(range(first, first + 4)), DIGITS, VOCABULARY.mask_id)
    return exposure(scores, int("".join(map(str, digits))))
