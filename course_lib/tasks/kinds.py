"""What each kind of task does with rows: encode them, look at the model while it learns, and judge
its answers at the end.

Axes: N rows, T tokens, C classes.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from datasets import Dataset
from torch import nn

from course_lib.finetuning import accuracy
from course_lib.predicting import Predictions, predict
from course_lib.tasks import measures, spans, tags
from course_lib.tasks.catalog import NamedTask
from course_lib.tasks.measures import Interval
from course_lib.tasks.texts import encode_texts
from course_lib.tokenization import Tokenizer

SHOWN = 200  # characters of a text in a table of predictions
STRIDE = 128  # tokens by which a window over a passage moves on


def encode(
    rows: Dataset, tokenizer: Tokenizer, task: NamedTask, max_length: int, keep: str = "head",
    names: list[str] | None = None, label: str | None = "",
) -> Dataset:
    """Rows as the model reads them. label=None: rows without answers."""
    label = task.label if label == "" else label
    if task.kind == "spans":
        return spans.encode_questions(rows, tokenizer, max_length, STRIDE,
                                      max_question=min(64, max_length // 3))
    if task.kind == "tagging":
        return tags.encode_words(rows, tokenizer, task.columns[0], label, max_length, names=names)
    return encode_texts(rows, tokenizer, task.columns, label=label, max_length=max_length,
                        keep=keep)


def looks(task: NamedTask, names: list[str]) -> dict[str, Callable]:
    """Figures of the rows that choose the weights, the first of them decides."""
    if task.kind == "tagging":
        return {"f1": tags.entity_f1(names)}
    if task.kind == "spans":
        return {"accuracy": accuracy}
    return measures.metrics_for(*task.metrics)


class Judged(NamedTuple):
    """How good the answers are, and what they are."""

    figures: dict[str, Interval]
    table: list[dict]  # a line for each row
    predictions: Predictions


def judge(
    model: nn.Module, encoded: Dataset, rows: Dataset, task: NamedTask, names: list[str],
    temperature: float = 1.0,
) -> Judged:
    """The model's answers to `rows`, which are `encoded`, against the right ones."""
    said = predict(model, encoded)
    figures, table = JUDGES[task.kind](said, encoded, rows, task, names, temperature)
    return Judged(figures, table, said)


def judge_classes(said, encoded, rows, task, names, temperature):
    values, labels = said.values.numpy(), np.array(rows[task.label])
    probability = measures.temper(said.scores, temperature).max(1)
    figures = {name: measures.interval(name, values, labels) for name in task.metrics}
    return figures, [
        {"row": i, **texts_of(row, task), "label": names[row[task.label]],
         "prediction": names[values[i]], "probability": round(float(probability[i]), 4)}
        for i, row in enumerate(rows)]


def judge_numbers(said, encoded, rows, task, names, temperature):
    values, labels = said.values.numpy(), np.array(rows[task.label])
    figures = {name: measures.interval(name, values, labels) for name in task.metrics}
    return figures, [{"row": i, **texts_of(row, task), "label": row[task.label],
                      "prediction": round(float(values[i]), 4)} for i, row in enumerate(rows)]


def judge_spans(said, encoded, rows, task, names, temperature):
    answers = spans.answers_of(said.scores, encoded, rows)
    scores = spans.each_score(answers, rows)
    figures = {name: measures.interval_of_mean(scores[name]) for name in task.metrics}
    return figures, [
        {"row": i, "question": row["question"], "label": " | ".join(dict.fromkeys(
            row["answers"]["text"])), "prediction": answer.text,
         "probability": round(answer.candidates[0].probability, 4) if answer.candidates else 0.0}
        for i, (row, answer) in enumerate(zip(rows, answers, strict=True))]


def judge_tags(said, encoded, rows, task, names, temperature):
    words = tags.word_tags(said.values, encoded, names)
    gold = tags.named_tags(rows, task.label, names)
    pairs = [(set(tags.entities(g)), set(tags.entities(w)))
             for g, w in zip(gold, words, strict=True)]
    numbers = np.array([(len(g & w), len(w), len(g)) for g, w in pairs])
    figures = {"f1": measures.interval_of_f1(*numbers.T)}
    return figures, [
        {"row": i, "text": " ".join(row[task.columns[0]]), "label": " ".join(g),
         "prediction": " ".join(w)}
        for i, (row, g, w) in enumerate(zip(rows, gold, words, strict=True))]


JUDGES = {"classification": judge_classes, "regression": judge_numbers, "spans": judge_spans,
          "tagging": judge_tags}


def texts_of(row: dict, task: NamedTask) -> dict:
    """The beginning of each text, for a table."""
    return {name: row[name][:SHOWN] for name in task.columns}


def baseline(rows: Dataset, test: Dataset, task: NamedTask) -> dict[str, float]:
    """What the most frequent class of the training rows would reach; {} for other tasks."""
    if task.kind != "classification":
        return {}
    frequent = int(np.bincount(np.array(rows[task.label])).argmax())
    labels = np.array(test[task.label])
    said = np.full(len(labels), frequent)
    return {name: metric(said, labels)
            for name, metric in measures.metrics_for(*task.metrics).items()}


def temperature_of(model: nn.Module, dev: Dataset, task: NamedTask) -> float:
    """Fitted on the rows that choose; 1 where they show no mistake, or the task has no classes."""
    if task.kind != "classification":
        return 1.0
    said = predict(model, dev)
    labels = torch.tensor(dev["labels"][:])
    if bool((said.values.cpu() == labels).all()):
        return 1.0
    return measures.fit_temperature(said.scores, labels)


def calibration(judged: Judged, rows: Dataset, task: NamedTask, temperature: float) -> dict:
    """How far stated and true shares are apart, before and after the temperature."""
    if task.kind != "classification":
        return {}
    labels, scores = np.array(rows[task.label]), judged.predictions.scores
    ece = {name: round(measures.expected_calibration_error(
        measures.temper(scores, t), labels), 4) for name, t in (
            ("as trained", 1.0), ("with temperature", temperature))}
    return {"temperature": round(temperature, 3), "expected_calibration_error": ece}
