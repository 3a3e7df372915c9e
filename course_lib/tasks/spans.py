"""Extractive question answering (抽取式问答): the answer is a stretch of the passage.

Questions with passages, in the columns of SQuAD, become rows of tokens for a span head
(`encode_questions`); the head's scores become answers (`answers_of`); answers are judged as
SQuAD's own script judges them (`squad_scores`).

Sources: Devlin et al. 2019 (arXiv:1810.04805), sections 4.2 and 4.3, and its run_squad.py;
Rajpurkar et al. 2016 (arXiv:1606.05250) and 2018 (arXiv:1806.03822) with their evaluation scripts.

Axes: N windows, T tokens, M the most tokens of an answer.
"""

import math
import re
import string
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor

from course_lib.tokenization import Tokenizer

COLUMNS = ("question", "context")  # what a data set must have; `answers` only to learn from
NOWHERE = -1  # in place of a character position: the token shows nothing of the passage


class Passage(NamedTuple):
    """A text cut into tokens: token i shows the characters starts[i] to ends[i] (not included)."""

    ids: list[int]
    starts: np.ndarray
    ends: np.ndarray


class Candidate(NamedTuple):
    """A stretch of the passage, in characters, with its score (start + end); "" for no answer."""

    text: str
    start: int
    end: int
    score: float
    probability: float  # among the candidates of this question


class Answer(NamedTuple):
    """What a model answers to one question."""

    text: str  # "": no answer in this passage
    start: int
    end: int
    score: float
    no_answer: float  # the score of "no answer" minus that of the best span
    candidates: list[Candidate]  # best first


# --- from questions to rows ------------------------------------------------------------------


def encode_questions(
    dataset: Dataset, tokenizer: Tokenizer, max_length: int = 384, stride: int = 128,
    max_question: int = 64,
) -> Dataset:
    """Rows [CLS] question [SEP] window of the passage [SEP], at least one a question.

    A passage that has no room is read through several windows, each `stride` tokens further on
    (or half a window, if that is less). Columns: input_ids, token_type_ids; start_positions and
    end_positions of the first answer, both 0 ([CLS]) where this window does not hold all of it
    (missing if the data set has no column `answers`); example, the question's index in `dataset`;
    char_starts and char_ends, what of the passage each token shows, -1 for other tokens.

    Raises ValueError for a missing column, no room, or an answer that is not where it should be.
    """
    check_questions(dataset, max_length, stride)
    with_answers = "answers" in dataset.column_names
    fast, passages, rows = tokenizer.fast(), {}, defaultdict(list)
    for example, row in enumerate(dataset):
        if row["context"] not in passages:
            passages[row["context"]] = cut(row["context"], fast)
        passage = passages[row["context"]]
        question = fast.encode(row["question"], add_special_tokens=False).ids[:max_question]
        span = answer_tokens(row, passage, example) if with_answers else None
        room = max_length - len(tokenizer.add_special(question, [])["input_ids"])
        if room < 1:
            raise ValueError(f"max_length={max_length} leaves no room for the passage after "
                             f"question {example} of {len(question)} tokens: give more, or a "
                             "smaller max_question.")
        for first, last in window_bounds(len(passage.ids), room, stride):
            add_row(rows, tokenizer, question, passage, first, last)
            rows["example"].append(example)
            if with_answers:
                place = place_in_window(span, first, last, rows["char_starts"][-1])
                rows["start_positions"].append(place[0])
                rows["end_positions"].append(place[1])
    return Dataset.from_dict(dict(rows))


def cut(text: str, fast) -> Passage:
    """Tokens of a text and what each shows, blanks at the edges left out (the tokens of RoBERTa
    and ALBERT begin with one). `fast`: a `tokenizers.Tokenizer`."""
    encoding = fast.encode(text, add_special_tokens=False)
    places = np.full((len(encoding.ids), 2), NOWHERE)
    for i, (start, end) in enumerate(encoding.offsets):
        shown = text[start:end]
        if shown.strip():
            places[i] = (start + len(shown) - len(shown.lstrip()),
                         end - len(shown) + len(shown.rstrip()))
    return Passage(encoding.ids, places[:, 0], places[:, 1])


