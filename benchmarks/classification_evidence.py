"""Recorded runs for lesson 12, on real reviews: what stands beside the fine-tuned encoder.

    python -m benchmarks.classification_evidence words     # counting words: three real sets
    python -m benchmarks.classification_evidence frozen    # SST-2: probes of frozen encoders
    python -m benchmarks.classification_evidence reviews   # IMDB: which part of a long review
    python -m benchmarks.classification_evidence tuned     # SST-2 from few labels, fine-tuned
    python -m benchmarks.classification_evidence lstm      # the network of the article, on IMDB

Writes the records 12-words and so on (`benchmarks.records`), on one thread. They need the real sets
(COURSE_DATA, or the hub), and all but `words` and `lstm` the extra `pretrained`.
"""

import sys
from dataclasses import asdict, replace
from functools import cache

import numpy as np
import torch
from datasets import Dataset
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from benchmarks import records
from course_lib import data, pretrained
from course_lib.bert import BertForSequenceClassification, BertModel, TaskOutput
from course_lib.config import ModelConfig
from course_lib.finetuning import FinetuneConfig, finetune, predict
from course_lib.heads import mean_loss
from course_lib.hub_files import packaged_encoder
from course_lib.task_rows import make_batch
from course_lib.tasks.measures import f1
from course_lib.tasks.texts import chunk_texts, encode_texts

# --- data -----------------------------------------------------------------------------------------


def real(name: str):
    """A data set, or the end of the program where only its stand-in is at hand."""
    try:
        rows = data.load(name)
    except data.DataError as problem:
        raise SystemExit(str(problem)) from None
    if data.is_stand_in(rows):
        raise SystemExit(f"{name}: the real set is needed here; set COURSE_DATA to its folder.")
    return rows


@cache
def imdb() -> dict[str, Dataset]:
    """train, validation (a tenth of train) and test; no text twice, none in two parts."""
    rows, seen, parts = real("imdb"), set(), {}
    for name in ("train", "test"):
        split = rows[name].shuffle(seed=12)
        texts = [text.replace("<br />", " ") for text in split["text"]]
        labels = split["label"][:]
        keep = [i for i, text in enumerate(texts) if not (text in seen or seen.add(text))]
        parts[name] = Dataset.from_dict({"text": [texts[i] for i in keep],
                                         "label": [labels[i] for i in keep]})  # fmt: skip
    held = len(parts["train"]) // 10
    return {"train": parts["train"].select(range(held, len(parts["train"]))),
            "validation": parts["train"].select(range(held)), "test": parts["test"]}  # fmt: skip


@cache
def sst2() -> dict[str, Dataset]:
    rows = real("glue/sst2")
    return {name: rows[name].rename_column("sentence", "text") for name in ("train", "validation")}


def draw(rows: Dataset, number: int, seed: int) -> Dataset:
    """The same rows for the same seed, other ones for another."""
    return rows.shuffle(seed=seed).select(range(min(number, len(rows))))


def marks(predictions, labels) -> str:
    """Right or wrong, row by row: "1101..."."""
    return "".join("01"[int(p == y)] for p, y in zip(predictions, labels, strict=True))


def figures(predictions, labels) -> dict:
    predictions, labels = np.asarray(predictions), np.asarray(labels)
    return {"accuracy": round(float((predictions == labels).mean()), 4),
            "f1": round(f1(predictions, labels), 4), "rows": len(labels)}  # fmt: skip


TESTED = 4000  # reviews of the test part that are read, the same for all


# --- words: what counting words reaches -----------------------------------------------------------


def counter(words: int, characters: bool = False, C: float = 10.0):
    """Logistic regression on TF-IDF of 1 to `words` neighboring words (or characters)."""
    kind = "char" if characters else "word"
    return make_pipeline(
        TfidfVectorizer(analyzer=kind, ngram_range=(1, words), sublinear_tf=True, min_df=2),
        LogisticRegression(C=C, max_iter=2000))  # fmt: skip


def words_run(arm: str, seed: int) -> dict:
    """arm: "imdb, 5000, 2" = set, labels (0: all), neighbors. The seed draws the labeled rows."""
    name, size, neighbors = arm.split(", ")
    if name == "chnsenticorp":
        rows = real(name)
        parts = {"train": rows["train"], "test": rows["validation"]}
    else:
        parts = imdb() if name == "imdb" else sst2() | {"test": sst2()["validation"]}
        parts = parts | {"test": draw(parts["test"], TESTED, 0)}
    train = draw(parts["train"], int(size) or len(parts["train"]), seed)
    model = counter(int(neighbors), characters=name == "chnsenticorp")
    said = model.fit(train["text"][:], train["label"][:]).predict(test := parts["test"]["text"][:])
    labels = parts["test"]["label"][:]
    found = figures(said, labels) | {"labeled": len(train)}
    if name == "chnsenticorp":
        known = set(train["text"])
        for key, wanted in (("seen in training", True), ("new", False)):
            here = [i for i, text in enumerate(test) if (text in known) == wanted]
            found[key] = figures([said[i] for i in here], [labels[i] for i in here])
    if name == "imdb" and size == "0":
        found["right"] = marks(said, labels)
        found["words"] = [len(text.split()) for text in test]
    return found


