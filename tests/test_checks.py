"""Checks accept the right answer and refuse every plausible wrong one, saying why."""

import math

import numpy as np
import pytest
import torch

from course_lib import checks

RIGHT = torch.arange(1.0, 7.0).reshape(2, 3)
SQUARE = torch.arange(9.0).reshape(3, 3)

WRONG = {
    "None": (None, "None"),
    "a list": (RIGHT.tolist(), "a list"),
    "an array": (RIGHT.numpy(), "ndarray"),
    "a scalar that broadcasts": (torch.tensor(1.0), "0 axes instead of 2"),
    "a row that broadcasts": (RIGHT[:1], "shape"),
    "an extra axis": (RIGHT[None], "3 axes instead of 2"),
    "empty": (torch.empty(0, 3), "shape"),
    "transposed": (RIGHT.T.contiguous(), "another order"),
    "another dtype": (RIGHT.double(), "dtype"),
    "whole numbers": (RIGHT.long(), "dtype"),
    "NaN everywhere": (torch.full((2, 3), math.nan), "NaN"),
    "one NaN": (RIGHT.masked_fill(RIGHT == 3, math.nan), "NaN or infinity in 1 of 6"),
    "infinity": (RIGHT.masked_fill(RIGHT == 3, math.inf), "infinity"),
    "no scale": (RIGHT * 8, "8 times"),
    "wrong sign": (-RIGHT, "sign"),
    "off by one": (RIGHT + 1, "the first at [0, 0]: 2 instead of 1"),
    "zeros": (torch.zeros(2, 3), "differ"),
    "half right": (RIGHT.masked_fill(RIGHT > 3, 0), "3 of 6"),
}


def test_the_right_answer_passes_with_one_line(capsys):
    checks.close(RIGHT.clone(), RIGHT, "scores")
    assert capsys.readouterr().out == "\u2713 scores\n"


@pytest.mark.parametrize("name", WRONG)
def test_every_wrong_tensor_is_refused_with_its_reason(name):
    answer, reason = WRONG[name]
    with pytest.raises(checks.CheckError) as error:
        checks.close(answer, RIGHT, "scores")
    assert reason in str(error.value) and "scores" in str(error.value)


def test_a_square_answer_with_swapped_axes_is_recognized():
    with pytest.raises(checks.CheckError, match="last two axes are swapped"):
        checks.close(SQUARE.T.contiguous(), SQUARE)


def test_hints_are_shown_for_the_fact_they_are_for():
    hints = {"8": "Divide by sqrt(64).", "nan": "Mask before the softmax.", "shape": "Sum last."}
    for wrong, hint in [(RIGHT * 8, "sqrt"), (RIGHT * math.nan, "Mask"), (RIGHT[None], "Sum")]:
        with pytest.raises(checks.CheckError, match=hint):
            checks.close(wrong, RIGHT, hints=hints)
    with pytest.raises(checks.CheckError) as error:
        checks.close(RIGHT * 5, RIGHT, hints=hints)
    assert "sqrt" not in str(error.value)


def test_nan_never_passes_even_where_nan_is_expected():
    nan = torch.tensor([1.0, math.nan])
    with pytest.raises(checks.CheckError):
        checks.close(nan.clone(), nan)
    with pytest.raises(checks.CheckError):
        checks.close(math.nan, math.nan)


def test_minus_infinity_may_be_the_right_answer():
    scores = torch.tensor([0.0, -math.inf])
    checks.close(scores.clone(), scores)


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        (1.1, 1.0), ("1.0", 1.0), (torch.tensor(1.0), 1.0), (True, 1.0), (None, 1.0),
        (3.0, 3), (True, 1), (2, 3), ("b", "a"), (None, "a"), ((1, 2), [1, 2]), ([1], [1, 2]),
        ([1, 3], [1, 2]), ({"a": 1}, {"a": 1, "b": 2}), ({"a": 1, "c": 2}, {"a": 1}),
        ({"a": 2}, {"a": 1}), ([("a", 1)], {"a": 1}), (1, True), (np.float32(1), "1"),
        (torch.tensor([1, 2]), torch.tensor([1, 3])), (torch.tensor([1, 0]), torch.tensor([True])),
    ],
)  # fmt: skip
def test_wrong_plain_values_are_refused(answer, right):
    with pytest.raises(checks.CheckError):
        checks.close(answer, right)


def test_right_plain_values_pass():
    for value in (1.5, 3, "a", True, [1, 2.0], ("x", None), {"a": torch.ones(2)}):
        checks.close(value, value)


def test_shape_wants_exactly_this_shape():
    checks.shape(RIGHT, (2, 3))
    for wrong in (RIGHT.T, RIGHT[None], RIGHT[:1], RIGHT.tolist(), None):
        with pytest.raises(checks.CheckError):
            checks.shape(wrong, (2, 3))


def test_true_wants_a_bool():
    checks.true(True, "never shown")
    checks.true(torch.tensor(True), "never shown")
    checks.true(np.bool_(True), "never shown")
    for wrong in (False, 1, [False], "yes", None, torch.tensor([]), torch.tensor([True, True])):
        with pytest.raises(checks.CheckError):
            checks.true(wrong, "look again")


def test_raises_wants_this_error():
    checks.raises(ValueError, int, "x")
    for wrong in (lambda: 1, lambda: 1 / 0):
        with pytest.raises(checks.CheckError):
            checks.raises(ValueError, wrong)
