"""tinyworld: a generated language in which the true answers are known.

A model of two layers learns it in minutes on a CPU, step by step: first function words, then
agreement, then copying facts from another sentence. A model this narrow needs larger weights to
start from than BERT's 0.02: about 1 / sqrt(hidden_size), or the last step comes much later.
`tinyworld.grammar` shows how a document is made, `tinyworld.words` what it is made of.

In numbers: documents of 48 tokens and 3.6 sentences on average, just under 300 word types,
unigram entropy 4.3 nats. Of the tokens 43 % are function words and marks, 10 % agreement, 4 %
pronouns (7 of 10 decided by a name to their right), 6 % days in order, 22 % facts that are named
twice or more, 4 % words of praise or blame, 11 % drawn freely.

    for document in tinyworld.documents(3): print(document.text)
    rows = tinyworld.dataset(1000, seed=0)      # as a `datasets.Dataset`, with the truth

Seeds name endless sequences of documents. The course trains on seed 0, validates on seed 1 and
tests on seed 2. Every word is one token of `tokenizer()`, so that token i of a document is
position i + 1 of its encoding, after [CLS].
"""

from collections.abc import Callable, Iterator
from itertools import count, islice

from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from course_lib.tinyworld.grammar import document
from course_lib.tinyworld.labels import KINDS, NER_TAGS, ROLES, Document
from course_lib.tinyworld.words import SENTIMENTS, TOPICS, vocabulary
from course_lib.tokenization import WordPiece

__all__ = ["KINDS", "NER_TAGS", "ROLES", "SEEDS", "Document", "dataset", "document", "documents",
           "ner_dataset", "qa_dataset", "questions", "sentiment_dataset", "splits", "tokenizer"]

SEEDS = {"train": 0, "validation": 1, "test": 2}
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def documents(n: int | None = None, seed: int = 0, start: int = 0) -> Iterator[Document]:
    """Documents `start`, `start + 1`, ... of a seed, made one at a time; all of them for n=None.

    Raises ValueError for a negative n or start.
    """
    if start < 0 or (n is not None and n < 0):
        raise ValueError(f"n={n}, start={start}: neither may be below 0")
    return (document(seed, index) for index in islice(count(start), n))


def tokenizer() -> WordPiece:
    """A lower-casing WordPiece whose pieces are the whole words of tinyworld (about 300)."""
    return WordPiece([*SPECIAL, *vocabulary()], lower_case=True)


def dataset(n_documents: int = 2000, seed: int = 0, truth: bool = True) -> Dataset:
    """One row a document: text, sentences, topic, sentiment and, per token, what decides it.

    tokens, roles, kinds: strings of equal number. ner_tags: CoNLL numbers. sentence_ids: which
    sentence. links: index of the token that decides this one (a name for its pronoun, a subject
    for its verb, the same fact elsewhere), or -1. truth=False leaves the token columns out.
    """
    return _collect(_row if truth else _plain_row, n_documents, seed,
                    FEATURES if truth else PLAIN_FEATURES)


PLAIN_FEATURES = Features({
    "text": Value("string"), "sentences": List(Value("string")),
    "topic": ClassLabel(names=list(TOPICS)), "sentiment": ClassLabel(names=list(SENTIMENTS))})
FEATURES = Features({
    **PLAIN_FEATURES, "tokens": List(Value("string")), "roles": List(Value("string")),
    "kinds": List(Value("string")), "ner_tags": List(ClassLabel(names=list(NER_TAGS))),
    "links": List(Value("int32")), "sentence_ids": List(Value("int32"))})


def _plain_row(doc: Document) -> dict:
    return dict(text=doc.text, sentences=doc.sentences, topic=doc.topic, sentiment=doc.sentiment)


def _row(doc: Document) -> dict:
    return dict(
        _plain_row(doc),
        tokens=[t.text for t in doc.tokens], roles=[t.role for t in doc.tokens],
        kinds=[t.kind for t in doc.tokens], ner_tags=[t.tag for t in doc.tokens],
        links=[t.link for t in doc.tokens], sentence_ids=[t.sentence for t in doc.tokens])


