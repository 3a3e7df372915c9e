"""Texts as rows: the tokenizer's own ids, what is kept of long texts, pieces, and errors."""

import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.tasks.texts import chunk_texts, encode_texts, fit, pool_documents
from course_lib.tokenization import train_byte_bpe, train_unigram, train_wordpiece

TEXTS = ["the cat sat on the mat", "", "an old dog saw the cat and it was not afraid of it at all",
         "你好 the world", "dog"]
TRAINERS = [train_wordpiece, train_byte_bpe, train_unigram]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module", params=TRAINERS, ids=lambda train: train.__name__)
def tokenizer(request):
    return request.param(TEXTS * 20, 320)


@pytest.fixture(scope="module")
def words():
    return train_wordpiece(TEXTS * 20, 300)


def texts(**columns):
    columns = {"text": TEXTS, "other": TEXTS[::-1], "label": [0, 1, 1, 0, 1]} | columns
    return Dataset.from_dict(columns)


# --- ids ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_length", [4, 7, 128, None])
@pytest.mark.parametrize("columns", [("text",), ("text", "other")])
def test_rows_are_the_tokenizers_own_encodings(tokenizer, columns, max_length):
    max_length = max_length and max_length + 2 * (len(columns) == 2)
    rows = encode_texts(texts(), tokenizer, columns, max_length=max_length)
    assert rows["labels"][:] == [0, 1, 1, 0, 1]
    for row, source in zip(rows, texts(), strict=True):
        given = [source[name] for name in columns]
        expected = tokenizer.encode(*given, max_length=max_length)
        assert row["input_ids"] == expected["input_ids"]
        assert row["token_type_ids"] == expected["token_type_ids"]


def test_the_label_keeps_its_type(words):
    names = ClassLabel(names=["bad", "good"])
    rows = texts().cast_column("label", names)
    assert encode_texts(rows, words).features["labels"] == names
    scores = texts(label=[0.5, 1.0, 2.0, 2.5, 5.0])
    assert encode_texts(scores, words)["labels"][3] == 2.5
    assert "labels" not in encode_texts(texts(), words, label=None).column_names


def test_what_is_kept_of_a_long_text(words):
    whole = encode_texts(texts(), words, max_length=None)["input_ids"][2]
    cut = {keep: encode_texts(texts(), words, max_length=10, keep=keep)["input_ids"][2]
           for keep in ("head", "tail", "head+tail")}
    inside = whole[1:-1]
    assert cut["head"] == [whole[0], *inside[:8], whole[-1]]
    assert cut["tail"] == [whole[0], *inside[-8:], whole[-1]]
    assert cut["head+tail"] == [whole[0], *inside[:2], *inside[-6:], whole[-1]]


def test_head_and_tail_of_512_are_those_of_the_paper():
    (ids,) = fit((list(range(1000)),), 510, "head+tail")
    assert ids == [*range(128), *range(618, 1000)]


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 50),
       st.sampled_from(["head", "tail", "head+tail"]))
@settings(max_examples=60, deadline=None)
def test_a_pair_fits_and_the_shorter_loses_last(first, second, room, keep):
    one, two = fit((list(range(first)), list(range(second))), room, keep)
    assert len(one) + len(two) == min(room, first + second)
    assert abs(len(one) - len(two)) <= 1 or len(one) == first or len(two) == second
    if len(one) < first and len(two) < second:
        assert abs(len(one) - len(two)) <= 1


# --- pieces ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("overlap", [0, 2])
def test_pieces_hold_the_whole_text(words, overlap):
    whole = encode_texts(texts(), words, max_length=None)
    rows = chunk_texts(texts(), words, max_length=8, overlap=overlap)
    for number, (ids, label) in enumerate(zip(whole["input_ids"], whole["labels"], strict=True)):
        mine = rows.filter(lambda row, number=number: row["document"] == number)
        pieces = [piece[1:-1] for piece in mine["input_ids"]]
        assert all(len(piece) == 6 for piece in pieces[:-1]) and set(mine["labels"]) == {label}
        joined = [*pieces[0], *(i for piece in pieces[1:] for i in piece[overlap:])]
        assert joined == ids[1:-1]
        assert all(len(piece) > overlap for piece in pieces[1:])


def test_a_text_has_at_least_one_piece_and_at_most_so_many(words):
    assert set(chunk_texts(texts(), words, max_length=5)["document"]) == set(range(5))
    few = chunk_texts(texts(), words, max_length=5, most=2)["document"]
    assert max(few.count(number) if isinstance(few, list) else list(few).count(number)
               for number in range(5)) == 2


def test_documents_get_the_mean_or_the_largest_of_their_pieces():
    scores = torch.tensor([[1.0, 0.0], [3.0, -2.0], [5.0, 5.0]])
    document = [1, 1, 0]
    assert pool_documents(scores, document).tolist() == [[5.0, 5.0], [2.0, -1.0]]
    assert pool_documents(list(scores), document, "max").tolist() == [[5.0, 5.0], [3.0, 0.0]]
    with pytest.raises(ValueError, match="document 1 has no piece"):
        pool_documents(scores, [0, 0, 2])
    with pytest.raises(ValueError, match="how is 'sum'; choose mean or max"):
        pool_documents(scores, document, "sum")
    with pytest.raises(ValueError, match="3 rows of scores, but 2 numbers"):
        pool_documents(scores, [0, 1])


# --- cache, errors --------------------------------------------------------------------------------


def test_the_same_again_is_read_from_the_cache(words, monkeypatch):
    rows = texts(text=["other words", *TEXTS[1:]])
    first = encode_texts(rows, words, max_length=9)
    monkeypatch.setattr("course_lib.tasks.texts.word_ids", None)  # would fail if it were called
    again = encode_texts(rows, words, max_length=9)
    assert first[:] == again[:] and first._fingerprint == again._fingerprint
    with pytest.raises(TypeError):
        encode_texts(rows, words, max_length=10)


@pytest.mark.parametrize("options, words_of_error", [
    (dict(columns="sentence"), "no column 'sentence', only text, other, label: name the columns"),
    (dict(label="stars"), "no column 'stars'.*label=None"),
    (dict(columns=("label",)), r"'label' holds Value\('int64'\), not text"),
    (dict(columns=("text", "other", "text")), "name one column of texts, or two"),
    (dict(max_length=2), "max_length is 2; 2 special tokens and a word need at least 3"),
    (dict(keep="middle"), "keep is 'middle'; choose one of head, tail, head.tail"),
])
def test_wrong_arguments_are_named(words, options, words_of_error):
    with pytest.raises(ValueError, match=words_of_error):
        encode_texts(texts(), words, **options)


def test_a_missing_text_is_named_with_its_row(words):
    features = Features({"text": Value("string"), "label": Value("int64")})
    rows = Dataset.from_dict({"text": ["a", None], "label": [0, 1]}, features)
    with pytest.raises(ValueError, match=r"row 1 has no text in the column 'text'"):
        encode_texts(rows, words)
    with pytest.raises(ValueError, match="overlap is 6; .* room for 6"):
        chunk_texts(rows, words, max_length=8, overlap=6)
    with pytest.raises(TypeError, match=r"these are a dict; .*rows\['train'\]"):
        encode_texts({}, words)
