"""Pre-train the small English BERT that the course ships, and write it in the hub's layout.

    COURSE_DATA=... python tools/train_checkpoint.py --out runs/bert-course-en

Data: the articles of `wikipedia_en` and the novels of `books_en` (both may be passed on: CC BY-SA
and public domain). As BERT does, it reads short rows first and long ones at the end: on short rows
a step is cheap and a word's neighbors are soon found. Masked words throughout, next sentence on the
long rows. The run can be killed and started again; the model is in OUT/model, in half precision.
"""

import argparse
import json
import platform
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import torch
from datasets import Dataset, concatenate_datasets

from course_lib import data, pretrained
from course_lib.bert import BertForPreTraining
from course_lib.config import ModelConfig
from course_lib.objectives import MaskedLM
from course_lib.packing import full_sentences, nsp_pairs
from course_lib.pretraining import pretrain
from course_lib.recipes import start_at_frequencies
from course_lib.tokenization import WordPiece, train_wordpiece
from course_lib.training import TrainConfig

CORPORA = ("wikipedia_en", "books_en")
VOCAB_SIZE = 8192


@dataclass(frozen=True)
class Phase:
    """One part of the run, with a schedule of its own."""

    name: str
    seq_len: int
    batch_size: int
    steps: int
    learning_rate: float
    next_sentence: bool


PHASES = (
    Phase("short", 32, 32, 12_000, 6e-4, next_sentence=False),
    Phase("long", 128, 16, 2500, 3e-4, next_sentence=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out

    tokenizer = make_tokenizer(out / "tokenizer")
    torch.manual_seed(0)
    model = BertForPreTraining(
        ModelConfig(
            vocab_size=tokenizer.vocab_size,
            hidden_size=192,
            num_layers=4,
            num_heads=3,
            intermediate_size=768,
            max_positions=PHASES[-1].seq_len,
            dropout=0.0,  # so little training cannot overfit
            attention_dropout=0.0,
            initializer_range=0.03,
        )
    )
    start_at_frequencies(model, make_rows("train", tokenizer, PHASES[0]))
    histories = [run(phase, model, tokenizer, out / phase.name) for phase in PHASES]
    pretrained.save(model, out / "model", tokenizer, dtype=torch.float16)
    record = {
        "data": list(CORPORA),
        "phases": [asdict(phase) for phase in PHASES],
        "steps": sum(h.steps for h in histories),
        "tokens": sum(h.tokens for h in histories),
        "seconds": round(sum(h.seconds for h in histories)),
        "unigram_entropy": histories[-1].unigram_entropy,
        **histories[-1].evaluations[-1],
        "hardware": f"{platform.machine()} CPU, {torch.get_num_threads()} thread(s)",
        "torch": torch.__version__,
        "date": date.today().isoformat(),
    }
    (out / "model" / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


def run(phase: Phase, model: BertForPreTraining, tokenizer: WordPiece, out: Path):
    """Train the model in place through one phase; returns its History."""
    rows, held_out = (make_rows(split, tokenizer, phase) for split in ("train", "validation"))
    config = TrainConfig(
        steps=phase.steps,
        batch_size=phase.batch_size,
        warmup_steps=phase.steps // 25,
        learning_rate=phase.learning_rate,
        eval_every=max(1, phase.steps // 50),
    )
    return pretrain(
        model, rows, MaskedLM.from_tokenizer(tokenizer), config, held_out, out, eval_rows=1024
    )


def make_tokenizer(folder: Path) -> WordPiece:
    """The vocabulary of the training text, learned once."""
    if not (folder / "vocab.txt").exists():
        texts = (t for name in CORPORA for t in data.load(name, split="train")["text"])
        train_wordpiece(texts, VOCAB_SIZE).save(folder)
    return WordPiece.from_folder(folder)


def make_rows(split: str, tokenizer: WordPiece, phase: Phase) -> Dataset:
    """Rows of both corpora, in one data set."""
    documents = [data.encode_corpus(data.load(name, split=split), tokenizer) for name in CORPORA]
    pack = nsp_pairs if phase.next_sentence else full_sentences
    return concatenate_datasets([pack(d, phase.seq_len, tokenizer) for d in documents])


if __name__ == "__main__":
    main()
