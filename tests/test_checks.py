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
        ({1, 2}, {1, 3}), ([1, 2], {1, 2}),
        ({"a": 2}, {"a": 1}), ([("a", 1)], {"a": 1}), (1, True), (np.float32(1), "1"),
        (torch.tensor([1, 2]), torch.tensor([1, 3])), (torch.tensor([1, 0]), torch.tensor([True])),
    ],
)  # fmt: skip
def test_wrong_plain_values_are_refused(answer, right):
    with pytest.raises(checks.CheckError):
        checks.close(answer, right)


def test_right_plain_values_pass():
    for value in (1.5, 3, "a", True, {1, ("a", 2)}, [1, 2.0], ("x", None), {"a": torch.ones(2)}):
        checks.close(value, value)


def test_shape_wants_exactly_this_shape():
    checks.shape(RIGHT, (2, 3))
    for wrong in (RIGHT.T, RIGHT[None], RIGHT[:1], RIGHT.tolist(), None):
        with pytest.raises(checks.CheckError):
            checks.shape(wrong, (2, 3))
    checks.shape(RIGHT, (2, None))
    for wrong in ((None, 2), (None,), (None, None, 3)):
        with pytest.raises(checks.CheckError):
            checks.shape(RIGHT, wrong)


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


def test_an_empty_answer_does_not_pass_as_the_error_asked_for():
    def stub():
        raise NotImplementedError("your answer")

    with pytest.raises(checks.CheckError, match="NotImplementedError"):
        checks.raises(RuntimeError, stub)  # its parent class
    checks.raises(NotImplementedError, stub)


class Liar:
    """Says yes to everything."""

    __class__ = torch.Tensor
    shape, dtype, ndim, device = torch.Size([2, 3]), torch.float32, 2, torch.device("cpu")

    def __eq__(self, other):
        return True

    def __hash__(self):
        return hash("a")

    def __getattr__(self, name):
        return lambda *args, **kwargs: True

    def __repr__(self):
        raise SystemExit


class LyingTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return True


class LyingFloat(float):
    def __eq__(self, other):
        return True


class LyingDict(dict):
    def __getitem__(self, key):
        return 1


LIES = [
    (Liar(), RIGHT), (torch.zeros(2, 3).as_subclass(LyingTensor), RIGHT), (Liar(), 1.0),
    (LyingFloat(2), 1.0), (Liar(), "a"), (Liar(), None), (Liar(), [1]), (Liar(), {"a": 1}),
    ([Liar()], [1]), ({"a": Liar()}, {"a": 1}), ({Liar(): 1}, {"a": 1}), ({Liar()}, {"a"}),
    (LyingDict(a=2), {"a": 1}), (Liar(), True), ((Liar(), 2), (1, 2)),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(LIES)))
def test_an_object_that_equals_everything_does_not_pass(case):
    with pytest.raises(checks.CheckError):
        checks.close(*LIES[case])


def test_liars_do_not_pass_other_checks():
    for wrong in (Liar(), np.int64(1)):
        with pytest.raises(checks.CheckError):
            checks.true(wrong, "no")
    with pytest.raises(checks.CheckError):
        checks.shape(Liar(), (2, 3))
    with pytest.raises(checks.CheckError):
        checks.unchanged(RIGHT, Liar())


def test_methods_put_on_a_tensor_are_not_called():
    wrong = torch.zeros(2, 3)
    wrong.detach = wrong.cpu = lambda: RIGHT
    with pytest.raises(checks.CheckError):
        checks.close(wrong, RIGHT)


def test_parameters_count_as_tensors():
    checks.close(torch.nn.Parameter(RIGHT.clone()), RIGHT)


def test_a_known_mistake_is_named():
    known = {"the sum runs over the rows": RIGHT.sum(0), "nothing is summed": RIGHT}
    for wrong, words in [(RIGHT.sum(0), "over the rows"), (RIGHT.clone(), "nothing is summed")]:
        with pytest.raises(checks.CheckError, match=words):
            checks.close(wrong, RIGHT.sum(1), mistakes=known)
        with pytest.raises(checks.CheckError, match=words):
            checks.mistakes(wrong, known)
    with pytest.raises(checks.CheckError, match="differ"):
        checks.close(RIGHT.sum(1) + torch.tensor([0, 1.0]), RIGHT.sum(1), mistakes=known)
    checks.mistakes(torch.ones(2), known)


def test_a_mistake_that_gives_the_right_value_is_no_mistake(capsys):
    checks.close(SQUARE.clone(), SQUARE, mistakes={"swapped": SQUARE})
    checks.mistakes(SQUARE.clone(), {"swapped": SQUARE}, expected=SQUARE)
    assert capsys.readouterr().out.count("\u2713") == 1


def test_a_change_in_place_is_found():
    x = torch.tensor([1.0, math.nan, -math.inf])
    before = x.clone()
    checks.unchanged(before, x)
    checks.unchanged([1, {"a": 2.0}], [1, {"a": 2.0}])
    for wrong in (x.nan_to_num(0.0), x.double(), x[:2], x.masked_fill(x == 1, 1 + 1e-6), None):
        with pytest.raises(checks.CheckError, match="work on a copy"):
            checks.unchanged(before, wrong, "x")
    with pytest.raises(checks.CheckError):
        checks.unchanged([1, 2], [1, 3])


def test_gradients_of_the_sum_of_all_outputs():
    x, ids = torch.tensor([1.0, 2.0]), torch.tensor([0, 1])
    (grad,) = checks.gradients(lambda a, i: (a**2, {"b": [3 * a[i]]}), x, ids)
    checks.close(grad, 2 * x + 3)
    assert x.grad is None and not x.requires_grad
    first, unused = checks.gradients(lambda a, b: a.sum(), x, torch.ones(3))
    checks.close([first, unused], [torch.ones(2), torch.zeros(3)])
    with torch.no_grad():
        checks.close(checks.gradients(torch.square, x), (2 * x,))


def test_gradients_that_are_cut_off_are_named():
    for cut in (lambda a: a.detach(), lambda a: a.sum().item(), lambda a: None):
        with pytest.raises(checks.CheckError, match="no gradient flows back"):
            checks.gradients(cut, torch.ones(2))


def test_gradients_are_asked_for_where_the_function_lives():
    class Remote:
        def __course_remote__(self, what, inputs):
            return what, inputs

    assert checks.gradients(Remote(), 1, 2) == ("gradients", (1, 2))


def test_parts_wants_a_tuple_of_this_length():
    assert checks.parts((1, 2), 2) == (1, 2) and checks.parts([1], 1) == (1,)
    for wrong, words in [(None, "return"), (RIGHT, "one Tensor"), ((1, 2, 3), "3 values")]:
        with pytest.raises(checks.CheckError, match=f"{words}.*output, weights"):
            checks.parts(wrong, 2, "output, weights")


def test_many_checks_can_be_quiet(capsys):
    with checks.quietly():
        checks.close(1, 1)
        checks.true(True, "")
        with pytest.raises(checks.CheckError):
            checks.close(1, 2)
    assert capsys.readouterr().out == ""
    checks.close(1, 1)
    assert capsys.readouterr().out
