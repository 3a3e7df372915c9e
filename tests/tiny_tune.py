"""A tiny fine-tuning run as a process of its own: `python tiny_tune.py OUT [task] [dropout]`.

The tests kill it, resume it, and start it twice side by side. It writes OUT/weights.pt at the end.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset

from course_lib.bert import (
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
)
from course_lib.config import ModelConfig
from course_lib.finetuning import FinetuneConfig, finetune
from course_lib.training import make_accelerator

SHAPE = ModelConfig(vocab_size=60, hidden_size=32, num_layers=2, num_heads=2, max_positions=32,
                    intermediate_size=64, dropout=0.0, attention_dropout=0.0,
                    initializer_range=0.1)
MODELS = {
    "classification": lambda shape: BertForSequenceClassification(shape, 3),
    "regression": lambda shape: BertForSequenceClassification(shape, 1),
    "tagging": lambda shape: BertForTokenClassification(shape, 3),
    "spans": BertForQuestionAnswering,
}


def model(task: str = "classification", dropout: float = 0.0, **changes):
    torch.manual_seed(0)
    changes = {"dropout": dropout, "attention_dropout": dropout} | changes
    return MODELS[task](SHAPE.replace(**changes))


def rows(task: str = "classification", number: int = 101, seed: int = 0) -> Dataset:
    """Rows of different lengths. Each holds one of the tokens 10, 11 and 12, which decides the
    class and the number; tags: each token's id modulo 3; spans: from that token to the last."""
    rng = np.random.default_rng(seed)
    ids, which = [], rng.integers(0, 3, number)
    for kind in which:
        row = [2, *rng.integers(20, 60, rng.integers(3, 28)), 3]
        row[rng.integers(1, len(row) - 1)] = 10 + kind
        ids.append([int(i) for i in row])
    return Dataset.from_dict({"input_ids": ids, **{
        "classification": lambda: {"labels": which},
        "regression": lambda: {"labels": which / 2},
        "tagging": lambda: {"labels": [[-100, *(i % 3 for i in r[1:-1]), -100] for r in ids]},
        "spans": lambda: {
            "start_positions": [next(t for t, i in enumerate(r) if 10 <= i < 13) for r in ids],
            "end_positions": [len(r) - 1 for r in ids]},
    }[task]()})


def config(**changes) -> FinetuneConfig:
    settings = dict(epochs=3, batch_size=8, learning_rate=3e-3, save_every=5, precision="fp32")
    return FinetuneConfig(**settings | changes)


def main(out: str, task: str = "classification", dropout: str = "0.1") -> None:
    bert, accelerator = model(task, float(dropout)), make_accelerator()
    finetune(bert, rows(task), config(), held_out=rows(task, 40, seed=1), out=out,
             monitor=False, accelerator=accelerator)
    if accelerator.is_main_process:
        torch.save(bert.state_dict(), Path(out) / "weights.pt")


if __name__ == "__main__":
    main(*sys.argv[1:])
