"""Recorded runs for the lesson on pre-training; takes a while, so it goes on where it stopped.

    python -m benchmarks.pretraining_evidence            # all parts
    python -m benchmarks.pretraining_evidence masks      # or one

Each part writes notebooks/records/06_PART.json: settings, every seed's values, versions, date and
hardware in general words. All but the last use tinyworld and a BERT of 2 layers, on one thread.

    masks       the same masks again and again, or new ones each time, on little text, three seeds
    techniques  the recipe with one thing changed, three seeds each
    phases      what is learned when, over a run three times as long as the lesson's own
    real_text   the recipe of `course pretrain` on the English Wikipedia (COURSE_DATA, or the hub)
"""

import sys
from dataclasses import asdict, replace
from functools import cache

import torch
from datasets import Dataset

from benchmarks import records
from benchmarks.records import times
from course_lib import data, recipes, tinyworld
from course_lib.bert import BertForPreTraining
from course_lib.config import ModelConfig
from course_lib.objectives import MaskedLM
from course_lib.packing import full_sentences, nsp_pairs
from course_lib.pretraining import HeldOut, pretrain
from course_lib.tinyworld.probe import accuracy_by_role, hidden_words
from course_lib.training import History, TrainConfig

SEQ_LEN = 64
TOKENIZER = tinyworld.tokenizer()
SHAPE = ModelConfig(
    vocab_size=TOKENIZER.vocab_size, hidden_size=64, num_layers=2, num_heads=4,
    intermediate_size=256, max_positions=SEQ_LEN, dropout=0.0, attention_dropout=0.0,
    initializer_range=0.08,
)
RECIPE = TrainConfig(steps=times(300), batch_size=8, learning_rate=4e-3, warmup_steps=30,
                     eval_every=times(300))  # fmt: skip


@cache
def encoded(n_documents: int, seed: int):
    """Documents of tinyworld as lists of ids."""
    return data.encode_corpus(tinyworld.dataset(n_documents, seed, truth=False), TOKENIZER)


def pairs(n_documents: int, seed: int):
    """Their sentence pairs."""
    return nsp_pairs(encoded(n_documents, seed), SEQ_LEN, TOKENIZER)


def train_to_the_end(*arguments, **options) -> History:
    """`pretrain`, but a run that was interrupted is no result."""
    history = pretrain(*arguments, monitor=False, **options)
    if history.stopped_early:
        raise SystemExit("stopped; what was complete is in the records")
    return history


def new_model(seed: int, **changes) -> BertForPreTraining:
    torch.manual_seed(seed)
    return BertForPreTraining(SHAPE.replace(**changes))


TECHNIQUES = {
    "the recipe": {},
    "no warm-up": {"warmup_steps": 0},
    "no weight decay": {"weight_decay": 0.0},
    "dropout 0.1": {"dropout": 0.1, "attention_dropout": 0.1},
    "always [MASK] (100/0/0)": {"mask_share": 1.0, "random_share": 0.0},
}


def techniques(arm: str, seed: int) -> dict:
    """300 steps with one thing changed, looked at in the same way."""
    changes = dict(TECHNIQUES[arm])
    shape = {k: changes.pop(k) for k in list(changes) if hasattr(SHAPE, k)}
    masks = {k: changes.pop(k) for k in list(changes) if k.endswith("_share")}
    return short_run(seed, shape, masks, changes)


def short_run(seed: int, shape: dict, masks: dict, changes: dict) -> dict:
    """Train 300 steps on sentence pairs and look at held-out ones under the standard masks."""
    rows, held_out = pairs(4000, 0), pairs(300, 1)
    config = replace(RECIPE, seed=seed, **changes)
    model = new_model(seed, **shape)
    history = train_to_the_end(
        model, rows, MaskedLM.from_tokenizer(TOKENIZER, seed=seed, **masks), config)
    found = HeldOut(held_out, MaskedLM.from_tokenizer(TOKENIZER)).evaluate(model)
    only = MaskedLM.from_tokenizer(TOKENIZER, mask_share=0.0, random_share=0.0)
    visible = HeldOut(held_out, only).evaluate(model)
    return {**found, "visible_accuracy": visible["accuracy"], "training_loss": history.loss[-20:],
            "highest_loss": max(history.loss), "seconds": history.seconds}


MASK_STEPS, MASK_LOOK = times(400), times(50)
COPIES = {"static (1 mask)": 1, "dynamic (RoBERTa)": None}


def masks(arm: str, seed: int) -> dict:
    """Masked words only, on 40 documents read again and again."""
    rows, held_out = (full_sentences(encoded(n, s), SEQ_LEN, TOKENIZER)
                      for n, s in ((40, 0), (300, 1)))
    config = replace(RECIPE, steps=MASK_STEPS, seed=seed, eval_every=MASK_LOOK)
    objective = MaskedLM.from_tokenizer(TOKENIZER, seed=seed, copies=COPIES[arm])
    history = train_to_the_end(new_model(seed), rows, objective, config, held_out, eval_rows=64)
    looks = [rounded(look) for look in history.evaluations]
    loss = [sum(history.loss[i:i + MASK_LOOK]) / MASK_LOOK
            for i in range(0, MASK_STEPS, MASK_LOOK)]  # fmt: skip
    return {"rows": len(rows), "evaluations": looks, "training_loss": loss,
            "seconds": history.seconds}


