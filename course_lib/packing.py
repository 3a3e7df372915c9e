"""From documents to training rows: full sequences, or sentence pairs for NSP.

Sources: Devlin et al. 2019 (arXiv:1810.04805), appendix A.2; Liu et al. 2019 (arXiv:1907.11692),
section 4.2 (FULL-SENTENCES). Documents come from `data.encode_corpus`: one row a document, with
the column `sentences`, a list of lists of ids. Rows are written to disk and memory-mapped.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from datasets import Dataset, Features, List, Value
from datasets.arrow_writer import ArrowWriter

from course_lib import data

IDS = List(Value("int32"))
VERSION = 1  # change it when the packing changes: rows are kept in the cache
SHORT_SHARE = 0.1  # share of pairs with a shorter target length, as in the published code


def full_sentences(documents: Dataset, seq_len: int, tokenizer) -> Dataset:
    """Fill rows of `seq_len` with running text, crossing document borders with a [SEP].

    RoBERTa ends a row with the last whole sentence that fits; here the row is always full, and the
    sentence goes on in the next, so that all rows have one length.
    Returns a Dataset with `input_ids`, each row exactly [CLS] + seq_len - 2 tokens + [SEP].
    """
    check_length(seq_len, 4)
    rows = _full_rows(documents, seq_len, tokenizer.cls_id, tokenizer.sep_id)
    key = (documents._fingerprint, "full", seq_len, tokenizer.cls_id, tokenizer.sep_id)
    return write_rows(key, rows, Features({"input_ids": IDS}))


def _full_rows(documents, seq_len, cls_id, sep_id) -> Iterator[dict]:
    stream, room = [], seq_len - 2
    for document in documents:
        for sentence in document["sentences"]:
            stream.extend(sentence)
        stream.append(sep_id)
        full = len(stream) - len(stream) % room
        for start in range(0, full, room):
            yield {"input_ids": [cls_id, *stream[start : start + room], sep_id]}
        stream = stream[full:]


def nsp_pairs(documents: Dataset, seq_len: int, tokenizer, seed: int = 0) -> Dataset:
    """Pairs A, B for next sentence prediction: half of the time B follows A, half of the time it
    comes from another document.

    Returns a Dataset with `input_ids` ([CLS] A [SEP] B [SEP], at most seq_len), `token_type_ids`
    and `next_sentence_label` (0 = B follows, 1 = B is from elsewhere, as published).
    Raises ValueError with fewer than two documents.
    """
    check_length(seq_len, 8)
    if len(documents) < 2:
        raise ValueError(
            f"sentence pairs need at least 2 documents, there are {len(documents)}: "
            "a random B must come from another document."
        )
    rows = _pair_rows(documents, seq_len, tokenizer.cls_id, tokenizer.sep_id, seed)
    key = (documents._fingerprint, "nsp", seq_len, tokenizer.cls_id, tokenizer.sep_id, seed)
    features = Features(
        {"input_ids": IDS, "token_type_ids": IDS, "next_sentence_label": Value("int8")}
    )
    return write_rows(key, rows, features)


def _pair_rows(documents, seq_len, cls_id, sep_id, seed) -> Iterator[dict]:
    rng = np.random.default_rng(seed)
    for index, document in enumerate(documents):
        sentences = [s for s in document["sentences"] if s]
        for a, b, label in _document_pairs(index, sentences, documents, seq_len - 3, rng):
            a, b = truncate_pair(a, b, seq_len - 3, rng)
            yield {
                "input_ids": [cls_id, *a, sep_id, *b, sep_id],
                "token_type_ids": [0] * (len(a) + 2) + [1] * (len(b) + 1),
                "next_sentence_label": label,
            }


def _document_pairs(index, sentences, documents, room, rng) -> Iterator[tuple[list, list, int]]:
    """Cut one document into chunks of about `room` tokens, and each chunk into A and B.

    A chunk has two sentences at least, so that a coin alone decides whether B follows. (In the
    published code chunks of one sentence always get a random B, which makes random ones more.)
    """
    start = 0
    while start < len(sentences):
        target = int(rng.integers(2, room + 1)) if rng.random() < SHORT_SHARE else room
        end, length = start, 0
        while end < len(sentences) and (length < target or end - start < 2):
            length += len(sentences[end])
            end += 1
        chunk = sentences[start:end]
        if len(chunk) < 2:
            return
        cut = int(rng.integers(1, len(chunk)))
        a = [token for sentence in chunk[:cut] for token in sentence]
        if rng.random() < 0.5:
            b, label = random_text(index, documents, target - len(a), rng), 1
            end = start + cut  # the sentences not used are given back
        else:
            b, label = [token for sentence in chunk[cut:] for token in sentence], 0
        start = end
        if b:
            yield a, b, label


def random_text(index: int, documents: Dataset, room: int, rng) -> list[int]:
    """Sentences from a random place of another document, until `room` tokens are full."""
    other = int(rng.integers(len(documents) - 1))
    other += other >= index  # any document but this one
    sentences = [s for s in documents[other]["sentences"] if s]
    if not sentences:
        return []
    text = []
    for sentence in sentences[int(rng.integers(len(sentences))) :]:
        text.extend(sentence)
        if len(text) >= room:
            break
    return text


def truncate_pair(a: list[int], b: list[int], room: int, rng) -> tuple[list[int], list[int]]:
    """Take tokens off the longer text, at a random end each time, until both fit."""
    a, b = list(a), list(b)
    while len(a) + len(b) > room:
        longer = a if len(a) > len(b) else b
        longer.pop(0 if rng.random() < 0.5 else -1)
    return a, b


def check_length(seq_len: int, least: int) -> None:
    """Refuse rows too short to hold anything between the special tokens."""
    if seq_len < least:
        raise ValueError(f"seq_len is {seq_len}; rows of this kind need at least {least} tokens.")


def write_rows(key: tuple, rows: Iterator[dict], features: Features) -> Dataset:
    """Write rows to a file of the cache named after `key`, once, and map it into memory."""
    name = hashlib.sha256(repr((VERSION, *key)).encode()).hexdigest()[:16]
    path = Path(data.cache_dir()) / f"rows-{name}.arrow"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        half_done = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            with ArrowWriter(path=str(half_done), features=features) as writer:
                for row in rows:
                    writer.write(row)
                writer.finalize()
            half_done.replace(path)
        finally:
            half_done.unlink(missing_ok=True)
    return Dataset.from_file(str(path))
