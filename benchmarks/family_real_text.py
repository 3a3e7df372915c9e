"""The family on real English text: four models at equal compute, then sentiment of films.

    COURSE_BUDGET=gpu python -m benchmarks.family_real_text          # all sizes of the budget
    COURSE_BUDGET=smoke python -m benchmarks.family_real_text small  # or one; does the code run?

Writes 11_real_text_SIZE.json to the budget's folder of records (`benchmarks.records`), run by run;
a run that was cut off goes on where it was. Needs wikipedia_en, books_en, imdb and sst2 through
COURSE_DATA, or from the hub as far as it has them. The sizes of the budget gpu are meant for a GPU
of 80 GB; those of cpu take hours.

Every model reads the same text in the same vocabulary and may spend the same number of operations,
those of BERT's steps; a model with a dearer step gets fewer steps. Looking up a vector is not
counted, as nothing is multiplied there (`flops` counts it, as the ELECTRA paper does). The learning
rate of pre-training is the same for all; that of fine-tuning is chosen for each run, on rows put
aside from the training split.
"""

import sys
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import torch
from datasets import Dataset, Value, concatenate_datasets
from torch import nn

from benchmarks import records
from course_lib import data, flops, recipes
from course_lib.albert import AlbertForSequenceClassification
from course_lib.bert import BertForSequenceClassification
from course_lib.config import ModelConfig
from course_lib.electra import ElectraForSequenceClassification
from course_lib.finetuning import FinetuneConfig, finetune, predict
from course_lib.pretraining import pretrain
from course_lib.roberta import RobertaForSequenceClassification
from course_lib.training import History, TrainConfig

TEXTS = {"wikipedia_en": "train", "books_en": "train", "imdb": "unsupervised"}
TASKS = {"glue/sst2": ("sentence", "validation"), "imdb": ("text", "test")}  # column, test split
CLASSIFIERS = {
    "bert": BertForSequenceClassification, "roberta": RobertaForSequenceClassification,
    "albert": AlbertForSequenceClassification, "electra": ElectraForSequenceClassification,
}  # fmt: skip
FROM_SCRATCH = "bert, not pre-trained"  # what fine-tuning alone reaches
BERT_MASKS = 10  # different ones for each row, as published
RATE = 0.15  # of the words are hidden


@dataclass(frozen=True)
class Size:
    """How large a comparison is."""

    layers: int
    width: int
    head_size: int  # small enough that ELECTRA's generator, a quarter as wide, has several heads
    row: int  # tokens of a row in pre-training, and at most in fine-tuning
    batch: int
    steps: int  # BERT's
    learning_rate: float
    seeds: tuple[int, ...]
    tuning_rates: tuple[float, ...]  # tried in fine-tuning
    vocab_size: int = 16_384
    start: float = 0.02  # standard deviation of the weights at the start
    dropout: float = 0.1  # in pre-training; always 0.1 in fine-tuning
    documents: int | None = None  # of each text; None: all
    labeled: int | None = None  # rows of each task to train on; None: all
    tested: int | None = None
    put_aside: int = 2000  # labeled rows that choose the learning rate
    epochs: int = 3
    eval_rows: int = 1024  # held-out rows looked at


SIZES = records.BUDGET.pick(
    smoke={"small": Size(2, 64, 16, 32, 16, 40, 1e-3, (0,), (1e-3,), vocab_size=1000, documents=40,
                         labeled=300, tested=100, put_aside=50, epochs=1, eval_rows=64)},
    cpu={"small": Size(4, 192, 16, 64, 32, 7000, 6e-4, (0, 1, 2), (1e-4, 3e-4),
                       vocab_size=8192, start=0.03, dropout=0.0, labeled=10_000, tested=5000)},
    gpu={"small": Size(6, 384, 32, 128, 256, 20_000, 5e-4, (0, 1, 2), (5e-5, 1e-4, 2e-4)),
         "large": Size(12, 768, 64, 256, 128, 40_000, 2e-4, (0,), (2e-5, 5e-5, 1e-4),
                       vocab_size=30_522)},
)  # fmt: skip


# --- text and rows --------------------------------------------------------------------------------


@cache
def corpus(size: Size) -> tuple[Dataset, Dataset]:
    """Training documents and held-out ones, from all texts."""
    parts = [real(name)[split].select_columns(["text"]).cast_column("text", Value("string"))
             for name, split in TEXTS.items()]  # fmt: skip
    parts = [some(part, size.documents) for part in parts]
    halves = concatenate_datasets(parts).train_test_split(recipes.HELD_OUT_SHARE, seed=0)
    return halves["train"], halves["test"]


