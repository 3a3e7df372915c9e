"""The three tokenizers of the BERT family, written to be read, exact, and with one face.

`WordPiece` (BERT, ELECTRA), `ByteLevelBPE` (RoBERTa), `Unigram` (ALBERT): `tokenize`, `encode`,
`decode`, `pad`, `from_folder`, `save`, and `fast()` for whole corpora. `load(folder)` picks one.
"""

from .base import Tokenizer, truncate_pair
from .wordpiece import (
    WordPiece,
    basic_words,
    clean_text,
    is_cjk,
    is_punctuation,
    longest_match,
    space_cjk,
    split_punctuation,
    strip_accents,
    train_wordpiece,
)

__all__ = [
    "Tokenizer",
    "WordPiece",
    "basic_words",
    "clean_text",
    "is_cjk",
    "is_punctuation",
    "longest_match",
    "space_cjk",
    "split_punctuation",
    "strip_accents",
    "train_wordpiece",
    "truncate_pair",
]
