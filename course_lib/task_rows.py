"""Rows of a task: checked against the model that is to learn them, and made into batches.

A row is one encoded example: `input_ids`, maybe `token_type_ids`, and what is to be predicted, in
the column that the model's head asks for (`HEADS`). Rows have unequal lengths; a batch is padded
to its own longest row, so it pays to put rows of like length together (`batches_of_epoch`).

Axes: N rows, B rows of a batch, T tokens, C classes.
"""

import zlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
import torch.nn.functional as F
from datasets import Dataset, Value
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from course_lib.objectives import IGNORED, pad_rows

# A model's head (its attribute), and the task that it is for.
HEADS = {"classifier": "classification", "tagger": "tagging", "span": "spans"}
POOL = 50  # batches that are sorted together at most


@dataclass(frozen=True)
class Task:
    """What a model predicts: "classification", "regression", "tagging" or "spans"."""

    kind: str
    classes: int

    @property
    def columns(self) -> tuple[str, ...]:
        """Where the right answers stand."""
        return ("start_positions", "end_positions") if self.kind == "spans" else ("labels",)


def task_of(model: nn.Module) -> Task:
    """The task of a model, by its head. A classifier with one output does regression."""
    for head, kind in HEADS.items():
        if hasattr(model, head):
            outputs = getattr(model, head).dense.out_features
            alone = kind == "classification" and outputs == 1
            return Task("regression" if alone else kind, outputs)
    raise TypeError(
        f"{type(model).__name__} has no head for a task: take a model with one of "
        f"{', '.join(HEADS)}, such as BertForSequenceClassification."
    )


# --- batches ---------------------------------------------------------------------------------


def batches_of_epoch(
    lengths: np.ndarray, batch_size: int, seed: int, epoch: int, bucketed: bool = True
) -> list[np.ndarray]:
    """All rows, each once, as batches of like length (indices), in an order of this epoch's own.

    The rows are shuffled, cut into pools of many batches, sorted by length within each pool, and
    cut into batches, which are shuffled again. So a batch holds other rows in each epoch. Small
    data sets get smaller pools: sorted as a whole, they would give the same batches every time.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    if bucketed:
        pool = batch_size * max(1, min(POOL, len(lengths) // (4 * batch_size)))
        parts = np.split(order, range(pool, len(order), pool))
        order = np.concatenate([part[np.argsort(-lengths[part], kind="stable")] for part in parts])
    batches = np.split(order, range(batch_size, len(order), batch_size))
    return [batches[i] for i in rng.permutation(len(batches))]


def make_batch(
    rows: Dataset, indices, config, columns: tuple[str, ...] = (), most: int | None = None
) -> dict[str, Tensor]:
    """Rows as arguments of the model (B, T), padded to the longest, rounded up to a multiple of 8
    (which processors like), as far as `most` or the position table allow. `columns` of answers
    become tensors too, with -100 at padding."""
    batch = pad_rows(rows, indices, config.pad_token_id)
    length = batch["input_ids"].shape[1]
    room = min(-length % 8, (most or config.max_positions) - length)
    for name in batch:
        batch[name] = F.pad(batch[name], (0, room),
                            value=config.pad_token_id if name == "input_ids" else 0)
    for name in columns:
        answers = rows[np.asarray(indices)][name]
        if isinstance(answers[0], list):  # one label a token
            answers = pad_sequence([torch.tensor(a) for a in answers], True, IGNORED)
            batch[name] = F.pad(answers, (0, length + room - answers.shape[1]), value=IGNORED)
        else:
            batch[name] = torch.tensor(answers)
    return batch


def count_answers(batch: dict[str, Tensor], task: Task) -> Tensor:
    """How many predictions a batch asks for."""
    if task.kind == "tagging":
        return (batch["labels"] != IGNORED).sum()
    return torch.tensor(len(batch["input_ids"]))


# --- checks ----------------------------------------------------------------------------------


def column(rows: Dataset, name: str):
    """A column as one arrow array, in the rows' order."""
    return rows.select_columns([name]).with_format("arrow")[:][name].combine_chunks()


def lengths_of(rows: Dataset) -> np.ndarray:
    """Tokens in each row (N,)."""
    return pc.list_value_length(column(rows, "input_ids")).to_numpy().astype(np.int64)


def checked(rows: Dataset, model: nn.Module, what: str, answers: bool = True) -> Dataset:
    """The columns of `rows` that the model reads. Raises TypeError or ValueError, naming the
    value, the limit and the way out, if the model cannot learn from them."""
    task = task_of(model)
    if not isinstance(rows, Dataset):
        raise TypeError(f"the {what} rows are a {type(rows).__name__}; pass one datasets.Dataset, "
                        "for example one split: rows['train'].")
    if len(rows) == 0:
        raise ValueError(f"there are no {what} rows.")
    wanted = ["input_ids", *(task.columns if answers else ())]
    for name in wanted:
        if name not in rows.column_names:
            raise ValueError(
                f"the {what} rows have no column {name!r}, only {', '.join(rows.column_names)}. "
                f"A model for {task.kind} reads {', '.join(wanted)}: encode the texts, or use "
                f"rows.rename_column(old, {name!r})."
            )
    check_ids(rows, model, what)
    if answers:
        check = {"spans": check_spans, "tagging": check_tags}.get(task.kind, check_labels)
        rows = check(rows, task, what)
    segments = [name for name in ("token_type_ids",) if name in rows.column_names]
    return rows.select_columns([*wanted, *segments])


