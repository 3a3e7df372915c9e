"""Recorded runs for the lesson on ELECTRA; takes a while, so it goes on where it stopped.

    python -m benchmarks.electra_evidence            # all parts
    python -m benchmarks.electra_evidence arms       # or one

Each part writes notebooks/records/10-PART.json: settings, every seed's values, versions, date and
hardware in general words. All runs use a discriminator of 2 layers and one thread.

    compute tinyworld: BERT, ELECTRA and the models between them at equal numbers of operations,
            four amounts of them on the way; names marked by each encoder after fine-tuning on few
            labeled sentences, as it is and with a last layer that starts anew; into how many
            directions each layer's vectors spread
    arms    tinyworld: generators of several sizes, tied or not, joint or in two stages, two weights
            of the loss, and the models between BERT and ELECTRA; then names marked by each encoder
            after fine-tuning on few labeled documents
    genres  the same ELECTRA on three kinds of real text (needs COURSE_DATA, or the hub), and on
            tinyworld as running text and as rows that begin where a sentence begins
"""

import copy
import sys
import time
from dataclasses import asdict, replace
from functools import cache

import torch
from datasets import Dataset
from torch import nn

from benchmarks import records
from benchmarks.names_task import TOKENIZER, f1, tagged
from course_lib import data, flops, tinyworld
from course_lib.bert import BertForPreTraining
from course_lib.config import ModelConfig
from course_lib.electra import (
    AllTokensMLM,
    ElectraForPreTraining,
    ElectraForTokenClassification,
    ReplaceMLM,
    generator_of,
)
from course_lib.encoder import init_weights
from course_lib.finetuning import FinetuneConfig, finetune
from course_lib.objectives import MaskedLM, ReplacedTokens, pad_rows
from course_lib.packing import doc_sentences, full_sentences
from course_lib.pretraining import pretrain
from course_lib.recipes import learn_vocabulary, start_at_frequencies
from course_lib.training import History, TrainConfig

ROW = 32  # tokens at most; on tinyworld a row is one sentence
SHAPE = ModelConfig(
    vocab_size=TOKENIZER.vocab_size, hidden_size=64, num_layers=2, num_heads=4,
    intermediate_size=256, max_positions=ROW, dropout=0.0, attention_dropout=0.0,
    initializer_range=0.125,  # 1 / sqrt(hidden_size)
)  # fmt: skip
RECIPE = TrainConfig(steps=300, batch_size=32, learning_rate=4e-3, warmup_steps=40, eval_every=30,
                     precision="fp32", compile="off")  # fmt: skip
DOCUMENTS, HELD_OUT, EVAL_ROWS = 5000, 200, 128
LABELED, LABEL_SETS, TESTED = 40, (3, 4, 5), 400  # fine-tuning: sentences, draws of them, test
TUNING = FinetuneConfig(epochs=15, batch_size=10, learning_rate=2e-3, precision="fp32")
TUNED = {"labeled": LABELED, "label_sets": LABEL_SETS, "test": TESTED, "epochs": TUNING.epochs,
         "learning_rate": TUNING.learning_rate}  # fmt: skip


@cache
def rows(n_documents: int, seed: int) -> Dataset:
    """Sentences of tinyworld, one a row."""
    documents = tinyworld.dataset(n_documents, seed, truth=False)
    ids = [
        TOKENIZER.add_special(sentence)["input_ids"]
        for row in data.encode_corpus(documents, TOKENIZER)
        for sentence in row["sentences"]
    ]
    return Dataset.from_dict({"input_ids": [row for row in ids if len(row) <= ROW]})


def small(share: float = 1 / 4) -> ModelConfig:
    """A generator's shape. It is narrow, and starts from larger weights for that."""
    shape = generator_of(SHAPE, share)
    return shape.replace(initializer_range=shape.hidden_size**-0.5)


def electra(share: float = 1 / 4, tied: bool = True, **options) -> ElectraForPreTraining:
    model = ElectraForPreTraining(SHAPE, small(share), **options)
    if not tied:
        model.generator = copy.deepcopy(model).generator  # the same start, tables of its own
    return model


