"""Checks for lessons and exercises that say what is wrong with *this* answer.

A check passes with one printed line, or raises `CheckError` with the reason: wrong type, shape
(and whether it looks transposed or broadcast), dtype, NaN, or values (and whether they are off
by one constant factor, a sign or an order). Nothing passes by broadcasting, and NaN equals
nothing. Types are compared exactly and no method of the answer is called, so that an object cannot
pass by saying that it equals everything.
"""

import math
from collections import OrderedDict
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

TENSORS = (Tensor, torch.nn.Parameter)  # subclasses may change what == and shape mean
NUMBERS = (int, float, np.float16, np.float32, np.float64, np.int32, np.int64)
PLAIN = (type(None), bool, int, float, str, bytes, complex, list, tuple, set, dict)


class CheckError(AssertionError):
    """An answer that is not right yet; the message says in which way."""


def close(actual, expected, name="your answer", *, hints=None, mistakes=None, rtol=1e-4, atol=1e-5):
    """Pass if `actual` equals `expected` in type, shape, dtype and, within tolerance, values.

    actual, expected: tensors, numbers, or lists, tuples, sets and dicts of them.
    hints: {fact: sentence}; facts that are recognized are "shape", "transposed", "nan", "dtype",
    "factor", "sign", "values", and any number as text: {"2.83": "..."} is shown when the values
    are off by about that factor.
    mistakes: {sentence: what a typical mistake gives}; a wrong answer that equals one of them is
    told that sentence.
    Raises CheckError with the first thing that is wrong.
    """
    try:
        _compare(actual, expected, name, hints or {}, rtol, atol)
    except CheckError:
        # it is wrong already, so a mistake may be recognized from a rougher likeness
        _name_mistake(actual, mistakes or {}, name, max(rtol, 1e-2), max(atol, 1e-3))
        raise
    _say(f"{name}")


def mistakes(actual, known, name="your answer", *, expected=None, rtol=1e-4, atol=1e-5):
    """Raise CheckError with the sentence of the mistake that `actual` equals; pass otherwise.

    known: {sentence: what that mistake gives}. Give the right value as `expected` where a mistake
    may happen to give it, too. Prints nothing: `close` comes after it.
    """
    if expected is None or not _equal(actual, expected, rtol, atol):
        _name_mistake(actual, known, name, rtol, atol)


def unchanged(before, after, name="the input"):
    """Pass if `after`, what was passed to the answer, still equals its copy `before`.

    before: a clone made ahead of the call. Prints nothing; raises CheckError if the call worked
    in place.
    """
    if not _equal(after, before, rtol=0, atol=0, nan_equal=True):
        raise CheckError(
            f"{name} is changed by your code, and whoever called it loses the old values: "
            "work on a copy (x = x.clone()), and avoid x += ..., x[...] = ..., x.mul_(...)."
        )


def parts(value, number, what="the results"):
    """The `number` members of a returned tuple (or list), ready to be unpacked.

    Raises CheckError, saying what was returned instead.
    """
    if type(value) not in (tuple, list):
        given = "None (is a `return` missing?)" if value is None else f"one {_kind(value)}"
        raise CheckError(f"returned is {given}, needed are {number} values: {what}.")
    if len(value) != number:
        raise CheckError(f"returned are {len(value)} values, needed are {number}: {what}.")
    return tuple(value)


def gradients(function, *inputs):
    """The gradient of the sum of all outputs of `function`, for each float tensor among inputs.

    Returns a tuple of tensors, zero for an input that has no influence. Works on what is defined
    here and on what is only spoken to from here (it then has an attribute `__course_remote__`).
    Raises CheckError if no gradient flows back at all.
    """
    remote = getattr(function, "__course_remote__", None)
    if remote is not None:
        return remote("gradients", inputs)
    copies = [_leaf(value) for value in inputs]
    leaves = [value for value in copies if type(value) is Tensor and value.requires_grad]
    with torch.enable_grad():
        total = sum(part.sum() for part in _float_tensors(function(*copies)))
    if type(total) is not Tensor or not total.requires_grad:
        raise CheckError(
            "no gradient flows back to the inputs: look for .detach(), .item(), .tolist(), "
            "torch.no_grad() or torch.tensor(...) in your code."
        )
    found = torch.autograd.grad(total, leaves, allow_unused=True)
    pairs = zip(found, leaves, strict=True)
    return tuple(torch.zeros_like(leaf) if grad is None else grad for grad, leaf in pairs)


