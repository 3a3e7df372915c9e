"""Around a reader: find a passage, answer without a model, ask what a passage does not say,
lead a model astray.

Sources: Richardson et al. 2013 (MCTest; the distance baseline), Rajpurkar et al. 2016
(arXiv:1606.05250, section 5) and 2018 (arXiv:1806.03822), Chen et al. 2017 (arXiv:1704.00051;
retrieve, then read), Jia and Liang 2017 (arXiv:1707.07328; added sentences).
"""

import random
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from datasets import Dataset
from sklearn.feature_extraction.text import TfidfVectorizer

from course_lib.data import sentences
from course_lib.tasks.spans import squad_scores
from course_lib.tinyworld.words import TOPICS, WOMEN

WORD = re.compile(r"\w+")
EMPTY_ANSWER = {"text": [], "answer_start": []}


# --- finding the passage ---------------------------------------------------------------------


class Retriever:
    """TF-IDF over passages: words and pairs of words, rare ones count more."""

    def __init__(self, passages: Sequence[str]):
        self.passages = list(dict.fromkeys(passages))
        self.vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))
        self.matrix = self.vectorizer.fit_transform(self.passages)  # (passages, terms)

    def search(self, questions: Sequence[str], k: int = 1) -> list[list[str]]:
        """For each question the k passages most like it, best first."""
        likeness = (self.vectorizer.transform(questions) @ self.matrix.T).toarray()
        best = np.argsort(-likeness, axis=1, kind="stable")[:, :k]
        return [[self.passages[i] for i in row] for row in best]


def with_passages(dataset: Dataset, passages: Sequence[str]) -> Dataset:
    """The same questions, each with another passage to read, found by a retriever. The gold texts
    stay; where they stand does not, so these rows are for answering, not for learning."""
    kept = dataset.remove_columns([n for n in dataset.column_names if n not in ("id", "question")])
    golds = [{"text": gold["text"], "answer_start": []} for gold in dataset["answers"]]
    return kept.add_column("context", list(passages)).add_column("answers", golds)


# --- answering without a model ---------------------------------------------------------------


def words_of(text: str) -> list[str]:
    return [word.lower() for word in WORD.findall(text)]


class NearestWords:
    """Answers with the words of the passage that stand nearest to the question's words.

    Each stretch of `length` words without a word of the question is scored: every word of the
    question adds its rarity (log of passages / passages with it) divided by its distance.
    """

    def __init__(self, passages: Sequence[str], length: int = 1):
        passages, self.length = set(passages), length
        count = Counter(word for text in passages for word in set(words_of(text)))
        self.rarity = {word: np.log(len(passages) / n) for word, n in count.items()}

    def fit(self, dataset: Dataset, lengths: Sequence[int] = (1, 2, 3, 4)) -> "NearestWords":
        """Choose the length with the best F1 on questions with answers."""
        def f1(length):
            self.length = length
            return squad_scores(self.answer(dataset), dataset)["f1"]

        self.length = max(lengths, key=f1)
        return self

    def answer(self, dataset: Dataset) -> list[str]:
        return [self._one(row["question"], row["context"]) for row in dataset]

    def _one(self, question: str, context: str) -> str:
        places = list(WORD.finditer(context))
        words, asked = [p.group().lower() for p in places], set(words_of(question))
        if len(words) < self.length:
            return context
        index, pull = np.arange(len(words)), np.zeros(len(words))
        for word in asked.intersection(words):
            there = np.array([i for i, other in enumerate(words) if other == word])
            distance = np.abs(index[:, None] - there).min(1)  # (words,)
            pull += self.rarity.get(word, 0.0) / np.maximum(distance, 1)
        pull[[word in asked for word in words]] = -np.inf
        scores = np.lib.stride_tricks.sliding_window_view(pull, self.length).sum(1)
        first = int(scores.argmax())
        return context[places[first].start() : places[first + self.length - 1].end()]


def best_sentences(dataset: Dataset) -> list[str]:
    """The sentence of each passage that shares most words with the question."""
    def best(row):
        asked = set(words_of(row["question"]))
        return max(sentences(row["context"]), default="",
                   key=lambda text: len(asked & set(words_of(text))))

    return [best(row) for row in dataset]


# --- asking what the passage does not say ----------------------------------------------------


def with_unanswerable(dataset: Dataset, share: float = 1 / 3, seed: int = 0) -> Dataset:
    """The questions, a share of them moved to another passage of the same title that does not
    answer them: it holds none of the gold answers, and not all the words of the question.
    (SQuAD 2.0 had people write such questions; moved ones are easier to tell.)"""
    rng, by_title = random.Random(seed), {}
    for row in dataset:
        by_title.setdefault(row["title"], {})[row["context"]] = None

    def move(row: dict) -> dict:
        if rng.random() >= share:
            return row
        others = [text for text in by_title[row["title"]] if cannot_answer(text, row)]
        return row | {"context": rng.choice(others), "answers": EMPTY_ANSWER} if others else row

    return Dataset.from_list([move(row) for row in dataset], dataset.features)


def cannot_answer(passage: str, row: dict) -> bool:
    there = set(words_of(passage))
    asked = {word for word in words_of(row["question"]) if len(word) > 3}
    return not asked <= there and not any(text.lower() in passage.lower()
                                          for text in row["answers"]["text"])


# --- leading a model astray ------------------------------------------------------------------


def misleading(row: dict, seed: int = 0) -> str:
    """A sentence that looks like an answer to a question about tinyworld and is none: the
    question as a statement about somebody or something else. Raises ValueError for another kind
    of question."""
    question, topic = row["question"], TOPICS[row["title"]]
    who = re.fullmatch(r"Who \w+ (\w+) the (\w+)\?", question)
    other = re.fullmatch(r"(What|Where|When) \w+ (?:the )?(\w+) (\w+)(?: the (\w+))?\?", question)
    if not who and not other:
        raise ValueError(f"{question!r} is not one of tinyworld's questions.")
    free = {"thing": topic.singular, "place": topic.places, "name": WOMEN,
            "day": ("Monday", "Wednesday", "Friday", "Sunday")}
    rng, there = random.Random(f"{question}/{seed}"), row["context"] + question
    new = {kind: rng.choice([w for w in words if w not in there] or list(words))
           for kind, words in free.items()}
    be = "is" if question.split()[1] in ("is", "are") else "was"
    if who:
        return f"{new['name']} {be} {who[1]} the {new['thing']}."
    kind, _, verb, thing = other.groups()
    return {"What": f"{new['name']} {be} {verb} the {new['thing']}.",
            "Where": f"{new['name']} {be} {verb} the {thing} at the {new['place']}.",
            "When": f"On {new['day']} {new['name']} {be} {verb} the {thing}."}[kind]


def similar_sentence(row: dict, others: Sequence[str]) -> str:
    """Of the sentences of other passages, without a gold answer, the one that shares most words
    with the question: for real text, where nobody can write a statement by rule."""
    asked = set(words_of(row["question"]))
    golds = [text.lower() for text in row["answers"]["text"]]
    free = [s for text in others if text != row["context"] for s in sentences(text)
            if not any(gold in s.lower() for gold in golds)]
    return max(free, key=lambda s: (len(asked & set(words_of(s))), -len(s)), default="")


def with_sentence(dataset: Dataset, added: Sequence[str]) -> Dataset:
    """A sentence at the end of each passage; answers stay where they are."""
    contexts = [f"{text} {more}" for text, more in zip(dataset["context"], added, strict=True)]
    rows = [row | {"context": text} for row, text in zip(dataset, contexts, strict=True)]
    return Dataset.from_list(rows, dataset.features)
