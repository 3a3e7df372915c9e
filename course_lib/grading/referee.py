"""Lives in the trusted kernel: brings in one student after the other, runs the teacher's cells on
their work, and writes down what each check said.
"""

import contextlib
import io
import json
import linecache
import os
import random
import re
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import numpy as np
import torch
from IPython import get_ipython

from course_lib.grading import warm
from course_lib.grading.errors import StudentCodeDied, StudentCodeError, StudentCodeTimeout
from course_lib.grading.results import AnswerCell, Limits, from_plain
from course_lib.grading.sandbox import Sandbox, SandboxMissing
from course_lib.grading.student import Student

OF_IPYTHON = re.compile(r"_+(i*|i?\d+|dh|ih|oh|exit_code)|In|Out|exit|quit|get_ipython|open")
OWN_SECONDS = 30  # for what a check computes itself
MAX_MESSAGE = 10_000  # characters; a check may show what it was given


class Referee:
    """`begin` a student, `check` what they made, `end`: each a cell of the notebook that
    `session` makes."""

    def __init__(self, plan_file: str):
        self.plan = json.loads(Path(plan_file).read_text(encoding="utf-8"))
        self.setup, self.names = self.plan["setup"], tuple(self.plan["names"])
        self.limits = from_plain(Limits, self.plan["limits"])
        self.sandbox = warm.sandbox or Sandbox(
            self.plan["modules"], self.limits, self.plan["sandboxed"])
        self.sandbox.warm_up()
        self.shell = get_ipython()
        self.kept = {*self.shell.user_ns, "__referee__"}
        self.shell.InteractiveTB.set_mode("Minimal")  # the report needs no more, and it is quick
        self.setup_code = [self._compiled(s, f"setup-{n}") for n, s in enumerate(self.setup)]
        self.code = {(check, part): self._compiled(source, f"{check}-{part}")
                     for check, parts in self.plan["checks"].items()
                     for part, source in parts.items()}  # fmt: skip
        self.student: Student | None = None
        self.notes: list[dict] = []
        limit_memory(2 * self.limits.memory_mb)
        self.sandbox.wait_until_ready()  # if it cannot start, no submission is to blame

    def _compiled(self, source: str, name: str) -> CodeType:
        """A cell as IPython would run it, magics included, compiled once for all students."""
        source = self.shell.transform_cell(source)
        linecache.cache[f"<{name}>"] = (len(source), None, source.splitlines(True), f"<{name}>")
        return compile(source, f"<{name}>", "exec", dont_inherit=True)

    def begin(self, number: int) -> None:
        """A clean namespace for the next student, in which the set-up cells run."""
        self.started, self.notes = time.monotonic(), []
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
        for code in self.setup_code:
            exec(code, namespace)
        self.made = {name: value for name, value in namespace.items()
                     if name not in self.kept and not name.startswith("_")}  # fmt: skip
        self.student.shared = {id(value): name for name, value in self.made.items()}

    def check(self, check: str, answer: str, count: int) -> None:
        """Run the student's first `count` cells, bind their names, run the visible part and, if
        that has passed, the hidden one."""
        self.answer, used = answer, self.student.called
        failed, error = self._attempt(check, count)
        if used and died(error):  # perhaps of what an earlier check has set going: a new process
            self.student.stop()
            failed, error = self._attempt(check, count)
        self._note(check, failed, error)
        if error:
            raise error

    def _attempt(self, check: str, count: int) -> tuple[str, BaseException | None]:
        """Which part has raised, "" if none, and what."""
        part = "visible"
        try:
            self._bring_in(check, count)
            self._run(check, part)
            part = "hidden"
            self._run(check, part)
        except BaseException as error:  # whatever it is, the check has failed
            return part, error
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return "", None

    def _bring_in(self, check: str, count: int) -> None:
        """What the student has defined so far, and this check needs."""
        try:
            self.student.run_until(count)
        except (SandboxMissing, OSError) as error:
            self.fault = error
            raise
        self.student.new_check()
        self.shell.user_ns.update(self.made)  # whatever earlier checks have made of these names
        self._alarm()
        self.student.bind(self.plan["uses"][check])

    def _run(self, check: str, part: str) -> None:
        """What it prints is for students who run it themselves; here it would only cost time."""
        self._alarm()
        with contextlib.redirect_stdout(io.StringIO()):
            exec(self.code[check, part], self.shell.user_ns)

    def _alarm(self) -> None:
        """A student's value may lead the check itself into a loop: it has to end, too."""
        signal.signal(signal.SIGALRM, self._too_slow)
        signal.setitimer(signal.ITIMER_REAL, 2 * self.limits.call_seconds + OWN_SECONDS)

    def _too_slow(self, *_) -> None:
        self.student.stop()  # it may be in the middle of an answer
        raise StudentCodeTimeout("the check did not come to an end with your values")

    def end(self, number: int) -> None:
        """Give the notes of this student to the report. Raises if the machine was at fault."""
        self.student.stop()
        if self.fault:
            raise RuntimeError(f"no process for the student's code: {self.fault}")
        line = {"submission": number, "notes": self.notes,
                "seconds": time.monotonic() - self.started}  # fmt: skip
        with open(self.plan["notes_file"], "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _note(self, check: str, failed: str, error: BaseException | None) -> None:
        """What a check said. Of a hidden part nothing."""
        note = {"check": check, "failed": failed, "message": "", "traceback": ""}
        if failed == "visible":
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
        of_student = (e for e in chain(error) if isinstance(e, StudentCodeError))
        return getattr(next(of_student, None), "traceback", "")


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, and what it was raised from, a few steps back."""
    for _ in range(5):
        if error is not None:
            yield error
            error = error.__cause__ or error.__context__


def died(error: BaseException | None) -> bool:
    return any(isinstance(e, StudentCodeDied) for e in chain(error))


def limit_memory(megabytes: int) -> None:
    """A check that a student's value leads to fill the memory shall fail, not end the kernel."""
    if not os.path.exists("/proc/self/statm"):  # no Linux, and so no sandbox either
        return
    occupied = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = occupied + (megabytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit if most < 0 else min(limit, most), most))
