"""Byte-level BPE and unigram: no text is lost, merges in order, the likeliest split, the files."""

import itertools
import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenization_helpers import quick, small, texts, training_texts

from course_lib import tokenization
from course_lib.tokenization import (
    ByteLevelBPE,
    Unigram,
    byte_pair_encode,
    bytes_to_unicode,
    cut_words,
    join_unknown,
    mark_blanks,
    merge_pair,
    simplify,
    split_marked,
    viterbi,
)
from course_lib.tokenization.bytelevel_bpe import WORDS, read_merges
from course_lib.tokenization.spiece import (
    CharsMap,
    field,
    read_fields,
    read_varint,
    write_varint,
)

# Byte-level BPE


def test_every_byte_has_its_own_visible_character():
    table = bytes_to_unicode()
    assert sorted(table) == list(range(256)) and len(set(table.values())) == 256
    assert table[ord("A")] == "A" and table[ord(" ")] == "Ġ" and table[ord("\n")] == "Ċ"
    assert all(unicodedata.category(char)[0] not in "ZC" for char in table.values())


@quick
@given(st.text())
def test_bpe_gives_back_every_text_to_the_letter(text):
    tokenizer = small("bpe")
    if any(token in text for token in tokenizer.special.values()):
        return
    assert tokenizer.decode(tokenizer.encode(text)["input_ids"]) == text
    assert tokenizer.unk_id not in tokenizer.encode(text)["input_ids"]


@quick
@given(texts)
def test_words_of_bpe_lose_nothing(text):
    assert "".join(WORDS.findall(text)) == text


def merge_one_by_one(word, merges):
    """The textbook order: go through the merges as learned, again from the start after each."""
    pieces = list(word)
    found = True
    while found:
        found = False
        for pair in merges:
            if any(p == pair for p in itertools.pairwise(pieces)):
                pieces, found = merge_pair(pieces, pair), True
                break
    return pieces


letters = st.text("ab", min_size=1, max_size=10)
merge_lists = st.lists(st.tuples(st.text("ab", min_size=1, max_size=3),
                                 st.text("ab", min_size=1, max_size=3)), unique=True)  # fmt: skip


@given(letters, merge_lists)
def test_merges_are_taken_in_the_order_they_were_learned(word, merges):
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    pieces = byte_pair_encode(word, ranks)
    assert pieces == merge_one_by_one(word, merges)
    assert "".join(pieces) == word
    assert not any(pair in ranks for pair in itertools.pairwise(pieces)), "nothing is left to merge"


def test_merge_pair_goes_from_left_to_right():
    assert merge_pair(["a", "a", "a"], ("a", "a")) == ["aa", "a"]
    assert merge_pair(["a", "b"], ("b", "a")) == ["a", "b"]


def test_merges_without_their_piece_are_refused():
    vocab = [*ByteLevelBPE.SPECIAL.values(), "a", "b"]
    with pytest.raises(ValueError, match="'a' \\+ 'b' makes a piece that the vocabulary"):
        ByteLevelBPE(vocab, [("a", "b")])


def test_a_byte_outside_the_vocabulary_is_unknown():
    tokenizer = ByteLevelBPE([*ByteLevelBPE.SPECIAL.values(), "a"], [])
    ids = tokenizer.encode("ab")["input_ids"]
    assert ids == tokenizer.fast().encode("ab").ids
    assert ids[1:3] == [tokenizer.vocab["a"], tokenizer.unk_id]


def test_a_broken_merges_file_is_named(tmp_path):
    path = tmp_path / "merges.txt"
    path.write_text("#version: 0.2\na b\na b c\n")
    with pytest.raises(ValueError, match="line 3: 'a b c'"):
        read_merges(path)
    path.write_text("#version: 0.2\n# a\na b\n")
    assert read_merges(path) == [("#", "a"), ("a", "b")]


# Unigram

scores = st.dictionaries(st.text("abc", min_size=1, max_size=4), st.floats(-12, -0.5), min_size=1)


def splits(text):
    """All 2 ** (n - 1) ways to cut a text."""
    if not text:
        yield []
    for end in range(1, len(text) + 1):
        for rest in splits(text[end:]):
            yield [text[:end], *rest]


@quick
@given(st.text("abcd", max_size=7), scores)
def test_viterbi_against_all_splits(text, table):
    unknown = -30.0

    def total(pieces):
        return sum(table.get(p, unknown if len(p) == 1 else -math.inf) for p in pieces)

    pieces = viterbi(text, table, unknown)
    assert "".join(pieces) == text
    assert total(pieces) == pytest.approx(max(map(total, splits(text)), default=0.0))