class WordFrequencies(nn.Module):
    """The generator that knows how frequent each word is, and nothing else."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        start = BertForPreTraining(config)
        start_at_frequencies(start, rows(DOCUMENTS, 0))
        self.register_buffer("scores", start.mlm.decoder.bias.detach().clone())

    def forward(self, input_ids, token_type_ids, attention_mask, masked_positions):
        return self.scores.expand(len(masked_positions), -1)


def with_frequencies() -> ElectraForPreTraining:
    model = electra()
    model.generator = WordFrequencies(SHAPE)
    return model


ARMS = {  # how each model is made
    "ELECTRA": electra,
    "BERT": lambda: BertForPreTraining(SHAPE),
    "ELECTRA 15 %": lambda: electra(masked_only=True),
    "Replace MLM": lambda: ReplaceMLM(SHAPE, small()),
    "All-Tokens MLM": lambda: AllTokensMLM(SHAPE, small()),
    "generator 1/2": lambda: electra(1 / 2),
    "generator 1": lambda: electra(1.0),
    "word frequencies": with_frequencies,
    "not tied": lambda: electra(tied=False),
    "weight 1": lambda: electra(weight=1.0),
    "two stages": lambda: electra(1.0, weight=0.0),  # the first one: the generator alone
}


def encoder_of(model: nn.Module) -> nn.Module:
    """The part that one keeps and fine-tunes."""
    for name in ("discriminator", "reader"):
        model = getattr(model, name, model)
    return model.bert


def heads_of(model: nn.Module) -> list[nn.Module]:
    """The parts that predict words."""
    parts = (getattr(model, "generator", None), getattr(model, "reader", None), model)
    return [part for part in parts if hasattr(part, "mlm")]


def train(
    model: nn.Module, config: TrainConfig, train_rows, held, tokenizer=TOKENIZER, also=None
) -> History:
    """`pretrain`; a run that was interrupted is no result."""
    kind = MaskedLM if isinstance(model, BertForPreTraining) else ReplacedTokens
    objective = kind.from_tokenizer(tokenizer, seed=config.seed)
    history = pretrain(model, train_rows, objective, config, held, monitor=False,
                       eval_rows=EVAL_ROWS, also=also)  # fmt: skip
    if history.stopped_early:
        raise SystemExit("stopped; what was complete is in the records")
    return history


def arms(arm: str, seed: int) -> dict:
    """Pre-train, look, fine-tune."""
    torch.manual_seed(seed)
    model, config = ARMS[arm](), replace(RECIPE, seed=seed)
    for part in heads_of(model):
        start_at_frequencies(part, rows(DOCUMENTS, 0))
    two = arm == "two stages"
    if two:
        config = replace(config, steps=config.steps // 2)
    looks = train(model, config, rows(DOCUMENTS, 0), rows(HELD_OUT, 1)).evaluations
    if two:
        model = second_stage(model)
        looks = train(model, config, rows(DOCUMENTS, 0), rows(HELD_OUT, 1)).evaluations
    return {"looks": [rounded(look) for look in looks], "names_f1": names_f1(encoder_of(model))}


def second_stage(model: ElectraForPreTraining) -> ElectraForPreTraining:
    """The discriminator starts from the generator's weights; the generator learns no more."""
    model = copy.deepcopy(model)
    model.discriminator.bert = copy.deepcopy(model.generator.bert)
    model.generator.requires_grad_(False)
    model.weight = 50.0
    return model


def rounded(look: dict) -> dict:
    return {name: round(value, 4) for name, value in look.items()}


# --- equal compute --------------------------------------------------------------------------------

SHARES = (1, 2, 4, 8)  # of the way, in eighths: where a copy is fine-tuned
STEPS_OF_BERT = 1600  # all the way; ELECTRA gets as many as the same operations pay for
MANY_DOCUMENTS = 12_000  # so that no sentence is read more than twice
COMPARED = ("BERT", "ELECTRA", "ELECTRA 15 %", "Replace MLM", "All-Tokens MLM")
QUICKER = replace(TUNING, learning_rate=4e-3)  # better for both than half of it


