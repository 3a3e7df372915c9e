"""Pre-training: a model, rows of text, an objective, and the loop.

Source: Devlin et al. 2019 (arXiv:1810.04805), section 3.1 and appendix A.2.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from accelerate import Accelerator
from datasets import Dataset
from torch import Tensor, nn

from course_lib.monitor import Monitor, loss_curve
from course_lib.objectives import MaskedLM, flat_ids, model_inputs, no_context_loss
from course_lib.training import (
    History,
    TrainConfig,
    make_accelerator,
    rows_of_step,
    train,
    use_bf16,
)

HELD_OUT = 1 << 40  # a step that no run reaches: the held-out masks are drawn from it
EVAL_BATCH = 32
MANY_ROWS = 20_000  # enough to count how frequent each token is


def pretrain(
    model: nn.Module,
    rows: Dataset,
    objective: MaskedLM,
    config: TrainConfig,
    held_out: Dataset | None = None,
    out: Path | str | None = None,
    monitor: Monitor | bool = True,
    eval_rows: int = 256,
    accelerator: Accelerator | None = None,
    also: Callable[[nn.Module], dict] | None = None,
) -> History:
    """Pre-train `model` (in place) on `rows`, which come from `packing`.

    held_out: rows of other documents, of which the first `eval_rows` are looked at, always with the
    same masks. out: a folder for checkpoints, metrics.json and curve.png; a run that was cut off
    goes on there. also: gives further figures of the model, a dict, noted with each look at the
    held-out rows. Returns the History. Raises ValueError for empty rows or a batch size that the
    processes cannot share evenly, FloatingPointError when the run diverges.
    """
    for name, given in (("training", rows), ("held-out", held_out)):
        if given is not None and len(given) == 0:
            raise ValueError(f"there are no {name} rows: is the text shorter than one sequence?")
    accelerator = accelerator or make_accelerator()
    processes, parts = accelerator.num_processes, count_parts(config, accelerator)
    slots = fixed_slots(rows, objective, config.batch_size // parts, accelerator.device)

    def batch_of_step(step: int) -> list[dict[str, Tensor]]:
        indices, epochs = rows_of_step(step, len(rows), config)
        whole = objective.batch(rows, indices, epochs, step)
        first = accelerator.process_index * config.micro_batches
        return [model_inputs(whole, first + m, parts, processes, slots)
                for m in range(config.micro_batches)]

    watch = HeldOut(held_out, objective, eval_rows) if held_out is not None else None
    floor = watch.no_context_loss if watch else None

    def evaluate(model: nn.Module) -> dict[str, float]:
        found = watch.evaluate(model, use_bf16(config, accelerator.device))
        return found | (also(model) if also else {})

    if monitor is True:
        monitor = Monitor("Pre-training", floor)
    history = train(
        model, batch_of_step, config, accelerator=accelerator, out=out, monitor=monitor or None,
        evaluate=evaluate if watch else None,
        identity={"model": shape_of(model), "objective": repr(objective), "rows": len(rows)},
        on_save=out and (lambda history: write_report(history, out, floor)),
    )
    history.no_context_loss = floor
    return history


def shape_of(model: nn.Module) -> str:
    """What must be equal for a checkpoint to fit: the shape, and for ELECTRA the kind of model."""
    if not hasattr(model, "generator_config"):
        return repr(model.config)
    options = {name: getattr(model, name) for name in ("weight", "masked_only")
               if hasattr(model, name)}
    return f"{type(model).__name__}, {model.config!r}, {model.generator_config!r}, {options}"


def count_parts(config: TrainConfig, accelerator: Accelerator) -> int:
    """Into how many parts a batch is split; ValueError if it cannot be split evenly."""
    parts = accelerator.num_processes * config.micro_batches
    if config.batch_size % parts:
        raise ValueError(
            f"batch_size {config.batch_size} cannot be split evenly into {parts} parts "
            f"(processes: {accelerator.num_processes}, micro-batches: {config.micro_batches}): "
            f"choose a multiple of {parts}."
        )
    return parts


def fixed_slots(rows: Dataset, objective: MaskedLM, size: int, device: torch.device) -> int:
    """On a GPU, the largest number of chosen positions in `size` sequences; elsewhere 0.

    A compiled model wants one shape. Rows of `packing.full_sentences` all have the same length;
    of `nsp_pairs`, nearly every batch holds one of the full length, and is filled up to it.
    """
    if device.type != "cuda":
        return 0
    length = max(len(row) for row in rows[: min(64, len(rows))]["input_ids"])
    return size * max(1, round(objective.rate * length))


class HeldOut:
    """Held-out rows with masks that never change, and how well a model fills them."""

    def __init__(self, rows: Dataset, objective: MaskedLM, limit: int = 256):
        indices = list(range(min(limit, len(rows))))
        self.pair = objective.pair
        self.batches = [
            mask_rows(rows, indices[i : i + EVAL_BATCH], objective, number)
            for number, i in enumerate(range(0, len(indices), EVAL_BATCH))
        ]
        words = flat_ids(rows, MANY_ROWS)  # all of them: a few thousand would look too easy
        special = torch.tensor(sorted(objective.special_ids | {objective.pad_id}))
        self.no_context_loss = no_context_loss(words[~torch.isin(words, special)], objective)

    @torch.no_grad()
    def evaluate(self, model: nn.Module, bf16: bool = False) -> dict[str, float]:
        """Mean losses in nats and accuracies over all held-out predictions.

        Of masked words `mlm_loss` and `accuracy` (ELECTRA: the generator's); of pairs `nsp_...` or
        `sop_...`; of ELECTRA's discriminator the figures of `replaced_figures`; of its relatives
        that restore words `restored_loss` and `restored_accuracy`, at the masked places.
        """
        device = next(model.parameters()).device
        was_training = model.training
        model.eval()
        sums, found = {"mlm": [0.0, 0, 0]}, []
        for batch in self.batches:
            inputs = {k: v.to(device) for k, v in model_inputs(batch).items()}
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                output = model(**inputs)
            add_up(sums, "mlm", output.mlm_logits, inputs["masked_labels"])
            if "next_sentence_label" in inputs:
                add_up(sums, self.pair, output.nsp_logits, inputs["next_sentence_label"])
            if hasattr(output, "restored_logits"):
                add_up(sums, "restored", output.restored_logits, inputs["masked_labels"])
            if hasattr(output, "replaced_logits"):
                real = batch["attention_mask"].bool().to(device)
                found.append((output.replaced_logits[real].float(), output.is_replaced[real]))
        model.train(was_training)
        result = summary(sums)
        if found:
            result |= replaced_figures(*map(torch.cat, zip(*found, strict=True)))
            result["loss"] += model.weight * result["replaced_loss"]
        return result


def mask_rows(rows: Dataset, indices, objective: MaskedLM, number: int) -> dict[str, Tensor]:
    """Rows for looking at a model: masked as in training (80/10/10), always in the same places."""
    return objective.batch(rows, indices, [0] * len(indices), HELD_OUT + number)


def add_up(sums: dict[str, list], name: str, logits: Tensor, labels: Tensor) -> None:
    """Add a batch's total loss, hits and number of labels to the sums of this name."""
    total = sums.setdefault(name, [0.0, 0, 0])
    total[0] += float(nn.functional.cross_entropy(logits.float(), labels, reduction="sum"))
    total[1] += int((logits.argmax(-1) == labels).sum())
    total[2] += labels.numel()


def summary(sums: dict[str, list]) -> dict[str, float]:
    """Means of what was added up, under the names that the monitor and the metrics file use."""
    result = {}
    for name, (loss, hits, number) in sums.items():
        result[f"{name}_loss"] = loss / number
        result["accuracy" if name == "mlm" else f"{name}_accuracy"] = hits / number
    result["loss"] = sum(value for name, value in result.items() if name.endswith("_loss"))
    return result


def replaced_figures(scores: Tensor, is_replaced: Tensor) -> dict[str, float]:
    """How well a discriminator finds what was replaced: scores (N,), is_replaced (N,).

    replaced_accuracy is to be compared with always_original, which is what saying "original" of
    every token would reach; replaced_auc is the chance that a replaced token scores higher than
    an original one (0.5: a coin), whatever the threshold.
    """
    says, hits = scores > 0, ((scores > 0) & is_replaced).sum()
    originals = scores[~is_replaced].sort().values
    below, upto = (torch.searchsorted(originals, scores[is_replaced], right=right).double().mean()
                   for right in (False, True))  # equal scores count half
    figures = {
        "replaced_loss": nn.functional.binary_cross_entropy_with_logits(
            scores, is_replaced.float()),
        "replaced_accuracy": (says == is_replaced).double().mean(),
        "always_original": (~is_replaced).double().mean(),
        "replaced_precision": hits / says.sum().clamp(min=1),
        "replaced_recall": hits / is_replaced.sum().clamp(min=1),
        "replaced_auc": ((below + upto) / 2 / max(1, len(originals))).nan_to_num(0.5),
    }
    return {name: float(value) for name, value in figures.items()}


def write_report(history: History, out: Path | str, floor: float | None) -> None:
    """Write out/metrics.json and out/curve.png: what the run did so far."""
    history.no_context_loss = floor
    out = Path(out)
    (out / "metrics.json").write_text(json.dumps(asdict(history), indent=1))
    loss_curve(history, "Pre-training", floor).savefig(
        out / "curve.png", dpi=100, bbox_inches="tight"
    )
