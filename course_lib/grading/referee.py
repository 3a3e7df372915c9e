"""Lives in the trusted kernel and runs between the teacher's cells: brings in one student after
the other, and writes down what each check cell said.
"""

import json
import os
import random
import re
import resource
import signal
import time
from pathlib import Path

import numpy as np
import torch
from IPython import get_ipython

from course_lib.grading.results import AnswerCell, Limits, from_plain
from course_lib.grading.sandbox import Sandbox, SandboxMissing
from course_lib.grading.student import Student, StudentCodeError, StudentCodeTimeout

OF_IPYTHON = re.compile(r"_+(i*|i?\d+|dh|ih|oh|exit_code)|In|Out|exit|quit|get_ipython|open")
OWN_SECONDS = 30  # for what a check computes itself
MAX_MESSAGE = 10_000  # characters; a check may show what it was given


class NotReached(Exception):
    """The hidden part is not run where the visible part has failed."""


class Referee:
    """`begin` a student, `enter` each check, `end`: the cells made by `session` call these."""

    def __init__(self, plan_file: str, sandbox: Sandbox):
        self.plan = json.loads(Path(plan_file).read_text(encoding="utf-8"))
        self.setup, self.names = self.plan["setup"], tuple(self.plan["names"])
        self.limits = from_plain(Limits, self.plan["limits"])
        self.sandbox = sandbox
        self.shell = get_ipython()
        self.kept = {*self.shell.user_ns, "__referee__", "__sandbox__"}
        self.shell.events.register("post_run_cell", self._note)
        self.student: Student | None = None
        self.current: tuple[str, str] | None = None  # check and part that is running
        self.notes: list[dict] = []
        limit_memory(2 * self.limits.memory_mb)

    def begin(self, number: int) -> None:
        """A clean namespace for the next student; the set-up cells follow in the same cell."""
        self.started, self.notes, self.current = time.monotonic(), [], None
        self.fault: Exception | None = None  # of this machine
        namespace = self.shell.user_ns
        for name in set(namespace) - self.kept:
            if not OF_IPYTHON.fullmatch(name):
                del namespace[name]
        torch.set_grad_enabled(True)
        torch.set_default_dtype(torch.float32)
        for seed in (torch.manual_seed, random.seed, np.random.seed):
            seed(0)
        cells = [from_plain(AnswerCell, cell) for cell in self.plan["submissions"][str(number)]]
        self.student = Student(cells, self.limits, self.sandbox, self.setup, self.names, namespace)
        self.ids = [cell.grade_id for cell in cells]

    def enter(self, check: str, answer: str, count: int) -> None:
        """Before the visible part: run the student's first `count` cells, bind their names."""
        student = self.student
        if not student.shared:
            self.made = {name: value for name, value in self.shell.user_ns.items()
                         if name not in self.kept and not name.startswith("_")}  # fmt: skip
            student.shared = {id(value): name for name, value in self.made.items()}
        self.answer = answer
        self.current = (check, "visible")
        try:
            student.run_until(count)
        except (SandboxMissing, OSError) as error:
            self.fault = error
            raise
        student.new_check()
        self._alarm()
        student.bind(self.plan["uses"][check])

    def hidden(self, check: str) -> None:
        """Before the hidden part: only if the visible part passed."""
        self.current = (check, "hidden")
        self._alarm()
        if not any(n["check"] == check and n["ok"] for n in self.notes):
            raise NotReached("the visible part failed")

    def _alarm(self) -> None:
        """A student's value may lead the check itself into a loop: it has to end, too."""
        signal.signal(signal.SIGALRM, self._too_slow)
        signal.setitimer(signal.ITIMER_REAL, 2 * self.limits.call_seconds + OWN_SECONDS)

    def _too_slow(self, *_) -> None:
        self.student.stop()  # it may be in the middle of an answer
        raise StudentCodeTimeout("the check did not come to an end with your values")

    def end(self, number: int) -> None:
        """Give the notes of this student to the report. Raises if the machine was at fault."""
        self.current = None
        self.student.stop()
        if self.fault:
            raise RuntimeError(f"no process for the student's code: {self.fault}")
        line = {"submission": number, "notes": self.notes,
                "seconds": time.monotonic() - self.started}  # fmt: skip
        with open(self.plan["notes_file"], "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _note(self, result) -> None:
        """After each cell: what it said, if it was part of a check."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self.current is None:
            return
        (check, part), self.current = self.current, None
        error = result.error_before_exec or result.error_in_exec
        note = {"check": check, "part": part, "ok": error is None, "message": "", "traceback": ""}
        if error is not None and part == "visible":
            note |= {"message": self._message(error)[:MAX_MESSAGE],
                     "traceback": self._traceback(error)}  # fmt: skip
        self.notes.append(note)

    def _message(self, error: BaseException) -> str:
        """The reason in words for the student."""
        if isinstance(error, NameError) and getattr(error, "name", None) in self.names:
            return f"Your notebook does not define `{error.name}`.{self._answer_problem()}"
        if isinstance(error, NotImplementedError) and "your answer" in str(error):
            return "Not answered yet."
        if isinstance(error, AssertionError | StudentCodeError):
            return str(error) or "An assertion of the check failed."
        return f"{type(error).__name__}: {error}"

    def _answer_problem(self) -> str:
        """What went wrong in the answer cell itself, if anything did."""
        for place, grade_id in enumerate(self.ids):
            problem = self.student.problem_of(place)
            if grade_id == self.answer and problem:
                return f" The answer's cell did not run: {problem}"
        return ""

    def _traceback(self, error: BaseException | None) -> str:
        """The student's own traceback, from the exception or what it was raised from."""
        if isinstance(error, NameError):
            for place, grade_id in enumerate(self.ids):
                problem = self.student.problem_of(place)
                if grade_id == self.answer and problem:
                    return problem.traceback
        for _ in range(5):
            if isinstance(error, StudentCodeError):
                return error.traceback
            error = getattr(error, "__cause__", None) or getattr(error, "__context__", None)
        return ""


def limit_memory(megabytes: int) -> None:
    """A check that a student's value leads to fill the memory shall fail, not end the kernel."""
    if not os.path.exists("/proc/self/statm"):  # no Linux, and so no sandbox either
        return
    occupied = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = occupied + (megabytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit if most < 0 else min(limit, most), most))