def check_ids(rows: Dataset, model: nn.Module, what: str) -> None:
    """Every row has tokens, not too many, all of them in the vocabulary, and no padding."""
    lengths, config, longest = lengths_of(rows), model.config, longest_row(model)
    if lengths.min() == 0:
        raise ValueError(f"{what} row {lengths.argmin()} has no tokens: leave it out, or encode "
                         "the empty text with its special tokens.")
    if lengths.max() > longest:
        raise ValueError(
            f"{what} row {lengths.argmax()} has {lengths.max()} tokens; the model reads at most "
            f"{longest}: encode with max_length={longest}."
        )
    ids = pc.min_max(pc.list_flatten(column(rows, "input_ids"))).as_py()
    if ids["min"] < 0 or ids["max"] >= config.vocab_size:
        worst = ids["min"] if ids["min"] < 0 else ids["max"]
        raise ValueError(f"the {what} rows hold the token id {worst}; the model knows 0 to "
                         f"{config.vocab_size - 1}: encode with the tokenizer of this model.")
    if "attention_mask" in rows.column_names and not pc.min(
            pc.list_flatten(column(rows, "attention_mask"))).as_py():
        raise ValueError(f"the {what} rows are padded already (a 0 in attention_mask): encode "
                         "without padding; each batch is padded to its own longest row.")


def longest_row(model: nn.Module) -> int:
    """Tokens that the model can read; RoBERTa's are fewer than its table has positions."""
    return model.bert.embeddings.longest if hasattr(model, "bert") else model.config.max_positions


def check_labels(rows: Dataset, task: Task, what: str) -> Dataset:
    """One number a row: a class, or for regression any finite number."""
    labels = column(rows, "labels")
    if pa.types.is_nested(labels.type) or pa.types.is_string(labels.type):
        raise ValueError(f"`labels` of the {what} rows are of type {labels.type}; a model for "
                         f"{task.kind} takes one number a row.")
    values = labels.to_numpy(zero_copy_only=False)  # NaN for a missing one
    wrong = ~np.isfinite(values.astype(float))
    if wrong.any():
        raise ValueError(f"{what} row {wrong.argmax()} has the label {values[wrong.argmax()]}: "
                         "leave out rows whose label is not known.")
    if task.kind == "regression":
        return rows.cast_column("labels", Value("float32"))
    check_classes(values, np.arange(len(values)), task, what)
    return rows


def check_tags(rows: Dataset, task: Task, what: str) -> Dataset:
    """One class a token, or -100 where nothing is asked."""
    labels = column(rows, "labels")
    if not pa.types.is_nested(labels.type):
        raise ValueError(f"`labels` of the {what} rows are of type {labels.type}; a model for "
                         "tagging takes a list, one label a token.")
    number, tokens = pc.list_value_length(labels).to_numpy(), lengths_of(rows)
    if (number != tokens).any():
        row = (number != tokens).argmax()
        raise ValueError(f"{what} row {row} has {tokens[row]} tokens and {number[row]} labels: "
                         f"give one a token, {IGNORED} at [CLS], [SEP] and where there is none.")
    values = pc.list_flatten(labels).to_numpy()
    asked = values != IGNORED
    check_classes(values[asked], np.repeat(np.arange(len(rows)), number)[asked], task, what)
    return rows


def check_classes(values: np.ndarray, where: np.ndarray, task: Task, what: str) -> None:
    """Classes count from 0."""
    if not np.issubdtype(values.dtype, np.integer):
        raise ValueError(f"the labels of the {what} rows are of type {values.dtype}; classes are "
                         "whole numbers. (For regression make the model with num_labels=1.)")
    wrong = (values < 0) | (values >= task.classes)
    if wrong.any():
        first = wrong.argmax()
        raise ValueError(
            f"{what} row {where[first]} has the label {values[first]}; the model has "
            f"{task.classes} classes, 0 to {task.classes - 1}: leave such rows out, number the "
            "classes from 0, or make the model with a larger num_labels."
        )


def check_spans(rows: Dataset, task: Task, what: str) -> Dataset:
    """Start and end are places in the row, and the end is not before the start."""
    start, end = (column(rows, name).to_numpy() for name in task.columns)
    lengths = lengths_of(rows)
    wrong = (start < 0) | (end < start) | (end >= lengths)
    if wrong.any():
        row = wrong.argmax()
        raise ValueError(
            f"{what} row {row} has {lengths[row]} tokens and an answer from {start[row]} to "
            f"{end[row]}: start and end are places in the row (0 and 0, [CLS], for no answer)."
        )
    return rows


def fingerprint(rows: Dataset) -> str:
    """Tells other data from the same, for checkpoints."""
    return f"{len(rows)} rows, {zlib.crc32(lengths_of(rows).tobytes()):08x}"
