"""The training runs of lesson 03 with one part of the encoder removed, over several seeds.

    python -m benchmarks.encoder_ablation

Runs the lesson's own cells, so that the figures belong to the code that is shown, and writes
notebooks/records/03_encoder_ablation.json: settings, every seed, versions, date, hardware.
Some minutes on two quiet cores.
"""

import datetime
import json
import math
import os
import platform
import statistics
import time
from pathlib import Path

import nbformat
import torch
import typer

ROOT = Path(__file__).resolve().parent.parent
LESSON = ROOT / "notebooks" / "03_encoder.ipynb"
RECORD = ROOT / "notebooks" / "records" / "03_encoder_ablation.json"
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


def hardware() -> str:
    """In general words: what kind of machine this is."""
    return f"{len(os.sched_getaffinity(0))} CPU cores ({platform.machine()})"


def main(steps: int = 250, harsh_steps: int = 80, seeds: int = 3, path: Path = RECORD):
    """Train every variant with every seed and write the record."""
    torch.set_num_threads(1)
    names = lesson_names()
    train, order = names["train"], range(seeds)
    runs = {v: [one_run(train, v, seed, steps) for seed in order] for v in names["VARIANTS"]}
    harsh = {
        name: {v: [one_run(train, v, seed, harsh_steps, **changes) for seed in order]
               for v in HARSH_VARIANTS}
        for name, changes in HARSH.items()
    }  # fmt: skip
    record = {
        "what": "lesson 03: masked words of tinyworld with one part of the encoder removed",
        "command": "python -m benchmarks.encoder_ablation",
        "settings": {
            "steps": steps,
            "harsh_steps": harsh_steps,
            "seeds": seeds,
            "mean_over_steps": WINDOW,
            "threads": 1,
            "vocabulary": names["tokenizer"].vocab_size,
        },
        "date": datetime.date.today().isoformat(),
        "hardware": hardware(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "runs": runs,
        "harsh": harsh,
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(f"wrote {path.name}")


if __name__ == "__main__":
    typer.run(main)
