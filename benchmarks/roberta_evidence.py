"""Recorded runs for the lesson on RoBERTa; takes a while, so it goes on where it stopped.

    python -m benchmarks.roberta_evidence            # all parts
    python -m benchmarks.roberta_evidence masks      # or one

Each part writes notebooks/records/08-PART.json: settings, every seed's values, versions, date and
hardware in general words. All runs use tinyworld, a model of 2 layers and one thread, and ask for
held-out words that are the same for all arms of a part.

    masks    one mask a row, BERT's ten, or new ones each time; every row is read 40 times
    formats  the four input formats of section 4.2, with and without next sentence prediction
    batch    small and large batches, the same passes over the same text, learning rate tuned
    data     a quarter of the text, or four times as much, at equal steps
    longer   running text and single documents over three times the steps, one seed
"""

import sys
from functools import cache

import torch
from datasets import Dataset

from benchmarks import records
from benchmarks.records import SEEDS, times
from course_lib import data, packing, tinyworld
from course_lib.bert import BertForPreTraining
from course_lib.config import ModelConfig
from course_lib.objectives import IGNORED, MaskedLM, generator, mask_tokens
from course_lib.pretraining import HeldOut, pretrain
from course_lib.recipes import start_at_frequencies
from course_lib.roberta import RobertaForMaskedLM
from course_lib.tinyworld.probe import HiddenWords, accuracy_by_role
from course_lib.training import History, TrainConfig

TOKENIZER = tinyworld.tokenizer()
ROW = 48  # tokens in a row of running text
LONG_ROW = 64  # where documents shall fit in one row
STEPS, BATCH, RATE = times(800), 8, 3e-3
LOOKS = 10  # times that a run is looked at
ROWS = records.BUDGET.pick(smoke=160, cpu=160, gpu=640)  # of text, a few dozen times read
SHAPE = ModelConfig(
    vocab_size=TOKENIZER.vocab_size, hidden_size=64, num_layers=2, num_heads=4,
    intermediate_size=256, max_positions=LONG_ROW + 1, dropout=0.0, attention_dropout=0.0,
    initializer_range=0.08,
)


@cache
def encoded(n_documents: int, seed: int) -> Dataset:
    """Documents of tinyworld as lists of ids."""
    return data.encode_corpus(tinyworld.dataset(n_documents, seed, truth=False), TOKENIZER)


@cache
def running_text(n_rows: int) -> Dataset:
    """Full rows of running text."""
    rows = packing.full_sentences(encoded(n_rows + 60, 0), ROW, TOKENIZER)
    return rows.select(range(n_rows))


@cache
def held_out() -> HeldOut:
    """Rows of other documents, with masks that are the same for every run."""
    rows = packing.full_sentences(encoded(300, 1), ROW, TOKENIZER)
    return HeldOut(rows, MaskedLM.from_tokenizer(TOKENIZER), 192)


def train(model, rows, objective, config: TrainConfig, also) -> History:
    """`pretrain`, looked at by `also` alone; a run that was interrupted is no result."""
    history = pretrain(model, rows, objective, config, rows.select(range(8)), monitor=False,
                       also=also)
    if history.stopped_early:
        raise SystemExit("stopped; what was complete is in the records")
    return history


