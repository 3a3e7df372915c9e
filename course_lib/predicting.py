"""What a fine-tuned model says: scores, predictions, the mean loss and how many are right.

Axes: N rows, B rows of a batch, T tokens, C classes.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.utils import gather_object
from datasets import Dataset
from torch import Tensor, nn

from course_lib.objectives import IGNORED
from course_lib.task_rows import (
    Task,
    checked,
    column,
    count_answers,
    lengths_of,
    longest_row,
    make_batch,
    task_of,
)
from course_lib.training import TrainConfig, use_bf16


class Predictions(NamedTuple):
    """What a model says about N rows, in their order."""

    values: Tensor | list[Tensor]  # classes (N,); numbers (N,); N of (T,) tags; spans (N, 2)
    scores: list[Tensor]  # N of (C,), or of (T, C) for tags, (T, 2) for spans: the logits


def predict(
    model: nn.Module, rows: Dataset, *, batch_size: int = 64, precision: str = "auto"
) -> Predictions:
    """What the model says about rows, with or without answers, on the device where it is.

    A span is the best pair of a start and an end that is not before it.
    """
    task, rows = task_of(model), checked(rows, model, "given", answers=False)
    bf16 = use_bf16(TrainConfig(precision=precision), next(model.parameters()).device)
    scores, _ = read(model, rows, task, batch_size, bf16)
    return Predictions(decide(scores, task), scores)


def score(
    model: nn.Module, rows: Dataset, task: Task, metrics: dict, batch_size: int, bf16: bool,
    accelerator: Accelerator | None = None,
) -> dict[str, float]:
    """Mean loss and metrics. A metric gets predictions and labels as two tensors: (N,) classes or
    numbers, (N, 2) spans; for tagging as two lists of N tensors, without the -100 places."""
    scores, loss = read(model, rows, task, batch_size, bf16, True, accelerator)
    predictions, labels = decide(scores, task), answers(rows, task)
    if task.kind == "tagging":
        predictions = [p[y != IGNORED] for p, y in zip(predictions, labels, strict=True)]
        labels = [y[y != IGNORED] for y in labels]
    found = {name: float(metric(predictions, labels)) for name, metric in metrics.items()}
    return {"loss": loss, **found}


@torch.no_grad()
def read(
    model: nn.Module, rows: Dataset, task: Task, batch_size: int, bf16: bool,
    with_loss: bool = False, accelerator: Accelerator | None = None,
) -> tuple[list[Tensor], float]:
    """Each row's scores and the mean loss. Rows are read in order of their length, so that there
    is next to no padding; several processes share the batches."""
    rank, processes = ((accelerator.process_index, accelerator.num_processes)
                       if accelerator else (0, 1))
    device, was_training = next(model.parameters()).device, model.training
    lengths, columns = lengths_of(rows), task.columns if with_loss else ()
    order, found, losses = np.argsort(lengths, kind="stable"), [], []
    model.eval()
    for indices in np.split(order, range(batch_size, len(order), batch_size))[rank::processes]:
        batch = make_batch(rows, indices, model.config, columns, longest_row(model))
        inputs = {name: x.to(device) for name, x in batch.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            loss, scores = loss_and_scores(model, inputs)
        found += [(i, row[: lengths[i]] if row.ndim > 1 else row)
                  for i, row in zip(indices, scores.float().cpu(), strict=True)]
        if with_loss:
            number = int(count_answers(batch, task))
            losses.append((float(loss) * number, number))
    model.train(was_training)
    if processes > 1:
        found, losses = gather_object(found), gather_object(losses)
    total, number = np.sum(losses, axis=0) if losses else (math.nan, 1)
    in_order = sorted(found, key=lambda pair: pair[0])
    return [row for _, row in in_order], float(total / max(1, number))


def loss_and_scores(model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor | None, Tensor]:
    """The mean loss, None without answers, and the scores. The models know cross-entropy; numbers
    (regression) are judged here, by their mean squared error."""
    labels = batch.get("labels")
    if labels is None or not labels.is_floating_point():
        output = model(**batch)
        return output.loss, output.logits
    scores = model(**{name: x for name, x in batch.items() if name != "labels"}).logits
    return F.mse_loss(scores.squeeze(-1).float(), labels), scores


def decide(scores: list[Tensor], task: Task) -> Tensor | list[Tensor]:
    """From scores to predictions."""
    if task.kind == "regression":
        return torch.stack(scores)[:, 0]
    if task.kind == "classification":
        return torch.stack(scores).argmax(-1)
    if task.kind == "tagging":
        return [row.argmax(-1) for row in scores]
    return torch.stack([best_span(row) for row in scores])


def best_span(scores: Tensor) -> Tensor:
    """Scores (T, 2) of starts and ends -> (start, end) of the largest sum, start <= end."""
    pairs = scores[:, :1] + scores[:, 1]  # (T, T): row = start, column = end
    later = torch.ones_like(pairs, dtype=torch.bool).triu()
    best = int(pairs.masked_fill(~later, -math.inf).argmax())
    return torch.tensor(divmod(best, len(scores)))


def answers(rows: Dataset, task: Task) -> Tensor | list[Tensor]:
    """The right answers, shaped as `decide` shapes its predictions."""
    if task.kind == "tagging":
        return [torch.tensor(row) for row in rows["labels"]]
    columns = [torch.tensor(column(rows, name).to_numpy()) for name in task.columns]
    return torch.stack(columns, -1) if task.kind == "spans" else columns[0]


def accuracy(predictions: Tensor | list[Tensor], labels: Tensor | list[Tensor]) -> float:
    """Share of right ones. Tags are counted one by one; of a span both ends must be right."""
    if isinstance(predictions, list):
        predictions, labels = torch.cat(predictions), torch.cat(labels)
    right = predictions == labels
    return (right.all(-1) if right.ndim == 2 else right).float().mean().item()
