"""A teacher's notebook, read into plain dataclasses: set-up, tasks with their checks, questions.

The marks on the cells are nbgrader's (metadata `nbgrader`, version 3 of its format):

    locked, neither grade nor solution   set-up (code) or text (Markdown)
    solution, not grade                  an answer; the cell after it checks it
    grade, not solution                  a check, worth `points`; may end in a hidden part
    grade and solution (Markdown)        an open question, graded by hand
    no marks                             text, or a code cell that grading leaves out

Nothing is run here, and nbgrader is not needed.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_lib.grading.names import bound_names, used_names

BEGIN_HIDDEN, END_HIDDEN = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"
BEGIN_SOLUTION, END_SOLUTION = "### BEGIN SOLUTION", "### END SOLUTION"
HEADING = re.compile(r"^##\s+(.+?)\s*$", re.MULTILINE)
WORTH = re.compile(r"\*difficulty ([●○]{3}) · (\d+) points? · about (\d+) minutes\*")


class AssignmentError(ValueError):
    """A teacher's notebook that cannot be graded with; the message lists every fault."""


@dataclass(frozen=True)
class Setup:
    """A locked code cell: imports, seed, data. Runs first, on both sides."""

    grade_id: str
    source: str


@dataclass(frozen=True)
class Check:
    """A cell that awards `points` if neither its visible nor its hidden part raises."""

    grade_id: str
    points: float
    visible: str
    hidden: str  # "" if nothing is hidden

    @property
    def source(self) -> str:
        """Both parts as one cell."""
        return f"{self.visible}\n{self.hidden}" if self.hidden else self.visible


@dataclass(frozen=True)
class Task:
    """One answer cell, what its heading says, and the checks that follow it."""

    grade_id: str  # of the answer
    title: str  # "Task 2: mask the padding", without the hashes; "" if there is no heading
    difficulty: str  # "●●○", or ""
    minutes: int | None
    announced: float | None  # the points that the heading promises
    answer: str  # the teacher's source, solution included
    names: tuple[str, ...]  # what the answer defines, in order; private names (_x) left out
    checks: tuple[Check, ...]

    @property
    def points(self) -> float:
        """What all checks of the task are worth together."""
        return sum(check.points for check in self.checks)


@dataclass(frozen=True)
class Question:
    """An open question in Markdown, graded by hand."""

    grade_id: str
    title: str
    points: float
    source: str


