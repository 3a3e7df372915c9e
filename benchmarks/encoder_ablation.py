"""The training runs of lesson 03 with one part of the encoder removed, over several seeds.

    python -m benchmarks.encoder_ablation

Runs the lesson's own cells (on the CPU at every budget), so that the figures belong to the code
that is shown, and writes notebooks/records/03_encoder_ablation.json: settings, every seed,
versions, date, hardware. Some minutes on two quiet cores; goes on where it stopped.
"""

import math
import statistics
import time

import nbformat
import torch

from benchmarks import records

LESSON = records.ROOT / "notebooks" / "03_encoder.ipynb"
NAME = "03_encoder_ablation"
STEPS, HARSH_STEPS = records.times(250), records.times(80)
CELLS = ("layers-without", "tinyworld-sentences", "masked-word-model", "variants", "train-loop")
PRELUDE = """
import torch
import torch.nn.functional as F
from torch import nn
from course_lib.attention import padding_mask
from course_lib.config import ModelConfig
from course_lib.encoder import Encoder, EncoderLayer, init_weights
"""
WINDOW = 10  # training losses are kept as means over this many steps
# What LayerNorm is for: the same training, once with each of these two changes.
HARSH = {
    "learning rate 10 times as large": {"rate": 3e-2},
    "weights 3 times as large at the start": {"start": 0.2},
}
HARSH_VARIANTS = ("as in BERT", "no LayerNorm", "pre-norm")


def lesson_names() -> dict:
    """The names that the lesson's cells define. Raises KeyError for a cell that is gone."""
    source = {cell.id: cell.source for cell in nbformat.read(LESSON, as_version=4).cells}
    names: dict = {}
    for text in (PRELUDE, *(source[cell] for cell in CELLS)):
        exec(text, names)  # noqa: S102  the lesson is part of this project
    return names


def one_run(train, variant: str, seed: int, steps: int, **changes) -> dict:
    """One training run as it goes into the record; null stands for infinity or not a number."""
    start = time.perf_counter()
    losses, norms, held_out = train(variant, seed, steps, **changes)
    windows = [statistics.fmean(losses[i : i + WINDOW]) for i in range(0, steps, WINDOW)]
    run = {
        "seed": seed,
        "losses": [finite(value) for value in windows],
        "first_gradient_norm": finite(norms[0]),
        "last_gradient_norm": finite(statistics.fmean(norms[-50:])),
        "held_out_loss": finite(held_out),
        "seconds": round(time.perf_counter() - start),
    }
    print(variant, changes or "", run["held_out_loss"], f"{run['seconds']} s", flush=True)
    return run


def finite(value: float) -> float | None:
    """Three decimals, or None for infinity and NaN, which JSON does not know."""
    return round(value, 3) if math.isfinite(value) else None


def add_missing(found: dict, runs: list[dict], train, variant: str, steps: int, **changes) -> None:
    """Run the seeds that `runs`, a part of the record, has not yet; save after each."""
    for seed in sorted(set(records.SEEDS) - {run["seed"] for run in runs}):
        found["complete"] = False
        runs.append(one_run(train, variant, seed, steps, **changes))
        runs.sort(key=lambda run: run["seed"])
        records.save(NAME, found)


def main():
    """Train every variant with every seed and write the record."""
    torch.set_num_threads(1)
    names = lesson_names()
    found = records.opened(
        NAME, "lesson 03: masked words of tinyworld with one part of the encoder removed",
        "encoder_ablation", settings={
            "steps": STEPS,
            "harsh_steps": HARSH_STEPS,
            "seeds": len(records.SEEDS),
            "mean_over_steps": WINDOW,
            "threads": 1,
            "vocabulary": names["tokenizer"].vocab_size,
        },
    )  # fmt: skip
    for variant in names["VARIANTS"]:
        runs = found["runs"].setdefault(variant, [])
        add_missing(found, runs, names["train"], variant, STEPS)
    for name, changes in HARSH.items():
        for variant in HARSH_VARIANTS:
            runs = found.setdefault("harsh", {}).setdefault(name, {}).setdefault(variant, [])
            add_missing(found, runs, names["train"], variant, HARSH_STEPS, **changes)
    if not found.get("complete", True):
        records.save(NAME, found | {"complete": True})


if __name__ == "__main__":
    main()
