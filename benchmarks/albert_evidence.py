"""Recorded runs for the lesson on ALBERT; takes a while, so it goes on where it stopped.

    python -m benchmarks.albert_evidence            # both parts
    python -m benchmarks.albert_evidence pairs      # or one

Each part writes notebooks/records/09_PART.json: settings, every seed's values, versions, date and
hardware in general words. All runs use tinyworld, small ALBERTs and one thread.

    pairs    one ALBERT learns masked words of whole documents, until it copies facts between their
             sentences; then it goes on with NSP or with SOP, three seeds each
    sharing  masked words with layers that share nothing, attention, feed-forward or all (3 seeds)
"""

import sys
from dataclasses import asdict, replace
from functools import cache

import torch
from datasets import Dataset
from sklearn.linear_model import LogisticRegression

from benchmarks import records
from benchmarks.records import times
from course_lib import data, tinyworld
from course_lib.albert import AlbertForPreTraining
from course_lib.config import ModelConfig
from course_lib.objectives import MaskedLM, pad_rows
from course_lib.packing import doc_sentences, nsp_pairs, sop_pairs
from course_lib.pretraining import HeldOut, pretrain
from course_lib.recipes import start_at_frequencies
from course_lib.tinyworld.probe import accuracy_by_role, hidden_words
from course_lib.training import History, TrainConfig

SEQ_LEN = 64
RATE = 0.3  # in `sharing`, more hidden words than BERT's 15 %: short runs learn more
PAIRS_RATE = 0.15
DOCUMENTS, HELD_OUT = 20_000, 600
TOKENIZER = tinyworld.tokenizer()
SHAPE = ModelConfig(
    vocab_size=TOKENIZER.vocab_size, hidden_size=64, num_layers=3, num_heads=4,
    intermediate_size=256, max_positions=SEQ_LEN, dropout=0.0, attention_dropout=0.0,
    initializer_range=0.1, embedding_size=64, shared="all",
)  # fmt: skip
SHARING = TrainConfig(steps=times(300), batch_size=32, learning_rate=5e-3, warmup_steps=40,
                      eval_every=times(50), precision="fp32", compile="off")  # fmt: skip
PAIRS_SHAPE = SHAPE.replace(num_layers=2, initializer_range=0.08)
BASE = replace(SHARING, steps=times(3500), learning_rate=3e-3, warmup_steps=100,
               eval_every=times(500))  # fmt: skip
GO_ON = replace(SHARING, steps=times(600), learning_rate=2e-3, eval_every=times(100))
PACK = {"nsp": nsp_pairs, "sop": sop_pairs}
PROBED = 1000  # pairs that a linear probe learns from


@cache
def rows(question: str, n_documents: int, seed: int) -> Dataset:
    """Rows of tinyworld with this question about the two texts ("none": SOP's, not asked; "text":
    whole documents, with all sentences in their order)."""
    if question == "none":
        return rows("sop", n_documents, seed).remove_columns("next_sentence_label")
    documents = data.encode_corpus(tinyworld.dataset(n_documents, seed, truth=False), TOKENIZER)
    if question == "text":
        return doc_sentences(documents, SEQ_LEN, TOKENIZER)
    return PACK[question](documents, SEQ_LEN, TOKENIZER).shuffle(seed=0).flatten_indices()


def new_model(seed: int, shape: ModelConfig) -> AlbertForPreTraining:
    torch.manual_seed(seed)
    model = AlbertForPreTraining(shape)
    start_at_frequencies(model, rows("none", DOCUMENTS, 0))
    return model


def learn(model, question: str, config: TrainConfig, rate: float, **options) -> History:
    """Pre-train to the end; a run that was interrupted is no result."""
    objective = MaskedLM.from_tokenizer(TOKENIZER, seed=config.seed, rate=rate)
    history = pretrain(
        model, rows(question, DOCUMENTS, 0), objective, config, monitor=False,
        held_out=rows(question, HELD_OUT, 1), eval_rows=256, **options,
    )  # fmt: skip
    if history.stopped_early:
        raise SystemExit("stopped; what was complete is in the records")
    return history


def curve(history: History) -> list[dict]:
    return [{k: round(v, 4) for k, v in look.items()} for look in history.evaluations]


def sharing(arm: str, seed: int) -> dict:
    """Masked words; then the layers, and the loss if the shared layer runs more or less often."""
    model = new_model(seed, SHAPE.replace(shared=arm))
    history = learn(model, "none", replace(SHARING, seed=seed), RATE)
    found = {"parameters": sum(p.numel() for p in model.parameters()),
             "layer_parameters": sum(p.numel() for p in model.bert.encoder.parameters()),
             "evaluations": curve(history), **layer_steps(model.eval())}  # fmt: skip
    return found | ({"loss_by_repeats": by_repeats(model)} if arm == "all" else {})