def real(name: str):
    """A data set; the program ends where there is only a stand-in."""
    found = data.load(name)
    if data.is_stand_in(found):
        raise SystemExit(f"{name} is not here: set COURSE_DATA to a folder that has it")
    return found


def some(rows: Dataset, number: int | None) -> Dataset:
    rows = rows.shuffle(seed=0)
    return rows if number is None else rows.select(range(min(number, len(rows))))


@cache
def vocabulary(size: Size):
    return recipes.learn_vocabulary(corpus(size)[0], size.vocab_size)


@cache
def packed(size: Size, model: str) -> tuple[Dataset, Dataset]:
    """Rows of the model's own form: running text, or pairs."""
    pack = first_objective(model)[0]
    return tuple(pack(data.encode_corpus(part, vocabulary(size)), size.row, vocabulary(size))
                 for part in corpus(size))  # fmt: skip


@cache
def mean_length(size: Size, model: str) -> float:
    """Real tokens of a row."""
    rows = packed(size, model)[0]
    lengths = [len(row) for row in rows.select(range(min(20_000, len(rows))))["input_ids"]]
    return sum(lengths) / len(lengths)


def first_objective(model: str) -> tuple:
    """The paper's own question: how text becomes rows, what is hidden, the model with its heads."""
    return next(iter(recipes.OBJECTIVES[model].values()))


# --- models at equal compute ----------------------------------------------------------------------


def config_of(size: Size, model: str) -> ModelConfig:
    shape = dict(num_layers=size.layers, hidden_size=size.width,
                 num_heads=size.width // size.head_size, intermediate_size=4 * size.width,
                 initializer_range=size.start,
                 dropout=size.dropout, attention_dropout=size.dropout)  # fmt: skip
    recipe = recipes.Recipe(size.vocab_size, size.row, shape, TrainConfig(), model=model)
    return recipes.model_config(recipe, vocabulary(size))


