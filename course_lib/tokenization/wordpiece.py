"""WordPiece, the tokenizer of BERT: clean the text, cut it into words, cut words into pieces.

Words are cut greedily: the longest piece of the vocabulary that starts the word, then the longest
that starts the rest. Pieces inside a word carry the mark `##`. Follows the tokenizer released with
BERT (https://github.com/google-research/bert, tokenization.py) step by step.
"""

import unicodedata
from collections import Counter
from pathlib import Path

from .base import Tokenizer, check_texts, read_json, read_special

# The blocks of Unicode that BERT treats as Chinese characters. Kana and Hangul are not in them.
CJK_RANGES = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


def clean_text(text):
    """Drop control characters; turn every kind of blank (tab, new line, no-break) into a space."""
    kept = []
    for char in text:
        category = unicodedata.category(char)
        if char in "\t\n\r" or category == "Zs":
            kept.append(" ")
        elif char not in "\x00\ufffd" and category not in ("Cc", "Cf", "Co"):
            kept.append(char)
    return "".join(kept)


def is_cjk(char):
    """Is this a Chinese character (汉字)?"""
    return any(low <= ord(char) <= high for low, high in CJK_RANGES)


def space_cjk(text):
    """Put spaces around every Chinese character, so that each becomes a word of its own."""
    return "".join(f" {char} " if is_cjk(char) else char for char in text)


def strip_accents(text):
    """Split letters from their accents (NFD) and drop the accents: é becomes e."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")


def lower_letters(text):
    """Lower case letter by letter. (`str.lower` alone minds where a Greek word ends: Σ, ς.)"""
    return "".join(char.lower() for char in text)


def is_punctuation(char):
    """ASCII signs such as $ and ^ count too, although Unicode calls them symbols."""
    is_ascii_sign = 33 <= ord(char) <= 126 and not char.isalnum()
    return is_ascii_sign or unicodedata.category(char).startswith("P")


def split_punctuation(word):
    """Cut a word at every punctuation mark: "don't" gives ["don", "'", "t"]."""
    return "".join(f" {char} " if is_punctuation(char) else char for char in word).split()


def basic_words(text, lower_case=True):
    """BERT's first step: a text becomes a list of words. Chinese characters count as words."""
    words = []
    for word in space_cjk(clean_text(text)).split():
        if lower_case:
            word = strip_accents(lower_letters(word))
        words += split_punctuation(word)
    return words


def longest_match(word, vocab, unk="[UNK]", max_chars=100):
    """BERT's second step: cut one word into pieces, greedily, longest piece first.

    One place without a matching piece makes the whole word unknown. So does a word of more than
    `max_chars` characters (100 in `transformers`, 200 in Google's code).
    """
    pieces, start = [], 0
    if len(word) > max_chars:
        return [unk]
    while start < len(word):
        mark = "##" if start else ""
        for end in range(len(word), start, -1):
            if mark + word[start:end] in vocab:
                break
        else:  # nothing fits here
            return [unk]
        pieces.append(mark + word[start:end])
        start = end
    return pieces