def settings_of(steps=STEPS, batch=BATCH, rate=RATE, seed=0) -> TrainConfig:
    return TrainConfig(steps=steps, batch_size=batch, learning_rate=rate, warmup_steps=steps // 10,
                       eval_every=max(1, steps // LOOKS), precision="fp32", seed=seed)


def on_running_text(n_rows: int, config: TrainConfig, copies: int | None = None) -> dict:
    """A RoBERTa on `n_rows` rows of running text; its losses on them and on held-out rows."""
    torch.manual_seed(config.seed)
    rows = running_text(n_rows)
    objective = MaskedLM.from_tokenizer(TOKENIZER, seed=config.seed, copies=copies)
    model = RobertaForMaskedLM(SHAPE)
    start_at_frequencies(model, running_text(4 * ROWS))
    history = train(model, rows, objective, config, held_out().evaluate)
    span = config.eval_every
    return {
        "rows": n_rows, "passes": config.steps * config.batch_size / n_rows,
        "step": [look["step"] for look in history.evaluations],
        "training_loss": [round(sum(history.loss[i : i + span]) / span, 4)
                          for i in range(0, config.steps - span + 1, span)],
        "held_out_loss": [round(look["mlm_loss"], 4) for look in history.evaluations],
        "accuracy": [round(look["accuracy"], 4) for look in history.evaluations],
    }


# --- masks: 160 rows read 40 times, as BERT read its text about 40 times --------------------------

COPIES = {"one mask": 1, "ten masks (BERT)": 10, "new each time (RoBERTa)": None}


def masks(arm: str, seed: int) -> dict:
    return on_running_text(ROWS, settings_of(seed=seed), COPIES[arm])


# --- data: the middle one is an arm of `masks`, the largest one of `batch` ------------------------

AMOUNTS = {f"{n} rows": n for n in (ROWS // 4, ROWS, 4 * ROWS)}


def amounts(arm: str, seed: int) -> dict:
    return on_running_text(AMOUNTS[arm], settings_of(seed=seed))


# --- batch: ten passes over 640 rows, cut into large or small steps -------------------------------

SIZES = {"8": 8, "32": 32, "128": 128}
RATES = {"8": (RATE,), "32": (3e-3, 6e-3), "128": (6e-3, 1.2e-2)}


def batch(arm: str, seed: int, rate: float) -> dict:
    size = SIZES[arm]
    return on_running_text(4 * ROWS, settings_of(STEPS * BATCH // size, size, rate, seed))


def tune_and_run_batches() -> None:
    """Seed 0 tries the learning rates of each size; the other seeds take the best one."""
    found = opened("batch") | {"rates": RATES}
    tried = found.setdefault("tried", {})
    for arm in SIZES:
        for rate in RATES[arm]:
            if f"{rate:g}" not in tried.setdefault(arm, {}):
                tried[arm][f"{rate:g}"] = batch(arm, 0, rate)
                write("batch", found)
    best = {arm: min(runs, key=lambda rate, runs=runs: runs[rate]["held_out_loss"][-1])
            for arm, runs in tried.items()}
    found["best_rate"] = best
    found["runs"] = {arm: {"0": tried[arm][best[arm]]} | found["runs"].get(arm, {})
                     for arm in SIZES}
    write("batch", found)
    record("batch", lambda arm, seed: batch(arm, seed, float(best[arm])), SIZES)


# --- formats: equal tokens in a batch, much text --------------------------------------------------

TOKENS = 512  # in a batch
FORMAT_STEPS = times(600)
FORMATS = {
    "SEGMENT-PAIR + NSP": (packing.nsp_pairs, True),
    "SEGMENT-PAIR, no NSP": (packing.nsp_pairs, False),
    "SENTENCE-PAIR + NSP": (packing.sentence_pairs, True),
    "FULL-SENTENCES": (packing.full_sentences, False),
    "DOC-SENTENCES": (packing.doc_sentences, False),
}


@cache
def hidden_documents(as_pair: bool, n_documents: int = 500) -> HiddenWords:
    """Whole held-out documents with hidden words: as one text, or cut in two at a sentence.

    The same words are hidden in both.
    """
    cls, sep, rows, roles = [TOKENIZER.cls_id], [TOKENIZER.sep_id], [], []
    for number, document in enumerate(tinyworld.documents(n_documents, seed=1)):
        words = document.tokens
        if len(words) + 3 > LONG_ROW:
            continue
        ids = torch.tensor([[TOKENIZER.vocab[word.text.lower()] for word in words]])
        masked, labels = (x[0].tolist() for x in mask_tokens(
            ids, ids >= 0, TOKENIZER.mask_id, TOKENIZER.vocab_size, mask_share=1.0,
            random_share=0.0, generator=generator(1, number)))
        middle = words[len(words) // 2].sentence
        cut = next(i for i, word in enumerate(words) if word.sentence == middle)
        between = sep if as_pair else []
        tail = len(words) - cut + 1
        rows.append({
            "input_ids": cls + masked[:cut] + between + masked[cut:] + sep,
            "labels": [IGNORED, *labels[:cut], *[IGNORED] * as_pair, *labels[cut:], IGNORED],
            "token_type_ids": [0] * (cut + 1 + as_pair) + [int(as_pair)] * tail})
        roles += [word.role for word, label in zip(words, labels, strict=True) if label != IGNORED]
    inputs = TOKENIZER.pad([{"input_ids": r["input_ids"], "token_type_ids": r["token_type_ids"],
                             "attention_mask": [1] * len(r["input_ids"])} for r in rows])
    width = inputs["input_ids"].shape[1]
    labels = torch.tensor([r["labels"] + [IGNORED] * (width - len(r["labels"])) for r in rows])
    inputs["masked_positions"] = (labels.flatten() != IGNORED).nonzero().squeeze(1)
    return HiddenWords(inputs, labels[labels != IGNORED], roles)


@torch.no_grad()
def hidden_loss(model, hidden: HiddenWords) -> float:
    """Mean loss of the hidden words, in nats."""
    model.eval()
    device = next(model.parameters()).device
    logits = model(**{name: x.to(device) for name, x in hidden.inputs.items()}).mlm_logits
    model.train()
    return float(torch.nn.functional.cross_entropy(logits, hidden.labels.to(device)))


def formats(arm: str, seed: int, steps: int = FORMAT_STEPS) -> dict:
    """Train in one format; look at hidden words of whole documents, as one text and as a pair."""
    pack, with_nsp = FORMATS[arm]
    rows = pack(encoded(6000, 0), LONG_ROW, TOKENIZER)
    if not with_nsp and "next_sentence_label" in rows.column_names:
        rows = rows.remove_columns("next_sentence_label")
    size = packing.rows_for_tokens(rows, TOKENS)
    torch.manual_seed(seed)
    model = BertForPreTraining(SHAPE)
    start_at_frequencies(model, running_text(4 * ROWS))
    one, two = hidden_documents(False), hidden_documents(True)
    history = train(
        model, rows, MaskedLM.from_tokenizer(TOKENIZER, seed=seed),
        settings_of(steps, size, RATE, seed),
        lambda model: {"as one text": hidden_loss(model, one),
                       "as a pair": hidden_loss(model, two)})
    result = {"rows in a batch": size, "tokens": history.tokens,
              "step": [look["step"] for look in history.evaluations]}
    for name, hidden in (("as one text", one), ("as a pair", two)):
        result[f"loss {name}"] = [round(look[name], 4) for look in history.evaluations]
        result[f"roles {name}"] = {k: round(v, 4) for k, v in
                                   accuracy_by_role(model, hidden).items()}
    if with_nsp:
        pairs = pack(encoded(300, 1), LONG_ROW, TOKENIZER)
        found = HeldOut(pairs, MaskedLM.from_tokenizer(TOKENIZER), 256).evaluate(model)
        result["nsp_accuracy"] = round(found["nsp_accuracy"], 4)
    return result


LONGER_STEPS = 3 * FORMAT_STEPS
LONGER = ("FULL-SENTENCES", "DOC-SENTENCES")


def longer(arm: str, seed: int) -> dict:
    return formats(arm, seed, LONGER_STEPS)


# --- records --------------------------------------------------------------------------------------


def opened(name: str) -> dict:
    """The record of a part as it is, or an empty one."""
    steps = {"formats": FORMAT_STEPS, "longer": LONGER_STEPS}.get(name, STEPS)
    shape = {k: getattr(SHAPE, k) for k in SHAPE.__dataclass_fields__}
    settings = {"model": shape, "steps": steps, "batch_size": BATCH, "learning_rate": RATE,
                "warmup": "a tenth of the steps", "row": ROW, "row_formats": LONG_ROW,
                "tokens_formats": TOKENS}  # fmt: skip
    return records.opened(f"08-{name}", f"lesson 08, part {name}", f"roberta_evidence {name}",
                          settings=settings)  # fmt: skip


def record(name: str, run, arms, seeds=SEEDS) -> None:
    """Run what is missing of a part."""
    records.run_missing(f"08-{name}", opened(name), run, arms, seeds)


def write(name: str, found: dict) -> None:
    records.save(f"08-{name}", found)


def share_runs() -> None:
    """Two amounts of text are arms of other parts, with the same settings: take them from there."""
    found, arms = opened("data"), list(AMOUNTS)
    same = {arms[1]: ("masks", "new each time (RoBERTa)"), arms[2]: ("batch", "8")}
    for arm, (part, theirs) in same.items():
        found["runs"][arm] = opened(part)["runs"].get(theirs, {}) | found["runs"].get(arm, {})
    write("data", found)


PARTS = {
    "masks": lambda: record("masks", masks, COPIES),
    "formats": lambda: record("formats", formats, FORMATS),
    "batch": tune_and_run_batches,
    "data": lambda: (share_runs(), record("data", amounts, AMOUNTS)),
    "longer": lambda: record("longer", longer, LONGER, SEEDS[:1]),
}


def main(parts: list[str]) -> None:
    torch.set_num_threads(1)
    for part in parts:
        PARTS[part]()


if __name__ == "__main__":
    main(sys.argv[1:] or list(PARTS))
