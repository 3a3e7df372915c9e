"""A tiny pre-training run as a process of its own: `python tiny_run.py OUT [steps] ...`.

The tests kill it, resume it, and start it twice side by side. It writes OUT/weights.pt at the end.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset

from course_lib.bert import BertForPreTraining
from course_lib.config import ModelConfig
from course_lib.objectives import MaskedLM
from course_lib.pretraining import pretrain
from course_lib.training import TrainConfig, make_accelerator

OBJECTIVE = MaskedLM(mask_id=4, vocab_size=60, special_ids=frozenset(range(5)))


def rows(number: int = 200, seed: int = 0) -> Dataset:
    """Rows of different lengths in which every token follows from its neighbor."""
    rng = np.random.default_rng(seed)
    starts, lengths = rng.integers(0, 55, number), rng.integers(6, 21, number)
    ids = [[2, *((s + np.arange(n)) % 55 + 5), 3] for s, n in zip(starts, lengths, strict=True)]
    return Dataset.from_dict({
        "input_ids": ids,
        "token_type_ids": [[0] * len(row) for row in ids],
        "next_sentence_label": rng.integers(0, 2, number).tolist(),
    })


def model(dropout: float = 0.1) -> BertForPreTraining:
    torch.manual_seed(0)
    return BertForPreTraining(ModelConfig(
        vocab_size=60, hidden_size=32, num_layers=2, num_heads=2, intermediate_size=64,
        max_positions=32, dropout=dropout, attention_dropout=dropout,
    ))


def config(steps: int = 30, **changes) -> TrainConfig:
    settings = dict(steps=steps, batch_size=8, warmup_steps=5, learning_rate=3e-3, eval_every=10,
                    save_every=5, precision="fp32")
    return TrainConfig(**settings | changes)


def main(out: str, steps: str = "30", micro_batches: str = "1", dropout: str = "0.1") -> None:
    bert, accelerator = model(float(dropout)), make_accelerator()
    pretrain(bert, rows(), OBJECTIVE, config(int(steps), micro_batches=int(micro_batches)),
             rows(40, seed=1), out=Path(out), monitor=False, accelerator=accelerator)
    if accelerator.is_main_process:
        torch.save(bert.state_dict(), Path(out) / "weights.pt")


if __name__ == "__main__":
    main(*sys.argv[1:])
