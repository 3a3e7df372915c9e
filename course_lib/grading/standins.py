"""Stand-ins for what a student has defined: every use of one is a question to the sandbox."""

from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from course_lib.grading.errors import StudentCodeDied, StudentCodeError

if TYPE_CHECKING:
    from course_lib.grading.student import Student


class Remote:
    """Stands for a function, class or object of the student's. Equal to nothing, true of nothing:
    a check can use it, and cannot be deceived by what it says of itself."""

    __slots__ = ("_student", "_number", "_label", "_generation")
    __hash__ = None

    def __init__(self, student: "Student", number: int, label: str):
        values = (student, number, label, student.generation)
        for name, value in zip(Remote.__slots__, values, strict=True):
            object.__setattr__(self, name, value)

    def _parts(self) -> dict:
        """How the other side finds the object."""
        if self._generation != self._student.generation:
            raise StudentCodeDied(f"{self._label} is gone: its process was ended")
        return {"handle": self._number}

    def _value(self, op: str, label: str, **args):
        return self._student.value_of(label, op, target=self._parts(), **args)

    def __call__(self, *args, **kwargs):
        return self._student.call(self._label, self._parts(), args, kwargs)

    def __course_remote__(self, op: str, args):
        """What checks ask beyond a call: "gradients" (see `checks.gradients`)."""
        return self._value(op, self._label, args=[self._student.encode(a) for a in args])

    def __getattr__(self, name: str):
        if name.startswith("_"):
            raise AttributeError(name)
        return self._value("attribute", f"{self._label}.{name}", name=name)

    def __setattr__(self, name: str, value) -> None:
        self._value("set", f"{self._label}.{name}", name=name, value=self._student.encode(value))

    def __getitem__(self, key):
        return self._value("item", f"{self._label}[...]", key=self._student.encode(key))

    def __len__(self) -> int:
        length = self._value("length", f"len({self._label})")
        if type(length) is not int or not 0 <= length < 2**40:
            raise StudentCodeError(f"len({self._label}) is no number")
        return length

    def __iter__(self):
        return self._value("iterate", self._label)

    def __next__(self):
        student = self._student
        answer = student._asked(self._label, "next", target=self._parts())
        if answer.get("stop") is True:
            raise StopIteration
        return student.decode(answer.get("value"), self._label)

    def __bool__(self):
        raise TypeError(f"{self._label} has no truth value here")

    def __eq__(self, other):
        raise TypeError(f"{self._label} cannot be compared here")

    def __repr__(self) -> str:
        return f"<the student's {self._label}>"


class RemoteModule(Remote):
    """An `nn.Module` of the student's; `isinstance` says so."""

    __slots__ = ()

    @property
    def __class__(self):
        return torch.nn.Module


@lru_cache(1000)
def stand_in(base: type[Remote], name: str) -> type[Remote]:
    """The class by the name that the student's has, so that a check can say what it was given."""
    return type(name, (base,), {"__slots__": ()})