def shape(actual, expected, name="your answer", *, hints=None):
    """Pass if `actual` is a tensor of the shape `expected`, where None stands for any size.

    Raises CheckError.
    """
    _is_tensor(actual, name)
    sizes = tuple(actual.shape)
    if len(sizes) == len(expected):
        expected = tuple(size if e is None else e for e, size in zip(expected, sizes, strict=True))
    _same_shape(actual, torch.Size([-1 if e is None else e for e in expected]), name, hints or {})
    _say(f"shape of {name}: {sizes}")


def true(condition, message, name="check"):
    """Pass if `condition` is True. Raises CheckError with `message` (what to look at) if not.

    Only a Python bool or a tensor with one bool counts: a list, a number or an empty tensor is
    refused, because it is true or false by accident.
    """
    if type(condition) is Tensor and condition.numel() == 1:
        condition = Tensor.item(condition)
    if type(condition) not in (bool, np.bool_):
        raise CheckError(f"{name}: needed is True or False, not a {_kind(condition)}.")
    if not condition:
        raise CheckError(f"{name}: {message}")
    _say(f"{name}")


def raises(error, function, *args, name="the call", **kwargs):
    """Pass if `function(*args, **kwargs)` raises `error`. Raises CheckError otherwise.

    NotImplementedError, which an empty answer raises, counts only if it is asked for by name.
    """
    try:
        function(*args, **kwargs)
    except Exception as other:
        empty = type(other) is NotImplementedError and error is not NotImplementedError
        if isinstance(other, error) and not empty:
            _say(f"{name} raises {error.__name__}")
            return
        raise CheckError(
            f"{name} raised {_kind(other)} ({other}), not {error.__name__}."
        ) from other
    raise CheckError(f"{name} should raise {error.__name__}, but it returned.")


@contextmanager
def quietly():
    """Within this block, checks that pass print nothing: for loops over many cases."""
    before, _state["quiet"] = _state["quiet"], True
    try:
        yield
    finally:
        _state["quiet"] = before


_state = {"quiet": False}


def _say(text):
    if not _state["quiet"]:
        print(f"\u2713 {text}")


def _leaf(value):
    """A fresh copy that collects a gradient, if the value is a tensor of floats."""
    if type(value) not in TENSORS:
        return value
    copy = Tensor.detach(value).clone()
    return copy.requires_grad_() if copy.dtype.is_floating_point else copy


