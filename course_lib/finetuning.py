"""Fine-tuning: a model with a head for a task, rows with answers, and the loop of pre-training.

Classification, regression, tagging and spans; which one, the model's head says (`task_rows`).

Source: Devlin et al. 2019 (arXiv:1810.04805), section 4 and appendix A.3.

Axes: N rows, B rows of a batch, T tokens, C classes.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from datasets import Dataset
from torch import Tensor, nn

from course_lib.monitor import Monitor, loss_curve
from course_lib.predicting import accuracy, loss_and_scores, predict, score
from course_lib.task_rows import (
    Task,
    batches_of_epoch,
    checked,
    count_answers,
    fingerprint,
    lengths_of,
    longest_row,
    make_batch,
    task_of,
)
from course_lib.training import (
    History,
    TrainConfig,
    make_accelerator,
    make_optimizer,
    train,
    use_bf16,
)

__all__ = ["FinetuneConfig", "accuracy", "finetune", "predict"]


@dataclass(frozen=True)
class FinetuneConfig:
    """How to fine-tune. Appendix A.3 of the paper tried batches of 16 and 32, peaks of 5e-5, 3e-5
    and 2e-5, and 2 to 4 epochs; a small model, or few rows, needs higher peaks and more epochs."""

    epochs: int = 3
    batch_size: int = 32  # rows over all processes together
    learning_rate: float = 5e-5  # the peak, at the head
    warmup_share: float = 0.1  # of the steps; then the rate falls linearly to 0
    layer_decay: float = 1.0  # each layer learns at this times the rate of the layer above
    looks: int = 1  # looks at the held-out rows in an epoch
    best_by: str = ""  # the figure that chooses the weights to keep; "": the first metric, or loss
    patience: int = 0  # end after so many looks without a better one; 0: never
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    micro_batches: int = 1  # split each process's share to save memory: the same mean loss
    precision: str = "auto"  # as in TrainConfig
    compile: str = "off"  # batches have many lengths, and each would be compiled
    seed: int = 0
    save_every: int = 0  # steps between checkpoints; 0: once a minute

    def __post_init__(self):
        for name, least in (("epochs", 1), ("looks", 1), ("patience", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}.")
        if not 0 <= self.warmup_share < 1:
            raise ValueError(f"warmup_share is {self.warmup_share}; it is a share of the steps, "
                             "at least 0 and below 1.")
        if not 0 < self.layer_decay <= 1:
            raise ValueError(f"layer_decay is {self.layer_decay}; it must be above 0 and at most "
                             "1 (1: all layers learn at the same rate).")
        self.plan(1)  # TrainConfig checks the rest

    def steps_per_epoch(self, rows: int) -> int:
        return math.ceil(rows / max(1, self.batch_size))

    def plan(self, rows: int) -> TrainConfig:
        """The same in steps."""
        per_epoch = self.steps_per_epoch(rows)
        steps = per_epoch * self.epochs
        return TrainConfig(
            steps=steps, warmup_steps=round(self.warmup_share * steps),
            eval_every=max(1, per_epoch // self.looks),
            **{name: getattr(self, name) for name in SAME},
        )


SAME = ("batch_size", "learning_rate", "weight_decay", "clip_norm", "micro_batches", "precision",
        "compile", "seed", "save_every")  # fields that both configurations have


def finetune(
    model: nn.Module,
    rows: Dataset,
    config: FinetuneConfig | None = None,
    *,
    held_out: Dataset | None = None,
    metrics: dict[str, Callable] | None = None,
    out: Path | str | None = None,
    monitor: Monitor | bool = True,
    accelerator: Accelerator | None = None,
    identity: dict | None = None,
) -> History:
    """Fine-tune `model` (in place) on `rows`: encoded examples of unequal length with the columns
    input_ids, maybe token_type_ids, and the answers: `labels` (a class, a number for regression, a
    list of classes for tagging, -100 where none) or `start_positions` and `end_positions`.

    held_out: rows to look at once or more in an epoch. The model ends with the weights that were
    best there, also after an interrupt. metrics: functions of (predictions, labels) by name, more
    is better; see `score` for what they are given. out: a folder for checkpoints, metrics.json
    and curve.png; a run that was cut off goes on there, best weights so far included, and ends in
    the weights of a run that was not. A run that has ended early stays ended. identity: more that
    tells this run from others (what the model started from); another run in `out` is refused.

    Returns the History, its evaluations with `loss` and the metrics. Raises ValueError or
    TypeError for rows that do not fit the model, FloatingPointError when the run diverges.
    """
    config, task = config or FinetuneConfig(), task_of(model)
    if metrics is None:
        metrics = {} if task.kind == "regression" else {"accuracy": accuracy}
    rows = checked(rows, model, "training")
    if held_out is not None:
        held_out = checked(held_out, model, "held-out")
    best = make_best(config, metrics, held_out)
    accelerator = accelerator or make_accelerator()
    model.to(accelerator.device)
    plan = config.plan(len(rows))

    def evaluate(model: nn.Module) -> dict[str, float]:
        bf16 = use_bf16(plan, accelerator.device)
        return score(model, held_out, task, metrics, 2 * config.batch_size, bf16, accelerator)

    history = train(
        model, batch_maker(rows, model, task, config, accelerator), plan,
        accelerator=accelerator, evaluate=evaluate if best else None, best=best, out=out,
        monitor=(Monitor("Fine-tuning") if monitor is True else monitor) or None,
        with_loss=WeightedLoss, optimizer=layered_optimizer(model, plan, config.layer_decay),
        identity={"model": repr(model.config), "task": str(task), "rows": fingerprint(rows),
                  "held_out": held_out and fingerprint(held_out), "best_by": best and best.by,
                  "layer_decay": config.layer_decay, **(identity or {})},
        on_save=out and partial(write_report, out=Path(out)),
    )
    if best:
        best.restore(model)
    return history


def batch_maker(
    rows: Dataset, model: nn.Module, task: Task, config: FinetuneConfig, accelerator: Accelerator
) -> Callable[[int], list[dict[str, Tensor]]]:
    """From a step to this process's share of its batch, as arguments of `WeightedLoss`."""
    lengths, per_epoch = lengths_of(rows), config.steps_per_epoch(len(rows))
    most = longest_row(model)
    processes = accelerator.num_processes
    parts = processes * config.micro_batches

    @lru_cache(maxsize=2)
    def epoch_batches(epoch: int) -> list[np.ndarray]:
        return batches_of_epoch(lengths, config.batch_size, config.seed, epoch)

    def share(whole: dict[str, Tensor], part: int) -> dict[str, Tensor]:
        mine = {name: x[part::parts] for name, x in whole.items()}
        if len(mine["input_ids"]) == 0:  # fewer rows than parts, at the end of an epoch
            return {name: x[:1] for name, x in whole.items()} | {"weight": torch.zeros(())}
        weight = processes * count_answers(mine, task) / count_answers(whole, task).clamp(min=1)
        return mine | {"weight": weight}

    def batch_of_step(step: int) -> list[dict[str, Tensor]]:
        epoch, number = divmod(step, per_epoch)
        whole = make_batch(rows, epoch_batches(epoch)[number], model.config, task.columns, most)
        first = accelerator.process_index * config.micro_batches
        return [share(whole, first + m) for m in range(config.micro_batches)]

    return batch_of_step


