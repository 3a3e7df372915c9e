"""Runs solutions, variants of answers and damaged answers against an assignment's checks.

Everything runs in this process: quick, and good enough for code that we wrote ourselves.
"""

import contextlib
import copy
import functools
import io
import random
import re
import types
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from course_lib.grading.assignment import Assignment, Task

HEADER = re.compile(r"^# %% (.+)$", re.MULTILINE)
KINDS = ("right", "wrong", "hidden")
COPIED = (torch.Tensor, list, dict, set, torch.Generator)


@dataclass(frozen=True)
class Variant:
    """One answer of solutions/answers: what it stands for and what must happen to it."""

    grade_id: str
    kind: str  # "right": passes; "wrong": the visible part says so; "hidden": fails somewhere
    about: str
    says: str
    source: str


@dataclass(frozen=True)
class Outcome:
    """What became of one check cell."""

    check: str
    stage: str  # "passed", or the part that raised: "visible", "hidden"
    error: BaseException | None = None

    def __str__(self):
        return f"{self.check} {self.stage}: {type(self.error).__name__}: {self.error}"


def variants(path: Path) -> list[Variant]:
    """The answers in a file of percent cells. Raises ValueError for a header that is not right."""
    text, found = path.read_text(encoding="utf-8"), []
    headers = list(HEADER.finditer(text))
    for header, after in zip(headers, [*headers[1:], None], strict=True):
        fields = [part.strip() for part in header.group(1).split("|")]
        says = fields.pop().removeprefix("says:").strip() if "says:" in fields[-1] else ""
        if len(fields) != 3 or fields[1] not in KINDS or (fields[1] == "wrong") != bool(says):
            raise ValueError(
                f"{path.name}: write '# %% id | right | about', '# %% id | wrong | about | says: "
                f"words' or '# %% id | hidden | about', not {header.group(0)!r}"
            )
        source = text[header.end() : after.start() if after else None]
        found.append(Variant(*fields, says, source.strip("\n")))
    return found


class Bench:
    """One assignment, its set-up run once; each trial works on a copy of what set-up made.

    Models are shared, which is quick, and made anew if an answer has changed one.
    """

    def __init__(self, assignment: Assignment):
        self.assignment = assignment
        self.grad = torch.is_grad_enabled()
        self.set_up()

    def set_up(self) -> None:
        self.made = {"__name__": "__main__"}
        with quiet(self.grad):
            for setup in self.assignment.setups:
                run(setup.source, self.made, setup.grade_id)
            self.grad_after = torch.is_grad_enabled()
        self.models_before = self.models()

    def models(self) -> list:
        """The state of all models that set-up made; a number grows with each change in place."""
        return [
            (part.training, [(weight._version, weight.requires_grad) for weight in weights])
            for value in self.made.values()
            if isinstance(value, torch.nn.Module)
            for part in value.modules()
            for weights in [[*part.parameters(recurse=False), *part.buffers(recurse=False)]]
        ]

    def task(self, grade_id: str) -> Task:
        return next(task for task in self.assignment.tasks if task.grade_id == grade_id)

    def names(self) -> dict:
        """A copy of the global names that set-up made; its functions look into the copy."""
        if self.models() != self.models_before:
            self.set_up()
        names, memo = dict(self.made), {}
        for value in self.made.values():
            if isinstance(value, torch.nn.Module):
                memo[id(value)] = value
        for name, value in self.made.items():
            if isinstance(value, COPIED) and name != "__builtins__":
                names[name] = copy.deepcopy(value, memo)
            elif isinstance(value, types.FunctionType) and value.__globals__ is self.made:
                names[name] = types.FunctionType(
                    value.__code__, names, name, value.__defaults__, value.__closure__
                )
                names[name].__kwdefaults__ = value.__kwdefaults__
        return names

    def answers(self, replaced: dict[str, str] | None = None) -> dict:
        """Global names after all answers have run, some of them in another wording."""
        names = self.names()
        with quiet(self.grad_after):
            for task in self.assignment.tasks:
                run(task.answer, names, task.grade_id)
                if task.grade_id in (replaced or {}):
                    run(replaced[task.grade_id], names, task.grade_id)
        return names

    def check(self, task: Task, names: dict, parts=("visible", "hidden")) -> list[Outcome]:
        """All checks of a task, each as far as it gets."""
        with quiet(self.grad_after):
            return [check_one(check, names, parts) for check in task.checks]


def check_one(check, names: dict, parts) -> Outcome:
    for part in parts:
        try:
            run(getattr(check, part), names, f"{check.grade_id} ({part})")
        except Exception as error:
            return Outcome(check.grade_id, part, error)
    return Outcome(check.grade_id, "passed")


def run(source: str, names: dict, label: str) -> None:
    exec(code(source, label), names)


@functools.cache
def code(source: str, label: str):
    return compile(source, f"<{label}>", "exec")


@contextlib.contextmanager
def quiet(grad: bool):
    """No printing, the same random numbers each time, and global switches put back."""
    before = torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_rng_state()
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            torch.set_grad_enabled(grad)
            yield
    finally:
        torch.set_grad_enabled(before[0])
        torch.set_default_dtype(before[1])
        torch.set_rng_state(before[2])


# Damage: each takes a value that an answer returned and gives back a bad one.


def _each(value, change):
    """Apply `change` to every leaf of tuples, lists and dicts."""
    if type(value) in (tuple, list):
        return type(value)(_each(part, change) for part in value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_each(part, change) for part in value))
    if isinstance(value, dict):
        return {key: _each(part, change) for key, part in value.items()}
    return change(value)


