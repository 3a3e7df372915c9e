"""Complete pre-training runs by name: data, vocabulary, shape and schedule for each budget.

`course pretrain` and the training cell of the lesson on pre-training are both made of this. What a
family member does differently stands in three places: `OBJECTIVES`, `VOCABULARIES`, `model_config`.
"""

import hashlib
import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from datasets import Dataset, DatasetDict
from torch import nn

from course_lib import data, tinyworld, tokenization
from course_lib.albert import AlbertForPreTraining
from course_lib.bert import BertForPreTraining
from course_lib.config import ModelConfig
from course_lib.electra import AllTokensMLM, ElectraForPreTraining, ReplaceMLM, generator_of
from course_lib.heads import MLMHead
from course_lib.objectives import MaskedLM, MaskedNgrams, ReplacedTokens, flat_ids
from course_lib.packing import doc_sentences, full_sentences, nsp_pairs, sop_pairs
from course_lib.pretraining import MANY_ROWS
from course_lib.roberta import RobertaForMaskedLM
from course_lib.training import TrainConfig

HELD_OUT_SHARE = 0.02  # of the documents, where a data set has no validation split
SAMPLE = 4_000_000  # characters from which a unigram vocabulary is learned


def with_generator(made: type[nn.Module], config: ModelConfig, **options) -> nn.Module:
    """ELECTRA or a relative. Its generator is narrower, and its weights start larger to make up for
    it: so its attention scores start as far apart as those of the discriminator."""
    small = generator_of(config)
    start = config.initializer_range * math.sqrt(config.hidden_size / small.hidden_size)
    return made(config, small.replace(initializer_range=start), **options)


# For each model what it may be asked, the paper's own question first: how text becomes rows, what
# is hidden in them, and the model with the heads for it. ELECTRA's rows begin where a sentence
# begins and stay in one document, as in its published code. So a place says something about the
# word there; where rows begin anywhere, a small generator stays at word frequencies for long.
OBJECTIVES = {
    "bert": {
        "mlm+nsp": (nsp_pairs, MaskedLM, BertForPreTraining),
        "mlm": (full_sentences, MaskedLM, BertForPreTraining)},
    "roberta": {"mlm": (full_sentences, MaskedLM, RobertaForMaskedLM)},
    "albert": {
        "mlm+sop": (sop_pairs, MaskedNgrams, AlbertForPreTraining),
        "mlm+nsp": (nsp_pairs, MaskedNgrams, AlbertForPreTraining),
        "mlm": (full_sentences, MaskedNgrams, AlbertForPreTraining)},
    "electra": {
        "rtd": (doc_sentences, ReplacedTokens, partial(with_generator, ElectraForPreTraining)),
        "rtd-15": (doc_sentences, ReplacedTokens,
                   partial(with_generator, ElectraForPreTraining, masked_only=True)),
        "replace-mlm": (doc_sentences, ReplacedTokens, partial(with_generator, ReplaceMLM)),
        "all-tokens-mlm": (doc_sentences, ReplacedTokens, partial(with_generator, AllTokensMLM))},
}  # fmt: skip
VOCABULARIES = {
    "bert": tokenization.train_wordpiece, "roberta": tokenization.train_byte_bpe,
    "albert": tokenization.train_unigram, "electra": tokenization.train_wordpiece,
}  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """One size of run."""

    vocab_size: int  # of the vocabulary that is learned from the training text
    seq_len: int
    shape: dict  # fields of ModelConfig
    train: TrainConfig
    objective: str = "mlm+nsp"  # see OBJECTIVES; short rows have no room for two texts
    model: str = "bert"  # the family member


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
        objective="mlm"),
    # half a minute on real text, for the live cell of the lesson
    "lesson": Recipe(4096, 32, _shape(2, 128, dropout=0.0) | dict(initializer_range=0.05),
                     TrainConfig(steps=200, batch_size=32, warmup_steps=40, learning_rate=2e-3,
                                 eval_every=25), objective="mlm"),
    "gpu": Recipe(16_384, 128, _shape(8, 512), TrainConfig(
        steps=20_000, batch_size=256, warmup_steps=1000, learning_rate=5e-4, eval_every=500)),
}


