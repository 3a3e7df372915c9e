"""Pre-train the small English BERT that the course ships, and write it in the hub's layout.

    COURSE_DATA=... python tools/train_checkpoint.py --steps 6000 --out runs/bert-course-en

Data: the articles of `wikipedia_en` and the novels of `books_en` (both may be passed on: CC BY-SA
and public domain). Masked words and next sentence, sequences of 128, dynamic masks. The run can be
killed and started again; at the end the model is in OUT/model, as half-precision numbers.
"""

import argparse
import json
import platform
from datetime import date
from pathlib import Path

import torch
from datasets import concatenate_datasets

from course_lib import data, pretrained
from course_lib.bert import BertForPreTraining
from course_lib.config import ModelConfig
from course_lib.objectives import MaskedLM
from course_lib.packing import nsp_pairs
from course_lib.pretraining import pretrain
from course_lib.tokenization import WordPiece, train_wordpiece
from course_lib.training import TrainConfig

CORPORA = ("wikipedia_en", "books_en")
SEQ_LEN = 128
VOCAB_SIZE = 8192


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=15_000)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()

    tokenizer = make_tokenizer(arguments.out / "tokenizer")
    rows = {split: make_rows(split, tokenizer) for split in ("train", "validation")}
    shape = ModelConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=192,
        num_layers=4,
        num_heads=3,
        intermediate_size=768,
        max_positions=SEQ_LEN,
        dropout=0.0,
        attention_dropout=0.0,
        initializer_range=0.06,  # the published 0.02 is for a width of 768; narrow: more
    )
    config = TrainConfig(
        steps=arguments.steps,
        batch_size=arguments.batch_size,
        warmup_steps=arguments.steps // 20,
        learning_rate=arguments.learning_rate,
        eval_every=max(1, arguments.steps // 60),
    )
    torch.manual_seed(config.seed)
    model = BertForPreTraining(shape)
    history = pretrain(
        model,
        rows["train"],
        MaskedLM.from_tokenizer(tokenizer),
        config,
        rows["validation"],
        out=arguments.out,
        eval_rows=1024,
    )
    pretrained.save(model, arguments.out / "model", tokenizer, dtype=torch.float16)
    last = history.evaluations[-1]
    record = {
        "data": list(CORPORA),
        "training_rows": len(rows["train"]),
        "tokens": history.tokens,
        "steps": config.steps,
        "batch_size": config.batch_size,
        "seq_len": SEQ_LEN,
        "learning_rate": config.learning_rate,
        "seconds": round(history.seconds),
        "unigram_entropy": history.unigram_entropy,
        **last,
        "hardware": f"{platform.machine()} CPU, {torch.get_num_threads()} thread(s)",
        "torch": torch.__version__,
        "date": date.today().isoformat(),
    }
    (arguments.out / "model" / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


def make_tokenizer(folder: Path) -> WordPiece:
    """The vocabulary of the training text, learned once."""
    if not (folder / "vocab.txt").exists():
        texts = (t for name in CORPORA for t in data.load(name, split="train")["text"])
        train_wordpiece(texts, VOCAB_SIZE).save(folder)
    return WordPiece.from_folder(folder)


def make_rows(split: str, tokenizer: WordPiece):
    """Sentence pairs of both corpora, in one data set."""
    documents = [data.encode_corpus(data.load(name, split=split), tokenizer) for name in CORPORA]
    return concatenate_datasets([nsp_pairs(d, SEQ_LEN, tokenizer) for d in documents])


if __name__ == "__main__":
    main()