def window_bounds(length: int, room: int, stride: int) -> list[tuple[int, int]]:
    """First and last (not included) token of each window over `length` tokens."""
    step = min(stride, max(1, room // 2))
    return [(first, min(first + room, length))
            for first in range(0, max(1, length - room + step), step)]


def token_span(passage: Passage, start: int, end: int) -> tuple[int, int] | None:
    """First and last token that show any of the characters start to end; None if none does."""
    inside = (passage.starts < end) & (passage.ends > start) & (passage.starts != NOWHERE)
    found = np.flatnonzero(inside)
    return (int(found[0]), int(found[-1])) if len(found) else None


def answer_tokens(row: dict, passage: Passage, example: int) -> tuple[int, int] | None:
    """The first answer as tokens of the whole passage; None for a question without one."""
    texts, starts = row["answers"]["text"], row["answers"]["answer_start"]
    if not texts:
        return None
    if not starts:
        raise ValueError(f"question {example} has an answer and no answer_start: to answer without "
                         "learning, leave the column out: dataset.remove_columns('answers').")
    there = row["context"][starts[0] : starts[0] + len(texts[0])]
    if there != texts[0]:
        raise ValueError(f"question {example}: its answer {texts[0]!r} does not stand at character "
                         f"{starts[0]} of its passage, {there!r} does. Correct answer_start, or "
                         "leave the row out.")
    return token_span(passage, starts[0], starts[0] + len(texts[0]))


def add_row(rows: dict, tokenizer: Tokenizer, question: list[int], passage: Passage,
            first: int, last: int) -> None:
    """Append one window: its tokens, and what of the passage each shows."""
    encoded = tokenizer.add_special(question, passage.ids[first:last])
    length = len(encoded["input_ids"])
    before = length - 1 - (last - first)  # tokens before the passage; after it stands one [SEP]
    for name, values in (("char_starts", passage.starts), ("char_ends", passage.ends)):
        shown = np.full(length, NOWHERE)
        shown[before : length - 1] = values[first:last]
        rows[name].append(shown)
    rows["input_ids"].append(encoded["input_ids"])
    rows["token_type_ids"].append(encoded["token_type_ids"])


def place_in_window(span, first: int, last: int, shown: np.ndarray) -> tuple[int, int]:
    """Where the answer's tokens are in the row; (0, 0) if the window does not hold all of them."""
    if span is None or span[0] < first or span[1] >= last:
        return 0, 0
    shift = len(shown) - 1 - last  # the window's last token stands before the last [SEP]
    return span[0] + shift, span[1] + shift


def check_questions(dataset: Dataset, max_length: int, stride: int) -> None:
    """Raises ValueError for columns or numbers that cannot work."""
    missing = [name for name in COLUMNS if name not in dataset.column_names]
    if missing:
        raise ValueError(f"the questions have no column {missing[0]!r}, only "
                         f"{', '.join(dataset.column_names)}: give {' and '.join(COLUMNS)}, and "
                         "`answers` to learn from, as in SQuAD.")
    if len(dataset) == 0:
        raise ValueError("there are no questions.")
    if stride < 1 or max_length < 8:
        raise ValueError(f"max_length={max_length}, stride={stride}: a row needs at least 8 "
                         "tokens, and the next window starts at least 1 token further on.")


# --- from scores to answers ------------------------------------------------------------------


def answers_of(
    scores: Sequence[Tensor], windows: Dataset, dataset: Dataset, n_best: int = 20,
    max_answer: int = 30, no_answer_threshold: float | None = None,
) -> list[Answer]:
    """The best stretch of each question's passage over all its windows.

    scores: for each row of `windows` (from `encode_questions`) the start and end scores (T, 2),
    as `predict(model, windows).scores` holds them. A stretch lies in the passage, ends where it
    starts or later, and has at most `max_answer` tokens. With a threshold, "no answer" (start and
    end at [CLS]; of several windows the least score counts) is given where its score passes that
    of the best stretch by more than the threshold; without, never.
    """
    if len(scores) != len(windows):
        raise ValueError(f"{len(scores)} rows of scores for {len(windows)} windows: predict these "
                         "very rows, in their order.")
    columns = windows.select_columns(["example", "char_starts", "char_ends"]).with_format("numpy")
    found, empty = defaultdict(dict), defaultdict(lambda: math.inf)
    for row, logits in zip(columns, scores, strict=True):
        example = int(row["example"])
        empty[example] = min(empty[example], float(logits[0].sum()))
        for score, start, end in best_spans(logits, torch.as_tensor(row["char_starts"]),
                                            n_best, max_answer):
            place = (int(row["char_starts"][start]), int(row["char_ends"][end]))
            found[example][place] = max(score, found[example].get(place, -math.inf))
    return [answer(context, found[i], empty[i], n_best, no_answer_threshold)
            for i, context in enumerate(dataset["context"])]


def best_spans(
    scores: Tensor, char_starts: Tensor, n_best: int, max_answer: int
) -> list[tuple[float, int, int]]:
    """The best (score, start, end) in one window, best first; all of them if there are fewer."""
    outside = char_starts == NOWHERE
    start, end = scores.float().masked_fill(outside[:, None], -math.inf).unbind(-1)  # (T,), (T,)
    later = F.pad(end, (0, max_answer - 1), value=-math.inf).unfold(0, max_answer, 1)  # (T, M)
    sums = (start[:, None] + later).flatten()  # entry t * M + m: from token t to token t + m
    best, where = sums.topk(min(n_best, len(sums)))
    return [(score, i // max_answer, i // max_answer + i % max_answer)
            for score, i in zip(best.tolist(), where.tolist(), strict=True)
            if score > -math.inf]


def answer(
    context: str, found: dict, empty: float, n_best: int, threshold: float | None
) -> Answer:
    """One question's answer from its spans {(start, end): score} and its no-answer score."""
    spans = sorted(found.items(), key=lambda item: -item[1])[:n_best]
    top = spans[0][1] if spans else -math.inf
    if threshold is not None:
        spans = sorted([*spans, ((NOWHERE, NOWHERE), empty)], key=lambda item: -item[1])[:n_best]
    probabilities = torch.tensor([score for _, score in spans]).softmax(0).tolist()
    candidates = [
        Candidate("" if start == NOWHERE else context[start:end], start, end, score, p)
        for ((start, end), score), p in zip(spans, probabilities, strict=True)
    ]
    difference = empty - top
    if top == -math.inf or (threshold is not None and difference > threshold):
        return Answer("", NOWHERE, NOWHERE, empty, difference, candidates)
    first = next(c for c in candidates if c.start != NOWHERE)
    return Answer(first.text, first.start, first.end, top, difference, candidates)


# --- judging answers -------------------------------------------------------------------------


def normalized(text: str) -> str:
    """Lower case, no punctuation, no articles, single blanks: as SQuAD's script compares."""
    text = "".join(char for char in text.lower() if char not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def exact_match(given: str, gold: str) -> float:
    """1 if both are the same once normalized, else 0."""
    return float(normalized(given) == normalized(gold))


def word_f1(given: str, gold: str) -> float:
    """The harmonic mean of precision and recall of the words, each counted as often as it stands.
    If one of the two is empty: 1 if both are, else 0."""
    given_words, gold_words = normalized(given).split(), normalized(gold).split()
    if not given_words or not gold_words:
        return float(given_words == gold_words)
    common = sum((Counter(given_words) & Counter(gold_words)).values())
    return 2 * common / (len(given_words) + len(gold_words))


def gold_texts(answers: dict) -> list[str]:
    """The answers that count: those with a word in them; [""] where there is none."""
    return [text for text in answers["text"] if normalized(text)] or [""]


def each_score(answers: Sequence, dataset: Dataset) -> dict[str, np.ndarray]:
    """`exact` and `f1` of each question (N,): against its best-matching gold answer.
    answers: of `answers_of`, or strings."""
    if len(answers) != len(dataset):
        raise ValueError(f"{len(answers)} answers to {len(dataset)} questions: give one each.")
    texts = [a if isinstance(a, str) else a.text for a in answers]
    golds = [gold_texts(gold) for gold in dataset["answers"]]
    return {name: np.array([max(measure(text, gold) for gold in group)
                            for text, group in zip(texts, golds, strict=True)])
            for name, measure in (("exact", exact_match), ("f1", word_f1))}


def squad_scores(answers: Sequence, dataset: Dataset) -> dict[str, float]:
    """EM and F1 as shares (SQuAD's script prints percent), over all questions; where some have no
    answer, also over both kinds alone, with `_answerable` and `_unanswerable` in the name."""
    scores = each_score(answers, dataset)
    result = {name: float(values.mean()) for name, values in scores.items()}
    has = np.array([gold_texts(gold) != [""] for gold in dataset["answers"]])
    if not has.all():
        for name, values in scores.items():
            for kind, chosen in (("answerable", has), ("unanswerable", ~has)):
                result[f"{name}_{kind}"] = float(values[chosen].mean()) if chosen.any() else 0.0
    return result


# --- no answer -------------------------------------------------------------------------------


def at_threshold(answers: Sequence[Answer], threshold: float) -> list[str]:
    """The texts, "" where the score of no answer passes that of the best span by more than the
    threshold. The answers must come from `answers_of` without one."""
    return ["" if a.no_answer > threshold else a.text for a in answers]


def best_threshold(
    answers: Sequence[Answer], dataset: Dataset, by: str = "f1"
) -> tuple[float, float]:
    """The threshold with the largest EM or F1, and that score: for validation data, never for the
    rows that are reported. One pass over the questions, sorted by their no-answer score."""
    gain = each_score(answers, dataset)[by]  # what a question earns if it is answered
    empty = each_score([""] * len(answers), dataset)[by]  # what it earns if it is not
    differences = np.array([a.no_answer for a in answers])
    order = np.argsort(differences, kind="stable")
    # totals[k]: the k questions with the least no-answer score are answered, the others not
    totals = empty.sum() + np.concatenate([[0.0], np.cumsum((gain - empty)[order])])
    ends = np.append(np.diff(differences[order]) > 0, True)  # equal ones fall on the same side
    allowed = np.concatenate([[True], ends])
    best = int(np.argmax(np.where(allowed, totals, -math.inf)))
    threshold = differences[order][best - 1] if best else differences.min() - 1.0
    return float(threshold), float(totals[best] / len(answers))