def recipe_for(model: str, budget: str) -> Recipe:
    """The recipe of a budget ("smoke", "cpu", "lesson" or "gpu") for a member of the family."""
    base = replace(RECIPES[budget], model=model)
    if model == "bert":
        return base
    base = replace(base, objective=next(iter(OBJECTIVES[model])))
    if model == "albert" and base.seq_len < 64:  # room for two texts: longer rows, and fewer
        fewer = replace(base.train, batch_size=base.train.batch_size * base.seq_len // 64)
        base = replace(base, seq_len=64, train=fewer)
    width = base.shape["hidden_size"]
    if model == "electra" and width < 256:  # its generator is narrow: it keeps two heads or more
        base = replace(base, shape=base.shape | dict(num_heads=width // 16,
                                                     initializer_range=width**-0.5))
    return base


def model_config(recipe: Recipe, tokenizer: tokenization.Tokenizer) -> ModelConfig:
    """The shape of the recipe, with what the family member does differently."""
    shape = dict(vocab_size=tokenizer.vocab_size, max_positions=recipe.seq_len,
                 pad_token_id=tokenizer.pad_id) | recipe.shape
    if recipe.model == "roberta":  # positions count from pad_id + 1
        shape |= dict(max_positions=recipe.seq_len + tokenizer.pad_id + 1, type_vocab_size=1,
                      layer_norm_eps=1e-5)
    if recipe.model == "albert":
        shape |= dict(embedding_size=shape["hidden_size"] // 4, shared="all")
    return ModelConfig(**shape)


@dataclass
class Prepared:
    """All that `pretraining.pretrain` needs."""

    model: nn.Module
    tokenizer: tokenization.Tokenizer
    objective: MaskedLM
    rows: Dataset
    held_out: Dataset
    train: TrainConfig
    origin: str  # the line that says where the data came from


def prepare(name: str, recipe: Recipe, split: str = "train") -> Prepared:
    """Load the data set `name` (a column `text`, one document a row), learn its vocabulary, encode
    and pack it, and start a model. What was prepared once is read from the cache the next time.

    On tinyworld all models use its own vocabulary of whole words.
    Raises data.DataError for a data set that cannot be had, ValueError for one without text.
    """
    documents, held_out = two_splits(data.load(name), split)
    tokenizer = tinyworld.tokenizer() if name == "tinyworld" else learn_vocabulary(
        documents, recipe.vocab_size, recipe.model)
    pack, masks, model_class = OBJECTIVES[recipe.model][recipe.objective]
    rows, held_out_rows = (
        pack(data.encode_corpus(part, tokenizer), recipe.seq_len, tokenizer)
        for part in (documents, held_out)
    )
    with torch.random.fork_rng(devices=[]):  # the model is made on the CPU
        torch.manual_seed(recipe.train.seed)
        model = model_class(model_config(recipe, tokenizer))
    start_at_frequencies(model, rows)
    objective = masks.from_tokenizer(tokenizer, seed=recipe.train.seed,
                                     pair="sop" if pack is sop_pairs else "nsp")
    return Prepared(model, tokenizer, objective, rows, held_out_rows, recipe.train,
                    data.origin(documents))


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
def start_at_frequencies(model: nn.Module, rows: Dataset) -> None:
    """Set the bias of each output over words to the log of each token's share of the rows.

    The model then starts near the loss of the best guess without context, and need not spend its
    first thousand steps on learning which words are frequent. (BERT starts the bias at 0.)
    """
    counts = torch.bincount(flat_ids(rows, MANY_ROWS), minlength=model.config.vocab_size)
    for part in model.modules():
        if isinstance(part, MLMHead):
            part.decoder.bias.copy_(((counts + 1) / (counts + 1).sum()).log())


def learn_vocabulary(
    documents: Dataset, vocab_size: int, model: str = "bert"
) -> tokenization.Tokenizer:
    """The model's kind of vocabulary, learned from these documents and kept in the cache.

    Byte-level BPE for RoBERTa, WordPiece for BERT and ELECTRA. The trainer of ALBERT's unigram
    needs several times as long, more than in proportion to the text, so it gets a sample.
    """
    learn = VOCABULARIES[model]
    key = hashlib.sha256(f"{documents._fingerprint}/{vocab_size}".encode()).hexdigest()[:16]
    folder = Path(data.cache_dir()) / f"{learn.__name__.removeprefix('train_')}-{key}"
    if not (folder / "tokenizer_config.json").exists():
        documents = documents.select_columns(["text"])
        sampled = learn is tokenization.train_unigram
        texts = sample(documents, SAMPLE) if sampled else (text for text in documents["text"])
        half_done = folder.with_suffix(f".{os.getpid()}.tmp")
        learn(texts, vocab_size).save(half_done)
        shutil.rmtree(folder, ignore_errors=True)  # what a killed process left
        half_done.rename(folder)
    return tokenization.load(folder)


def sample(documents: Dataset, characters: int) -> Iterator[str]:
    """Texts drawn at random, until they hold that many characters, or all."""
    for row in documents.shuffle(seed=0):
        yield row["text"]
        characters -= len(row["text"])
        if characters <= 0:
            return
