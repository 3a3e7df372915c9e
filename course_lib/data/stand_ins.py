"""Built-in data in the columns of well-known data sets, for machines without network or data.

A stand-in lets a lesson run and shows how a task works. Its numbers are not those of the real
set: `data.load` says so whenever it gives one.
"""

from datasets import ClassLabel, Dataset, DatasetDict

from course_lib import tinyworld
from course_lib.data import pydocs

SST2_LABELS = ClassLabel(names=["negative", "positive"])
WNUT_LABELS = ClassLabel(names=["O"] + [
    f"{mark}-{kind}" for kind in ("corporation", "creative-work", "group", "location", "person",
                                  "product") for mark in "BI"])
AS_WNUT = {"PER": "person", "ORG": "corporation", "LOC": "location"}


def imdb() -> DatasetDict:
    """text, label (neg 0, pos 1): praise or blame."""
    return tinyworld.splits(tinyworld.sentiment_dataset, ("train", "test"))


def sst2() -> DatasetDict:
    """sentence, label (negative 0, positive 1), idx."""
    rows = tinyworld.splits(tinyworld.sentiment_dataset)
    return DatasetDict({
        name: split.rename_column("text", "sentence").cast_column("label", SST2_LABELS)
        .add_column("idx", list(range(len(split)))) for name, split in rows.items()})


def squad() -> DatasetDict:
    """id, title, context, question, answers."""
    return tinyworld.splits(tinyworld.qa_dataset, n_train=600, n_other=100)


def conll2003() -> DatasetDict:
    """id, tokens, ner_tags; parts of speech and chunks are not made up."""
    return tinyworld.splits(tinyworld.ner_dataset, ("train", "validation", "test"))


def wnut_17() -> DatasetDict:
    """id, tokens, ner_tags with the labels of WNUT-17, of which three kinds occur."""
    new = [WNUT_LABELS.str2int(tag if tag == "O" else tag[:2] + AS_WNUT.get(tag[2:], "product"))
           for tag in tinyworld.NER_TAGS]

    def renumber(split: Dataset) -> Dataset:
        features = split.features.copy()
        features["ner_tags"] = type(features["ner_tags"])(WNUT_LABELS)
        tags = [[new[tag] for tag in row] for row in split["ner_tags"]]
        return Dataset.from_dict({"id": split["id"][:], "tokens": split["tokens"][:],
                                  "ner_tags": tags}, features)

    rows = tinyworld.splits(tinyworld.ner_dataset)
    return DatasetDict({name: renumber(split) for name, split in rows.items()})


def wikitext() -> DatasetDict:
    """text: the docstrings of one module a row."""
    return DatasetDict({name: rows.select_columns("text")
                        for name, rows in pydocs.modules().items()})


def wikipedia_en() -> DatasetDict:
    """id, url (empty), title (a module), text."""
    return DatasetDict({name: Dataset.from_dict({
        "id": [str(i) for i in range(len(rows))], "url": [""] * len(rows),
        "title": rows["origin"][:], "text": rows["text"][:]})
        for name, rows in pydocs.modules().items()})
