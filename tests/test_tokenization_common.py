"""What holds for all three tokenizers: same ids as `tokenizers`, round trips, files, bad input."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenization_helpers import EDGE_CASES, KINDS, quick, small, texts, training_texts

from course_lib import tokenization
from course_lib.tokenization import (
    ByteLevelBPE,
    Unigram,
    WordPiece,
    train_byte_bpe,
    train_unigram,
    train_wordpiece,
    truncate_pair,
)


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request):
    return small(request.param)


@pytest.fixture(scope="module")
def fast(tokenizer):
    return tokenizer.fast()


def same(tokenizer, fast, text, pair=None):
    ours, theirs = tokenizer.encode(text, pair), fast.encode(text, pair)
    assert ours["input_ids"] == theirs.ids
    assert ours["token_type_ids"] == theirs.type_ids
    assert ours["attention_mask"] == theirs.attention_mask


@pytest.mark.parametrize("text", [*EDGE_CASES, *training_texts()[::20]])
def test_fast_gives_the_same_ids(tokenizer, fast, text):
    same(tokenizer, fast, text)
    same(tokenizer, fast, text, "a second text")


@quick
@given(text=texts, pair=st.none() | texts)
def test_fast_gives_the_same_ids_for_any_text(tokenizer, fast, text, pair):
    same(tokenizer, fast, text, pair)


@quick
@given(text=texts, pair=st.none() | texts)
def test_layout_of_an_input(tokenizer, text, pair):
    encoding = tokenizer.encode(text, pair)
    ids, segments = encoding["input_ids"], encoding["token_type_ids"]
    assert len(ids) == len(segments) == len(encoding["attention_mask"])
    assert ids[0] == tokenizer.cls_id and ids[-1] == tokenizer.sep_id
    assert set(encoding["attention_mask"]) == {1}
    assert segments == sorted(segments), "segment 1 comes after segment 0"
    if pair is None or not tokenizer.SEGMENTS:
        assert set(segments) == {0}
    else:
        first = tokenizer.pieces_to_ids(tokenizer.tokenize(text))
        assert segments.count(0) == len(first) + 2, "the first separator still belongs to segment 0"


@quick
@given(text=texts, pair=st.none() | texts, room=st.integers(0, 20))
def test_truncation_cuts_the_end_of_the_longer_text(tokenizer, text, pair, room):
    separators = tokenizer.PAIR_SEPARATORS if pair is not None else 0
    length = room + 2 + separators
    whole, cut = tokenizer.encode(text, pair), tokenizer.encode(text, pair, max_length=length)
    assert len(cut["input_ids"]) == min(length, len(whole["input_ids"]))
    assert cut["input_ids"].count(tokenizer.sep_id) >= 1 + separators
    first = tokenizer.pieces_to_ids(tokenizer.tokenize(text))
    second = tokenizer.pieces_to_ids(tokenizer.tokenize(pair)) if pair is not None else []
    a, b = truncate_pair(first, second, room)
    assert first[: len(a)] == a and second[: len(b)] == b
    if len(first) + len(second) > room:
        assert len(a) + len(b) == room
        shorter = min(len(first), len(second))
        assert min(len(a), len(b)) in (shorter, room // 2, shorter - 1)


def test_what_is_encoded_again_after_decoding_is_the_same(tokenizer):
    for text in training_texts()[:60:3]:
        ids = tokenizer.encode(text)["input_ids"]
        if tokenizer.unk_id not in ids:
            assert tokenizer.encode(tokenizer.decode(ids))["input_ids"] == ids


def test_decode_keeps_the_mask_and_drops_the_frame(tokenizer):
    mask = tokenizer.special["mask"]
    ids = tokenizer.encode(f"the {mask} is")["input_ids"]
    assert ids.count(tokenizer.mask_id) == 1
    assert tokenizer.decode(ids).lower() == f"the {mask} is".lower()
    assert tokenizer.decode(torch.tensor(ids)) == tokenizer.decode(ids)
    assert tokenizer.special["cls"] in tokenizer.decode(ids, skip_special=False)


def test_special_ids(tokenizer):
    ids = [tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id, tokenizer.sep_id,
           tokenizer.mask_id]  # fmt: skip
    assert tokenizer.special_ids == frozenset(ids) and len(set(ids)) == 5
    assert tokenizer.ids_to_tokens(ids) == [
        tokenizer.special[role] for role in ("pad", "unk", "cls", "sep", "mask")
    ]
    assert len(tokenizer) == tokenizer.vocab_size == len(tokenizer.vocab)


def test_pad_makes_tensors(tokenizer):
    rows = [tokenizer.encode("one"), tokenizer.encode("a longer text", "and another")]
    batch = tokenizer.pad(rows)
    longest = len(rows[1]["input_ids"])
    assert list(batch) == list(rows[0])
    assert all(tensor.shape == (2, longest) for tensor in batch.values())
    assert all(t.dtype == torch.long for t in batch.values())
    padding = batch["attention_mask"][0] == 0
    assert padding.sum() == longest - len(rows[0]["input_ids"])
    assert (batch["input_ids"][0][padding] == tokenizer.pad_id).all()
    assert tokenizer.pad(rows, length=40)["input_ids"].shape == (2, 40)


def test_saved_folder_is_read_back(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    again = tokenization.load(tmp_path)
    assert type(again) is type(tokenizer) and again.vocab == tokenizer.vocab
    for text in training_texts()[::10]:
        assert again.encode(text) == tokenizer.encode(text)


def test_saved_folder_is_read_by_transformers(tokenizer, tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer.save(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    blank = f"a {tokenizer.special['mask']} in the text"
    for text in [*training_texts()[::5], blank]:
        assert theirs(text)["input_ids"] == tokenizer.encode(text)["input_ids"]
    pair = theirs("first text", "second text")
    assert pair["input_ids"] == tokenizer.encode("first text", "second text")["input_ids"]
    assert (theirs.mask_token_id, theirs.pad_token_id) == (tokenizer.mask_id, tokenizer.pad_id)

    theirs.save_pretrained(tmp_path / "theirs")  # holds tokenizer.json and no vocab.txt
    again = tokenization.load(tmp_path / "theirs")
    assert again.vocab == tokenizer.vocab
    assert again.encode("the Café, 我爱") == tokenizer.encode("the Café, 我爱")


def test_fast_can_be_sent_to_another_process(tokenizer, fast):
    import pickle

    again = pickle.loads(pickle.dumps(fast))
    assert again.encode("the second text").ids == fast.encode("the second text").ids


@pytest.mark.parametrize("text", [None, b"bytes", 3, ["a", "list"], float("nan")])
def test_what_is_no_string_is_refused(tokenizer, text):
    with pytest.raises(TypeError, match="must be a str"):
        tokenizer.encode(text)
    if text is not None:
        with pytest.raises(TypeError, match="pair must be a str"):
            tokenizer.encode("fine", text)


def test_half_a_surrogate_pair_is_refused(tokenizer):
    with pytest.raises(ValueError, match=r"U\+D83D.*position 2.*clean it"):
        tokenizer.encode("ab\ud83d")


@pytest.mark.parametrize("length", [-1, 0, 1])
def test_max_length_below_the_special_tokens_is_refused(tokenizer, length):
    with pytest.raises(ValueError, match=f"max_length={length} .* 2 special tokens"):
        tokenizer.encode("text", max_length=length)
    with pytest.raises(ValueError, match="special tokens"):
        tokenizer.encode("text", "pair", max_length=2)


@pytest.mark.parametrize("length", [2.5, "8", True])
def test_max_length_must_be_a_whole_number(tokenizer, length):
    with pytest.raises(TypeError, match="whole number"):
        tokenizer.encode("text", max_length=length)


def test_foreign_ids_are_refused(tokenizer):
    with pytest.raises(ValueError, match="id 30522 is not in this vocabulary"):
        tokenizer.decode([tokenizer.cls_id, 30522])


def test_pad_refuses_nothing_and_what_does_not_fit(tokenizer):
    with pytest.raises(ValueError, match="empty list"):
        tokenizer.pad([])
    with pytest.raises(ValueError, match="max_length"):
        tokenizer.pad([tokenizer.encode("a long text, longer than this")], length=3)


@pytest.mark.parametrize("train", [train_wordpiece, train_byte_bpe, train_unigram])
def test_trainers_refuse_what_cannot_be_learned(train):
    with pytest.raises(TypeError, match="put it in a list"):
        train("one string", 500)
    with pytest.raises(ValueError, match="no text"):
        train(["", "  "], 500)
    with pytest.raises(ValueError, match="vocab_size=3 is too small"):
        train(["some text"], 3)
    with pytest.raises(TypeError, match="must be a str"):
        train(["some text", None], 500)


@pytest.mark.parametrize("train", [train_wordpiece, train_byte_bpe])
def test_training_is_repeatable(train):
    words = training_texts()[:40]
    first = train(words, 400)
    assert all(train(words, 400).vocab == first.vocab for _ in range(3))
    assert first.vocab_size == 400 and list(first.vocab.values()) == list(range(400))


def test_unigram_training_is_nearly_repeatable():
    words = training_texts()[:40]
    first, second = (dict(train_unigram(words, 400).pieces) for _ in range(2))
    assert len(first) == len(second) == 400
    shared = set(first) & set(second)
    assert len(shared) >= 390
    assert all(abs(first[piece] - second[piece]) < 0.1 for piece in shared)


@pytest.mark.parametrize("size", [20, 40, 100])
def test_rare_characters_leave_room_for_pieces(size):
    tokenizer = train_wordpiece(training_texts(), size)
    assert tokenizer.vocab_size == size
    assert tokenizer.vocab == train_wordpiece(training_texts(), size).vocab
    assert tokenizer.encode("the list")["input_ids"] == tokenizer.fast().encode("the list").ids


def test_load_says_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        tokenization.load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"it holds: nothing\).*vocab.txt"):
        tokenization.load(tmp_path)
    (tmp_path / "vocab.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"it holds: vocab.json\).*merges.txt"):
        tokenization.load(tmp_path)
    for kind in (WordPiece, ByteLevelBPE, Unigram):
        with pytest.raises(FileNotFoundError, match="holds"):
            kind.from_folder(tmp_path)


def test_broken_json_is_named(tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n")
    (tmp_path / "tokenizer_config.json").write_text("{half")
    with pytest.raises(ValueError, match="tokenizer_config.json is not valid JSON"):
        tokenization.load(tmp_path)


PUBLISHED = ["bert-base-uncased", "bert-base-cased", "bert-base-chinese", "roberta-base",
             "albert-base-v2"]  # fmt: skip


@pytest.mark.parametrize("model", PUBLISHED)
def test_published_vocabularies_give_the_published_ids(course_data, model):
    folder = course_data / "vocab" / model
    if not folder.is_dir():
        pytest.skip(f"COURSE_DATA has no vocab/{model}")
    tokenizer = tokenization.load(folder)
    fast = tokenizer.fast()
    with open(course_data / "vocab" / "tokenization_expectations.jsonl", encoding="utf-8") as file:
        rows = [row for row in map(json.loads, file) if row["model"] == model]
    assert rows
    for row in rows:
        assert tokenizer.tokenize(row["text"]) == row["tokens"]
        encoding = tokenizer.encode(row["text"], row["text_pair"])
        assert encoding["input_ids"] == row["input_ids"]
        assert encoding["token_type_ids"] == row["token_type_ids"]
        same(tokenizer, fast, row["text"], row["text_pair"])


@pytest.mark.parametrize("model", PUBLISHED)
def test_published_vocabularies_survive_saving(course_data, model, tmp_path):
    if not (course_data / "vocab" / model).is_dir():
        pytest.skip(f"COURSE_DATA has no vocab/{model}")
    tokenizer = tokenization.load(course_data / "vocab" / model)
    tokenizer.save(tmp_path)
    again = tokenization.load(tmp_path)
    assert again.vocab == tokenizer.vocab
    for text in EDGE_CASES:
        assert again.encode(text) == tokenizer.encode(text)