def new_model(size: Size, model: str, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    made = first_objective(model)[2](config_of(size, model))
    recipes.start_at_frequencies(made, packed(size, model)[0])
    return made


def row_operations(made: nn.Module, tokens: float) -> float:
    """Operations of training on one row: forward, and twice as much backward. No look-ups."""
    tokens = round(tokens)
    found = flops.forward(made.config, tokens, with_embeddings=False)
    if hasattr(made, "generator_config"):
        small = made.generator_config
        found += flops.replaced_token_head(made.config, tokens)
        found += flops.forward(small, tokens, with_embeddings=False)
        return 3 * (found + flops.masked_lm_head(small, RATE * tokens))
    return 3 * (found + flops.masked_lm_head(made.config, RATE * tokens))


@cache
def plan(size: Size, model: str) -> dict:
    """How many steps the model may take, and what was counted for that."""
    cost = {}
    for name in {"bert", model}:
        with torch.device("meta"):
            made = first_objective(name)[2](config_of(size, name))
        cost[name] = size.batch * row_operations(made, mean_length(size, name))
    return {"steps": round(size.steps * cost["bert"] / cost[model]),
            "operations_a_step": cost[model],
            "tokens_a_row": round(mean_length(size, model), 1)}  # fmt: skip


def pretrained(size: Size, model: str, seed: int, out: Path) -> tuple[nn.Module, History]:
    """Pre-train one model on its share of operations; goes on from `out`."""
    steps = plan(size, model)["steps"]
    config = TrainConfig(
        steps=steps, batch_size=size.batch, learning_rate=size.learning_rate, seed=seed,
        warmup_steps=steps // 20, eval_every=max(1, steps // 20))  # fmt: skip
    pack, masks, _ = first_objective(model)
    options = {"copies": BERT_MASKS} if model == "bert" else {}
    objective = masks.from_tokenizer(
        vocabulary(size), seed=seed, pair="sop" if pack is recipes.sop_pairs else "nsp", **options)
    rows, held_out = packed(size, model)
    made = new_model(size, model, seed)
    history = pretrain(made, rows, objective, config, held_out, out=out, monitor=False,
                       eval_rows=size.eval_rows)  # fmt: skip
    return made, to_the_end(history)


def to_the_end(history: History) -> History:
    """A run that was interrupted is no result."""
    if history.stopped_early:
        raise SystemExit("stopped; the same command goes on from here")
    return history


# --- fine-tuning ----------------------------------------------------------------------------------


@cache
def task_rows(size: Size, task: str) -> tuple[Dataset, Dataset, Dataset]:
    """Rows to train on, to choose the learning rate by, and to test on."""
    column, test = TASKS[task]
    sets = real(task)
    wanted = None if size.labeled is None else size.labeled + size.put_aside
    train = encoded(some(sets["train"], wanted), column, size)
    return (train.select(range(size.put_aside, len(train))), train.select(range(size.put_aside)),
            encoded(some(sets[test], size.tested), column, size))  # fmt: skip


def encoded(rows: Dataset, column: str, size: Size) -> Dataset:
    fast = vocabulary(size).fast()
    fast.enable_truncation(size.row)
    ids = [found.ids for found in fast.encode_batch(list(rows[column]))]
    return Dataset.from_dict({"input_ids": ids, "labels": list(rows["label"])})


def tuned(size: Size, model: str, encoder: nn.Module | None, task: str, seed: int, out: Path):
    """Fine-tune a copy with each learning rate; the accuracy of the one that is best on the rows
    put aside, on the test rows."""
    train, aside, test = task_rows(size, task)
    tried, best = {}, None
    for rate in size.tuning_rates:
        torch.manual_seed(seed)
        config = config_of(size, model).replace(dropout=0.1, attention_dropout=0.1)
        classifier = CLASSIFIERS[model](config, 2)
        if encoder is not None:
            give(encoder, classifier)
        settings = FinetuneConfig(epochs=size.epochs, learning_rate=rate, seed=seed)
        history = to_the_end(finetune(classifier, train, settings, held_out=aside, monitor=False,
                                      out=out / f"{Path(task).name}-{rate:g}"))  # fmt: skip
        reached = max(look["accuracy"] for look in history.evaluations)
        tried[f"{rate:g}"] = round(reached, 4)
        if best is None or reached > best[0]:
            best = (reached, rate, classifier)
    _, rate, classifier = best
    right = predict(classifier, test).values.cpu() == torch.tensor(test["labels"])
    return {"accuracy": round(float(right.double().mean()), 4), "learning_rate": rate,
            "on_rows_put_aside": tried}  # fmt: skip


def give(encoder: nn.Module, classifier: nn.Module) -> None:
    """Copy all weights that both have. Only a pooler may be missing on one side."""
    found = classifier.bert.load_state_dict(encoder.state_dict(), strict=False)
    others = [n for n in (*found.missing_keys, *found.unexpected_keys) if "pooler" not in n]
    assert not others, f"weights that do not fit: {others}"


# --- the records ----------------------------------------------------------------------------------


def run(size: Size, name: str, arm: str, seed: int) -> dict:
    """One model of the comparison, pre-trained and fine-tuned on both tasks."""
    model, out = arm.split(",")[0], records.scratch(f"{name}-{arm.replace(', ', '-')}-{seed}")
    encoder, result = None, {}
    if arm != FROM_SCRATCH:
        made, history = pretrained(size, model, seed, out / "pre-training")
        encoder = getattr(made, "discriminator", made).bert
        result = {**plan(size, model), "seconds_of_pretraining": round(history.seconds),
                  "parameters": sum(p.numel() for p in encoder.parameters()),
                  "looks": [rounded(look) for look in history.evaluations]}  # fmt: skip
    for task in TASKS:
        result[task] = tuned(size, model, encoder, task, seed, out)
        print(f"{arm}, seed {seed}, {task}: {result[task]}", flush=True)
    records.forget(out)
    return result


def rounded(look: dict) -> dict:
    return {name: round(value, 4) for name, value in look.items()}


def main(sizes: list[str]) -> None:
    records.check_device()
    for name in sizes:
        size, record = SIZES[name], f"11_real_text_{name}"
        found = records.opened(
            record, f"the family at equal compute on {', '.join(TEXTS)}; {', '.join(TASKS)}",
            f"family_real_text {name}", settings=asdict(size) | {"hidden_share": RATE},
            tasks={task: split for task, (_, split) in TASKS.items()})  # fmt: skip
        arms = [*recipes.OBJECTIVES, FROM_SCRATCH]
        records.run_missing(record, found, lambda arm, seed, size=size, record=record:
                            run(size, record, arm, seed), arms, size.seeds)  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:] or list(SIZES))
