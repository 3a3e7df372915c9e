"""Recorded runs for the lesson on limits and what comes next.

    python -m benchmarks.limits_evidence            # all parts
    python -m benchmarks.limits_evidence data       # or one

Each part writes notebooks/records/15-PART.json. Models have two layers of 64 (students: one of 32),
one thread. What is not named is tinyworld.

    data      masked words learned from 50 to 3,200 documents, the same number of steps
    writing   sentences by a left-to-right model and by masked ones, judged by the grammar
    bias      a planted association of jobs and pronouns, and two ways to take it out
    secrets   numbers planted 1, 4, 16 and 64 times: how far forward does the model rank them?
    students  a small model that learns alone, or from the answers of a larger one
    segments  text in pieces of 16 words, with and without the states of the piece before
    pictures  masked words of a caption, with the picture, without it, with another one
"""

import sys
from functools import cache

import torch
import torch.nn.functional as F

from benchmarks import records
from benchmarks.records import SEEDS, times
from course_lib import tinyworld
from course_lib.bert import BertForPreTraining, BertForSequenceClassification
from course_lib.beyond import bias, fit, pictures, secrets, small_shape, writing
from course_lib.beyond.segments import SegmentModel, loss_by_place, streams
from course_lib.objectives import generator
from course_lib.tinyworld.sentences import has_form, is_sentence

TOKENIZER = tinyworld.tokenizer()
BATCH = 32


@cache
def sentences(documents: int, seed: int) -> torch.Tensor:
    """Sentences of tinyworld as rows of ids (N, T)."""
    texts = [text for doc in tinyworld.documents(documents, seed) for text in doc.sentences]
    return TOKENIZER.pad([TOKENIZER.encode(text) for text in texts])["input_ids"]


def some(rows: torch.Tensor, seed: int, step: int, size: int = BATCH) -> torch.Tensor:
    """The rows of a step, without columns of padding."""
    chosen = rows[torch.randint(len(rows), (size,), generator=generator(seed, step))]
    return chosen[:, : int((chosen != 0).sum(1).max())]


def masked_model(seed: int) -> BertForPreTraining:
    torch.manual_seed(seed)
    return BertForPreTraining(small_shape(TOKENIZER.vocab_size, 32))


@torch.no_grad()
def held_out(model, rows: torch.Tensor) -> float:
    """Loss on words hidden once for all, the same for every model."""
    return float(writing.masked_loss(model, rows, TOKENIZER, generator(99)))


# --- data ---

AMOUNTS = {f"{n} documents": n for n in (50, 200, 800, 3200)}


def data(arm: str, seed: int) -> dict:
    rows, model = sentences(AMOUNTS[arm], 100 + seed), masked_model(seed)
    fit(model, lambda step: writing.masked_loss(
        model, some(rows, seed, step), TOKENIZER, generator(seed, step)), times(300))
    return {"rows": len(rows), "own": round(held_out(model, rows[:500]), 4),
            "new": round(held_out(model, sentences(300, 1)[:500]), 4)}


# --- writing ---

WRITERS = ("left to right", "masked, 15 %", "masked, any share")
SAMPLES, SWEEPS = records.BUDGET.pick(smoke=20, cpu=100, gpu=1000), (1, 8)


def writer(arm: str, seed: int):
    model, rows = masked_model(seed), sentences(1500, 0)

    def loss_of(step):
        ids = some(rows, seed, step)
        if arm == "left to right":
            return writing.left_to_right_loss(model, ids)
        return writing.masked_loss(model, ids, TOKENIZER, generator(seed, step), "any" in arm)

    fit(model, loss_of, times(450))
    return model


def judged(ids: torch.Tensor) -> dict:
    """Shares of rows with a right form, of whole right sentences, and of different rows."""
    found = writing.words_of(ids, TOKENIZER)
    return {"form": sum(map(has_form, found)) / len(found),
            "right": sum(map(is_sentence, found)) / len(found),
            "different": len(set(map(tuple, found))) / len(found)}


def samples(ids: torch.Tensor) -> list[str]:
    return [" ".join(words) for words in writing.words_of(ids[:5], TOKENIZER)]


def write(arm: str, seed: int) -> dict:
    model, dice = writer(arm, seed), generator(seed, 7)
    if arm == "left to right":
        ids = writing.write_left_to_right(model, TOKENIZER, SAMPLES, 20, dice)
        return judged(ids) | {"samples": samples(ids)}
    lengths = (sentences(300, 1)[:SAMPLES] != 0).sum(1) - 2  # of real sentences
    by_sweeps = {}
    for sweeps in SWEEPS:
        ids = writing.write_by_gibbs(model, TOKENIZER, lengths, sweeps, dice)
        by_sweeps[str(sweeps)] = judged(ids)
    return {"sweeps": by_sweeps, "samples": samples(ids)}


# --- bias ---


def biased(arm: str, seed: int) -> dict:
    texts = bias.corpus(1000, seed)
    texts = {"as written": lambda: texts, "all gender words swapped": lambda: bias.augmented(texts),
             "pronouns swapped": lambda: bias.augmented(texts, bias.PRONOUNS)}[arm]()
    model = bias.train(texts, times(250), seed)
    return {"she by job": {job: round(bias.she_share(model, f"the {job}"), 4)
                           for job in bias.SHE_SHARE},
            "right by name": round(bias.right_by_name(model), 4)}


