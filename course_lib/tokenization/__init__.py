"""The three tokenizers of the BERT family, written to be read, exact, and with one face.

`WordPiece` (BERT, ELECTRA), `ByteLevelBPE` (RoBERTa), `Unigram` (ALBERT): `tokenize`, `encode`,
`decode`, `pad`, `from_folder`, `save`, and `fast()` for whole corpora. `load(folder)` picks one.
"""

from pathlib import Path

from .base import Tokenizer, read_json, truncate_pair
from .bytelevel_bpe import (
    ByteLevelBPE,
    byte_pair_encode,
    bytes_to_unicode,
    merge_pair,
    to_byte_chars,
    train_byte_bpe,
)
from .unigram import (
    Unigram,
    cut_words,
    join_unknown,
    mark_blanks,
    simplify,
    split_marked,
    train_unigram,
    viterbi,
)
from .wordpiece import (
    WordPiece,
    basic_words,
    clean_text,
    is_cjk,
    is_punctuation,
    longest_match,
    lower_letters,
    space_cjk,
    split_punctuation,
    strip_accents,
    train_wordpiece,
)

__all__ = [
    "ByteLevelBPE",
    "Tokenizer",
    "Unigram",
    "WordPiece",
    "basic_words",
    "byte_pair_encode",
    "bytes_to_unicode",
    "clean_text",
    "cut_words",
    "is_cjk",
    "is_punctuation",
    "join_unknown",
    "load",
    "longest_match",
    "lower_letters",
    "mark_blanks",
    "merge_pair",
    "simplify",
    "space_cjk",
    "split_marked",
    "split_punctuation",
    "strip_accents",
    "to_byte_chars",
    "train_byte_bpe",
    "train_unigram",
    "train_wordpiece",
    "truncate_pair",
    "viterbi",
]


def load(folder):
    """The tokenizer whose files are in `folder` (the layouts of the Hugging Face hub).

    Raises FileNotFoundError that says what is there and what is needed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}: check the path")
    kind = read_json(folder / "tokenizer.json").get("model", {}).get("type")
    if (folder / "vocab.txt").exists() or kind == "WordPiece":
        return WordPiece.from_folder(folder)
    if (folder / "merges.txt").exists() or kind == "BPE":
        return ByteLevelBPE.from_folder(folder)
    if (folder / "spiece.model").exists() or kind == "Unigram":
        return Unigram.from_folder(folder)
    present = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
    raise FileNotFoundError(
        f"no tokenizer in {folder} (it holds: {present}); needed: vocab.txt (WordPiece), "
        "vocab.json with merges.txt (byte-level BPE), spiece.model (unigram), or a tokenizer.json"
    )
