"""What goes wrong with a student's code, as exceptions that a check can meet."""

import builtins

from course_lib.grading import wire


class StudentCodeError(Exception):
    """The student's code raised an exception; `traceback` is its own account of where."""

    traceback = ""


class StudentCodeTimeout(StudentCodeError):
    """No answer within the time."""


class StudentCodeDied(StudentCodeError):
    """The student's process is gone, or did not keep to the protocol."""


# A student's ValueError is a ValueError for the check, too, so that `pytest.raises` finds it.
SAME = {
    name: type(name, (StudentCodeError, getattr(builtins, name)), {})
    for name in ("ValueError", "TypeError", "IndexError", "KeyError", "LookupError",
                 "RuntimeError", "NotImplementedError", "ZeroDivisionError", "ArithmeticError",
                 "OverflowError", "FloatingPointError", "AttributeError", "AssertionError",
                 "NameError", "RecursionError", "MemoryError", "OSError", "ImportError",
                 "FileNotFoundError", "TimeoutError", "EOFError", "UnicodeError")
}  # fmt: skip


def error_of(answer: dict, label: str) -> StudentCodeError:
    """The student's exception as one of ours. What it says is text, and nothing else."""
    bases = answer.get("bases")
    known = [SAME[b] for b in bases if isinstance(b, str) and b in SAME] if isinstance(
        bases, list) else []  # fmt: skip
    name, message, traceback = (
        wire.text_of(answer.get(part))[:length]
        for part, length in (("error", 80), ("message", 2000), ("traceback", 4000))
    )
    error = (known[0] if known else StudentCodeError)(f"{label} raised {name}: {message}")
    error.traceback = traceback
    return error
