"""What goes into a grading run and what comes out, as plain data.

Everything here is a frozen dataclass that turns into JSON and back, so that it can be kept in a
file, sent to another machine, and compared. `read_json` takes only what `write_json` writes: a
wrong type or a missing field is a `ValueError`, not a surprise somewhere else.
"""

import json
import types
import typing
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin

Status = Literal["graded", "rejected", "error"]
Stage = Literal["visible", "hidden", ""]
T = TypeVar("T")


@dataclass(frozen=True)
class AnswerCell:
    """A code cell that a student wrote; or, without source, the place of a check."""

    grade_id: str | None  # of the answer that it is; None: a free cell, a helper or a scratch
    source: str


@dataclass(frozen=True)
class Submission:
    """What one student handed in: the cells to run, in the order in which they were found."""

    student: str  # safe as a file name, and unique in a run
    cells: list[AnswerCell] = field(default_factory=list)
    problem: str = ""  # why it cannot be graded, and how to hand in again; "" if it can


@dataclass(frozen=True)
class CheckResult:
    """One check cell of the teacher's notebook, run against one submission."""

    check: str  # its grade_id
    task: str  # the task that it belongs to
    points: float  # what it is worth; earned in whole, or not at all
    passed: bool
    stage: Stage = ""  # where it failed; "" if it passed, or never ran
    message: str = ""  # of the visible part; nothing of a hidden part is ever in here
    traceback: str = ""  # through the student's own code


@dataclass(frozen=True)
class Result:
    """What one submission earned."""

    student: str
    status: Status  # rejected: could not be read; error: the grader failed, so there is no mark
    message: str = ""
    checks: list[CheckResult] = field(default_factory=list)
    seconds: float = 0.0
    sandboxed: bool = True

    @property
    def points(self) -> float:
        """The sum over the checks that passed."""
        return sum(check.points for check in self.checks if check.passed)


@dataclass(frozen=True)
class Limits:
    """What the code of one submission may use."""

    start_seconds: float = 60  # for its worker to come up, with torch imported
    cell_seconds: float = 15  # for one of its cells
    call_seconds: float = 10  # for one call from a check; twice that for all calls of one check
    total_seconds: float = 60  # for everything together
    memory_mb: int = 3000  # address space of each process
    tmp_mb: int = 64  # files written, and the largest of them
    processes: int = 64
    open_files: int = 256
    restarts: int = 6  # new workers after a hang or a death

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 < value < 10**6:
                raise ValueError(f"{name}={value} is out of range; it must be above 0, below 10^6.")


def write_json(value: Any) -> str:
    """One of the dataclasses above as ASCII JSON; a lone surrogate in a text survives."""
    return json.dumps(asdict(value), sort_keys=True, allow_nan=False)


def read_json(cls: type[T], text: str | bytes) -> T:
    """Undo `write_json`. Raises ValueError where the text does not fit `cls`."""
    try:
        return from_plain(cls, json.loads(text, parse_constant=refuse_constant))
    except RecursionError:
        raise ValueError(f"this {cls.__name__} is nested too deeply") from None


def refuse_constant(name: str) -> None:
    """NaN and Infinity are no JSON, and no points."""
    raise ValueError(f"{name} is not a number here")


def from_plain(cls: Any, value: Any) -> Any:
    """Build `cls` (a dataclass, or the type of one of its fields) from lists and dicts."""
    if is_dataclass(cls):
        return dataclass_from_plain(cls, value)
    if get_origin(cls) is list:
        (item,) = get_args(cls)
        return [from_plain(item, one) for one in expect(list, value)]
    if get_origin(cls) is Literal:
        if value not in get_args(cls) or not isinstance(value, str):
            raise ValueError(f"{value!r:.80} is not one of {get_args(cls)}")
        return value
    if get_origin(cls) is types.UnionType:  # str | None
        return None if value is None else from_plain(get_args(cls)[0], value)
    return float(expect((int, float), value)) if cls is float else expect(cls, value)


def dataclass_from_plain(cls: type[T], value: Any) -> T:
    """Every field that has no default must be there, and no other name may be."""
    names = {one.name for one in fields(cls)}
    if unknown := set(expect(dict, value)) - names:
        raise ValueError(f"{cls.__name__} has no field {min(unknown)!r:.80}")
    hints = typing.get_type_hints(cls)
    try:
        return cls(**{name: from_plain(hints[name], part) for name, part in value.items()})
    except TypeError as error:  # a field is missing
        raise ValueError(f"{cls.__name__}: {error}") from None


def expect(cls: type | tuple[type, ...], value: Any) -> Any:
    """The value, if it has this type; True is not a number here."""
    if not isinstance(value, cls) or (isinstance(value, bool) and cls is not bool):
        raise ValueError(f"expected {cls}, got {value!r:.80}")
    return value
