"""Rows for pre-training: nothing is lost, pairs are what their labels say."""

import numpy as np
import pytest
from datasets import Dataset

from course_lib.packing import (
    doc_sentences,
    full_sentences,
    nsp_pairs,
    rows_for_tokens,
    sentence_pairs,
    sop_pairs,
    truncate_pair,
)


class Ids:
    cls_id, sep_id = 2, 3


def documents(number=60, sentences=12):
    """Documents whose ids tell where they come from: document d holds 1000 d + 0, 1, 2, ..."""
    rng = np.random.default_rng(0)
    made = []
    for d in range(number):
        lengths = rng.integers(3, 9, sentences)
        ids = iter(range(1000 * (d + 1), 1000 * (d + 2)))
        made.append([[next(ids) for _ in range(n)] for n in lengths])
    return Dataset.from_dict({"sentences": made})


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))


def test_full_sentences_lose_nothing_but_the_tail():
    docs = documents()
    rows = full_sentences(docs, 32, Ids)["input_ids"]
    assert all(len(r) == 32 and r[0] == 2 and r[-1] == 3 for r in rows)
    stream = [t for r in rows for t in r[1:-1]]
    whole = [t for d in docs["sentences"] for s in d for t in s + ([3] if s is d[-1] else [])]
    assert stream == whole[: len(stream)] and len(whole) - len(stream) < 30


def split(row):
    """A row's A and B, without the special tokens."""
    border = row["token_type_ids"].index(1)
    return row["input_ids"][1 : border - 1], row["input_ids"][border:-1]


@pytest.mark.parametrize("make", [nsp_pairs, sentence_pairs])
def test_pairs_are_what_their_labels_say(make):
    for row in make(documents(), 48, Ids):
        a, b = split(row)
        same_document = a[0] // 1000 == b[0] // 1000
        assert same_document == (row["next_sentence_label"] == 0)
        if same_document:
            assert b[0] > a[-1]  # B stands after A


@pytest.mark.parametrize("make", [nsp_pairs, sentence_pairs, sop_pairs])
def test_half_of_the_pairs_are_random(make):
    labels = make(documents(600), 48, Ids)["next_sentence_label"]
    assert np.mean(labels) == pytest.approx(0.5, abs=4 * 0.5 / len(labels) ** 0.5)


@pytest.mark.parametrize("make", [nsp_pairs, sentence_pairs, sop_pairs])
def test_pairs_fit_and_carry_their_segments(make):
    for row in make(documents(), 24, Ids):
        ids, segments = row["input_ids"], row["token_type_ids"]
        assert len(ids) == len(segments) <= 24
        assert ids[0] == 2 and ids[-1] == 3 and ids.count(3) == 2
        assert segments == sorted(segments) and segments[ids.index(3)] == 0


def test_order_is_asked_within_one_document():
    """B's words follow A's where the label is 0, and A's follow B's where it is 1."""
    for row in sop_pairs(documents(), 48, Ids):
        first, second = split(row)[:: -1 if row["next_sentence_label"] else 1]
        assert {t // 1000 for t in first} == {t // 1000 for t in second}
        assert max(first) < min(second)


def test_segments_whose_order_is_asked_follow_one_another():
    """Where nothing was cut off to fit, no word is missing between the two."""
    whole = [row for row in sop_pairs(documents(), 48, Ids) if len(row["input_ids"]) < 48]
    assert len(whole) > 20
    for row in whole:
        words = sorted(sum(split(row), []))
        assert words == list(range(words[0], words[0] + len(words)))


def test_order_pairs_use_each_sentence_once():
    docs = documents(20)
    seen = [t for row in sop_pairs(docs, 200, Ids) for t in sum(split(row), [])]
    assert len(seen) == len(set(seen))
    assert sop_pairs(documents(1), 48, Ids)  # one document is enough


def test_sentence_pairs_are_two_whole_sentences():
    docs = documents()
    sentences = {tuple(s) for document in docs["sentences"] for s in document}
    place = {tuple(s): (d, i) for d, document in enumerate(docs["sentences"])
             for i, s in enumerate(document)}
    for row in sentence_pairs(docs, 48, Ids):
        a, b = map(tuple, split(row))
        assert {a, b} <= sentences
        if row["next_sentence_label"] == 0:
            assert place[b] == (place[a][0], place[a][1] + 1)


def test_doc_sentences_keep_all_words_and_cross_no_border():
    docs = documents()
    rows = doc_sentences(docs, 32, Ids)["input_ids"]
    assert all(row[0] == 2 and row[-1] == 3 and len(row) <= 32 for row in rows)
    assert all(len({t // 1000 for t in row[1:-1]}) == 1 for row in rows)
    kept = [t for row in rows for t in row[1:-1]]
    assert kept == [t for document in docs["sentences"] for s in document for t in s]
    ends = {s[-1] for document in docs["sentences"] for s in document}
    assert all(row[-2] in ends for row in rows)  # sentences are whole


def test_doc_sentences_cut_a_sentence_longer_than_a_row():
    docs = Dataset.from_dict({"sentences": [[list(range(5, 30)), []], [[]]]})
    rows = doc_sentences(docs, 12, Ids)["input_ids"]
    assert [len(row) for row in rows] == [12, 12, 7]
    assert [t for row in rows for t in row[1:-1]] == list(range(5, 30))


def test_a_batch_of_short_rows_holds_as_many_tokens():
    docs = documents()
    full, short = full_sentences(docs, 32, Ids), sentence_pairs(docs, 32, Ids)
    assert rows_for_tokens(full, 10 * 32) == 10
    number = rows_for_tokens(short, 320)
    mean = np.mean([len(row) for row in short["input_ids"]])
    assert abs(number * mean - 320) <= mean / 2 and number > 10


@pytest.mark.parametrize("make", [nsp_pairs, sop_pairs])
def test_the_same_seed_gives_the_same_pairs_and_another_others(make):
    docs = documents()
    first, again, other = (make(docs, 48, Ids, seed)["input_ids"] for seed in (0, 0, 1))
    assert list(first) == list(again) and list(first) != list(other)


def test_a_pair_is_cut_at_its_longer_side():
    a, b = truncate_pair(list(range(30)), [100, 101], 12, np.random.default_rng(0))
    assert b == [100, 101] and len(a) == 10 and a == list(range(a[0], a[0] + 10))


def test_a_half_written_file_is_not_left_behind(tmp_path):
    broken = Dataset.from_dict({"sentences": [[[1, 2, 3]], [[4, 2**40]]]})
    with pytest.raises(Exception):  # noqa: B017 - the id does not fit into 32 bits
        full_sentences(broken, 4, Ids)
    assert not list(tmp_path.glob("*.arrow")) and not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("make", [full_sentences, doc_sentences, nsp_pairs, sentence_pairs,
                                  sop_pairs])
def test_rows_too_short_are_refused(make):
    with pytest.raises(ValueError, match="seq_len is 3"):
        make(documents(), 3, Ids)


@pytest.mark.parametrize("make", [nsp_pairs, sentence_pairs])
def test_one_document_has_no_random_other(make):
    with pytest.raises(ValueError, match="at least 2 documents, there are 1"):
        make(documents(1), 32, Ids)