WORDS = ("sst2, 0, 1", "sst2, 0, 2", "sst2, 4000, 2", "chnsenticorp, 0, 1",
         "chnsenticorp, 0, 2", "imdb, 5000, 2", "imdb, 0, 1", "imdb, 0, 2")  # fmt: skip

# --- lstm: the network that the article builds ----------------------------------------------------


class BiLSTM(nn.Module):
    """Embedding, one LSTM in each direction, and a score for each class."""

    def __init__(self, config: ModelConfig, classes: int = 2):
        super().__init__()
        self.config = config
        self.table = nn.Embedding(config.vocab_size, config.hidden_size, config.pad_token_id)
        self.lstm = nn.LSTM(config.hidden_size, config.hidden_size, batch_first=True,
                            bidirectional=True)  # fmt: skip
        self.classifier = nn.Module()  # where `task_of` looks for the head
        self.classifier.dense = nn.Linear(2 * config.hidden_size, classes)

    def forward(self, input_ids, attention_mask=None, labels=None, token_type_ids=None):
        lengths = (input_ids != self.config.pad_token_id).sum(1).cpu()
        packed = pack_padded_sequence(self.table(input_ids), lengths, True, enforce_sorted=False)
        _, (last, _) = self.lstm(packed)  # (2, B, D): forward at its end, backward at its start
        logits = self.classifier.dense(torch.cat([last[0], last[1]], -1))
        return TaskOutput(None if labels is None else mean_loss(logits, labels), logits)


TUNE_LSTM = FinetuneConfig(epochs=4, batch_size=32, learning_rate=1e-3, precision="fp32")
LABELED, TOKENS = records.times(2000), 128


def lstm_run(arm: str, seed: int) -> dict:
    """arm: "head" or "tail", the part of the review that is read."""
    tokenizer = pretrained.load_tokenizer(pretrained.shipped())
    train, held, test = (encode_texts(rows, tokenizer, max_length=TOKENS, keep=arm) for rows in (
        draw(imdb()["train"], LABELED, seed), draw(imdb()["validation"], 200, seed),
        draw(imdb()["test"], 1000, 0)))  # fmt: skip
    torch.manual_seed(seed)
    model = BiLSTM(ModelConfig(vocab_size=tokenizer.vocab_size, hidden_size=128, num_heads=2))
    history = finetune(model, train, replace(TUNE_LSTM, seed=seed), held_out=held, monitor=False)
    said = predict(model, test).values.tolist()
    return figures(said, test["labels"][:]) | {
        "validation": [round(look["accuracy"], 4) for look in history.evaluations],
        "parameters": sum(p.numel() for p in model.parameters())}  # fmt: skip


# --- frozen: what an encoder knows that is not fine-tuned -----------------------------------------

SIZES = (16, 64, 256, 768)
POOL, PROBED = records.times(800), 600  # labeled sentences in all; those for the probe of a layer
PRAISE = ("good", "great", "funny", "clever", "moving")
BLAME = ("bad", "dull", "boring", "awful", "stupid")
FRAMES = ("the film is {} .", "the acting was {} .", "it 's {} .")


def negations() -> dict[str, tuple[list[str], list[int]]]:
    """Sentences with and without "not", and their labels: 15 of each kind and label."""
    plain = [(frame.format(word), int(word in PRAISE)) for frame in FRAMES
             for word in PRAISE + BLAME]  # fmt: skip
    turned = [(frame.format(f"not {word}"), int(word in BLAME)) for frame in FRAMES
              for word in PRAISE + BLAME]  # fmt: skip
    return {name: ([text for text, _ in pairs], [label for _, label in pairs])
            for name, pairs in (("plain", plain), ("with not", turned))}  # fmt: skip


def with_typos(texts: list[str], share: float = 0.3) -> list[str]:
    """In a share of the words of four letters or more, two neighbors inside change places."""
    rng = np.random.default_rng(0)

    def spoiled(word: str) -> str:
        if len(word) < 4 or rng.random() >= share:
            return word
        at = rng.integers(1, len(word) - 2)
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]

    return [" ".join(map(spoiled, text.split())) for text in texts]


