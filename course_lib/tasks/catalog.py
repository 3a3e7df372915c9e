"""Tasks by name: data set, columns, figures, and which rows train, choose and test.

    task, parts = catalog.parts(catalog.find("imdb"))
    parts.train, parts.dev, parts.test

The labels of some test splits are hidden (GLUE). There the validation split is the test, and the
rows that choose epochs and settings are put aside from the training split. The test rows are for
the end; nothing is chosen by them.
"""

import difflib
import os
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from datasets import ClassLabel, Dataset, DatasetDict, List, Value

from course_lib import data

ASIDE = 2000  # rows put aside from the training split, at most
ASIDE_SHARE = 0.1  # of it, at most
KINDS = ("classification", "regression", "spans", "tagging")


@dataclass(frozen=True)
class NamedTask:
    """What `course finetune --task` needs to know."""

    name: str
    data: str  # for `data.load`; "": only a folder that is given
    kind: str  # as `task_rows.Task.kind`
    columns: tuple[str, ...] = ("text",)  # one text, two texts, or the words of a sentence
    label: str = "label"
    metrics: tuple[str, ...] = ("accuracy", "macro_f1")  # the first one chooses the weights
    max_length: int = 128  # tokens; what is longer is cut, or read in pieces (spans, tagging)

    @property
    def pair(self) -> bool:
        return len(self.columns) == 2


PAIR = ("sentence1", "sentence2")
QUESTION = ("question", "context")
SPANS = dict(columns=QUESTION, label="answers", metrics=("f1", "exact"))
TAGS = dict(columns=("tokens",), label="ner_tags", metrics=("f1",))
TASKS = {task.name: task for task in (
    NamedTask("imdb", "imdb", "classification", max_length=256),
    NamedTask("sst2", "glue/sst2", "classification", ("sentence",), max_length=64),
    NamedTask("cola", "glue/cola", "classification", ("sentence",),
              metrics=("matthews", "accuracy"), max_length=64),
    NamedTask("mrpc", "glue/mrpc", "classification", PAIR, metrics=("accuracy", "f1")),
    NamedTask("rte", "glue/rte", "classification", PAIR, metrics=("accuracy",), max_length=256),
    NamedTask("stsb", "glue/stsb", "regression", PAIR, metrics=("pearson", "spearman")),
    NamedTask("chnsenticorp", "chnsenticorp", "classification", max_length=256),
    NamedTask("squad", "squad", "spans", **SPANS, max_length=256),
    NamedTask("cmrc2018", "cmrc2018", "spans", **SPANS, max_length=384),
    NamedTask("wnut_17", "wnut_17", "tagging", **TAGS, max_length=96),
    NamedTask("conll2003", "conll2003", "tagging", **TAGS, max_length=96),
    NamedTask("tinyworld/sentiment", "tinyworld/sentiment", "classification", max_length=96),
    NamedTask("tinyworld/qa", "tinyworld/qa", "spans", **SPANS, max_length=96),
    NamedTask("tinyworld/ner", "tinyworld/ner", "tagging", **TAGS, max_length=96),
    NamedTask("pydocs/packages", "pydocs/packages", "classification"),
    NamedTask("own", "", "classification"),
)}


class Parts(NamedTuple):
    """Rows to train on, to choose by, and to judge by at the end."""

    train: Dataset
    dev: Dataset
    test: Dataset
    note: str  # where they come from, in one line


def find(name: str, columns: tuple[str, ...] = (), label: str = "") -> NamedTask:
    """A task by its name, maybe with other columns. Raises ValueError for another name."""
    if name not in TASKS:
        close = difflib.get_close_matches(name, TASKS, 1, 0.4)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ValueError(f"--task {name!r} is not known; {hint}There are {', '.join(TASKS)}; `own` "
                         "is classification of your own rows in --data FOLDER.")
    task = TASKS[name]
    return replace(task, columns=columns or task.columns, label=label or task.label)


