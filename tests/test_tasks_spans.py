"""Question answering: answers survive every tokenizer and window, the best span is the best one,
and EM and F1 are those of SQuAD's script."""

import math
import re
import string
from itertools import product

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from tokenization_helpers import KINDS, quick, small

from course_lib import tinyworld
from course_lib.bert import BertForQuestionAnswering
from course_lib.config import ModelConfig
from course_lib.finetuning import FinetuneConfig, finetune, predict
from course_lib.predicting import best_span
from course_lib.tasks import spans
from course_lib.tasks.spans import (
    answers_of,
    at_threshold,
    best_spans,
    best_threshold,
    each_score,
    encode_questions,
    exact_match,
    normalized,
    squad_scores,
    token_span,
    window_bounds,
    word_f1,
)

PASSAGE = (
    "The café “Zürich” opened in (1987); its owner, Dr. Anna O'Neill-Smith, paid $2,750. "
    "北京大学 is in Beijing.  It has\ttwo gates: one, to the north, was built by Li Wei in 1902."
)
ANSWERS = ("Zürich", "1987", "Anna O'Neill-Smith", "$2,750", "北京", "Beijing", "two gates",
           "The café", "Li Wei", "1902", "in 1902.")


def question(answer=None, context=PASSAGE, text="Who built it?"):
    gold = {"text": [answer], "answer_start": [context.index(answer)]} if answer else \
        {"text": [], "answer_start": []}
    return {"context": context, "question": text, "answers": gold}


def data(*rows):
    return Dataset.from_list(list(rows))


def shown(windows, dataset, row):
    """What the row's start and end positions show of the passage."""
    row = windows[row]
    return dataset[row["example"]]["context"][
        row["char_starts"][row["start_positions"]] : row["char_ends"][row["end_positions"]]]


def perfect(windows):
    """Scores that point at each window's right answer."""
    scores = []
    for row in windows:
        one = torch.zeros(len(row["input_ids"]), 2)
        one[row["start_positions"], 0] = one[row["end_positions"], 1] = 5.0
        scores.append(one)
    return scores


