"""What a case is, and how a submission is put together."""

import copy
import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grading_assignment
import nbformat

POINTS = {task: points for task, (_, _, points) in grading_assignment.TASKS.items()}
TASKS = tuple(POINTS)
CASES: list["Case"] = []


@dataclass(frozen=True)
class Case:
    """A submission and what has to become of it."""

    name: str
    kind: str
    make: Callable  # make(trap) -> what is handed in, see `to_file`
    loses: frozenset[str]  # tasks that must earn nothing
    may_lose: frozenset[str]  # tasks that the submission may spoil for itself
    rejected: str  # a part of the message, if it cannot be read; "" if it is graded
    says: str  # a part of the feedback on what it loses
    honest: bool


def hostile(kind, loses="", may_lose="", rejected="", says=""):
    """Mark a function as a hostile or broken submission; the tasks' names are in one string."""

    def add(make):
        CASES.append(
            Case(
                make.__name__,
                kind,
                make,
                names(loses),
                names(may_lose),
                rejected,
                says,
                honest=False,
            )
        )
        return make

    return add


def honest(kind):
    """Mark a function as an honest submission: all points."""

    def add(make):
        CASES.append(Case(make.__name__, kind, make, names(""), names(""), "", "", honest=True))
        return make

    return add


def names(text: str) -> frozenset[str]:
    found = frozenset(TASKS if text == "all" else text.split())
    assert found <= set(TASKS), text
    return found


class Trap:
    """Things outside the sandbox that no submission may reach."""

    def __init__(self, folder: Path, solution: Path):
        self.folder, self.solution = folder, solution
        self.file = folder / "canary.txt"
        self.file.write_text("untouched")
        self.nap = f"7{os.getpid():07d}"  # seconds to sleep: finds left-over processes
        self.sockets = [socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)]
        self.sockets += [socket.socket(socket.AF_UNIX) for _ in range(2)]
        for sock in self.sockets[:2]:
            sock.bind(("127.0.0.1", 0))
        self.port, self.udp = (sock.getsockname()[1] for sock in self.sockets[:2])
        self.abstract, self.unix = f"course-{os.getpid()}", folder / "socket"
        self.sockets[2].bind("\0" + self.abstract)
        self.sockets[3].bind(str(self.unix))
        for sock in self.sockets:
            sock.setblocking(False)
            if sock.type == socket.SOCK_STREAM:
                sock.listen()

    def calls(self) -> int:
        """How many sockets somebody has spoken to."""
        return sum(map(self._called, self.sockets))

    def _called(self, sock: socket.socket) -> bool:
        try:
            sock.accept() if sock.type == socket.SOCK_STREAM else sock.recv(1)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()


# --- notebooks ---


def teachers_notebook() -> dict:
    """The teacher's notebook as plain lists and dictionaries."""
    return json.loads(nbformat.writes(grading_assignment.assignment()))


def uncommented(source: str) -> str:
    return "\n".join(line for line in source.strip().split("\n") if "### " not in line)


RIGHT = {task: uncommented(answer) for task, (answer, _, _) in grading_assignment.TASKS.items()}
WRONG = "def weights(q, k):\n    return (q @ k.T).softmax(-1)"  # not divided by the root


def cell(source, kind="code", **metadata) -> dict:
    """A cell of a file."""
    made = {"cell_type": kind, "metadata": metadata, "source": source}
    return made | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def handed_in(answers=None, before=(), after=()) -> dict:
    """The exercise as a student returns it. answers: {task: source}, right where it is missing;
    before, after: sources of own cells below the set-up cell and at the end."""
    made = copy.deepcopy(teachers_notebook())
    for one in made["cells"]:
        grade_id = id_of(one)
        if grade_id in TASKS:
            one["source"] = (answers or {}).get(grade_id, RIGHT[grade_id])
        one["source"] = "".join(one["source"]).split("\n### BEGIN HIDDEN")[0]
    made["cells"][2:2] = [cell(source) for source in before]
    made["cells"] += [cell(source) for source in after]
    made["nbformat_minor"] = 4  # so that cells need no id
    return made


def id_of(one: dict) -> str | None:
    return one["metadata"].get("nbgrader", {}).get("grade_id")


def find(made: dict, grade_id: str) -> dict:
    return next(one for one in made["cells"] if id_of(one) == grade_id)


def as_bytes(made) -> bytes:
    """A file of what a case has made: bytes, a text, a notebook, or {task: source}."""
    if isinstance(made, str):
        made = made.encode()
    if isinstance(made, dict) and "cells" not in made and set(made) <= {*TASKS, "before", "after"}:
        own = {place: made.pop(place, ()) for place in ("before", "after")}
        made = handed_in(made, **own)
    return made if isinstance(made, bytes) else json.dumps(made).encode()