def parts(
    task: NamedTask, folder: str | os.PathLike | None = None, rows: int | None = None,
    test_rows: int | None = None, seed: int = 0,
) -> tuple[NamedTask, Parts]:
    """The rows of a task, and the task as these rows have it (numbers as labels of one's own rows
    make it regression).

    rows: train on so many, drawn with `seed`; then also fewer rows choose. test_rows: judge by so
    many, always the same. Raises ValueError or data.DataError for what is not there.
    """
    if not task.data and folder is None:
        raise ValueError("--task own needs --data FOLDER: a folder with train.csv (or .jsonl, "
                         ".parquet) and maybe validation.csv and test.csv, one row an example.")
    sets = load(task, folder)
    check_task_columns(sets["train"], task)
    if task.kind == "spans":  # its scores are computed under SQuAD's names
        names = dict(zip((*task.columns, task.label), (*QUESTION, "answers"), strict=True))
        sets = DatasetDict({part: rows.select_columns(list(names)).rename_columns(names)
                            for part, rows in sets.items() if set(names) <= {*rows.features}})
        task = replace(task, columns=QUESTION, label="answers")
    task = as_regression(sets["train"], task)
    found = with_class_numbers(three_ways(sets, task), task)
    for name, number in (("--rows", rows), ("--test-rows", test_rows)):
        if number is not None and number < 1:
            raise ValueError(f"{name} is {number}; it must be at least 1.")
    train, dev, test = found.train, found.dev, found.test
    if rows is not None and rows < len(train):
        train = train.shuffle(seed=seed).select(range(rows))
        dev = first_of(dev, max(50, rows // 4))
    test = test if test_rows is None else first_of(test, test_rows)
    note = (f"{found.note}; {len(train):,} rows to train, {len(dev):,} to choose, "
            f"{len(test):,} to test")
    return task, Parts(train, dev, test, note)


def load(task: NamedTask, folder) -> DatasetDict:
    """All splits. Raises ValueError for a folder without a training split."""
    sets = data.load(task.data or "own", folder=folder)
    if "train" not in sets:
        raise ValueError(f"there is no split `train`, only {', '.join(sets)}: name its file "
                         "train.csv, train.jsonl or train.parquet.")
    return sets


def three_ways(sets: DatasetDict, task: NamedTask) -> Parts:
    """Train, dev and test of what there is, by the rule at the top of this file."""
    there = [name for name in ("validation", "test") if name in sets and known(sets[name], task)]
    if len(there) == 2:
        return Parts(sets["train"], sets["validation"], sets["test"], "its three splits")
    train, dev = put_aside(sets["train"], task)
    if there:
        return Parts(train, dev, sets[there[0]],
                     f"tested on `{there[0]}`, which chooses nothing; a part of `train` does")
    train, test = put_aside(train, task, seed=1)
    return Parts(train, dev, test, "all three from `train`, which alone has labels")


def known(rows: Dataset, task: NamedTask) -> bool:
    """Whether a split says the right answers (the hub's hidden labels are all -1)."""
    if not len(rows) or task.label not in rows.column_names:
        return False
    if task.kind != "classification":
        return True
    return not {rows[0][task.label], rows[len(rows) - 1][task.label]} <= {-1, None}


def put_aside(rows: Dataset, task: NamedTask, seed: int = 0) -> tuple[Dataset, Dataset]:
    """(the rest, some rows put aside). Questions about one passage stay on one side."""
    number = min(ASIDE, round(ASIDE_SHARE * len(rows)))
    if number < 1:
        raise ValueError(f"there are {len(rows)} training rows: too few to put one in ten aside "
                         "for choosing. Give at least 10.")
    order = np.random.default_rng(seed).permutation(len(rows))
    if task.kind == "spans":
        _, passage = np.unique(np.array(rows[task.columns[1]]), return_inverse=True)
        order = np.argsort(order[passage], kind="stable")  # passages in a random order
        while number < len(order) - 1 and passage[order[number]] == passage[order[number - 1]]:
            number += 1
    return rows.select(np.sort(order[number:])), rows.select(order[:number])


def first_of(rows: Dataset, number: int) -> Dataset:
    """So many rows in a random order that is always the same (files are often sorted)."""
    return rows if number >= len(rows) else rows.shuffle(seed=0).select(range(number))


# --- labels ---------------------------------------------------------------------------------------


def check_task_columns(rows: Dataset, task: NamedTask) -> None:
    """Raises ValueError for a column that the task needs and the rows lack."""
    for name in (*task.columns, task.label):
        if name not in rows.column_names:
            way_out = "" if task.kind in ("spans", "tagging") else (
                "; name others with --columns (one, or two with a comma) and --label")
            raise ValueError(f"the task {task.name} reads the column {name!r}, which is not there: "
                             f"there are {', '.join(rows.column_names)}{way_out}.")


def as_regression(rows: Dataset, task: NamedTask) -> NamedTask:
    """One's own rows with fractions as labels are regression."""
    fractions = rows.features[task.label] in (Value("float32"), Value("float64"))
    if task.kind == "classification" and fractions:
        return replace(task, kind="regression", metrics=("pearson", "spearman"))
    return task


def label_names(rows: Dataset, task: NamedTask) -> list[str]:
    """The classes by number; [] where there are none (spans, regression)."""
    if task.kind in ("spans", "regression"):
        return []
    feature = rows.features[task.label]
    feature = feature.feature if isinstance(feature, List) else feature
    if not isinstance(feature, ClassLabel):
        raise ValueError(f"the column {task.label!r} does not name its classes: {feature}.")
    return list(feature.names)


def with_class_numbers(found: Parts, task: NamedTask) -> Parts:
    """Labels that are words, or numbers without names, become numbered classes.

    Which classes there are, the training rows say. Raises ValueError for a row of another part
    with a class that they do not have, and for a row without a label.
    """
    feature = found.train.features[task.label]
    if task.kind != "classification" or isinstance(feature, ClassLabel):
        return found
    values = sorted(set(found.train[task.label]) - {None})
    if len(values) < 2:
        raise ValueError(f"all training rows have the same label {values}: a classifier needs at "
                         "least two.")
    if len(values) > 1000:
        raise ValueError(f"the column {task.label!r} has {len(values):,} different values; classes "
                         "are at most 1,000: is --label the right column?")
    number = {value: i for i, value in enumerate(values)}
    kind = ClassLabel(names=[str(value) for value in values])

    def renumbered(rows: Dataset, part: str) -> Dataset:
        labels = rows[task.label][:]
        for row, label in enumerate(labels):
            if label is None:
                raise ValueError(f"{part} row {row} has no label in the column {task.label!r}: "
                                 "leave such rows out.")
            if label not in number:
                raise ValueError(
                    f"{part} row {row} has the label {label!r}, which no training row has: they "
                    f"have {shown(values)}. Correct it, leave the row out, or add such rows to "
                    "train.")
        rest = rows.remove_columns(task.label)
        return rest.add_column(task.label, [number[label] for label in labels], feature=kind)

    return Parts(renumbered(found.train, "training"), renumbered(found.dev, "validation"),
                 renumbered(found.test, "test"), found.note)


def shown(values: list, most: int = 8) -> str:
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(map(repr, values[:most])) + more
