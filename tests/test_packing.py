"""Rows for pre-training: nothing is lost, pairs are what their labels say."""

import numpy as np
import pytest
from datasets import Dataset

from course_lib.packing import full_sentences, nsp_pairs, truncate_pair


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


def test_pairs_are_what_their_labels_say():
    for row in nsp_pairs(documents(), 48, Ids):
        a, b = split(row)
        same_document = a[0] // 1000 == b[0] // 1000
        assert same_document == (row["next_sentence_label"] == 0)
        if same_document:
            assert b[0] > a[-1]  # B stands after A


def test_half_of_the_pairs_are_random():
    labels = nsp_pairs(documents(600), 48, Ids)["next_sentence_label"]
    assert np.mean(labels) == pytest.approx(0.5, abs=4 * 0.5 / len(labels) ** 0.5)


def test_pairs_fit_and_carry_their_segments():
    for row in nsp_pairs(documents(), 24, Ids):
        ids, segments = row["input_ids"], row["token_type_ids"]
        assert len(ids) == len(segments) <= 24
        assert ids[0] == 2 and ids[-1] == 3 and ids.count(3) == 2
        assert segments == sorted(segments) and segments[ids.index(3)] == 0


def test_the_same_seed_gives_the_same_pairs_and_another_others():
    docs = documents()
    first, again, other = (nsp_pairs(docs, 48, Ids, seed)["input_ids"] for seed in (0, 0, 1))
    assert list(first) == list(again) and list(first) != list(other)


def test_a_pair_is_cut_at_its_longer_side():
    a, b = truncate_pair(list(range(30)), [100, 101], 12, np.random.default_rng(0))
    assert b == [100, 101] and len(a) == 10 and a == list(range(a[0], a[0] + 10))


def test_a_half_written_file_is_not_left_behind(tmp_path):
    broken = Dataset.from_dict({"sentences": [[[1, 2, 3]], [[4, 2**40]]]})
    with pytest.raises(Exception):  # noqa: B017 - the id does not fit into 32 bits
        full_sentences(broken, 4, Ids)
    assert not list(tmp_path.glob("*.arrow")) and not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("make", [full_sentences, nsp_pairs])
def test_rows_too_short_are_refused(make):
    with pytest.raises(ValueError, match="seq_len is 3"):
        make(documents(), 3, Ids)


def test_one_document_has_no_random_other():
    with pytest.raises(ValueError, match="at least 2 documents, there are 1"):
        nsp_pairs(documents(1), 32, Ids)