def _float_tensors(value):
    """All float tensors in a result, whatever it is packed into."""
    if type(value) in TENSORS and value.dtype.is_floating_point:
        yield value
    elif isinstance(value, dict):
        yield from _float_tensors(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _float_tensors(part)


def _name_mistake(actual, known, name, rtol, atol):
    """Raise CheckError with the first sentence whose value `actual` equals."""
    for sentence, wrong in known.items():
        if _equal(actual, wrong, rtol, atol):
            raise CheckError(f"{name}: {sentence}")


def _equal(actual, expected, rtol, atol, nan_equal=False):
    """Whether `_compare` finds nothing wrong (with NaN equal to NaN, if asked)."""
    if nan_equal and type(actual) in TENSORS and type(expected) in TENSORS:
        actual, expected = Tensor.detach(actual), Tensor.detach(expected)
        if actual.dtype != expected.dtype or actual.shape != expected.shape:
            return False
        return torch.equal(*(torch.nan_to_num(x, nan=0.0) for x in (actual, expected))) and (
            torch.equal(actual != actual, expected != expected)
        )
    try:
        _compare(actual, expected, "", {}, rtol, atol)
    except CheckError:
        return False
    return True


def _kind(value):
    """The name of the value's true type, whatever its class says of itself."""
    return type.__dict__["__name__"].__get__(type(value))


def _show(value):
    """A short text of a plain value; of anything else only the type (its repr is not ours)."""
    text = repr(value) if type(value) in PLAIN else f"a {_kind(value)}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _compare(actual, expected, name, hints, rtol, atol):
    """Dispatch on the type of `expected`."""
    if isinstance(expected, torch.Tensor):
        _compare_tensors(actual, expected, name, hints, rtol, atol)
    elif isinstance(expected, dict):
        _compare_dicts(actual, expected, name, hints, rtol, atol)
    elif isinstance(expected, set | frozenset):
        _compare_sets(actual, expected, name)
    elif isinstance(expected, list | tuple):
        _compare_sequences(actual, expected, name, hints, rtol, atol)
    elif isinstance(expected, float):
        _compare_floats(actual, expected, name, hints, rtol, atol)
    else:
        _compare_plain(actual, expected, name, hints)


def _compare_tensors(actual, expected, name, hints, rtol, atol):
    _is_tensor(actual, name)
    _same_shape(actual, expected.shape, name, hints, expected)
    if actual.dtype != expected.dtype:
        _fail(f"{name} has dtype {actual.dtype}, needed is {expected.dtype}.", hints, "dtype")
    actual, expected = Tensor.detach(actual).cpu(), Tensor.detach(expected).cpu()
    if actual.dtype.is_floating_point:
        _no_surprise_nan(actual, expected, name, hints)
        if not torch.allclose(actual, expected, rtol=rtol, atol=atol):
            _explain_values(actual, expected, name, hints, rtol)
    elif not torch.equal(actual, expected):
        wrong = actual != expected
        count = f"{int(wrong.sum())} of {wrong.numel()} entries differ"
        _fail(f"{name}: {count}; {_first(actual, expected, wrong)}", hints, "values")


def _is_tensor(actual, name):
    if type(actual) not in TENSORS:
        given = "None (is a `return` missing?)" if actual is None else f"a {_kind(actual)}"
        raise CheckError(f"{name} is {given}, needed is a tensor.")


def _same_shape(actual, wanted, name, hints, expected=None):
    if actual.shape == wanted:
        return
    have = f"{name} has shape {tuple(actual.shape)}, needed is {tuple(wanted)}"
    if sorted(actual.shape) == sorted(wanted):
        _fail(f"{have}: the same sizes in another order, a transpose or reshape is off.", hints,
              "transposed", "shape")  # fmt: skip
    if actual.ndim != len(wanted):
        _fail(f"{have}: {actual.ndim} axes instead of {len(wanted)}.", hints, "shape")
    _fail(f"{have}.", hints, "shape")


def _no_surprise_nan(actual, expected, name, hints):
    bad = ~torch.isfinite(actual) & (actual != expected)  # the same infinity is fine, NaN never
    if bad.any():
        _fail(f"{name} holds NaN or infinity in {int(bad.sum())} of {bad.numel()} places "
              "(a softmax over only -inf, a division by 0, or the logarithm of 0 does that).",
              hints, "nan")  # fmt: skip


def _explain_values(actual, expected, name, hints, rtol):
    """Find the commonest reasons for wrong values and raise CheckError with the one that fits."""
    wrong = (actual - expected).abs() > 1e-5 + rtol * expected.abs()
    base = f"{name} has the right shape, but {int(wrong.sum())} of {wrong.numel()} values differ"
    factor = _constant_factor(actual.double(), expected.double())
    if factor == -1:
        _fail(f"{base}: every sign is turned round.", hints, "sign", "factor")
    if factor is not None:
        hint = next((text for key, text in hints.items() if _is_factor(key, factor)), None)
        _fail(f"{base}: all are {factor:.4g} times too large (or too small). {hint or ''}".rstrip(),
              hints if not hint else {}, "factor")  # fmt: skip
    if actual.ndim >= 2 and actual.shape[-1] == actual.shape[-2]:
        if torch.allclose(actual.mT, expected, rtol=rtol, atol=1e-5):
            _fail(f"{base}: the last two axes are swapped.", hints, "transposed")
    _fail(f"{base}; {_first(actual, expected, wrong)}", hints, "values")


def _constant_factor(actual, expected):
    """The number c with actual = c * expected everywhere, or None."""
    size = (expected * expected).sum()
    if size == 0 or expected.numel() < 2:
        return None
    factor = ((actual * expected).sum() / size).item()
    if factor == 0 or not torch.allclose(actual, factor * expected, rtol=1e-3, atol=1e-6):
        return None
    return -1 if math.isclose(factor, -1, rel_tol=1e-3) else factor


def _is_factor(key, factor):
    try:
        wanted = float(key)
    except ValueError:
        return False
    return any(math.isclose(factor, w, rel_tol=0.01) for w in (wanted, 1 / wanted))


def _first(actual, expected, wrong):
    """The first difference in words: where it is, what is there, what should be."""
    place = tuple(wrong.nonzero()[0].tolist())
    have, want = actual[place].item(), expected[place].item()
    if isinstance(have, float):
        have, want = f"{have:.5g}", f"{want:.5g}"
    return f"the first at {list(place)}: {have} instead of {want}."


def _compare_dicts(actual, expected, name, hints, rtol, atol):
    if type(actual) not in (dict, OrderedDict):
        raise CheckError(f"{name} is a {_kind(actual)}, needed is a dict.")
    _plain_members(actual, name)
    missing, extra = expected.keys() - actual.keys(), actual.keys() - expected.keys()
    if missing or extra:
        raise CheckError(f"{name}: missing keys {sorted(map(str, missing))}, "
                         f"keys too many {sorted(map(str, extra))}.")  # fmt: skip
    for key, value in expected.items():
        _compare(actual[key], value, f"{name}[{key!r}]", hints, rtol, atol)


def _compare_sets(actual, expected, name):
    if type(actual) is not type(expected):
        raise CheckError(f"{name} is a {_kind(actual)}, needed is a {_kind(expected)}.")
    _plain_members(actual, name)
    if actual != expected:
        raise CheckError(f"{name}: missing {_show(expected - actual)}, "
                         f"too many {_show(actual - expected)}.")  # fmt: skip


def _plain_members(actual, name):
    """Keys and members are compared by their own ==, so they must be plain."""
    for member in actual:
        parts = member if type(member) is tuple else (member,)
        if odd := [part for part in parts if type(part) not in PLAIN]:
            raise CheckError(f"{name} holds a {_kind(odd[0])}, needed are plain values.")


def _compare_sequences(actual, expected, name, hints, rtol, atol):
    if type(actual) is not type(expected):
        given = "None (is a `return` missing?)" if actual is None else f"a {_kind(actual)}"
        raise CheckError(f"{name} is {given}, needed is a {_kind(expected)}.")
    if len(actual) != len(expected):
        raise CheckError(f"{name} has {len(actual)} entries, needed are {len(expected)}.")
    for place, value in enumerate(expected):
        _compare(actual[place], value, f"{name}[{place}]", hints, rtol, atol)


def _compare_floats(actual, expected, name, hints, rtol, atol):
    if type(actual) in (*TENSORS, bool):
        raise CheckError(f"{name} is a {_kind(actual)}, needed is a plain number (.item()).")
    if type(actual) not in NUMBERS:
        given = "None (is a `return` missing?)" if actual is None else f"a {_kind(actual)}"
        raise CheckError(f"{name} is {given}, needed is a number.")
    if math.isnan(actual):
        _fail(f"{name} is NaN.", hints, "nan")
    if not math.isclose(actual, expected, rel_tol=rtol, abs_tol=atol):
        factor = actual / expected if expected else math.nan
        hint = next((text for key, text in hints.items() if _is_factor(key, factor)), None)
        _fail(f"{name} is {actual:.6g}, needed is {expected:.6g}. {hint or ''}".rstrip(),
              {} if hint else hints, "values")  # fmt: skip


def _compare_plain(actual, expected, name, hints):
    if type(actual) is not type(expected):
        given = "None (is a `return` missing?)" if actual is None else _show(actual)
        raise CheckError(f"{name} is {given} ({_kind(actual)}), needed is a {_kind(expected)}.")
    if actual != expected:
        _fail(f"{name} is {_show(actual)}, needed is {_show(expected)}.", hints, "values")


def _fail(message, hints, *facts):
    hint = next((hints[fact] for fact in facts if fact in hints), None)
    raise CheckError(f"{message} {hint}" if hint else message)
