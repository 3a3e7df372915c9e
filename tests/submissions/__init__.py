"""Submissions that try to break the grader or to deceive it, and honest ones that are untidy.

Each is a small function that gives what a student hands in; nothing of it runs but in the
grader's sandbox. `test_grading_hostile.py` grades them all in one class and looks at the marks,
at the traps outside the sandbox, and at what the students get to read.
"""

from submissions import files, honest, ipython, lies, loops, protocol, searches  # noqa: F401
from submissions.case import CASES, Case, Trap, handed_in, teachers_notebook

__all__ = ["CASES", "Case", "Trap", "handed_in", "teachers_notebook"]