class WordPiece(Tokenizer):
    """WordPiece over a vocabulary (词表): a list of pieces, or a dict piece -> id.

    lower_case: also strip accents (the "uncased" models). bert-base-chinese was trained with True.
    """

    def __init__(self, vocab, lower_case=True, special=None):
        super().__init__(vocab, special)
        self.lower_case = lower_case

    def _pieces(self, text):
        unk = self.special["unk"]
        words = basic_words(text, self.lower_case)
        return [piece for word in words for piece in longest_match(word, self.vocab, unk)]

    def _join(self, pieces):
        return " ".join(pieces).replace(" ##", "")

    def _fast_model(self):
        from tokenizers import Tokenizer as FastTokenizer
        from tokenizers import models

        model = models.WordPiece(
            self.vocab, unk_token=self.special["unk"], max_input_chars_per_word=100
        )
        fast = FastTokenizer(model)
        fast.normalizer, fast.pre_tokenizer, fast.decoder = _fast_steps(self.lower_case)
        return fast

    @classmethod
    def from_folder(cls, path, lower_case=None):
        """Read vocab.txt (a piece a line) or tokenizer.json; tokenizer_config.json may be there."""
        path = Path(path)
        config = read_json(path / "tokenizer_config.json")
        whole = read_json(path / "tokenizer.json")
        if (path / "vocab.txt").exists():
            vocab = (path / "vocab.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
            vocab = [line.rstrip("\r") for line in vocab] if vocab != [""] else []
        elif whole.get("model", {}).get("type") == "WordPiece":
            vocab = whole["model"]["vocab"]
        else:
            raise FileNotFoundError(f"{path} holds no vocab.txt and no WordPiece tokenizer.json")
        if lower_case is None:
            lower_case = config.get("do_lower_case", _lowercases(whole.get("normalizer")))
        return cls(vocab, lower_case, read_special(config, cls.SPECIAL))

    def save(self, folder):
        """Write vocab.txt and tokenizer_config.json, as `transformers.AutoTokenizer` reads them."""
        if sorted(self._id_to_piece) != list(range(self.vocab_size)):
            raise ValueError("vocab.txt needs ids 0, 1, 2, ... without gaps: renumber the pieces")
        folder = self._save_config(folder, "BertTokenizer", do_lower_case=self.lower_case)
        lines = (self._id_to_piece[index] + "\n" for index in range(self.vocab_size))
        (folder / "vocab.txt").write_text("".join(lines), encoding="utf-8", newline="\n")
        return folder


def _fast_steps(lower_case):
    """Normalizer, pre-tokenizer and decoder of `tokenizers` that do what `basic_words` does."""
    from tokenizers import decoders, normalizers, pre_tokenizers

    def bert(clean=False, cjk=False, accents=False, lower=False):
        return normalizers.BertNormalizer(clean, cjk, accents, lower)

    steps = [bert(clean=True, cjk=True)]
    if lower_case:
        steps += [bert(lower=True), bert(accents=True)]
    return normalizers.Sequence(steps), pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()


def _lowercases(normalizer):
    return True if normalizer is None else bool(normalizer.get("lowercase", False))


def train_wordpiece(texts, vocab_size, lower_case=True, min_frequency=2, alphabet=1000):
    """Learn a WordPiece vocabulary from an iterable of strings, with the `tokenizers` library.

    Google never published its trainer; the library merges the most frequent pairs, as BPE does.
    alphabet: at most so many different characters are kept, and never so many that they fill more
    than half of the vocabulary. The same texts give the same ids.
    """
    special = list(WordPiece.SPECIAL.values())
    texts = check_texts(texts, vocab_size, smallest=4 * len(special))
    alphabet = min(alphabet, vocab_size // 4)
    # The library numbers single characters in random order, and breaks ties between merges by
    # these numbers. A first pass without merges finds the characters, the second has them sorted.
    found = _train_pieces(texts, 0, special, lower_case).get_vocab()
    chars = [p for p in found if len(p) == 1]
    if len(chars) > alphabet:
        chars = _commonest(chars, texts, lower_case, alphabet)
    singles = [*sorted(chars), *sorted(p for p in found if p[:2] == "##" and p[2:] in chars)]
    fast = _train_pieces(texts, vocab_size, special + singles, lower_case, min_frequency, chars)
    return WordPiece(fast.get_vocab(), lower_case)


def _train_pieces(texts, vocab_size, first, lower_case, min_frequency=2, chars=None):
    """A `tokenizers` WordPiece trained on texts, with `first` as its first pieces."""
    from tokenizers import Tokenizer as FastTokenizer
    from tokenizers import models, trainers

    fast = FastTokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    fast.normalizer, fast.pre_tokenizer, _ = _fast_steps(lower_case)
    limit = {} if chars is None else dict(initial_alphabet=chars, limit_alphabet=len(chars))
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size, min_frequency=min_frequency, special_tokens=first,
        show_progress=False, **limit,
    )  # fmt: skip
    fast.train_from_iterator(texts, trainer)
    return fast


def _commonest(chars, texts, lower_case, limit):
    """The `limit` commonest of `chars` in the cleaned texts; ties go by code point."""
    normalizer, counts = _fast_steps(lower_case)[0], Counter()
    for text in texts:
        counts.update(normalizer.normalize_str(text))
    return sorted(chars, key=lambda char: (-counts[char], char))[:limit]
