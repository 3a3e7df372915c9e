"""Encoding a corpus once: every document becomes its sentences, every sentence its ids."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset, Features, List, Value

from course_lib.data.cache import cache_dir
from course_lib.data.splitting import sentences

VERSION = 1                      # change it when the splitting of sentences changes
FEATURES = Features({"sentences": List(List(Value("int32")))})
TEXT = (Value("string"), Value("large_string"), List(Value("string")))
BATCH = 64                       # documents encoded together


def encode_corpus(dataset: Dataset, tokenizer, text_column: str = "text",
                  num_proc: int = 1) -> Dataset:
    """One row a document: `sentences`, a list of lists of ids without special tokens.

    `tokenizer` is any of `course_lib.tokenization`. The ids are written to the cache folder and
    read from there as they are needed (memory-mapped), so that memory does not grow with the
    corpus. The same documents and tokenizer again cost no time. A column that holds lists of
    strings is taken as sentences that are split already.

    Raises TypeError for anything but a `datasets.Dataset`, ValueError for a column it lacks or
    one that holds no text.
    """
    if not isinstance(dataset, Dataset):
        raise TypeError(f"encode_corpus needs one datasets.Dataset, not a "
                        f"{type(dataset).__name__}: choose a split, e.g. corpus['train']")
    if text_column not in dataset.column_names:
        raise ValueError(f"no column {text_column!r}: there are {dataset.column_names}")
    if dataset.features[text_column] not in TEXT:
        raise ValueError(f"column {text_column!r} holds {dataset.features[text_column]}, not text")
    fast = tokenizer.fast()
    key = f"{VERSION}/{dataset._fingerprint}/{text_column}/{fast.to_str()}"
    name = hashlib.blake2b(key.encode(), digest_size=12).hexdigest()
    folder = cache_dir() / "corpora"
    folder.mkdir(exist_ok=True)
    return dataset.select_columns([text_column]).map(
        Encode(fast, text_column), batched=True, batch_size=BATCH, remove_columns=[text_column],
        features=FEATURES, num_proc=num_proc if num_proc > 1 else None,
        cache_file_name=str(folder / f"{name}.arrow"), new_fingerprint=name,
        load_from_cache_file=True, desc="encoding")


@dataclass
class Encode:
    """A batch of documents -> their sentences as ids."""

    fast: Any                    # a tokenizers.Tokenizer
    column: str

    def __call__(self, batch: dict) -> pa.Table:
        documents = [sentences(text) if isinstance(text, str) else list(text or ())
                     for text in batch[self.column]]
        flat = self.fast.encode_batch([s for document in documents for s in document],
                                      add_special_tokens=False)
        ids = [encoding.ids for encoding in flat]
        values = np.fromiter((i for sentence in ids for i in sentence), np.int32)
        # Arrow's own layout, values and the borders between lists: far quicker than Python lists
        inner = pa.ListArray.from_arrays(_borders(ids), pa.array(values))
        return pa.table({"sentences": pa.ListArray.from_arrays(_borders(documents), inner)})


def _borders(lists: list[list]) -> pa.Array:
    """Where each list starts and ends in all of them end to end: 0, len(first), ..."""
    return pa.array(np.cumsum([0, *map(len, lists)]), pa.int32())