class WeightedLoss(nn.Module):
    """The mean loss of a part of a batch times the part's weight: over parts and processes they
    add up to the mean of the whole batch, however the rows are shared out."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, weight: Tensor, **batch: Tensor) -> Tensor:
        return weight * loss_and_scores(self.model, batch)[0]


def layered_optimizer(
    model: nn.Module, plan: TrainConfig, decay: float
) -> torch.optim.Optimizer:
    """AdamW in which each layer learns at `decay` times the rate of the layer above it, and the
    head at the full rate (Howard and Ruder 2018, arXiv:1801.06146, section 3.2)."""
    optimizer = make_optimizer(model, plan)
    if decay == 1:
        return optimizer
    depth = {parameter: depth_of(name) for name, parameter in model.named_parameters()}
    top = 1 + max(d for d in depth.values() if d < math.inf)
    groups = [
        {**group, "params": [p for p in group["params"] if depth[p] == d],
         "scale": decay ** (top - min(d, top))}
        for group in optimizer.param_groups for d in sorted(set(depth.values()))
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], fused=True)


def depth_of(name: str) -> float:
    """0 for the embeddings, 1 for the first layer, ..., infinity for pooler and head."""
    layer = re.search(r"encoder\.layers\.(\d+)\.", name)
    return int(layer[1]) + 1 if layer else 0 if "embeddings." in name else math.inf


class Best:
    """Keeps the weights of the best look at the held-out rows, and says when to end."""

    def __init__(self, by: str, patience: int):
        self.by, self.patience = by, patience
        self.value, self.step, self.looks_since, self.weights = -math.inf, None, 0, None

    @property
    def enough(self) -> bool:
        return 0 < self.patience <= self.looks_since

    def look(self, model: nn.Module, history: History) -> None:
        """Called after each evaluation. Of equal ones the first stays."""
        last = history.evaluations[-1]
        value = -last["loss"] if self.by == "loss" else last[self.by]
        self.looks_since += 1
        if value > self.value:
            self.value, self.step, self.looks_since = value, last["step"], 0
            self.weights = {name: x.to("cpu", copy=True) for name, x in model.state_dict().items()}
        history.best_step = self.step

    def restore(self, model: nn.Module) -> None:
        """Give the model the best weights, if there are any yet."""
        if self.weights is not None:
            model.load_state_dict(self.weights)

    def state_dict(self) -> dict:
        return {name: getattr(self, name) for name in ("value", "step", "looks_since", "weights")}

    def load_state_dict(self, state: dict) -> None:
        for name, value in state.items():
            setattr(self, name, value)


def make_best(config: FinetuneConfig, metrics: dict, held_out: Dataset | None) -> Best | None:
    """None without held-out rows. Raises ValueError for a figure that nobody computes."""
    if held_out is None:
        if config.patience:
            raise ValueError(f"patience is {config.patience}, but there are no held_out rows to "
                             "look at: give some, or set patience=0.")
        return None
    by = config.best_by or next(iter(metrics), "loss")
    if by not in (*metrics, "loss"):
        raise ValueError(f"best_by is {by!r}; choose one of {', '.join((*metrics, 'loss'))}.")
    return Best(by, config.patience)


def write_report(history: History, out: Path) -> None:
    """Write out/metrics.json and out/curve.png: what the run did so far."""
    (out / "metrics.json").write_text(json.dumps(asdict(history), indent=1))
    loss_curve(history, "Fine-tuning").savefig(out / "curve.png", dpi=100, bbox_inches="tight")