# --- rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_answers_come_back_through_every_tokenizer(kind):
    """In one window and in many, up to the token that also shows a neighbor of the answer."""
    dataset = data(*map(question, ANSWERS))
    for options in ({}, {"max_length": 40, "stride": 8}):
        windows = encode_questions(dataset, small(kind), **options)
        held = [i for i in range(len(windows)) if windows[i]["start_positions"]]
        assert {windows[i]["example"] for i in held} == set(range(len(ANSWERS)))
        for i in held:
            gold = ANSWERS[windows[i]["example"]]
            assert gold in shown(windows, dataset, i)
            assert len(shown(windows, dataset, i)) <= len(gold) + 3, kind
        given = answers_of(perfect(windows), windows, dataset, no_answer_threshold=0.0)
        assert all(gold in a.text for gold, a in zip(ANSWERS, given, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_each_token_shows_the_characters_it_was_made_of(kind):
    tokenizer, compared = small(kind), 0
    for row in encode_questions(data(question()), tokenizer, max_length=40, stride=7):
        tokens = tokenizer.ids_to_tokens(row["input_ids"])
        for token, start, end in zip(tokens, row["char_starts"], row["char_ends"], strict=True):
            text = PASSAGE[start:end] if start != -1 else ""
            assert text == text.strip()
            if text.isascii() and text and token not in tokenizer.special.values():
                assert token.removeprefix("##").strip("Ġ▁").lower() == text.lower()
                compared += 1
    assert compared > 100


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_the_pair_as_the_tokenizer_encodes_it(kind):
    row = encode_questions(data(question()), small(kind))[0]
    pair = small(kind).encode("Who built it?", PASSAGE)
    assert row["input_ids"] == pair["input_ids"]
    assert row["token_type_ids"] == pair["token_type_ids"]
    assert (row["start_positions"], row["end_positions"]) == (0, 0)


@quick
@given(st.integers(0, 200), st.integers(1, 60), st.integers(1, 60))
def test_windows_leave_no_token_out(length, room, stride):
    found = window_bounds(length, room, stride)
    assert found[0][0] == 0 and found[-1][1] == length
    assert all(last - first <= room for first, last in found)
    assert all(b[0] <= a[1] for a, b in zip(found, found[1:], strict=False))
    assert all(a[1] < length for a in found[:-1])  # none after the one that reaches the end
    if length > room > 1:
        assert all(b[0] < a[1] for a, b in zip(found, found[1:], strict=False))  # they overlap


def test_windows_as_in_the_published_code():
    """384 tokens with a question of 10: 371 for the passage, 128 further on each time."""
    assert window_bounds(700, 371, 128) == [(0, 371), (128, 499), (256, 627), (384, 700)]
    assert window_bounds(371, 371, 128) == [(0, 371)]


def test_an_answer_cut_by_a_window_is_no_answer_there():
    words = " ".join(f"w{i}" for i in range(40))
    dataset = data(question("w10 w11 w12", words))
    tokenizer = small("wordpiece")
    windows = encode_questions(dataset, tokenizer, max_length=30, stride=6)
    whole = spans.cut(words, tokenizer.fast())
    span = token_span(whole, words.index("w10"), words.index("w12") + 3)
    for row, (first, last) in zip(
            windows, window_bounds(len(whole.ids), windows_room(tokenizer, 30), 6), strict=True):
        held = first <= span[0] and span[1] < last
        assert (row["start_positions"] > 0) == held
        if held:
            assert words[row["char_starts"][row["start_positions"]]:
                         row["char_ends"][row["end_positions"]]] == "w10 w11 w12"


def windows_room(tokenizer, max_length):
    return max_length - len(tokenizer.encode("Who built it?", "")["input_ids"])


def test_odd_questions_have_rows():
    """No passage, no question, a question longer than allowed, blanks only, no answers column."""
    tokenizer = small("wordpiece")
    dataset = data(question(context=""), question(text=""), question(text="why " * 500),
                   question(context="  \n "))
    windows = encode_questions(dataset, tokenizer)
    assert windows["example"][:] == [0, 1, 2, 3]
    assert max(map(len, windows["input_ids"])) <= 384
    assert [a.text for a in answers_of(perfect(windows), windows, dataset)][::3] == ["", ""]
    bare = encode_questions(dataset.remove_columns("answers"), tokenizer)
    assert "start_positions" not in bare.column_names
    assert bare["input_ids"][:] == windows["input_ids"][:]


@pytest.mark.parametrize(("dataset", "options", "says"), [
    (data({"text": "a"}), {}, "no column 'question'"),
    (data(question()).select([]), {}, "no questions"),
    (data(question(text="why " * 60)), {"max_length": 20}, "leaves no room"),
    (data(question()), {"stride": 0}, "stride=0"),
    (data(question() | {"answers": {"text": ["Li Wei"], "answer_start": [3]}}), {},
     "does not stand at character 3"),
    (data(question() | {"answers": {"text": ["Li Wei"], "answer_start": []}}), {},
     "leave the column out"),
])
def test_errors_say_what_to_do(dataset, options, says):
    with pytest.raises(ValueError, match=says):
        encode_questions(dataset, small("wordpiece"), **options)


# --- answers ---------------------------------------------------------------------------------


@quick
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 8), st.integers(1, 5))
def test_the_best_spans_are_the_best_of_all(seed, tokens, n_best, max_answer):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(tokens, 2, generator=generator)
    inside = torch.rand(tokens, generator=generator) < 0.7
    found = best_spans(scores, torch.where(inside, 1, -1), n_best, max_answer)
    pairs = [(float(scores[s, 0] + scores[e, 1]), s, e) for s, e in product(range(tokens), repeat=2)
             if s <= e < s + max_answer and inside[s] and inside[e]]
    expected = sorted(pairs, reverse=True)[:n_best]
    assert [f[1:] for f in found] == [e[1:] for e in expected]
    assert np.allclose([f[0] for f in found], [e[0] for e in expected])


def test_without_a_limit_it_is_the_best_span_of_predict():
    scores = torch.randn(30, 2, generator=torch.Generator().manual_seed(1))
    (_, start, end), = best_spans(scores, torch.zeros(30, dtype=torch.long), 1, 30)
    assert (start, end) == tuple(best_span(scores).tolist())


