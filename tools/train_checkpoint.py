"""Pre-train one of the small English models that the course ships, in the hub's layout.

    COURSE_DATA=... python tools/train_checkpoint.py --model bert --out runs/bert-course-en

Data: the articles of `wikipedia_en` and the novels of `books_en` (both may be passed on: CC BY-SA
and public domain). All four models have the same number of layers and the same width, see the same
number of tokens, and read short rows first and long ones at the end, as BERT did: on short rows a
step is cheap and a word's neighbors are soon found. The long rows ask each model's own questions.
The run can be killed and started again; the model is in OUT/model, in half precision.
"""

import argparse
import json
import platform
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

import torch
from datasets import Dataset, concatenate_datasets
from torch import nn

from course_lib import data, pretrained
from course_lib.pretraining import pretrain
from course_lib.recipes import (
    OBJECTIVES,
    VOCABULARIES,
    Recipe,
    model_config,
    sample,
    start_at_frequencies,
)
from course_lib.tokenization import Tokenizer
from course_lib.tokenization import load as load_tokenizer
from course_lib.training import TrainConfig

CORPORA = ("wikipedia_en", "books_en")
VOCAB_SIZE = 8192


@dataclass(frozen=True)
class Phase:
    """One part of the run, with a schedule of its own."""

    name: str
    objective: str  # see recipes.OBJECTIVES
    seq_len: int
    batch_size: int
    steps: int
    learning_rate: float


def phases(short: str, long: str, learning_rate: float = 6e-4) -> tuple[Phase, Phase]:
    return (Phase("short", short, 32, 32, 12_000, learning_rate),
            Phase("long", long, 128, 16, 2500, learning_rate / 2))  # fmt: skip


PHASES = {
    "bert": phases("mlm", "mlm+nsp"),
    "roberta": phases("mlm", "mlm"),
    "albert": phases("mlm", "mlm+sop"),
    "electra": phases("rtd", "rtd", 1e-3),
}
SHAPE = dict(num_layers=4, hidden_size=192, num_heads=3, intermediate_size=768, dropout=0.0,
             attention_dropout=0.0, initializer_range=0.03)  # fmt: skip
# Narrow heads, so that the generator, a quarter as wide, has more than one.
OWN_SHAPE = {"electra": dict(num_heads=12, initializer_range=0.072)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", choices=list(PHASES), required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--share", type=float, default=1.0, help="of the steps, for a trial")
    options = parser.parse_args()
    name, out = options.model, options.out
    run_phases = [replace(p, steps=round(p.steps * options.share)) for p in PHASES[name]]

    tokenizer = make_tokenizer(name, out / "tokenizer")
    first, last = run_phases
    recipe = Recipe(VOCAB_SIZE, last.seq_len, SHAPE | OWN_SHAPE.get(name, {}), TrainConfig(steps=1),
                    last.objective, name)  # fmt: skip
    torch.manual_seed(0)
    model = OBJECTIVES[name][last.objective][2](model_config(recipe, tokenizer))
    start_at_frequencies(model, make_rows("train", tokenizer, name, first))
    histories = [run(phase, name, model, tokenizer, out / phase.name) for phase in run_phases]
    save(model, out, tokenizer)
    record = {
        "model": name,
        "data": list(CORPORA),
        "phases": [asdict(phase) for phase in run_phases],
        "steps": sum(h.steps for h in histories),
        "tokens": sum(h.tokens for h in histories),
        "seconds": round(sum(h.seconds for h in histories)),
        "no_context_loss": histories[-1].no_context_loss,
        **histories[-1].evaluations[-1],
        "hardware": f"{platform.machine()} CPU, {torch.get_num_threads()} thread(s)",
        "torch": torch.__version__,
        "date": date.today().isoformat(),
    }
    (out / "model" / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


def save(model: nn.Module, out: Path, tokenizer: Tokenizer) -> None:
    """Of ELECTRA the discriminator is the model, and the generator is kept beside it."""
    kept = getattr(model, "discriminator", model)
    pretrained.save(kept, out / "model", tokenizer, dtype=torch.float16)
    if kept is not model:
        pretrained.save(model.generator, out / "generator", tokenizer, dtype=torch.float16)


def run(phase: Phase, name: str, model: nn.Module, tokenizer: Tokenizer, out: Path):
    """Train the model in place through one phase; returns its History."""
    rows, held_out = (make_rows(split, tokenizer, name, phase) for split in ("train", "validation"))
    config = TrainConfig(
        steps=phase.steps,
        batch_size=phase.batch_size,
        warmup_steps=phase.steps // 25,
        learning_rate=phase.learning_rate,
        eval_every=max(1, phase.steps // 50),
    )
    masks = OBJECTIVES[name][phase.objective][1]
    pair = "sop" if phase.objective.endswith("sop") else "nsp"
    objective = masks.from_tokenizer(tokenizer, pair=pair)
    history = pretrain(model, rows, objective, config, held_out, out, eval_rows=1024)
    if history.stopped_early:
        raise SystemExit("Stopped. The same command goes on from here.")
    return history


def make_tokenizer(name: str, folder: Path) -> Tokenizer:
    """The model's kind of vocabulary, learned once from the training text (ALBERT's from a sample:
    its trainer is slow)."""
    if not (folder / "tokenizer_config.json").exists():
        texts = concatenate_datasets(
            [data.load(corpus, split="train").select_columns(["text"]) for corpus in CORPORA]
        )
        chosen = sample(texts, 4_000_000) if name == "albert" else texts["text"]
        VOCABULARIES[name](chosen, VOCAB_SIZE).save(folder)
    return load_tokenizer(folder)


def make_rows(split: str, tokenizer: Tokenizer, name: str, phase: Phase) -> Dataset:
    """Rows of both corpora, in one data set."""
    documents = [data.encode_corpus(data.load(corpus, split=split), tokenizer)
                 for corpus in CORPORA]  # fmt: skip
    pack = OBJECTIVES[name][phase.objective][0]
    return concatenate_datasets([pack(d, phase.seq_len, tokenizer) for d in documents])


if __name__ == "__main__":
    main()
