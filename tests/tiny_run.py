"""A tiny pre-training run as a process of its own: `python tiny_run.py OUT [steps] ...`.

The tests kill it, resume it, and start it twice side by side. It writes OUT/weights.pt at the end.
Its last argument says what to train: "bert", another of KINDS, or several, as "roberta,electra";
then each has a folder of its own in OUT.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset

from course_lib.albert import AlbertForPreTraining
from course_lib.bert import BertForPreTraining
from course_lib.config import ModelConfig
from course_lib.electra import AllTokensMLM, ElectraForPreTraining, ReplaceMLM
from course_lib.objectives import MaskedLM, MaskedNgrams, ReplacedTokens
from course_lib.pretraining import pretrain
from course_lib.roberta import RobertaForMaskedLM
from course_lib.training import TrainConfig, make_accelerator

IDS = dict(mask_id=4, vocab_size=60, special_ids=frozenset(range(5)))
OBJECTIVE = MaskedLM(**IDS)
KINDS = {  # the model, what differs in its shape, the objective
    "bert": (BertForPreTraining, {}, OBJECTIVE),
    "roberta": (RobertaForMaskedLM, {"type_vocab_size": 1}, OBJECTIVE),
    "albert": (AlbertForPreTraining, {"embedding_size": 16, "shared": "all"},
               MaskedNgrams(**IDS, inner_ids=tuple(range(40, 60)))),
    "electra": (ElectraForPreTraining, {"num_heads": 4}, ReplacedTokens(**IDS)),
    "replace-mlm": (ReplaceMLM, {"num_heads": 4}, ReplacedTokens(**IDS)),
    "all-tokens-mlm": (AllTokensMLM, {"num_heads": 4}, ReplacedTokens(**IDS)),
}  # fmt: skip


def rows(number: int = 200, seed: int = 0, kind: str = "bert") -> Dataset:
    """Rows of different lengths in which every token follows from its neighbor; for models that
    are asked about pairs, with labels."""
    rng = np.random.default_rng(seed)
    starts, lengths = rng.integers(0, 55, number), rng.integers(6, 21, number)
    ids = [[2, *((s + np.arange(n)) % 55 + 5), 3] for s, n in zip(starts, lengths, strict=True)]
    if kind not in ("bert", "albert"):
        return Dataset.from_dict({"input_ids": ids})
    return Dataset.from_dict({
        "input_ids": ids,
        "token_type_ids": [[0] * len(row) for row in ids],
        "next_sentence_label": rng.integers(0, 2, number).tolist(),
    })


def model(dropout: float = 0.1, kind: str = "bert"):
    torch.manual_seed(0)
    made, changes, _ = KINDS[kind]
    shape = ModelConfig(
        vocab_size=60, hidden_size=32, num_layers=2, num_heads=2, intermediate_size=64,
        max_positions=32, dropout=dropout, attention_dropout=dropout,
    )
    return made(replace(shape, **changes))


def config(steps: int = 30, **changes) -> TrainConfig:
    settings = dict(steps=steps, batch_size=8, warmup_steps=5, learning_rate=3e-3, eval_every=10,
                    save_every=5, precision="fp32")
    return TrainConfig(**settings | changes)


def run(out: Path, settings: TrainConfig, dropout: float, kind: str, accelerator) -> None:
    made = model(dropout, kind)
    pretrain(made, rows(kind=kind), KINDS[kind][2], settings, rows(40, seed=1, kind=kind), out=out,
             monitor=False, accelerator=accelerator)
    if accelerator.is_main_process:
        torch.save(made.state_dict(), out / "weights.pt")


def main(out: str, steps: str = "30", micro_batches: str = "1", dropout: str = "0.1",
         kinds: str = "bert") -> None:  # fmt: skip
    accelerator, several = make_accelerator(), kinds.split(",")
    settings = config(int(steps), micro_batches=int(micro_batches))
    for kind in several:
        folder = Path(out) / kind if len(several) > 1 else Path(out)
        folder.mkdir(exist_ok=True)
        run(folder, settings, float(dropout), kind, accelerator)


if __name__ == "__main__":
    main(*sys.argv[1:])
