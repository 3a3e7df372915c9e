"""Checks for lessons and exercises that say what is wrong with *this* answer.

A check passes with one printed line, or raises `CheckError` with the reason: wrong type, shape
(and whether it looks transposed or broadcast), dtype, NaN, or values (and whether they are off
by one constant factor, a sign or an order). Nothing passes by broadcasting, and NaN equals
nothing.
"""

import math

import torch


class CheckError(AssertionError):
    """An answer that is not right yet; the message says in which way."""


def close(actual, expected, name="your answer", *, hints=None, rtol=1e-4, atol=1e-5):
    """Pass if `actual` equals `expected` in type, shape, dtype and, within tolerance, values.

    actual, expected: tensors, numbers, or lists, tuples and dicts of them.
    hints: {fact: sentence}; facts that are recognized are "shape", "transposed", "nan", "dtype",
    "factor", "sign", "values", and any number as text: {"2.83": "..."} is shown when the values
    are off by about that factor.
    Raises CheckError with the first thing that is wrong.
    """
    _compare(actual, expected, name, hints or {}, rtol, atol)
    print(f"\u2713 {name}")


def shape(actual, expected, name="your answer", *, hints=None):
    """Pass if `actual` is a tensor of exactly the shape `expected`. Raises CheckError."""
    _is_tensor(actual, name)
    _same_shape(actual, torch.Size(expected), name, hints or {})
    print(f"\u2713 shape of {name}: {tuple(expected)}")


def true(condition, message, name="check"):
    """Pass if `condition` is True. Raises CheckError with `message` (what to look at) if not.

    Only a Python bool or a tensor with one bool counts: a list, a number or an empty tensor is
    refused, because it is true or false by accident.
    """
    if isinstance(condition, torch.Tensor) and condition.numel() == 1:
        condition = condition.item()
    if not isinstance(condition, bool) and type(condition).__name__ not in ("bool_", "bool"):
        raise CheckError(f"{name}: needed is True or False, not a {type(condition).__name__}.")
    if not condition:
        raise CheckError(f"{name}: {message}")
    print(f"\u2713 {name}")


def raises(error, function, *args, name="the call", **kwargs):
    """Pass if `function(*args, **kwargs)` raises `error`. Raises CheckError otherwise."""
    try:
        function(*args, **kwargs)
    except error:
        print(f"\u2713 {name} raises {error.__name__}")
        return
    except Exception as other:
        raise CheckError(
            f"{name} raised {type(other).__name__} ({other}), not {error.__name__}."
        ) from other
    raise CheckError(f"{name} should raise {error.__name__}, but it returned.")


def _compare(actual, expected, name, hints, rtol, atol):
    """Dispatch on the type of `expected`."""
    if isinstance(expected, torch.Tensor):
        _compare_tensors(actual, expected, name, hints, rtol, atol)
    elif isinstance(expected, dict):
        _compare_dicts(actual, expected, name, hints, rtol, atol)
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
    actual, expected = actual.detach().cpu(), expected.detach().cpu()
    if actual.dtype.is_floating_point:
        _no_surprise_nan(actual, expected, name, hints)
        if not torch.allclose(actual, expected, rtol=rtol, atol=atol):
            _explain_values(actual, expected, name, hints, rtol)
    elif not torch.equal(actual, expected):
        wrong = actual != expected
        count = f"{int(wrong.sum())} of {wrong.numel()} entries differ"
        _fail(f"{name}: {count}; {_first(actual, expected, wrong)}", hints, "values")


def _is_tensor(actual, name):
    if not isinstance(actual, torch.Tensor):
        given = "None (is a `return` missing?)" if actual is None else f"a {type(actual).__name__}"
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
        if torch.allclose(actual.transpose(-1, -2), expected, rtol=rtol, atol=1e-5):
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
    if not isinstance(actual, dict):
        raise CheckError(f"{name} is a {type(actual).__name__}, needed is a dict.")
    missing, extra = expected.keys() - actual.keys(), actual.keys() - expected.keys()
    if missing or extra:
        raise CheckError(f"{name}: missing keys {sorted(map(str, missing))}, "
                         f"keys too many {sorted(map(str, extra))}.")  # fmt: skip
    for key, value in expected.items():
        _compare(actual[key], value, f"{name}[{key!r}]", hints, rtol, atol)


def _compare_sequences(actual, expected, name, hints, rtol, atol):
    if type(actual) is not type(expected):
        raise CheckError(
            f"{name} is a {type(actual).__name__}, needed is a {type(expected).__name__}."
        )
    if len(actual) != len(expected):
        raise CheckError(f"{name} has {len(actual)} entries, needed are {len(expected)}.")
    for place, value in enumerate(expected):
        _compare(actual[place], value, f"{name}[{place}]", hints, rtol, atol)


def _compare_floats(actual, expected, name, hints, rtol, atol):
    if isinstance(actual, torch.Tensor) or isinstance(actual, bool):
        kind = type(actual).__name__
        raise CheckError(f"{name} is a {kind}, needed is a plain number (.item()).")
    if not isinstance(actual, int | float):
        raise CheckError(f"{name} is a {type(actual).__name__}, needed is a number.")
    if math.isnan(actual):
        _fail(f"{name} is NaN.", hints, "nan")
    if not math.isclose(actual, expected, rel_tol=rtol, abs_tol=atol):
        factor = actual / expected if expected else math.nan
        hint = next((text for key, text in hints.items() if _is_factor(key, factor)), None)
        _fail(f"{name} is {actual:.6g}, needed is {expected:.6g}. {hint or ''}".rstrip(),
              {} if hint else hints, "values")  # fmt: skip


def _compare_plain(actual, expected, name, hints):
    if type(actual) is not type(expected):
        raise CheckError(f"{name} is {actual!r} ({type(actual).__name__}), "
                         f"needed is a {type(expected).__name__}.")  # fmt: skip
    if actual != expected:
        _fail(f"{name} is {actual!r}, needed is {expected!r}.", hints, "values")


def _fail(message, hints, *facts):
    hint = next((hints[fact] for fact in facts if fact in hints), None)
    raise CheckError(f"{message} {hint}" if hint else message)