def test_never_in_the_question_nor_backwards():
    dataset = data(question("1902"))
    windows = encode_questions(dataset, small("wordpiece"))
    scores = torch.zeros(len(windows[0]["input_ids"]), 2)
    scores[1, 0] = scores[2, 1] = 50.0  # in the question
    scores[-1] = 40.0  # the last [SEP]
    scores[60, 0] = scores[30, 1] = 20.0  # the end before the start
    answer = answers_of([scores], windows, dataset, max_answer=5)[0]
    assert answer.text and answer.score == 20.0
    assert PASSAGE[answer.start : answer.end] == answer.text


def test_the_best_window_wins_and_probabilities_add_up():
    dataset = data(question("Li Wei"), question("Zürich"))
    windows = encode_questions(dataset, small("bpe"), max_length=40, stride=8)
    given = answers_of(perfect(windows), windows, dataset, n_best=7)
    assert [a.text for a in given] == ["Li Wei", "“Zürich”" if "“" in given[1].text else "Zürich"]
    for answer in given:
        scores = [c.score for c in answer.candidates]
        assert len(scores) == 7 and scores == sorted(scores, reverse=True)
        assert math.isclose(sum(c.probability for c in answer.candidates), 1, abs_tol=1e-5)
        assert len({(c.start, c.end) for c in answer.candidates}) == 7  # no span twice


def test_no_answer_needs_all_windows():
    """[CLS] wins in the windows without the answer; the one window that has it decides."""
    dataset = data(question("Li Wei"), question())
    windows = encode_questions(dataset, small("wordpiece"), max_length=40, stride=8)
    given = answers_of(perfect(windows), windows, dataset, no_answer_threshold=0.0)
    assert [a.text for a in given] == ["Li Wei", ""]
    assert given[0].no_answer == -10 and given[1].no_answer == 10
    assert given[1].candidates[0].text == ""
    always = answers_of(perfect(windows), windows, dataset)
    assert all(a.text for a in always)
    assert answers_of(perfect(windows), windows, dataset, no_answer_threshold=99)[1].text
    assert at_threshold(always, 0.0) == [a.text for a in given]


def test_scores_must_be_those_of_the_windows():
    dataset = data(question())
    windows = encode_questions(dataset, small("wordpiece"))
    with pytest.raises(ValueError, match="0 rows of scores for 1 windows"):
        answers_of([], windows, dataset)


# --- EM and F1 -------------------------------------------------------------------------------

# worked out by hand from the words: given, gold, EM, F1
BY_HAND = [
    ("the Denver Broncos", "Denver Broncos", 1, 1),
    ("Denver Broncos!", "denver  broncos", 1, 1),
    ("Broncos", "Denver Broncos", 0, 2 / 3),
    ("in 1987", "1987", 0, 2 / 3),
    ("1987", "1988", 0, 0),
    ("$2,750", "2750", 1, 1),
    ("O'Neill-Smith", "ONeillSmith", 1, 1),
    ("an a the", "", 1, 1),
    ("", "Denver", 0, 0),
    ("the", "Denver", 0, 0),
    ("New York New York", "New York", 0, 2 / 3),
    ("another theory", "other theory", 0, 1 / 2),
    ("a-b", "ab", 1, 1),
    ("café", "cafe", 0, 0),
]


@pytest.mark.parametrize(("given", "gold", "exact", "f1"), BY_HAND)
def test_cases_worked_out_by_hand(given, gold, exact, f1):
    assert exact_match(given, gold) == exact_match(gold, given) == exact
    assert math.isclose(word_f1(given, gold), f1) and math.isclose(word_f1(gold, given), f1)


def reference(given, gold):
    """EM and F1 another way: articles struck word by word, common words crossed off a list."""
    def words(text):
        kept = text.lower().translate(str.maketrans("", "", string.punctuation))
        parts = re.findall(r"\w+|[^\w\s]|\s", kept)  # an article is a run of word characters
        return "".join(" " if part in ("a", "an", "the") else part for part in parts).split()

    first, second = words(given), words(gold)
    rest, common = list(second), 0
    for word in first:
        if word in rest:
            rest.remove(word)
            common += 1
    if not first or not second:
        return float(first == second), float(first == second)
    if not common:
        return float(first == second), 0.0
    precision, recall = common / len(first), common / len(second)
    return float(first == second), 2 * precision * recall / (precision + recall)


texts = st.lists(st.sampled_from(
    ["the", "The", "a", "an", "A", "theory", "Anna", "an-", "U.S.", "1,000", "北京", "the北京", ".",
     " ", "  ", "\n", "Denver", "denver", "’s", "'s", "—the", "é", "_the_", "(", "£5"]),
    max_size=8).flatmap(lambda words: st.sampled_from([" ".join(words), "".join(words)]))


