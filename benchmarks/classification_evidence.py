"""Recorded runs for lesson 12, on real reviews: what stands beside the fine-tuned encoder.

    python -m benchmarks.classification_evidence words     # counting words: three real sets
    python -m benchmarks.classification_evidence frozen    # SST-2: probes of frozen encoders
    python -m benchmarks.classification_evidence reviews   # IMDB: which part of a long review

Writes the records 12-words and so on (`benchmarks.records`), on one thread. They need the real sets
(COURSE_DATA, or the hub), and all but `words` the extra `pretrained`. Arrays that are made on the
way are kept in runs/, so that a run which was cut off goes on.
"""

import sys
from functools import cache

import numpy as np
import torch
from datasets import Dataset
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import records
from course_lib import data, pretrained
from course_lib.bert import BertModel
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

TOKENS = 128
LEARNED, JUDGED, MOST = records.times(240), records.times(240), 4


def last_layer(name: str, model: BertModel, rows: Dataset) -> np.ndarray:
    """The mean vectors of the last layer (N, D), 100 rows at a time: a short call gets further."""
    parts = [rows.select(range(start, min(start + 100, len(rows))))
             for start in range(0, len(rows), 100)]  # fmt: skip
    return np.concatenate([
        kept(f"{name}-{n}", lambda part=part: means_of_layers(model, part)[:, -1])
        for n, part in enumerate(parts)])  # fmt: skip


@cache
def review_vectors() -> dict[str, dict]:
    """Of the reviews to learn from, and of those to judge: the vectors of every treatment."""
    tokenizer = pretrained.load_tokenizer(packaged_encoder())
    model = pretrained.load(packaged_encoder(), BertModel)
    found = {}
    for name, number in (("train", LEARNED), ("test", JUDGED)):
        rows = draw(imdb()[name], number, 7)
        pieces = chunk_texts(rows, tokenizer, max_length=TOKENS, most=MOST)
        of, read = np.array(pieces["document"][:]), last_layer(f"12-{name}-pieces", model, pieces)
        whole = encode_texts(rows, tokenizer, max_length=None)
        found[name] = {
            "labels": np.array(rows["label"][:]), "head": read[np.unique(of, True)[1]],
            "tokens": [len(ids) - 2 for ids in whole["input_ids"]],
            "all pieces": np.stack([read[of == n].mean(0) for n in range(len(rows))]),
            **{keep: last_layer(f"12-{name}-{keep}", model, encode_texts(
                rows, tokenizer, max_length=TOKENS, keep=keep)) for keep in ("tail", "head+tail")}}
        print(f"{name}: {len(pieces)} pieces of {number} reviews", flush=True)
    return found


def reviews_run(arm: str, seed: int) -> dict:
    """arm: what is kept. The seed draws two thirds of the reviews to learn from."""
    train, test = review_vectors().values()
    some = np.random.default_rng(seed).permutation(LEARNED)[: 2 * LEARNED // 3]
    said = probe(train[arm][some], train["labels"][some]).predict(test[arm])
    return figures(said, test["labels"]) | {"right": marks(said, test["labels"]),
                                            "tokens": test["tokens"]}  # fmt: skip


# --- the records ----------------------------------------------------------------------------------

PARTS = {
    "words": (words_run, WORDS, {"tested": TESTED}),
    "frozen": (frozen_run, ("words", "random weights", "course", "published"),
               {"labels": SIZES, "probed": PROBED}),
    "reviews": (reviews_run, ("head", "tail", "head+tail", "all pieces"),
                {"reviews": [LEARNED, JUDGED], "tokens": TOKENS, "pieces": MOST}),
}  # fmt: skip
WHAT = {
    "words": "TF-IDF of words (characters for Chinese) and logistic regression",
    "frozen": "SST-2, linear probes on frozen encoders: labels, layers, typos, negation",
    "reviews": "IMDB, linear probes on the frozen published encoder: which part is read",
}
ONCE = tuple(arm for arm in WORDS if ", 0, " in arm)  # all rows: nothing is drawn


def main(part: str) -> None:
    torch.set_num_threads(1)
    if part not in PARTS:
        raise SystemExit(f"{part!r}: choose one of {', '.join(PARTS)}.")
    run, arms, settings = PARTS[part]
    name = f"12-{part}"
    found = records.opened(name, f"lesson 12: {WHAT[part]}", f"classification_evidence {part}",
                           settings=settings)  # fmt: skip
    records.run_missing(name, found, run, arms, once=ONCE)


if __name__ == "__main__":
    main(*sys.argv[1:2] or [""])