def _fill(number):
    def change(leaf):
        if isinstance(leaf, torch.Tensor) and leaf.dtype.is_floating_point:
            return torch.full_like(leaf, number)
        return number if type(leaf) is float else leaf

    return lambda value: _each(value, change)


def _empty(value):
    if isinstance(value, torch.Tensor):
        return value[:0] if value.ndim else value.new_empty(0)
    return type(value)() if type(value) in (list, tuple, dict, set, str) else value


def _first_row(value):
    def change(leaf):
        rows = isinstance(leaf, torch.Tensor) and leaf.ndim > 0 and len(leaf) > 1
        return leaf[:1].expand_as(leaf).clone() if rows else leaf

    if type(value) is list and len(value) > 1 and not isinstance(value[0], torch.Tensor):
        return [value[0]] * len(value)
    return _each(value, change)


def _other(value):
    """Another value of the same kind."""

    def change(leaf):
        if isinstance(leaf, torch.Tensor):
            return ~leaf if leaf.dtype == torch.bool else leaf + 1
        if isinstance(leaf, bool):
            return not leaf
        return leaf + 1 if isinstance(leaf, int | float) else leaf

    changed = _each(value, change)
    if isinstance(value, str):
        return value + "x"
    return changed if not same(changed, value) or not value else _empty(value)


def same(one, other) -> bool:
    """Equal in type and value; NaN equals NaN, objects that we know nothing about are the same."""
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        return one.shape == other.shape and one.dtype == other.dtype and bool(
            ((one == other) | ((one != one) & (other != other))).all()
        )  # fmt: skip
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, bool | int | float | str | bytes | set):
        return one == other or (one != one and other != other)
    return True


def _spoil(args) -> bool:
    """Change the arguments in place; False if there is nothing to change."""
    done = False
    for value in args:
        if isinstance(value, torch.Tensor) and value.numel():
            with torch.no_grad():
                value.logical_not_() if value.dtype == torch.bool else value.add_(1)
            done = True
        elif isinstance(value, list | tuple):
            done = _spoil(value) or done
            if isinstance(value, list) and not done:
                value.append(value[-1] if value else 0)
                done = True
        elif isinstance(value, dict) and value:
            done = _spoil(value.values()) or done
            if not done:
                value.pop(next(iter(value)))
                done = True
    return done


@dataclass
class Damage:
    """Stands in for one function, and does to its results what `kind` says."""

    kind: str
    changed: bool = False  # whether it has made a difference so far
    calls: int = 0
    seen: tuple = ()  # pairs of arguments and result

    def __call__(self, function, *args, **kwargs):
        if self.kind == "look-up":
            return self.look_up(function, args, kwargs)
        result = function(*args, **kwargs)
        self.calls += 1
        if self.kind == "record":
            self.seen += ((copied([args, kwargs]), copied(result)),)
            return result
        if self.kind == "in place":
            self.changed = _spoil(args) or self.changed
            return result
        odd = self.kind in ("first call right", "second call right") and (
            self.calls % 2 == (self.kind == "first call right")
        )
        bad = result if odd else DAMAGES[self.kind](result)
        self.changed = self.changed or odd or not same(bad, result)
        return bad

    def look_up(self, function, args, kwargs):
        """What was returned for these arguments, else what was returned last."""
        self.changed = True
        for given, result in self.seen:
            if same(given, [args, kwargs]):
                return copied(result)
        return copied(self.seen[-1][1]) if self.seen else None


DAMAGES = {
    "NaN": _fill(float("nan")),
    "infinity": _fill(float("inf")),
    "empty": _empty,
    "first row everywhere": _first_row,
    "first call right": _other,
    "second call right": _other,
    "in place": None,
    "look-up": None,
}


def copied(value):
    """A copy of tensors and containers; other objects stay themselves."""

    def leaf(part):
        return part.detach().clone() if isinstance(part, torch.Tensor) else part

    if isinstance(value, set):
        return set(value)
    return _each(value, leaf)


def damaged(value, damage: Damage):
    """The same function, module class or value with damage; None if it has no place for it."""
    if isinstance(value, types.FunctionType):
        if "yield" in str(value.__code__.co_flags) or value.__code__.co_flags & 0x20:
            return None
        return lambda *args, **kwargs: damage(value, *args, **kwargs)
    if isinstance(value, type) and issubclass(value, torch.nn.Module):

        class Damaged(value):
            def forward(self, *args, **kwargs):
                return damage(super().forward, *args, **kwargs)

        Damaged.__name__ = value.__name__
        return Damaged
    if isinstance(value, type) or damage.kind in ("in place", "look-up", "record"):
        return None
    if damage.kind in ("first call right", "second call right"):
        return None
    return damage(lambda: value)


def survives(bench: Bench, task: Task, name: str, kind: str) -> list[Outcome] | None:
    """The outcomes if an answer damaged in this way earns full marks, else None.

    None, too, if the damage makes no difference to this answer.
    """
    damage = Damage(kind)
    if kind == "look-up":
        recorder, names = Damage("record"), bench.answers()
        names[name] = damaged(names[name], recorder) or names[name]
        bench.check(task, names, ("visible",))
        damage.seen = recorder.seen
    names = bench.answers()
    with quiet(bench.grad_after):
        bad = damaged(names[name], damage)
    if bad is None:
        return None
    names[name] = bad
    outcomes = bench.check(task, names)
    passed = all(outcome.stage == "passed" for outcome in outcomes)
    return outcomes if passed and damage.changed else None