@dataclass(frozen=True)
class Assignment:
    """All that grading needs to know of a teacher's notebook, in the order of its cells."""

    name: str
    setups: tuple[Setup, ...]
    tasks: tuple[Task, ...]
    questions: tuple[Question, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names that answers define: the only ones that may come from a student."""
        return tuple(dict.fromkeys(name for task in self.tasks for name in task.names))

    @property
    def points(self) -> float:
        """What the checks are worth together (open questions left out)."""
        return sum(task.points for task in self.tasks)

    @classmethod
    def read(cls, path: str | Path) -> "Assignment":
        """Read `solutions/NN_name.ipynb`. Raises AssignmentError with every fault, or OSError."""
        path = Path(path)
        return cls.from_json(path.read_text(encoding="utf-8"), path.stem)

    @classmethod
    def from_json(cls, text: str, name: str = "assignment") -> "Assignment":
        """The same from the text of the file."""
        try:
            notebook = nbformat.reads(text, as_version=4)
        except Exception as problem:
            raise AssignmentError(f"{name} is not a notebook: {problem}") from problem
        faults = mark_faults(notebook.cells)
        made = None if faults else _assemble(notebook.cells, name)
        faults = faults or name_faults(notebook.cells, made)
        if faults:
            raise AssignmentError("\n".join(f"{name}: {fault}" for fault in faults))
        return made


def kind(cell: NotebookNode) -> str:
    """ "setup", "answer", "check", "question", "text", "free" or "unknown"."""
    marks = cell.metadata.get("nbgrader", {})
    if marks.get("task"):
        return "unknown"
    flags = bool(marks.get("grade")), bool(marks.get("solution"))
    if cell.cell_type == "code":
        unmarked = "setup" if marks.get("locked") else "free"
        return {(0, 0): unmarked, (0, 1): "answer", (1, 0): "check", (1, 1): "unknown"}[flags]
    return {(0, 0): "text", (1, 1): "question"}.get(flags, "unknown")


def grade_id(cell: NotebookNode) -> str:
    """The cell's nbgrader id, or ""."""
    return cell.metadata.get("nbgrader", {}).get("grade_id") or ""


def mark_faults(cells: list[NotebookNode]) -> list[str]:
    """What is wrong with the marks, each a sentence that names the cell and the way out."""
    faults, seen, answer, checked = [], set(), None, True
    for number, cell in enumerate(cells, start=1):
        label = f"cell {number} ({grade_id(cell) or cell.get('id', 'no id')})"
        role = kind(cell)
        faults += [f"{label} {fault}" for fault in _cell_faults(cell, role)]
        if grade_id(cell) and grade_id(cell) in seen:
            faults.append(f"{label} has a grade_id that is used before: give each cell its own")
        seen.add(grade_id(cell))
        if role == "check" and answer is None:
            faults.append(f"{label} checks, but no answer cell stands before it: move it down")
        if role == "answer":
            if not checked:
                faults.append(f"{answer} has no check: a check cell must follow each answer")
            answer, checked = label, False
        checked = checked or role == "check"
    if answer is None:
        faults.append("no cell is an answer: mark one with solution true and grade false")
    elif not checked:
        faults.append(f"{answer} has no check: a check cell must follow each answer")
    return faults


def name_faults(cells: list[NotebookNode], made: Assignment) -> list[str]:
    """Set-up that leans on answers, and cells that lean on code that is not there in grading."""
    answers = set(made.names)
    setup, free, checks = (
        set().union(*(_bound(cell) for cell in cells if kind(cell) == role))
        for role in ("setup", "free", "check")
    )
    faults = []
    for number, cell in enumerate(cells, start=1):
        role, label = kind(cell), f"cell {number} ({grade_id(cell)})"
        if role not in ("setup", "check", "answer"):
            continue
        used, own = used_names(cell.source), _bound(cell)
        if role == "setup":
            faults += [
                f"{label} is set-up and uses {name!r}, which an answer defines: all set-up runs "
                "before the answers, so rename one of them"
                for name in sorted((used | own) & answers)
            ]
        elsewhere = used - setup - answers - own
        faults += [
            f"{label} uses {name!r}, which only an unmarked cell defines: mark that cell as "
            "set-up (locked, grade false, solution false)"
            for name in sorted(elsewhere & free)
        ]
        faults += [
            f"{label} uses {name!r}, which only a check cell defines, and each check is run by "
            "itself: define it here, too, or in a set-up cell"
            for name in sorted(elsewhere & checks - free)
        ]
    return faults


def _bound(cell: NotebookNode) -> set[str]:
    return set(bound_names(cell.source, imports=True))


def split_check(source: str) -> tuple[str, str]:
    """The visible and the hidden part of a check cell, without the two marker lines."""
    lines = source.split("\n")
    if BEGIN_HIDDEN not in lines:
        return source, ""
    start, end = lines.index(BEGIN_HIDDEN), lines.index(END_HIDDEN)
    return "\n".join(lines[:start]).rstrip(), "\n".join(lines[start + 1 : end])


def _cell_faults(cell: NotebookNode, role: str) -> list[str]:
    """Faults of one cell by itself."""
    if role == "unknown":
        return ["has marks that mean nothing here: see the list in course_lib.grading.assignment"]
    faults = []
    if role not in ("text", "free") and not grade_id(cell):
        faults.append("has no grade_id: add one to its nbgrader metadata")
    if role in ("check", "question") and not _is_points(cell.metadata.nbgrader.get("points")):
        faults.append("has no points: add a number, 0 or more, to its nbgrader metadata")
    if cell.cell_type == "code":
        faults += _code_faults(cell.source, role)
    return faults


def _code_faults(source: str, role: str) -> list[str]:
    """Syntax, and the regions that nbgrader cuts out."""
    faults = _region_faults(source, "SOLUTION", role == "answer", 4)
    faults += _region_faults(source, "HIDDEN TESTS", role == "check", 1)
    if role == "answer" and BEGIN_SOLUTION not in source:
        faults.append(f"has no line {BEGIN_SOLUTION!r}: students would get it solved")
    if faults:
        return faults
    parts = split_check(source)
    if BEGIN_HIDDEN in source and source.split(END_HIDDEN)[1].strip():
        faults.append(f"goes on after {END_HIDDEN!r}: put the hidden part last")
    for part in parts:
        try:
            compile(part, role, "exec")
        except SyntaxError as problem:
            faults.append(f"is not plain Python ({problem.msg}, line {problem.lineno}); magics and "
                          "a hidden part inside a block cannot be graded")  # fmt: skip
    return faults


def _region_faults(source: str, name: str, allowed: bool, most: int) -> list[str]:
    """What is wrong with the lines `### BEGIN name` and `### END name` of a cell."""
    marks = [
        line for line in source.split("\n") if f"BEGIN {name}" in line or f"END {name}" in line
    ]
    if not marks:
        return []
    if not allowed:
        return [f"holds 'BEGIN {name}', which belongs into another kind of cell"]
    wanted = [f"### BEGIN {name}", f"### END {name}"] * (len(marks) // 2)
    if [mark.strip() for mark in marks] != wanted or len(marks) > 2 * most:
        return [f"opens or closes its {name} wrongly: write '### BEGIN {name}', then "
                f"'### END {name}', each on a line of its own, at most {most} of them"]  # fmt: skip
    if name == "HIDDEN TESTS" and any(mark != mark.strip() for mark in marks):
        return ["hides tests inside a block: put the hidden part at top level, without indent"]
    return []


def _is_points(value) -> bool:
    return type(value) in (int, float) and 0 <= value < 1000


def _assemble(cells: list[NotebookNode], name: str) -> Assignment:
    """Build the dataclasses from cells whose marks are right."""
    setups, tasks, questions, text = [], [], [], ""
    for cell in cells:
        role = kind(cell)
        if role == "text" and HEADING.search(cell.source):
            text = cell.source
        elif role == "setup":
            setups.append(Setup(grade_id(cell), cell.source))
        elif role == "answer":
            tasks.append((cell, text, []))
        elif role == "check":
            parts = split_check(cell.source)
            tasks[-1][2].append(Check(grade_id(cell), cell.metadata.nbgrader.points, *parts))
        elif role == "question":
            points = cell.metadata.nbgrader.points
            questions.append(Question(grade_id(cell), _title(text), points, cell.source))
    return Assignment(name, tuple(setups), tuple(_task(*task) for task in tasks), tuple(questions))


def _task(cell: NotebookNode, text: str, checks: list[Check]) -> Task:
    worth = WORTH.search(text)
    difficulty, points, minutes = worth.groups() if worth else ("", None, None)
    return Task(
        grade_id=grade_id(cell),
        title=_title(text),
        difficulty=difficulty,
        minutes=int(minutes) if minutes else None,
        announced=float(points) if points else None,
        answer=cell.source,
        names=tuple(name for name in bound_names(cell.source) if not name.startswith("_")),
        checks=tuple(checks),
    )


def _title(text: str) -> str:
    found = HEADING.search(text)
    return found.group(1) if found else ""
