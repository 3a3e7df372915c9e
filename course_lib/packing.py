"""From documents to training rows: running text, or pairs of texts.

RoBERTa compares four formats (Liu et al. 2019, arXiv:1907.11692, section 4.2): SEGMENT-PAIR, which
is BERT's (`nsp_pairs`; Devlin et al. 2019, arXiv:1810.04805, appendix A.2), SENTENCE-PAIR
(`sentence_pairs`), FULL-SENTENCES (`full_sentences`) and DOC-SENTENCES (`doc_sentences`). ALBERT
asks for the order of two segments (`sop_pairs`; Lan et al. 2020, arXiv:1909.11942, section 3.1).

Documents come from `data.encode_corpus`: one row a document, with the column `sentences`, a list
of lists of ids. Rows are written to disk and memory-mapped.
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
MANY_ROWS = 20_000  # enough for a mean length
SHORT_SHARE = 0.1  # share of pairs with a shorter target length, as in the published code
Pair = tuple[list[int], list[int], int]  # A, B and the label


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


def doc_sentences(documents: Dataset, seq_len: int, tokenizer) -> Dataset:
    """Fill rows with whole sentences of one document, never crossing its border.

    The last row of a document is shorter, as a rule; the paper then takes more rows into a batch
    (`rows_for_tokens`). A sentence that is longer than a row is cut.
    Returns a Dataset with `input_ids`, each row [CLS] + at most seq_len - 2 tokens + [SEP].
    """
    check_length(seq_len, 4)
    rows = _doc_rows(documents, seq_len, tokenizer.cls_id, tokenizer.sep_id)
    key = (documents._fingerprint, "doc", seq_len, tokenizer.cls_id, tokenizer.sep_id)
    return write_rows(key, rows, Features({"input_ids": IDS}))


def _doc_rows(documents, seq_len, cls_id, sep_id) -> Iterator[dict]:
    room = seq_len - 2
    for document in documents:
        row = []
        for sentence in document["sentences"]:
            for start in range(0, len(sentence), room):
                part = sentence[start : start + room]
                if len(row) + len(part) > room:
                    yield {"input_ids": [cls_id, *row, sep_id]}
                    row = []
                row = row + part
        if row:
            yield {"input_ids": [cls_id, *row, sep_id]}


def rows_for_tokens(rows: Dataset, tokens: int) -> int:
    """How many rows hold about this many tokens: the batch size for a fair comparison of formats
    (section 4.2 of RoBERTa's paper keeps the tokens of a batch equal)."""
    table = rows.with_format("arrow")[: min(MANY_ROWS, len(rows))]
    lengths = np.diff(table["input_ids"].combine_chunks().offsets.to_numpy())
    return max(1, round(tokens / float(lengths.mean())))


def nsp_pairs(documents: Dataset, seq_len: int, tokenizer, seed: int = 0) -> Dataset:
    """Pairs A, B for next sentence prediction: half of the time B follows A, half of the time it
    comes from another document. A and B are segments: some sentences each (SEGMENT-PAIR).

    Returns a Dataset with `input_ids` ([CLS] A [SEP] B [SEP], at most seq_len), `token_type_ids`
    and `next_sentence_label` (0 = B follows, 1 = B is from elsewhere, as published).
    Raises ValueError with fewer than two documents.
    """
    return write_pairs("nsp", nsp_of_document, documents, seq_len, tokenizer, seed)


def sentence_pairs(documents: Dataset, seq_len: int, tokenizer, seed: int = 0) -> Dataset:
    """As `nsp_pairs`, but A and B are one sentence each (SENTENCE-PAIR): much shorter rows."""
    return write_pairs("sentences", sentences_of_document, documents, seq_len, tokenizer, seed)


def sop_pairs(documents: Dataset, seq_len: int, tokenizer, seed: int = 0) -> Dataset:
    """Pairs for sentence order prediction: two segments of one document that follow one another,
    half of the time swapped. Topics tell nothing here, as both have the same.

    Columns as for `nsp_pairs`; `next_sentence_label` is 0 = in order, 1 = swapped.
    """
    return write_pairs("sop", sop_of_document, documents, seq_len, tokenizer, seed)


def write_pairs(kind: str, of_document, documents, seq_len, tokenizer, seed) -> Dataset:
    """Rows of all the pairs that `of_document` makes of each document."""
    check_length(seq_len, 8)
    if of_document is not sop_of_document and len(documents) < 2:
        raise ValueError(
            f"sentence pairs need at least 2 documents, there are {len(documents)}: "
            "a random B must come from another document."
        )
    rows = _pair_rows(of_document, documents, seq_len, tokenizer.cls_id, tokenizer.sep_id, seed)
    key = (documents._fingerprint, kind, seq_len, tokenizer.cls_id, tokenizer.sep_id, seed)
    features = Features(
        {"input_ids": IDS, "token_type_ids": IDS, "next_sentence_label": Value("int8")}
    )
    return write_rows(key, rows, features)


def _pair_rows(of_document, documents, seq_len, cls_id, sep_id, seed) -> Iterator[dict]:
    rng = np.random.default_rng(seed)
    for index, document in enumerate(documents):
        sentences = [s for s in document["sentences"] if s]
        for a, b, label in of_document(index, sentences, documents, seq_len - 3, rng):
            a, b = truncate_pair(a, b, seq_len - 3, rng)
            yield {
                "input_ids": [cls_id, *a, sep_id, *b, sep_id],
                "token_type_ids": [0] * (len(a) + 2) + [1] * (len(b) + 1),
                "next_sentence_label": label,
            }


def cut_chunk(sentences, start: int, room: int, rng) -> tuple[int, int, int] | None:
    """A chunk of about `room` tokens from sentence `start` on: the sentences at which its second
    part begins and at which it ends, and the length aimed at; None where the document ends.

    A chunk has two sentences at least, so that a coin alone decides whether B follows. (In the
    published code chunks of one sentence always get a random B, which makes random ones more.)
    """
    target = int(rng.integers(2, room + 1)) if rng.random() < SHORT_SHARE else room
    end, length = start, 0
    while end < len(sentences) and (length < target or end - start < 2):
        length += len(sentences[end])
        end += 1
    if end - start < 2:
        return None
    return start + int(rng.integers(1, end - start)), end, target


def cut_two(sentences, start: int, room: int, rng) -> tuple[int, int, int] | None:
    """A chunk of two sentences, in the form of `cut_chunk`; a random B is one sentence, too."""
    if start + 2 > len(sentences):
        return None
    return start + 1, start + 2, len(sentences[start]) + 1


def nsp_of_document(index, sentences, documents, room, rng, cut=cut_chunk) -> Iterator[Pair]:
    """Each chunk of the document as A and B; B is what follows, or comes from elsewhere."""
    start = 0
    while start < len(sentences) and (chunk := cut(sentences, start, room, rng)):
        middle, end, target = chunk
        a = sum(sentences[start:middle], [])
        if rng.random() < 0.5:
            b, label = random_text(index, documents, target - len(a), rng), 1
            end = middle  # the sentences not used are given back
        else:
            b, label = sum(sentences[middle:end], []), 0
        start = end
        if b:
            yield a, b, label


def sentences_of_document(index, sentences, documents, room, rng) -> Iterator[Pair]:
    """The same with chunks of two sentences."""
    return nsp_of_document(index, sentences, documents, room, rng, cut_two)


def sop_of_document(index, sentences, documents, room, rng) -> Iterator[Pair]:
    """Each chunk as A and B, in order or swapped."""
    start = 0
    while start < len(sentences) and (chunk := cut_chunk(sentences, start, room, rng)):
        middle, end, _ = chunk
        a, b = sum(sentences[start:middle], []), sum(sentences[middle:end], [])
        yield (b, a, 1) if rng.random() < 0.5 else (a, b, 0)
        start = end


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