@torch.no_grad()
def means_of_layers(model: BertModel, rows: Dataset) -> np.ndarray:
    """The mean vector of each row at each layer, (N, L + 1, D)."""
    order = np.argsort([len(ids) for ids in rows["input_ids"]], kind="stable")
    found = np.zeros((len(rows), model.config.num_layers + 1, model.config.hidden_size), np.float32)
    for some in np.split(order, range(16, len(order), 16)):
        batch = make_batch(rows, some, model.config)
        with torch.autocast("cpu", torch.bfloat16, torch.cpu._is_avx512_bf16_supported()):
            states = model(**batch).hidden_states
        real_ones = batch["attention_mask"][..., None].float()
        found[some] = torch.stack([(h.float() * real_ones).sum(1) / real_ones.sum(1)
                                   for h in states], 1).numpy()  # fmt: skip
    return found


def probe(features: np.ndarray, labels):
    """A linear classifier on frozen features."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    return model.fit(features, labels)


def sentences() -> dict[str, Dataset]:
    """All texts of SST-2 that are read here."""
    test = sst2()["validation"]
    made = {"train": draw(sst2()["train"], POOL, 0), "test": test,
            "with typos": Dataset.from_dict({"text": with_typos(test["text"][:]),
                                             "label": test["label"][:]})}  # fmt: skip
    return made | {name: Dataset.from_dict({"text": texts, "label": labels})
                   for name, (texts, labels) in negations().items()}  # fmt: skip


@cache
def vectors(arm: str) -> dict[str, np.ndarray]:
    """Of every text, at every layer, by an encoder that nobody fine-tunes."""
    folder = pretrained.shipped() if arm == "course" else packaged_encoder()
    model, tokenizer = pretrained.load(folder, BertModel), pretrained.load_tokenizer(folder)
    if arm == "random weights":
        torch.manual_seed(0)
        model = BertModel(model.config).eval()
    return {name: kept(f"12-{arm}-{name}", lambda rows=rows: means_of_layers(
        model, encode_texts(rows, tokenizer, max_length=64))) for name, rows in sentences().items()}


def kept(name: str, make) -> np.ndarray:
    """An array from the scratch folder, made first if it is not there."""
    path = records.scratch(f"{name}.npy".replace(" ", "-"))
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, make())
    return np.load(path)


def frozen_run(arm: str, seed: int) -> dict:
    """arm: "published", "course", "random weights" (encoders), or "words"."""
    texts = sentences()
    labels = {name: np.array(rows["label"][:]) for name, rows in texts.items()}
    order = np.random.default_rng(seed).permutation(len(texts["train"]))
    inputs = ({name: np.array(rows["text"][:], object) for name, rows in texts.items()}
              if arm == "words" else {name: v[:, -1] for name, v in vectors(arm).items()})
    found: dict = {"labels": {}}
    for size in SIZES:
        some = order[:size]
        teach = word_counter if arm == "words" else probe
        model = teach(inputs["train"][some], labels["train"][some])
        found["labels"][size] = figures(model.predict(inputs["test"]), labels["test"])
    found |= {name: figures(model.predict(inputs[name]), labels[name])
              for name in texts if name not in ("train", "test")}  # fmt: skip
    if arm != "words":
        found["by layer"] = by_layer(arm, order[:PROBED], labels)
    return found


def word_counter(texts, labels):
    """Words and pairs of words. SST-2 comes in words already, with blanks between."""
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+"),
        LogisticRegression(C=10, max_iter=2000))  # fmt: skip
    return model.fit(texts, labels)


def by_layer(arm: str, some: np.ndarray, labels: dict) -> list[float]:
    """Accuracy of a probe at each layer, from the embeddings up."""
    train, test = vectors(arm)["train"][some], vectors(arm)["test"]
    probes = [probe(train[:, n], labels["train"][some]) for n in range(train.shape[1])]
    return [figures(p.predict(test[:, n]), labels["test"])["accuracy"]
            for n, p in enumerate(probes)]  # fmt: skip


# --- reviews: which part of a long review is enough -----------------------------------------------

LEARNED, JUDGED, MOST = records.times(240), records.times(240), 4


@cache
def review_vectors() -> dict[str, dict]:
    """Of the reviews to learn from, and of those to judge: the vectors of every treatment."""
    tokenizer = pretrained.load_tokenizer(packaged_encoder())
    model = pretrained.load(packaged_encoder(), BertModel)
    found = {}
    for name, number in (("train", LEARNED), ("test", JUDGED)):
        rows = draw(imdb()[name], number, 7)
        pieces = chunk_texts(rows, tokenizer, max_length=TOKENS, most=MOST)
        of, read = np.array(pieces["document"][:]), kept(
            f"12-reviews-{name}", lambda pieces=pieces: means_of_layers(model, pieces)[:, -1])
        whole = encode_texts(rows, tokenizer, max_length=None)
        found[name] = {
            "labels": np.array(rows["label"][:]), "head": read[np.unique(of, True)[1]],
            "tokens": [len(ids) - 2 for ids in whole["input_ids"]],
            "all pieces": np.stack([read[of == n].mean(0) for n in range(len(rows))]),
            **{keep: kept(f"12-reviews-{name}-{keep}", lambda rows=rows, keep=keep: means_of_layers(
                model, encode_texts(rows, tokenizer, max_length=TOKENS, keep=keep))[:, -1])
               for keep in ("tail", "head+tail")}}  # fmt: skip
        print(f"{name}: {len(pieces)} pieces of {number} reviews", flush=True)
    return found


def reviews_run(arm: str, seed: int) -> dict:
    """arm: what is kept. The seed draws two thirds of the reviews to learn from."""
    train, test = review_vectors().values()
    some = np.random.default_rng(seed).permutation(LEARNED)[: 2 * LEARNED // 3]
    said = probe(train[arm][some], train["labels"][some]).predict(test[arm])
    return figures(said, test["labels"]) | {"right": marks(said, test["labels"]),
                                            "tokens": test["tokens"]}  # fmt: skip


# --- tuned: few labels, the whole encoder fine-tuned ----------------------------------------------

TUNED = 256  # labels
TUNE = FinetuneConfig(epochs=4, batch_size=16, learning_rate=1e-4)


def tuned_run(arm: str, seed: int) -> dict:
    """arm: "pre-trained" or "from scratch"."""
    tokenizer = pretrained.load_tokenizer(packaged_encoder())
    torch.manual_seed(seed)
    model = pretrained.load(packaged_encoder(), BertForSequenceClassification, strict_heads=False,
                            num_labels=2)  # fmt: skip
    if arm == "from scratch":
        model = BertForSequenceClassification(model.config, 2)
    order = np.random.default_rng(seed).permutation(POOL)[:TUNED]
    rows = {name: encode_texts(given, tokenizer, max_length=64)
            for name, given in sentences().items()}  # fmt: skip
    finetune(model, rows["train"].select(order), replace(TUNE, seed=seed), monitor=False)
    logits = torch.stack(predict(model, rows["test"]).scores)
    return figures(logits.argmax(1), rows["test"]["labels"][:]) | {
        "logits": [[round(float(x), 3) for x in row] for row in logits],
        **{name: figures(predict(model, rows[name]).values, rows[name]["labels"][:])
           for name in ("with typos", "plain", "with not")}}  # fmt: skip


# --- the records ----------------------------------------------------------------------------------

PARTS = {
    "words": (words_run, WORDS, {"tested": TESTED}),
    "frozen": (frozen_run, ("words", "random weights", "course", "published"),
               {"labels": SIZES, "probed": PROBED}),
    "reviews": (reviews_run, ("head", "tail", "head+tail", "all pieces"),
                {"reviews": [LEARNED, JUDGED], "tokens": TOKENS, "pieces": MOST}),
    "tuned": (tuned_run, ("pre-trained", "from scratch"),
              {"train": asdict(TUNE), "labels": TUNED}),
    "lstm": (lstm_run, ("head",), {"train": asdict(TUNE_LSTM), "labeled": LABELED,
                                   "tokens": TOKENS}),
}  # fmt: skip
WHAT = {
    "words": "TF-IDF of words (characters for Chinese) and logistic regression",
    "frozen": "SST-2, linear probes on frozen encoders: labels, layers, typos, negation",
    "reviews": "IMDB, linear probes on the frozen published encoder: which part is read",
    "tuned": "SST-2, few labels: the published encoder fine-tuned, and from random weights",
    "lstm": "IMDB: embedding and BiLSTM, from random weights",
}
ONCE = tuple(arm for arm in WORDS if ", 0, " in arm)  # all rows: nothing is drawn


def main(part: str) -> None:
    torch.set_num_threads(1)
    if part not in PARTS:
        raise SystemExit(f"{part!r}: choose one of {', '.join(PARTS)}.")
    run, arms, settings = PARTS[part]
    name = f"12-{part}"
    found = records.opened(name, f"lesson 12: {WHAT[part]}", f"classification_evidence {part}",
                           **settings)  # fmt: skip
    records.run_missing(name, found, run, arms, once=ONCE)


if __name__ == "__main__":
    main(*sys.argv[1:2] or [""])
