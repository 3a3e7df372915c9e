"""The kept rows of the published vocabularies cut the lesson's texts as the whole files do."""

import csv

import pytest

from course_lib import facts, vocabularies
from course_lib.tokenization import load
from course_lib.vocabularies import FOLDER, TEXTS, from_rows, known, published, whole_folder

with open(FOLDER / "vocabularies.csv", newline="", encoding="utf-8") as file:
    NAMES = [row["name"] for row in csv.DictReader(file)]


@pytest.mark.parametrize("name", NAMES)
def test_kept_rows_cut_as_the_whole_vocabulary(name, course_data):
    whole = load(course_data / "vocab" / name)
    kept = from_rows(known(name))
    for text in TEXTS:
        assert kept.tokenize(text) == whole.tokenize(text)
        assert kept.encode(text, TEXTS[1]) == whole.encode(text, TEXTS[1])
    assert int(known(name)["entries"]) == whole.vocab_size


def test_sizes_are_the_published_ones():
    sizes = {m["model"]: m["vocab_size"] for m in facts.models()}
    named = {"bert-base-uncased": "BERT-Base, uncased", "bert-base-cased": "BERT-Base, cased",
             "bert-base-chinese": "BERT-Base, Chinese", "roberta-base": "RoBERTa-base",
             "albert-base-v2": "ALBERT-base v2"}  # fmt: skip
    assert {name: int(known(name)["entries"]) for name in NAMES} == {
        name: sizes[model] for name, model in named.items()
    }


def test_published_ids(monkeypatch):
    monkeypatch.setattr(vocabularies, "whole_folder", lambda name: None)
    expected = {
        "bert-base-uncased": [101, 7592, 2088, 999, 102],
        "bert-base-cased": [101, 8667, 1362, 106, 102],
        "bert-base-chinese": [101, 100, 8572, 106, 102],
        "roberta-base": [0, 31414, 232, 328, 2],
        "albert-base-v2": [2, 10975, 126, 187, 3],
    }
    assert {name: published(name).encode("Hello world!")["input_ids"] for name in NAMES} == expected


def test_other_texts_are_refused_and_the_way_out_is_named(monkeypatch, capsys):
    monkeypatch.setattr(vocabularies, "whole_folder", lambda name: None)
    tokenizer = published("bert-base-chinese")
    assert "of its 21,128 pieces those" in capsys.readouterr().out
    assert tokenizer.tokenize("我喜欢吃苹果") == list("我喜欢吃苹果")
    with pytest.raises(ValueError, match="'别的' needs the whole vocabulary.*COURSE_DATA"):
        tokenizer.encode("别的")
    with pytest.raises(ValueError, match="no vocabulary 'gpt-5' here; there are bert-base-uncased"):
        published("gpt-5")


def test_whole_files_come_first(course_data, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_DATA", str(course_data))
    assert whole_folder("albert-base-v2") == course_data / "vocab" / "albert-base-v2"
    assert published("albert-base-v2").vocab_size == 30000
    assert "whole" in capsys.readouterr().out