LONG = TrainConfig(steps=times(3000), batch_size=32, learning_rate=3e-3, warmup_steps=100,
                   eval_every=times(100))  # fmt: skip


def whole_documents(n_documents: int, seed: int) -> Dataset:
    """A row a document, cut in the middle: [CLS] A [SEP] B [SEP], as the probe asks. B always
    belongs to A, so that a fact named twice can be copied."""
    rows = {"input_ids": [], "token_type_ids": []}
    for sentences in encoded(n_documents, seed)["sentences"]:
        cut = len(sentences) // 2
        first, second = (sum(part, []) for part in (sentences[:cut], sentences[cut:]))
        if cut and len(first) + len(second) + 3 <= SEQ_LEN:
            row = TOKENIZER.add_special(first, second)
            for name in rows:
                rows[name].append(row[name])
    return Dataset.from_dict(rows)


def phases(arm: str, seed: int) -> dict:
    """Masked words only; what is right in held-out documents, by what decides the word."""
    rows, held_out = whole_documents(20_000, 0), whole_documents(300, 1)
    hidden = hidden_words(500, TOKENIZER)

    def roles(model):
        found = accuracy_by_role(model, hidden)
        print({name: round(share, 2) for name, share in found.items()}, flush=True)
        return found

    history = train_to_the_end(
        new_model(seed), rows, MaskedLM.from_tokenizer(TOKENIZER, seed=seed),
        replace(LONG, seed=seed), held_out=held_out, eval_rows=128, also=roles)
    looks = [rounded(look) for look in history.evaluations]
    return {"evaluations": looks, "seconds": history.seconds}


def real_text() -> None:
    """`course pretrain --model bert --data wikipedia_en`, and a closer look at the end."""
    name, recipe = "06_real_text", recipes.recipe_for("bert", records.BUDGET.name)
    records.check_device()
    if records.read(name):
        return
    articles = data.load("wikipedia_en")["train"]
    if data.is_stand_in(articles):
        raise SystemExit("wikipedia_en is not here: set COURSE_DATA to a folder that has it")
    ready = recipes.prepare("wikipedia_en", recipe)
    out = records.scratch(name)
    history = train_to_the_end(ready.model, ready.rows, ready.objective, ready.train,
                               held_out=ready.held_out, out=out)  # fmt: skip
    many = ready.held_out.shuffle(seed=0).select(range(min(1536, len(ready.held_out))))
    closer = HeldOut(many, ready.objective, len(many)).evaluate(ready.model)
    records.save(name, {
        "what": f"course pretrain --model bert --data wikipedia_en, steps {recipe.train.steps}",
        "command": "python -m benchmarks.pretraining_evidence real_text",
        "settings": {**asdict(recipe), "data": f"wikipedia_en, {len(articles):,} articles",
                     "seed": recipe.train.seed},
        **records.provenance(), "seconds": round(history.seconds),
        "minutes": round(history.seconds / 60, 1), "tokens": history.tokens,
        "no_context_loss": round(history.no_context_loss, 4),
        f"on_{len(many)}_random_held_out_rows": rounded(closer),
        "evaluations": [rounded(look) for look in history.evaluations],
    })  # fmt: skip
    records.forget(out)


def rounded(look: dict) -> dict:
    return {name: round(value, 4) for name, value in look.items()}


def settings(config: TrainConfig) -> dict:
    return {"model": {k: getattr(SHAPE, k) for k in SHAPE.__dataclass_fields__},
            "steps": config.steps, "batch_size": config.batch_size, "seq_len": SEQ_LEN,
            "learning_rate": config.learning_rate, "warmup_steps": config.warmup_steps}


def record(name: str, run, arms, config: TrainConfig) -> None:
    """Run what is missing of a part."""
    found = records.opened(f"06_{name}", f"lesson 06, part {name}", f"pretraining_evidence {name}",
                           settings=settings(config))  # fmt: skip
    records.run_missing(f"06_{name}", found, run, arms)


PARTS = {
    "masks": lambda: record("masks", masks, COPIES, replace(RECIPE, steps=MASK_STEPS)),
    "techniques": lambda: record("techniques", techniques, TECHNIQUES, RECIPE),
    "phases": lambda: record("phases", phases, ["masked words"], LONG),
    "real_text": real_text,
}


def main(parts: list[str]) -> None:
    torch.set_num_threads(1)
    for part in parts:
        PARTS[part]()


if __name__ == "__main__":
    main(sys.argv[1:] or list(PARTS))