@cache
def mean_length() -> int:
    """Tokens of a row, rounded."""
    lengths = [len(row) for row in rows(HELD_OUT, 1)["input_ids"]]
    return round(sum(lengths) / len(lengths))


def operations(arm: str) -> float:
    """Of one row, forward and backward."""
    tokens = mean_length()
    if arm in ("ELECTRA", "ELECTRA 15 %"):
        return flops.electra_step(SHAPE, small(), tokens)
    reader = flops.masked_lm_step(SHAPE, tokens, 1.0 if arm == "All-Tokens MLM" else 0.15)
    return reader if arm == "BERT" else reader + flops.masked_lm_step(small(), tokens)


def steps_for(arm: str) -> int:
    """As many as BERT's operations pay for, in eight equal parts."""
    steps = records.times(STEPS_OF_BERT) * operations("BERT") / operations(arm)
    return 8 * round(steps / 8)


def compute(arm: str, seed: int) -> dict:
    """One run; on the way a copy of the encoder is fine-tuned."""
    torch.manual_seed(seed)
    model, steps = ARMS[arm](), steps_for(arm)
    train_rows = rows(MANY_DOCUMENTS, 0)
    for part in heads_of(model):
        start_at_frequencies(part, train_rows)
    config = replace(RECIPE, steps=steps, seed=seed, eval_every=steps // 8)
    tuned, seconds, begun = [], [], [time.process_time()]

    def also(model: nn.Module) -> dict:
        seconds.append(time.process_time() - begun[0])
        tuned.append(after_tuning(encoder_of(model)) if len(seconds) in SHARES else {})
        begun[0] = time.process_time() - seconds[-1]  # fine-tuning is not part of the cost
        return {}

    history = train(model, config, train_rows, rows(HELD_OUT, 1), also=also)
    return {
        "steps": steps,
        "tokens": mean_length(),
        "operations": operations(arm) * 32 * steps,
        "looks": [
            rounded(look) | {"processor_seconds": round(s, 1)} | found
            for look, s, found in zip(history.evaluations, seconds, tuned, strict=True)
        ],
    }


def after_tuning(encoder: nn.Module) -> dict:
    """Names F1 of a copy, as it is and with its last layer from random weights; directions."""
    anew = copy.deepcopy(encoder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(9)
        init_weights(anew.encoder.layers[-1], SHAPE)
        return {
            "names_f1": names_f1(encoder, QUICKER),
            "names_f1_anew": names_f1(anew, QUICKER),
            "directions": directions(encoder),
        }


@torch.no_grad()
def directions(encoder: nn.Module) -> list[float]:
    """Into how many directions the vectors of words spread, for the embeddings and each layer: the
    exponential of the entropy of the principal components' shares of the variance."""
    batch = pad_rows(rows(HELD_OUT, 1), range(64), TOKENIZER.pad_id)
    real, found = batch["attention_mask"].bool(), []
    for hidden in encoder(**batch).hidden_states:
        vectors = hidden[real] - hidden[real].mean(0)  # (N, D)
        shares = torch.linalg.svdvals(vectors).square()
        shares = shares / shares.sum()
        found.append(round(float(torch.special.entr(shares).sum().exp()), 2))
    return found


# --- fine-tuning ----------------------------------------------------------------------------------


def names_f1(encoder: nn.Module, tuning: FinetuneConfig = TUNING) -> list[float]:
    """F1 of the words marked as names after fine-tuning, for each draw of labeled documents."""
    found, test = [], tagged(TESTED, 2)
    for draw in LABEL_SETS:
        torch.manual_seed(draw)
        tagger = ElectraForTokenClassification(SHAPE.replace(dropout=0.1), len(tinyworld.NER_TAGS))
        if encoder is not None:
            tagger.bert.load_state_dict(encoder.state_dict(), strict=False)  # without a pooler
        finetune(tagger, tagged(LABELED, draw), replace(tuning, seed=draw), monitor=False)
        found.append(f1(tagger, test))
    return found


# --- real text ------------------------------------------------------------------------------------

GENRES = {
    "encyclopedia": "wikipedia_en",
    "books": "books_en",
    "film reviews": "imdb",
    "tinyworld, running text": "tinyworld",
    "tinyworld, rows of whole sentences": "tinyworld, doc",
}
PIECES, TEXTS = 512, 1500
GENRE_RECIPE = replace(RECIPE, steps=240, eval_every=120)


@cache
def genre_rows(name: str):
    """Tokenizer, training rows and held-out rows; a row of running text goes over sentence ends."""
    if name.startswith("tinyworld"):
        pack = doc_sentences if name.endswith("doc") else full_sentences
        texts = (tinyworld.dataset(*part, truth=False) for part in ((DOCUMENTS, 0), (HELD_OUT, 1)))
        encoded = (data.encode_corpus(text, TOKENIZER) for text in texts)
        return TOKENIZER, *(pack(text, ROW, TOKENIZER) for text in encoded)
    texts = data.load(name)["train"]
    if data.is_stand_in(texts):
        raise SystemExit(f"{name} is not here: set COURSE_DATA to a folder that has it")
    texts = texts.shuffle(seed=0)
    texts = texts.select(range(min(TEXTS, len(texts))))
    tokenizer = learn_vocabulary(texts, PIECES)
    packed = full_sentences(data.encode_corpus(texts, tokenizer), ROW, tokenizer)
    held = packed.select(range(len(packed) - EVAL_ROWS, len(packed)))  # of the last texts
    return tokenizer, packed.select(range(len(packed) - 4 * EVAL_ROWS)), held


def genres(arm: str, seed: int) -> dict:
    tokenizer, train_rows, held = genre_rows(GENRES[arm])
    torch.manual_seed(seed)
    shape = SHAPE.replace(vocab_size=tokenizer.vocab_size)
    model = ElectraForPreTraining(shape, small().replace(vocab_size=shape.vocab_size))
    start_at_frequencies(model.generator, train_rows)
    history = train(model, replace(GENRE_RECIPE, seed=seed), train_rows, held, tokenizer)
    return {"looks": [rounded(look) for look in history.evaluations], "data": GENRES[arm],
            "no_context_loss": round(history.no_context_loss, 4)}  # fmt: skip


# --- records --------------------------------------------------------------------------------------


def opened(part: str, config: TrainConfig, **settings) -> dict:
    """The record of a part as it is, or a new one."""
    return records.opened(f"10-{part}", f"lesson 10, part {part}", f"electra_evidence {part}",
                          shape=asdict(SHAPE), train=asdict(config), row=ROW, **settings)


def make_arms() -> None:
    found = opened("arms", RECIPE, tuning=TUNED, pieces=TOKENIZER.vocab_size)
    if "random start" not in found:
        found["random start"] = names_f1(None)
    records.run_missing("10-arms", found, arms, ARMS)


def make_compute() -> None:
    longer = {"generator": asdict(small()), "documents": MANY_DOCUMENTS,
              "looks_in_eighths": SHARES,
              "tuning": TUNED | {"learning_rate": QUICKER.learning_rate}}  # fmt: skip
    found = opened("compute", replace(RECIPE, steps=records.times(STEPS_OF_BERT)), **longer)
    if "random start" not in found:
        found["random start"] = names_f1(None, QUICKER)
    records.run_missing("10-compute", found, compute, COMPARED)


def make_genres() -> None:
    found = opened("genres", GENRE_RECIPE, pieces=PIECES)
    records.run_missing("10-genres", found, genres, GENRES)


PARTS = {"arms": make_arms, "compute": make_compute, "genres": make_genres}


def main(parts: list[str]) -> None:
    torch.set_num_threads(1)
    for part in parts:
        PARTS[part]()


if __name__ == "__main__":
    main(sys.argv[1:] or list(PARTS))
