"""Texts and pairs of texts as rows for a classifier, and what to do with texts that are too long.

A model reads a limited number of tokens. `encode_texts` keeps the beginning, the end, or some of
both (Sun et al. 2019, arXiv:1905.05583, section 5.3.1); `chunk_texts` keeps everything, in pieces
that the model reads one by one, and `pool_documents` joins what it says about them.

Axes: N rows, T tokens, C classes.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from datasets import Dataset, Features, List, Value
from torch import Tensor

from course_lib.data import cache_dir
from course_lib.data.readers import quiet
from course_lib.tokenization import Tokenizer

KEEP = ("head", "tail", "head+tail")
HEAD_SHARE = 128 / 510  # of head+tail: Sun et al. kept 128 tokens and 382 of 510
VERSION = 1  # change it when the same texts give other rows
IDS = {"input_ids": List(Value("int32")), "token_type_ids": List(Value("int8"))}


def encode_texts(
    dataset: Dataset, tokenizer: Tokenizer, columns: str | tuple[str, ...] = ("text",), *,
    label: str | None = "label", max_length: int | None = 128, keep: str = "head",
) -> Dataset:
    """Rows with input_ids, token_type_ids and `labels`, in the order of `dataset`.

    columns: one column of texts, or two for pairs. label: the column that becomes `labels`, with
    its type; None: no answers. max_length counts special tokens (None: nothing is cut); of a pair
    the longer text gives way first. keep: "head", "tail" or "head+tail", of each text.
    The same texts again cost no time: rows are kept in the cache folder.

    Raises TypeError or ValueError for columns that are not there or hold no text, an empty place
    (None), or a max_length without room for a word.
    """
    columns = (columns,) if isinstance(columns, str) else tuple(columns)
    if len(columns) not in (1, 2):
        raise ValueError(f"columns={columns}: name one column of texts, or two for pairs.")
    check_columns(dataset, columns, label)
    room = room_for(tokenizer, max_length, pair=len(columns) == 2)
    if keep not in KEEP:
        raise ValueError(f"keep is {keep!r}; choose one of {', '.join(KEEP)}.")
    return mapped(dataset, Encode(tokenizer, tokenizer.fast(), columns, label, room, keep))


def chunk_texts(
    dataset: Dataset, tokenizer: Tokenizer, column: str = "text", *,
    label: str | None = "label", max_length: int = 128, overlap: int = 0, most: int | None = None,
) -> Dataset:
    """Whole texts in pieces: rows as of `encode_texts`, and `document`, the number of the text
    that a row comes from. Each piece has the label of its text.

    overlap: tokens that a piece shares with the one before it. most: pieces of a text at most, the
    first ones. An empty text is one piece without words. Errors as of `encode_texts`.
    """
    check_columns(dataset, (column,), label)
    room = room_for(tokenizer, max_length, pair=False)
    if not 0 <= overlap < room:
        raise ValueError(f"overlap is {overlap}; a piece has room for {room} tokens, so it must be "
                         f"at least 0 and at most {room - 1}.")
    if most is not None and most < 1:
        raise ValueError(f"most is {most}; a text has at least 1 piece (None: no limit).")
    return mapped(dataset, Chunk(tokenizer, tokenizer.fast(), (column,), label, room, overlap,
                                 most))


def pool_documents(
    scores: Tensor | Iterable[Tensor], document: Iterable[int], how: str = "mean"
) -> Tensor:
    """Scores of pieces (N, C) -> scores of documents (D, C): their mean, or the largest of each
    class. `document` (N,) numbers the documents from 0, each with at least one piece."""
    scores = scores if isinstance(scores, Tensor) else torch.stack(list(scores))
    document = torch.as_tensor(np.asarray(document), dtype=torch.long)
    if how not in ("mean", "max"):
        raise ValueError(f"how is {how!r}; choose mean or max.")
    if len(scores) != len(document):
        raise ValueError(f"{len(scores)} rows of scores, but {len(document)} numbers of documents.")
    number = int(document.max()) + 1
    missing = (torch.bincount(document, minlength=number) == 0).nonzero()
    if len(missing):
        raise ValueError(f"document {int(missing[0])} has no piece: number them from 0 to "
                         f"{number - 1} without a gap.")
    place = document[:, None].expand_as(scores)  # (N, C)
    return torch.zeros(number, scores.shape[1], dtype=scores.dtype).scatter_reduce(
        0, place, scores, "amax" if how == "max" else "mean", include_self=False)


# --- the work on a batch of texts -----------------------------------------------------------------


@dataclass
class Encode:
    """A batch of texts, or pairs, -> rows."""

    tokenizer: Tokenizer
    fast: Any  # its twin of the library `tokenizers`, for speed
    columns: tuple[str, ...]
    label: str | None
    room: int | None  # tokens beside the special ones
    keep: str

    def __call__(self, batch: dict, indices: list[int]) -> dict:
        texts = [self.ids_of(batch[name], name, indices) for name in self.columns]
        rows = [self.tokenizer.add_special(*fit(ids, self.room, self.keep))
                for ids in zip(*texts, strict=True)]
        return as_columns(rows) | ({"labels": batch[self.label]} if self.label else {})

    def ids_of(self, texts: list[str], name: str, indices: list[int]) -> list[list[int]]:
        return word_ids(self.fast, texts, name, indices)

    @property
    def settings(self) -> str:
        return f"{self.columns} {self.label} {self.room} {self.keep}"


@dataclass
class Chunk:
    """A batch of texts -> rows, one or more of each text."""

    tokenizer: Tokenizer
    fast: Any
    columns: tuple[str]
    label: str | None
    room: int
    overlap: int
    most: int | None

    def __call__(self, batch: dict, indices: list[int]) -> dict:
        texts = word_ids(self.fast, batch[self.columns[0]], self.columns[0], indices)
        pieces = [self.cut(ids) for ids in texts]
        rows = [self.tokenizer.add_special(piece) for text in pieces for piece in text]
        found = as_columns(rows) | {"document": repeat(indices, pieces)}
        return found | ({"labels": repeat(batch[self.label], pieces)} if self.label else {})

    def cut(self, ids: list[int]) -> list[list[int]]:
        step = self.room - self.overlap
        starts = range(0, max(1, len(ids) - self.overlap), step)
        return [ids[start : start + self.room] for start in starts][: self.most]

    @property
    def settings(self) -> str:
        return f"chunks {self.columns} {self.label} {self.room} {self.overlap} {self.most}"


def word_ids(fast, texts: list[str], name: str, indices: list[int]) -> list[list[int]]:
    """The ids of texts without special tokens. Raises ValueError for a missing text."""
    if None in texts:
        row = indices[texts.index(None)]
        raise ValueError(f"row {row} has no text in the column {name!r} (None): leave such rows "
                         "out, or put the empty text '' there.")
    return [found.ids for found in fast.encode_batch(texts, add_special_tokens=False)]


def fit(texts: tuple[list[int], ...], room: int | None, keep: str) -> list[list[int]]:
    """One or two texts cut to `room` tokens together."""
    if room is None or sum(map(len, texts)) <= room:
        return list(texts)
    lengths = [room]
    if len(texts) == 2:  # the longer gives way until both are equal, and then the second first
        second = min(len(texts[1]), max(room // 2, room - len(texts[0])))
        lengths = [room - second, second]
    return [shorten(ids, length, keep) for ids, length in zip(texts, lengths, strict=True)]


def shorten(ids: list[int], length: int, keep: str) -> list[int]:
    """`length` of the ids: the first, the last, or a quarter first and the rest last."""
    if len(ids) <= length:
        return ids
    first = {"head": length, "tail": 0, "head+tail": round(HEAD_SHARE * length)}[keep]
    return ids[:first] + ids[len(ids) - (length - first) :]


def as_columns(rows: list[dict]) -> dict[str, list]:
    return {name: [row[name] for row in rows] for name in IDS}


def repeat(values: list, pieces: list[list]) -> list:
    return [value for value, parts in zip(values, pieces, strict=True) for _ in parts]


# --- checks and the cache -------------------------------------------------------------------------


def check_columns(dataset: Dataset, columns: tuple[str, ...], label: str | None) -> None:
    """Raise TypeError or ValueError unless these columns hold texts, and the label is there."""
    if not isinstance(dataset, Dataset):
        raise TypeError(f"these are a {type(dataset).__name__}; pass one datasets.Dataset, for "
                        "example one split: rows['train'].")
    for name in (*columns, *([label] if label else [])):
        if name not in dataset.column_names:
            way_out = "name the right one, or label=None for texts without answers" if (
                name == label) else "name the columns that hold the texts"
            raise ValueError(f"there is no column {name!r}, only "
                             f"{', '.join(dataset.column_names)}: {way_out}.")
    for name in columns:
        if dataset.features[name] not in (Value("string"), Value("large_string")):
            raise ValueError(f"the column {name!r} holds {dataset.features[name]}, not text.")


def room_for(tokenizer: Tokenizer, max_length: int | None, pair: bool) -> int | None:
    """Tokens that fit beside the special ones. Raises ValueError if there is no room for one."""
    if max_length is None:
        return None
    special = len(tokenizer.add_special([], [] if pair else None)["input_ids"])
    if max_length <= special:
        raise ValueError(f"max_length is {max_length}; {special} special tokens and a word need "
                         f"at least {special + 1}.")
    return max_length - special


def mapped(dataset: Dataset, work: Encode | Chunk) -> Dataset:
    """The rows that `work` makes of `dataset`, from the cache if they were made before."""
    label = {"labels": dataset.features[work.label]} if work.label else {}
    document = {"document": Value("int32")} if isinstance(work, Chunk) else {}
    key = f"{VERSION} {dataset._fingerprint} {work.settings} {label} {work.fast.to_str()}"
    name = hashlib.blake2b(key.encode(), digest_size=12).hexdigest()
    folder = cache_dir() / "tasks"
    folder.mkdir(exist_ok=True)
    columns = [*work.columns, *([work.label] if work.label else [])]
    with quiet():
        return dataset.select_columns(columns).map(
            work, batched=True, with_indices=True, remove_columns=columns,
            features=Features(IDS | document | label), new_fingerprint=name,
            cache_file_name=str(folder / f"{name}.arrow"), load_from_cache_file=True)