# --- secrets ---

COUNTS = (0, 1, 4, 16, 64)


def planted(arm: str, seed: int) -> dict:
    model, people = secrets.train(sentences(300, 100 + seed), COUNTS, times(400), seed)
    found = {str(count): [] for count in COUNTS}
    for person, (count, digits) in people.items():
        found[str(count)].append(round(secrets.exposure_of(model, person, digits), 3))
    return {"exposure": found}


# --- students ---

LABELS, TEXTS = 200, 2000


@cache
def praise(documents: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Documents (N, T) and whether they praise (N,)."""
    rows = tinyworld.sentiment_dataset(documents, seed)
    ids = TOKENIZER.pad([TOKENIZER.encode(text) for text in rows["text"]])["input_ids"]
    return ids[:, :80], torch.tensor(rows["label"])


def classify(model, ids):
    return model(ids, attention_mask=(ids != 0).long()).logits


@torch.no_grad()
def right(model, ids, labels) -> float:
    said = torch.cat([classify(model, part).argmax(-1) for part in ids.split(250)])
    return round(float((said == labels).float().mean()), 4)


def pick(rows, seed, step, size=32):
    chosen = torch.randint(len(rows), (size,), generator=generator(seed, step))
    return chosen, rows[chosen][:, : int((rows[chosen] != 0).sum(1).max())]


def students(arm: str, seed: int) -> dict:
    """A teacher with many labels, and three equal students without access to these."""
    ids, labels = praise(2 * TEXTS + len(SEEDS) * LABELS, 0)
    test, asked = praise(500, 2), slice(TEXTS, 2 * TEXTS)
    few = slice(2 * TEXTS + seed * LABELS, 2 * TEXTS + (seed + 1) * LABELS)

    def learn(shape, texts, targets):
        torch.manual_seed(seed)
        model = BertForSequenceClassification(shape)

        def loss_of(step):
            chosen, rows = pick(texts, seed + 50, step)
            return F.cross_entropy(classify(model, rows), targets[chosen])

        fit(model, loss_of, times(300))
        return model

    large = small_shape(TOKENIZER.vocab_size, 80)
    small = large.replace(hidden_size=32, num_layers=1, num_heads=2, intermediate_size=64,
                          initializer_range=0.15)  # fmt: skip
    teacher = learn(large, ids[:TEXTS], labels[:TEXTS])
    with torch.no_grad():
        soft = torch.cat([classify(teacher, part).softmax(-1) for part in ids[asked].split(250)])
    made = {
        "teacher": teacher, "student alone": learn(small, ids[few], labels[few]),
        "student of the teacher": learn(small, ids[asked], soft),
        "student with true labels": learn(small, ids[asked], labels[asked])}  # fmt: skip
    found = {name: right(model, *test) for name, model in made.items()}
    found["parameters"] = {name: sum(p.numel() for p in made[name].parameters())
                           for name in ("teacher", "student alone")}  # fmt: skip
    return found


# --- segments ---

SEGMENT = 16


def segments(arm: str, seed: int) -> dict:
    text, test = streams(1500, 0, TOKENIZER, 16), streams(100, 1, TOKENIZER, 16)
    torch.manual_seed(seed)
    model = SegmentModel(small_shape(TOKENIZER.vocab_size, 1))
    kept, room = None, text.shape[1] // SEGMENT - 1

    def loss_of(step):
        nonlocal kept
        start = step % room * SEGMENT
        ids = text[:, start : start + SEGMENT + 1]
        past = kept if arm == "keeps the past" and start else None
        logits, kept = model(ids[:, :-1], past)
        return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())

    fit(model, loss_of, times(400))
    found = {"by place": loss_by_place(model, test, SEGMENT, arm == "keeps the past")}
    if arm != "keeps the past":
        found["sliding window"] = loss_by_place(model, test, SEGMENT, False, sliding=True)
    return found


# --- pictures ---


def captions(arm: str, seed: int) -> dict:
    model = pictures.train(times(300), seed, with_picture=arm == "with the picture")
    test = pictures.sample(400, generator(5))
    found = {"own picture": pictures.accuracy(model, test, arm == "with the picture")}
    if arm == "with the picture":
        found["another picture"] = pictures.accuracy(
            model, (test[0].roll(1, 0), *test[1:]), True)
    return found


# --- records ---

PARTS = {
    "data": (data, AMOUNTS), "writing": (write, WRITERS),
    "bias": (biased, ("as written", "pronouns swapped", "all gender words swapped")),
    "secrets": (planted, ("planted",)), "students": (students, ("all",)),
    "segments": (segments, ("begins anew", "keeps the past")),
    "pictures": (captions, ("with the picture", "without")),
}


def main(parts: list[str]) -> None:
    torch.set_num_threads(1)
    shape = small_shape(TOKENIZER.vocab_size, 32)
    for part in parts:
        run, arms = PARTS[part]
        found = records.opened(
            f"15-{part}", f"lesson 15, part {part}", f"limits_evidence {part}",
            settings={"model": {k: getattr(shape, k) for k in shape.__dataclass_fields__},
                      "batch_size": BATCH})  # fmt: skip
        records.run_missing(f"15-{part}", found, run, arms, SEEDS)


if __name__ == "__main__":
    main(sys.argv[1:] or list(PARTS))
