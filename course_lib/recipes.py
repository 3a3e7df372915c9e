"""Complete pre-training runs by name: data, vocabulary, shape and schedule for each budget.

`course pretrain` and the training cell of the lesson on pre-training are both made of this.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from datasets import Dataset, DatasetDict

from course_lib import data, tinyworld, tokenization
from course_lib.bert import BertForPreTraining
from course_lib.config import ModelConfig
from course_lib.objectives import MaskedLM, flat_ids
from course_lib.packing import full_sentences, nsp_pairs
from course_lib.pretraining import MANY_ROWS
from course_lib.training import TrainConfig

HELD_OUT_SHARE = 0.02  # of the documents, where a data set has no validation split


@dataclass(frozen=True)
class Recipe:
    """One size of run."""

    vocab_size: int  # of the vocabulary that is learned from the training text
    seq_len: int
    shape: dict  # fields of ModelConfig
    train: TrainConfig
    next_sentence: bool = True  # whether the rows are pairs; short rows have no room for two texts


def _shape(num_layers: int, hidden_size: int, dropout: float = 0.1) -> dict:
    return dict(num_layers=num_layers, hidden_size=hidden_size, num_heads=hidden_size // 64,
                intermediate_size=4 * hidden_size, dropout=dropout, attention_dropout=dropout)


RECIPES = {
    "smoke": Recipe(1000, 32, _shape(2, 64), TrainConfig(
        steps=20, batch_size=8, warmup_steps=4, learning_rate=1e-3, eval_every=10)),
    # Few steps on a few million tokens cannot overfit, so dropout would only slow it down.
    # The published start, 0.02, is meant for a width of 768; narrow models learn sooner from more.
    "cpu": Recipe(8192, 32, _shape(4, 192, dropout=0.0) | dict(initializer_range=0.03), TrainConfig(
        steps=7000, batch_size=32, warmup_steps=200, learning_rate=6e-4, eval_every=200),
        next_sentence=False),
    # half a minute on real text, for the live cell of the lesson
    "lesson": Recipe(4096, 32, _shape(2, 128, dropout=0.0) | dict(initializer_range=0.05),
                     TrainConfig(steps=200, batch_size=32, warmup_steps=40, learning_rate=2e-3,
                                 eval_every=25), next_sentence=False),
    "gpu": Recipe(16_384, 128, _shape(8, 512), TrainConfig(
        steps=20_000, batch_size=256, warmup_steps=1000, learning_rate=5e-4, eval_every=500)),
}


@dataclass
class Prepared:
    """All that `pretraining.pretrain` needs."""

    model: BertForPreTraining
    tokenizer: tokenization.WordPiece
    objective: MaskedLM
    rows: Dataset
    held_out: Dataset
    train: TrainConfig
    origin: str  # the line that says where the data came from


def prepare(name: str, recipe: Recipe, split: str = "train") -> Prepared:
    """Load the data set `name` (a column `text`, one document a row), learn its vocabulary, encode
    and pack it, and start a model. What was prepared once is read from the cache the next time.

    Raises data.DataError for a data set that cannot be had, ValueError for one without text.
    """
    documents, held_out = two_splits(data.load(name), split)
    tokenizer = tinyworld.tokenizer() if name == "tinyworld" else learn_vocabulary(
        documents, recipe.vocab_size)
    pack = nsp_pairs if recipe.next_sentence else full_sentences
    rows, held_out_rows = (
        pack(data.encode_corpus(part, tokenizer), recipe.seq_len, tokenizer)
        for part in (documents, held_out)
    )
    config = ModelConfig(vocab_size=tokenizer.vocab_size, max_positions=recipe.seq_len,
                         pad_token_id=tokenizer.pad_id, **recipe.shape)
    with torch.random.fork_rng(devices=[]):  # the model is made on the CPU
        torch.manual_seed(recipe.train.seed)
        model = BertForPreTraining(config)
    start_at_frequencies(model, rows)
    return Prepared(model, tokenizer, MaskedLM.from_tokenizer(tokenizer, seed=recipe.train.seed),
                    rows, held_out_rows.shuffle(seed=0),  # the first few are of all documents
                    recipe.train, data.origin(documents))


def two_splits(sets: DatasetDict, split: str) -> tuple[Dataset, Dataset]:
    """Training documents and held-out documents: another split, or else a few put aside."""
    if split not in sets:
        raise ValueError(f"the data has no split {split!r}: there are {', '.join(sets)}.")
    if "text" not in sets[split].column_names:
        raise ValueError(
            f"pre-training reads a column `text`; this data has {sets[split].column_names}."
        )
    for other in ("validation", "test"):
        if other in sets and other != split:
            return sets[split], sets[other]
    parts = sets[split].train_test_split(HELD_OUT_SHARE, seed=0)
    return parts["train"], parts["test"]


@torch.no_grad()
def start_at_frequencies(model: BertForPreTraining, rows: Dataset) -> None:
    """Set the output bias to the log of each token's share of the rows.

    The model then starts near the loss of the best guess without context, and need not spend its
    first thousand steps on learning which words are frequent. (BERT starts the bias at 0.)
    """
    counts = torch.bincount(flat_ids(rows, MANY_ROWS), minlength=model.config.vocab_size)
    model.mlm.decoder.bias.copy_(((counts + 1) / (counts + 1).sum()).log())


def learn_vocabulary(documents: Dataset, vocab_size: int) -> tokenization.WordPiece:
    """A WordPiece vocabulary of these documents, kept in the cache."""
    key = hashlib.sha256(f"{documents._fingerprint}/{vocab_size}".encode()).hexdigest()[:16]
    folder = Path(data.cache_dir()) / f"wordpiece-{key}"
    if not (folder / "vocab.txt").exists():
        texts = (text for text in documents.select_columns(["text"])["text"])
        half_done = folder.with_suffix(f".{os.getpid()}.tmp")
        tokenization.train_wordpiece(texts, vocab_size).save(half_done)
        shutil.rmtree(folder, ignore_errors=True)  # what a killed process left
        half_done.rename(folder)
    return tokenization.WordPiece.from_folder(folder)