@quick
@given(texts, texts)
def test_em_and_f1_agree_with_another_way_to_compute_them(one, other):
    exact, f1 = reference(one, other)
    assert exact_match(one, other) == exact
    assert math.isclose(word_f1(one, other), f1, abs_tol=1e-12)


@quick
@given(texts, texts)
def test_em_and_f1_agree_with_transformers(one, other):
    """Where the installed version still has SQuAD's measures."""
    metrics = pytest.importorskip("transformers.data.metrics.squad_metrics")
    assert normalized(one) == metrics.normalize_answer(one)
    assert exact_match(one, other) == metrics.compute_exact(other, one)
    assert math.isclose(word_f1(one, other), metrics.compute_f1(other, one), abs_tol=1e-12)


def test_the_best_gold_answer_counts():
    gold = {"text": ["the north", "north gate", "north"], "answer_start": [0, 0, 0]}
    none = {"text": [], "answer_start": []}
    dataset = data(question() | {"answers": gold}, question() | {"answers": gold},
                   question() | {"answers": none}, question() | {"answers": none})
    scores = squad_scores(["North.", "the gate", "", "north"], dataset)
    assert scores == pytest.approx({
        "exact": 2 / 4, "f1": (1 + 2 / 3 + 1 + 0) / 4, "exact_answerable": 1 / 2,
        "exact_unanswerable": 1 / 2, "f1_answerable": 5 / 6, "f1_unanswerable": 1 / 2})
    only = dataset.select([0])
    assert squad_scores(["x"], only) == {"exact": 0.0, "f1": 0.0}
    with pytest.raises(ValueError, match="1 answers to 4 questions"):
        squad_scores(["x"], dataset)


@pytest.mark.parametrize("by", ["exact", "f1"])
def test_the_threshold_is_the_best_of_all(by):
    """Against trying every one; equal no-answer scores fall on the same side."""
    random = np.random.default_rng(0)
    for _ in range(30):
        rows = [question(random.choice(["Li Wei", "1902", "two gates"]))
                if random.random() < 0.5 else question() for _ in range(8)]
        dataset = data(*rows)
        answers = [spans.Answer(str(random.choice(["Li Wei", "Wei", "1902", "gates"])), 0, 1, 0.0,
                                float(random.integers(-3, 4)), []) for _ in rows]
        threshold, best = best_threshold(answers, dataset, by)
        tried = [squad_scores(at_threshold(answers, t), dataset)[by] for t in np.arange(-5, 5, 0.5)]
        assert math.isclose(best, max(tried))
        assert math.isclose(squad_scores(at_threshold(answers, threshold), dataset)[by], best)


# --- the whole -------------------------------------------------------------------------------


def test_a_small_model_learns_to_point():
    """Passages with one number: always the answer. Read in windows, it is found in nearly all."""
    random = np.random.default_rng(0)
    tokenizer = tinyworld.tokenizer()
    words = [w for w in tokenizer.vocab if w.isalpha()]
    days = ["monday", "friday", "sunday"]

    def row():
        parts = [str(w) for w in random.choice([w for w in words if w not in days], 30)]
        parts[random.integers(30)] = str(random.choice(days))
        text = " ".join(parts)
        day = next(w for w in parts if w in days)
        return question(day, text, "When?") | {
            "answers": {"text": [day], "answer_start": [f" {text} ".index(f" {day} ")]}}

    train, test = data(*(row() for _ in range(200))), data(*(row() for _ in range(40)))
    torch.manual_seed(0)
    model = BertForQuestionAnswering(ModelConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=32, num_layers=1, num_heads=2,
        intermediate_size=64, max_positions=64, initializer_range=0.1, dropout=0.0))
    finetune(model, encode_questions(train, tokenizer, 20, 8),
             FinetuneConfig(epochs=6, batch_size=16, learning_rate=5e-3), monitor=False)
    windows = encode_questions(test, tokenizer, 20, 8)
    assert len(windows) > len(test)
    answers = answers_of(predict(model, windows).scores, windows, test)
    assert squad_scores(answers, test)["exact"] > 0.9
    assert each_score(answers, test)["exact"].shape == (40,)