def _collect(make: Callable[[Document], dict], n: int, seed: int, features: Features) -> Dataset:
    rows = [make(doc) for doc in documents(n, seed)]
    return Dataset.from_dict({name: [row[name] for row in rows] for name in features}, features)


def splits(make: Callable[..., Dataset] = dataset, names=("train", "validation"),
           n_train: int = 4000, n_other: int = 1000) -> DatasetDict:
    """Several splits of one of this module's data sets, from seeds that share no document."""
    return DatasetDict({name: make(n_train if name == "train" else n_other, seed=SEEDS[name])
                        for name in names})


# --- tasks, in the columns of well-known data sets -------------------------------------------


def sentiment_dataset(n_documents: int = 2000, seed: int = 0) -> Dataset:
    """Praise or blame, in the columns of IMDB: text, label (neg 0, pos 1)."""
    features = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})
    return _collect(lambda doc: dict(text=doc.text, label=SENTIMENTS.index(doc.sentiment)),
                    n_documents, seed, features)


def ner_dataset(n_documents: int = 2000, seed: int = 0) -> Dataset:
    """People, firms and towns, in columns of CoNLL-2003: id, tokens, ner_tags. No MISC."""
    features = Features({"id": Value("string"), "tokens": List(Value("string")),
                         "ner_tags": List(ClassLabel(names=list(NER_TAGS)))})
    rows = [(str(i), [t.text for t in doc.tokens], [t.tag for t in doc.tokens])
            for i, doc in enumerate(documents(n_documents, seed))]
    return Dataset.from_dict(dict(zip(features, map(list, zip(*rows, strict=True)),
                                      strict=True)), features)


def qa_dataset(n_documents: int = 500, seed: int = 0) -> Dataset:
    """Questions about documents, in the columns of SQuAD; several rows a document.

    Each row: id, title (the topic), context, question, answers (one text, one answer_start in
    characters, exact).
    """
    features = Features({
        "id": Value("string"), "title": Value("string"), "context": Value("string"),
        "question": Value("string"),
        "answers": {"text": List(Value("string")), "answer_start": List(Value("int32"))}})
    rows = []
    for i, doc in enumerate(documents(n_documents, seed)):
        for k, (question, answer, start) in enumerate(questions(doc)):
            rows.append(dict(id=f"{seed}-{i}-{k}", title=doc.topic, context=doc.text,
                             question=question,
                             answers={"text": [answer], "answer_start": [start]}))
    return Dataset.from_list(rows, features)


def questions(doc: Document) -> list[tuple[str, str, int]]:
    """Every question that one sentence of the document answers: (question, answer, start).

    No verb occurs twice in a document, so each question has one answer. A question about a
    sentence that says only `she` names the person: finding the answer takes the other sentence.
    """
    found = []
    for event in doc.events:
        verb, thing = doc.tokens[event.verb].text, doc.tokens[event.object].text
        who = _name_of(doc, event.subject)
        actor = doc.tokens[who[0]]
        plural = actor.tag == "O"
        be = {"present": ("is", "are"), "past": ("was", "were")}[doc.tense]
        name = f"{be[plural]} " + ("the " if plural else "") + actor.text
        found.append((f"Who {be[0]} {verb} the {thing}?", who))
        found.append((f"What {name} {verb}?", _thing_of(doc, event.object)))
        if event.place >= 0:
            found.append((f"Where {name} {verb} the {thing}?", (event.place, event.place)))
        if event.day >= 0:
            found.append((f"When {name} {verb} the {thing}?", (event.day, event.day)))
    return [(question, *_span(doc, *span)) for question, span in found]


def _name_of(doc: Document, subject: int) -> tuple[int, int]:
    """First and last token of the name that the subject is, or stands for."""
    first = doc.tokens[subject].link if doc.tokens[subject].kind == "pronoun" else subject
    return first, first + (doc.tokens[first + 1].kind == "surname")


def _thing_of(doc: Document, noun: int) -> tuple[int, int]:
    return noun - (doc.tokens[noun - 1].kind == "color"), noun


def _span(doc: Document, first: int, last: int) -> tuple[str, int]:
    start, end = doc.offsets[first], doc.offsets[last] + len(doc.tokens[last].text)
    return doc.text[start:end], start