def test_viterbi_has_no_limit_of_length_when_told():
    piece = "a" * 20
    assert viterbi(piece, {piece: -1.0, "a": -1.0}, -30, longest=20) == [piece]
    table = [(t, 0.0) for t in Unigram.SPECIAL.values()] + [("▁" + piece, -1.0), ("a", -1.0)]
    assert Unigram(table).tokenize(piece) == ["▁" + piece]


def test_steps_of_albert():
    assert simplify("  Déjà\t VU  ﬁne ") == "deja vu fine"
    assert simplify("Déjà", lower_case=False, keep_accents=True) == "Déjà"
    assert mark_blanks("new york") == "▁new▁york" and mark_blanks("  ") == ""
    assert split_marked("▁new▁york▁") == ["▁new", "▁york", "▁"]
    table = {"▁2010,": -1.0, "▁2010": -3.0, ",": -3.0, "▁a,": -1.0}
    assert cut_words(["▁2010,", "▁a,"], table, -30) == ["▁2010", ",", "▁a,"]
    assert join_unknown(["▁", "我", "爱", "▁", "你"], {"▁"}) == ["▁", "我爱", "▁", "你"]


@quick
@given(texts)
def test_no_character_is_lost_after_cleaning(text):
    tokenizer = small("unigram")
    cleaned = mark_blanks(unicodedata.normalize("NFKC", simplify(text)))
    if not any(token in text for token in tokenizer.special.values()):
        assert "".join(tokenizer.tokenize(text)) == cleaned


def test_unigram_refuses_a_vocabulary_without_pieces():
    with pytest.raises(ValueError, match="special tokens only"):
        Unigram([(token, 0.0) for token in Unigram.SPECIAL.values()])
    with pytest.raises(ValueError, match="lacks <pad>"):
        Unigram([("a", -1.0)])


# The file spiece.model


@given(st.integers(0, 2**40))
def test_numbers_survive_the_file_format(value):
    assert read_varint(write_varint(value), 0) == (value, len(write_varint(value)))


def test_fields_survive_the_file_format():
    message = field(1, b"text") + field(3, 300) + field(2, -1.5)
    assert list(read_fields(message)) == [(1, b"text"), (3, 300), (2, -1.5)]


@pytest.mark.parametrize("content", [b"\x07nonsense", b"not a model", b"\x0a\xff\x01ab"])
def test_what_is_no_sentencepiece_model_is_refused(content, tmp_path):
    (tmp_path / "spiece.model").write_bytes(content)
    with pytest.raises(ValueError):
        tokenization.load(tmp_path)


def test_sentencepiece_reads_our_file_and_cuts_alike(tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    tokenizer = small("unigram")
    tokenizer.save(tmp_path)
    theirs = sentencepiece.SentencePieceProcessor(str(tmp_path / "spiece.model"))
    assert [theirs.id_to_piece(i) for i in range(len(theirs))] == list(tokenizer.vocab)
    for text in training_texts()[::4]:
        if not any(token in text for token in tokenizer.special.values()):
            clean = unicodedata.normalize("NFKC", simplify(text.replace("▁", " ")))
            assert theirs.encode_as_pieces(clean) == tokenizer.tokenize(text)


@pytest.fixture(scope="module")
def albert(course_data):
    """The published ALBERT vocabulary: (ours, SentencePiece's own reader)."""
    sentencepiece = pytest.importorskip("sentencepiece")
    folder = course_data / "vocab" / "albert-base-v2"
    if not folder.is_dir():
        pytest.skip("COURSE_DATA has no vocab/albert-base-v2")
    theirs = sentencepiece.SentencePieceProcessor(str(folder / "spiece.model"))
    return tokenization.load(folder), theirs


def test_published_file_is_read_as_sentencepiece_reads_it(albert):
    ours, theirs = albert
    assert ours.pieces == [(theirs.id_to_piece(i), theirs.get_score(i)) for i in range(len(theirs))]


@quick
@given(text=texts)
def test_published_characters_map_as_in_sentencepiece(albert, text):
    ours, theirs = albert
    assert mark_blanks(CharsMap(ours.charsmap).replace(text)) == theirs.normalize(text)


@quick
@given(text=texts)
def test_published_vocabulary_cuts_as_sentencepiece_does(albert, text):
    ours, theirs = albert
    text = simplify(text.replace(",", ";"))  # numbers with a comma: see cut_words
    if not any(token in text for token in ours.special.values()):
        assert ours.tokenize(text) == theirs.encode_as_pieces(text)


def test_published_vocabulary_keeps_a_number_and_its_comma_apart(albert):
    ours, theirs = albert
    assert theirs.encode_as_pieces("in 2010, the") == ["▁in", "▁2010,", "▁the"]
    assert ours.tokenize("in 2010, the") == ["▁in", "▁2010", ",", "▁the"]