@torch.no_grad()
def layer_steps(model: AlbertForPreTraining) -> dict:
    """For each layer, mean distance and cosine between what enters and what leaves it."""
    batch = on_device(pad_rows(rows("none", HELD_OUT, 1), range(64), TOKENIZER.pad_id), model)
    real = batch["attention_mask"].bool()
    states = [state[real] for state in model.bert(**batch).hidden_states]  # L + 1 of (tokens, D)
    pairs = list(zip(states, states[1:], strict=False))
    cosines = [torch.cosine_similarity(a, b).mean() for a, b in pairs]
    return {"layer_distance": [round(float((b - a).norm(dim=1).mean()), 4) for a, b in pairs],
            "layer_cosine": [round(float(c), 4) for c in cosines]}  # fmt: skip


def on_device(batch: dict, model) -> dict:
    device = next(model.parameters()).device
    return {name: x.to(device) for name, x in batch.items()}


def by_repeats(model: AlbertForPreTraining) -> list[float]:
    """MLM loss if the shared layer runs 1, 2, ... 8 times, though it was trained to run 3 times."""
    held_out = HeldOut(rows("none", HELD_OUT, 1), MaskedLM.from_tokenizer(TOKENIZER, rate=RATE))
    layers, found = model.bert.encoder.layers, []
    for repeats in range(1, 9):
        model.bert.encoder.layers = torch.nn.ModuleList([layers[0]] * repeats)
        found.append(round(held_out.evaluate(model)["mlm_loss"], 4))
    model.bert.encoder.layers = layers
    return found


@cache
def base() -> tuple[dict, dict]:
    """Weights and figures of an ALBERT that has learned masked words alone; kept until all runs
    that start from it are there."""
    path = records.scratch("09-albert-base.pt")
    if not path.exists():
        model, hidden = new_model(0, PAIRS_SHAPE), hidden_words(500, TOKENIZER)
        history = learn(model, "text", BASE, PAIRS_RATE,
                        also=lambda m: accuracy_by_role(m, hidden))  # fmt: skip
        figures = {"evaluations": curve(history), **both(model)}
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save((model.state_dict(), figures), path.with_suffix(".tmp"))
        path.with_suffix(".tmp").replace(path)
    return torch.load(path, map_location="cpu")


def pairs(arm: str, seed: int) -> dict:
    """Masked words and a question about pairs, from the common start; then both questions."""
    weights, figures = base()
    if arm == "none":
        return figures
    model = new_model(100 + seed, PAIRS_SHAPE)
    new = {k: v for k, v in model.state_dict().items() if k.startswith(("nsp", "bert.pooler"))}
    model.load_state_dict(weights | new)  # the head that answers starts anew
    history = learn(model, arm, replace(GO_ON, seed=seed), PAIRS_RATE)
    return {"evaluations": curve(history), **both(model)}


def both(model: AlbertForPreTraining) -> dict:
    """Held-out accuracy on both questions: of the model's own head, and of a linear probe."""
    found, objective = {}, MaskedLM.from_tokenizer(TOKENIZER, rate=PAIRS_RATE)
    for question in PACK:
        head = HeldOut(rows(question, HELD_OUT, 1), objective, 600).evaluate(model.eval())
        found |= {f"{question}_head": round(head["nsp_accuracy"], 4),
                  f"{question}_mlm_loss": round(head["mlm_loss"], 4),
                  f"{question}_probe": round(probe(model, question), 4)}  # fmt: skip
    return found


@torch.no_grad()
def probe(model: AlbertForPreTraining, question: str) -> float:
    """Held-out accuracy of a linear classifier on the mean vectors of A and of B, model frozen."""
    features = []
    for n_documents, seed in ((DOCUMENTS, 0), (HELD_OUT, 1)):
        part = rows(question, n_documents, seed)
        batch = pad_rows(part, range(min(PROBED, len(part))), TOKENIZER.pad_id)
        labels, batch = batch.pop("next_sentence_label"), on_device(batch, model)
        hidden = model.bert(**batch).last_hidden_state  # (B, T, D)
        sides = [batch["attention_mask"] * (batch["token_type_ids"] == s) for s in (0, 1)]
        means = [(hidden * s[..., None]).sum(1) / s.sum(1, keepdim=True) for s in sides]
        features.append((torch.cat(means, 1).cpu().numpy(), labels.numpy()))
    (x, y), (test_x, test_y) = features
    return float(LogisticRegression(max_iter=300).fit(x, y).score(test_x, test_y))


def record(name: str, run, arms, settings: dict, shape: ModelConfig, rate: float) -> None:
    """Run what is missing of a part; the common start is one."""
    found = records.opened(
        f"09_{name}", f"lesson 09, part {name}", f"albert_evidence {name}", shape=asdict(shape),
        train=settings, documents=DOCUMENTS, seq_len=SEQ_LEN, hidden_share=rate)  # fmt: skip
    records.run_missing(f"09_{name}", found, run, arms, once=("none",))


def main(parts: list[str]) -> None:
    torch.set_num_threads(1)
    if "pairs" in parts:
        settings = {"base": asdict(BASE), "then": asdict(GO_ON)}
        record("pairs", pairs, ("none", *PACK), settings, PAIRS_SHAPE, PAIRS_RATE)
        records.forget(records.scratch("09-albert-base.pt"))
    if "sharing" in parts:
        arms = ("all", "nothing", "attention", "feed_forward")
        record("sharing", sharing, arms, asdict(SHARING), SHAPE, RATE)


if __name__ == "__main__":
    main(sys.argv[1:] or ["pairs", "sharing"])
