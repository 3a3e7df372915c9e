"""In the trusted kernel: a student's cells run in the sandbox, and questions about what they have
defined. See `worker` for the other side, `wire` for what can cross, `standins` for what a check
gets to see.
"""

import dataclasses
import importlib
import time
from collections.abc import Collection

from course_lib.grading import wire
from course_lib.grading.errors import (
    StudentCodeDied,
    StudentCodeError,
    StudentCodeTimeout,
    error_of,
)
from course_lib.grading.results import AnswerCell, Limits
from course_lib.grading.sandbox import Sandbox
from course_lib.grading.standins import Remote, RemoteModule, stand_in

ENDED = "the process ended: its code called exit, crashed, or needed more memory than it may have"
MAX_RECEIVED = 256 << 20  # bytes of all answers to one check, which may keep them all


class Student:
    """One student's cells, run as far as a check needs them, and the names they define."""

    def __init__(self, cells: list[AnswerCell], limits: Limits, sandbox: Sandbox,
                 setup: list[str], names: tuple[str, ...], namespace: dict):  # fmt: skip
        self.sources = [*setup, *(cell.source for cell in cells)]
        self.first, self.limits, self.sandbox = len(setup), limits, sandbox
        self.names, self.namespace = names, namespace
        self.shared = {}  # objects that set-up cells made, by identity: handed over by name
        self.sock, self.generation, self.questions = None, 0, 0
        self.spent, self.done = 0.0, 0
        self.received, self.check_ends = 0, limits.total_seconds
        self.changes: list[tuple] = []  # arguments that calls have changed, and copies from before
        self.called = False  # whether a check has asked for anything in this process
        self.bad: dict[int, str] = {}  # cells that hung or killed the process, and how
        self.failed: dict[int, StudentCodeError] = {}  # cells that raised

    # --- running cells ---

    def run_until(self, count: int) -> None:
        """Run the student's first `count` cells, those that have not been run yet.

        A cell that hangs or kills the process is left out from then on, and the others run again
        in a new process: one bad cell costs no other task its points.
        """
        if self.sock is not None and self.sandbox.busy():  # with what calls have left behind
            self.stop()
        for _ in range(self.limits.restarts):
            try:
                if self.sock is None:
                    self._restart()
                while self.done < self.first + count:
                    self._run_next()
                return
            except (StudentCodeTimeout, StudentCodeDied) as error:
                if self.time_left() <= 0 or self.done >= len(self.sources):
                    raise
                # What a check has called may have left a thread that kills: the cell is to blame
                # only if it ends a process, too, in which nothing but cells has run.
                if not (self.called and isinstance(error, StudentCodeDied)):
                    self.bad[self.done] = str(error)
        raise StudentCodeDied(f"given up: {self.limits.restarts} cells hung or ended the process")

    def _run_next(self) -> None:
        if self.done not in self.bad and self.sources[self.done].strip():
            limit = self.limits.cell_seconds if self.done >= self.first else 60
            answer = self.ask("cell", limit, source=self.sources[self.done])
            if answer.get("ok") is not True:
                self.failed[self.done] = error_of(answer, "the cell")
        self.done += 1

    def _restart(self) -> None:
        self.stop()
        self.sock = self.sandbox.new_worker()
        self.generation += 1
        self.done, self.called = 0, False

    def stop(self) -> None:
        """Break off the connection; the sandbox ends the process."""
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def bind(self, used: Collection[str]) -> None:
        """Put what the student has defined into the namespace of the checks: of the names that
        the teacher's answers define, those that the next check uses. So a value that cannot be
        handed over, or takes for ever, costs only the tasks that it belongs to.

        Raises StudentCodeError for such a value; a name that is not defined is left to the check.
        """
        for name in self.names:
            self.namespace.pop(name, None)
        for name in self.names:
            if name in used:
                answer = self._asked(name, "get", name=name)
                if answer.get("missing") is not True:
                    self.namespace[name] = self.decode(answer.get("value"), name)

    def problem_of(self, number: int) -> StudentCodeError | None:
        """What went wrong in the student's cell of this number, counted from 0."""
        place = self.first + number
        if place in self.bad:
            return StudentCodeError(f"the cell was left out: {self.bad[place]}")
        return self.failed.get(place)

    # --- questions ---

    def time_left(self) -> float:
        return self.limits.total_seconds - self.spent

    def ask(self, op: str, seconds: float, **args) -> dict:
        """One question, one answer. Raises StudentCodeTimeout or StudentCodeDied."""
        seconds, too_slow = self._allowed(op, seconds)
        if seconds <= 0:
            raise StudentCodeTimeout(too_slow)
        if self.sock is None:
            raise StudentCodeDied("the process was ended by something that ran before")
        self.questions += 1
        self.called |= op != "cell"
        started = time.monotonic()
        try:
            self.sock.settimeout(seconds)
            wire.send(self.sock, {"op": op, "n": self.questions, "args": args})
            raw = wire.receive(self.sock, started + seconds, self._watch)
            answer = wire.parse(raw)
        except TimeoutError:
            self.stop()
            raise StudentCodeTimeout(too_slow) from None
        except (EOFError, OSError):
            self.stop()
            raise StudentCodeDied(ENDED) from None
        except wire.WireError as error:
            raise self.nonsense(error) from None
        finally:
            self.spent += time.monotonic() - started
        if not isinstance(answer, dict) or answer.get("n") != self.questions:
            raise self.nonsense("another question's answer")
        self.received += len(raw)
        if op != "cell" and self.received > MAX_RECEIVED:
            raise self.nonsense(f"more than {MAX_RECEIVED >> 20} MiB for one check")
        return answer

    def _allowed(self, op: str, seconds: float) -> tuple[float, str]:
        """How long this question may take, and what is to be said if it takes longer."""
        total, check = self.limits.total_seconds, 2 * self.limits.call_seconds
        bounds = [
            (seconds, f"no answer within {seconds:g} s"),
            (self.time_left(), f"the {total:g} s for the whole notebook are used up"),
        ]
        if op != "cell":  # a generator without end answers each question in time
            left = self.check_ends - self.spent
            bounds.append((left, f"the {check:g} s for one check are used up"))
        return min(bounds)

    def _watch(self) -> None:
        """While waiting: end a process that takes what others need."""
        if excess := self.sandbox.excess():
            self.stop()
            raise StudentCodeDied(f"the process was stopped: {excess}")

    def value_of(self, label: str, op: str, **args):
        """Ask, and decode the value. Raises the student's exception."""
        return self.decode(self._asked(label, op, **args).get("value"), label)

    def _asked(self, label: str, op: str, **args) -> dict:
        answer = self.ask(op, self.limits.call_seconds, **args)
        if answer.get("ok") is not True:
            raise error_of(answer, label)
        return answer

    def call(self, label: str, target: dict, args: tuple, kwargs: dict):
        """Call a function or class of the student's."""
        answer = self._asked(
            label, "call", target=target, args=[self.encode(a) for a in args],
            kwargs={name: self.encode(a) for name, a in kwargs.items()})  # fmt: skip
        self._take_changes(answer.get("changed"), {**dict(enumerate(args)), **kwargs}, label)
        return self.decode(answer.get("value"), label)

    def _take_changes(self, changed, arguments: dict, label: str) -> None:
        """Arguments that the call has changed in place are changed here too, as in a notebook."""
        changed = {} if changed is None else self._pairs(changed)
        for place, argument in arguments.items():
            if place in changed and isinstance(argument, wire.MUTABLE):
                new = self.decode(changed[place], label)
                self.changes.append((argument, wire.copy_of(argument)))
                try:
                    wire.copy_into(argument, new)
                except wire.WireError as error:
                    raise StudentCodeError(f"{label}: {error}") from None

    def new_check(self) -> None:
        """Undo what calls have changed in place, and count anew what a check may take.

        The data of a set-up cell serve more than one task, and the next check may compute the
        right answer from them.
        """
        while self.changes:
            wire.copy_into(*self.changes.pop())
        self.received, self.check_ends = 0, self.spent + 2 * self.limits.call_seconds

    def _pairs(self, pairs) -> dict:
        try:
            return dict(pairs)
        except (TypeError, ValueError):
            raise self.nonsense("a list of changes that is none") from None

    def nonsense(self, why) -> StudentCodeDied:
        """Break off with a process that does not keep to the protocol."""
        self.stop()
        return StudentCodeDied(f"the process answered nonsense ({why})")

    # --- values ---

    def encode(self, value):
        return wire.encode(value, self.by_reference)

    def by_reference(self, value) -> dict:
        """A form for what is no plain value: a stand-in goes home, other things go by name."""
        if isinstance(value, Remote):
            return value._parts()
        if id(value) in self.shared:
            return {"name": self.shared[id(value)]}
        if dataclasses.is_dataclass(value) and type(value).__module__.startswith("course_lib."):
            fields = {f.name: self.encode(getattr(value, f.name))
                      for f in dataclasses.fields(value) if f.init}  # fmt: skip
            return {"record": [type(value).__module__, type(value).__qualname__, fields]}
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
        if module and found(module, name) is value:
            return {"reference": [module, name]}
        raise wire.WireError(
            f"a value of type {type(value).__name__} cannot be handed to a student's function: "
            "make it in a set-up cell, which runs on both sides"
        )

    def decode(self, parts, label: str = "value"):
        """A value, and the time that it takes counts. Raises StudentCodeDied if it is none."""
        started = time.monotonic()
        try:
            return wire.decode(parts, lambda name, content: self._stand_in(name, content, label))
        except wire.WireError as error:
            raise self.nonsense(f"{label}: {error}") from None
        finally:
            self.spent += time.monotonic() - started

    def _stand_in(self, name: str, content, label: str):
        number, kind, type_name = content
        if name != "handle" or type(number) is not int or not isinstance(type_name, str):
            raise wire.WireError("a malformed handle")
        plain = type_name if type_name.isascii() and type_name.isidentifier() else "object"
        made = stand_in(RemoteModule if kind == "module" else Remote, plain[:60])
        return made(self, number, plain[:60] if kind == "module" else label)


def found(module: str, name: str):
    """An object that can be imported, or None."""
    try:
        value = importlib.import_module(module)
        for part in name.split("."):
            value = getattr(value, part)
        return value
    except (ImportError, AttributeError, ValueError):
        return None
