"""A submission, read as hostile data.

Whatever a file holds, reading it ends soon, uses little memory, runs nothing, and gives a
`Submission`: the student's own code cells in their order, or one sentence on what is wrong and
how to hand in again. What the file says about itself counts for one thing only: which of the
exercise's answers a cell is meant to be. Points, locks, tags, outputs, kernel and checks are the
teacher's, and come from the teacher's notebook (`assignment`).
"""

import json
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from course_lib.grading.assignment import Assignment
from course_lib.grading.finding import Found
from course_lib.grading.results import AnswerCell, Submission

MAX_BYTES = 20 * 2**20
MAX_PARTS = 2_000_000  # lists and dictionaries: each takes far more memory than file
MAX_CELLS = 2000
MAX_CODE = 2**20  # characters, in all code cells together
AGAIN = "Open it in Jupyter, save it, and hand in the saved .ipynb file."


class Unreadable(ValueError):
    """The submission cannot be graded; the message is for the student."""


@dataclass(frozen=True)
class Exercise:
    """What must be known of the teacher's notebook to read a submission."""

    name: str  # "02_attention"
    answers: dict[str, frozenset[str]]  # grade_id of an answer -> names that it defines
    others: frozenset[str] = frozenset()  # grade_ids of all other cells: set-up, checks, texts
    checks: frozenset[str] = frozenset()  # those of checks
    cell_ids: dict[str, str] = field(default_factory=dict)  # a cell's id in the file -> grade_id
    locked_code: frozenset[str] = frozenset()  # sources of those others, without blanks

    @classmethod
    def from_json(cls, text: str, name: str) -> "Exercise":
        """From the teacher's notebook, which is trusted. Raises AssignmentError."""
        assignment = Assignment.from_json(text, name)
        cells = [raw_cell(cell) for cell in find_cells(json.loads(text))]
        marked = [cell for cell in cells if cell.grade_id]
        answers = {task.grade_id: frozenset(task.names) for task in assignment.tasks}
        checks = [check for task in assignment.tasks for check in task.checks]
        locked = [setup.source for setup in assignment.setups]
        locked += [part for check in checks for part in (check.visible, check.source)]
        return cls(
            name=name,
            answers=answers,
            others=frozenset(cell.grade_id for cell in marked) - answers.keys(),
            checks=frozenset(check.grade_id for check in checks),
            cell_ids={cell.cell_id: cell.grade_id for cell in marked if cell.cell_id},
            locked_code=frozenset(map(without_blanks, locked)),
        )


@dataclass(frozen=True)
class RawCell:
    """A cell of the submission after the types have been seen to; all of it is hearsay."""

    kind: str
    source: str
    grade_id: str | None
    cell_id: str | None


def read(found: Found, exercise: Exercise) -> tuple[bytes, Submission]:
    """The bytes of a submission, and what is in them. Never raises on what a student did."""
    raw = b""
    try:
        if found.problem:
            raise Unreadable(found.problem)
        raw = read_bytes(found.root, found.parts)
        return raw, Submission(found.student, parse(raw, exercise))
    except Unreadable as problem:
        return raw, Submission(found.student, problem=str(problem))


def parse(raw: bytes, exercise: Exercise) -> list[AnswerCell]:
    """The student's code cells in the file's order. Raises Unreadable."""
    cells = [raw_cell(cell) for cell in find_cells(load(decode(raw)))]
    check_amount(cells, exercise)
    kept = student_cells(cells, exercise)
    if not any(cell.grade_id in exercise.answers for cell in kept):
        raise Unreadable(
            f"None of the answers of {exercise.name} is in this notebook. Hand in "
            f"{exercise.name}.ipynb, with your answers in the cells that are there for them."
        )
    return kept


def check_amount(cells: list[RawCell], exercise: Exercise) -> None:
    """Refuse more code than people write; text and pictures do not count."""
    code = [cell for cell in cells if cell.kind == "code" or cell.grade_id in exercise.answers]
    if (size := sum(len(cell.source) for cell in code)) > MAX_CODE:
        raise Unreadable(
            f"The code cells hold {size:,} characters; {MAX_CODE:,} are allowed. Remove data that "
            "was pasted into code, and hand in again."
        )


# -- from a file to text -------------------------------------------------------------------------


def read_bytes(root: Path, parts: tuple[str, ...]) -> bytes:
    """The contents of an ordinary file below `root`; no part of the way may be a link."""
    try:
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return read_below(folder, parts)
        finally:
            os.close(folder)
    except OSError as error:
        raise Unreadable(f"The file cannot be read: {error.strerror}. Hand it in again.") from None


def read_below(folder: int, parts: tuple[str, ...]) -> bytes:
    """Walk from an open folder, by what lies there and not by what a name may have become."""
    first, *rest = parts
    if rest:
        inner = os.open(first, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
        try:
            return read_below(inner, tuple(rest))
        finally:
            os.close(inner)
    kind = os.stat(first, dir_fd=folder, follow_symlinks=False).st_mode
    if stat.S_ISLNK(kind):
        raise Unreadable("This is a link to a file. Hand in the notebook itself.")
    if not stat.S_ISREG(kind):  # opening a pipe or a device would block, or act
        raise Unreadable("This is not an ordinary file. Hand in one .ipynb file.")
    file = os.open(first, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    with os.fdopen(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise Unreadable("This is not an ordinary file. Hand in one .ipynb file.")
        return checked_size(opened.read(MAX_BYTES + 1))


def checked_size(raw: bytes) -> bytes:
    """Refuse what is too large, or empty."""
    if len(raw) > MAX_BYTES:
        raise Unreadable(
            f"The file is larger than {MAX_BYTES >> 20} MB. Clear the outputs (Kernel, Restart "
            "Kernel and Clear Outputs), save, and hand in again."
        )
    if not raw.strip(b"\0 \r\n\t"):
        raise Unreadable(f"The file is empty. {AGAIN}")
    return raw


def decode(raw: bytes) -> str:
    """Text in UTF-8, in UTF-16 with its mark, or else in Latin-1, which fits any bytes."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


# -- from text to cells --------------------------------------------------------------------------


def load(text: str) -> dict:
    """The notebook as a dictionary. Of a key given twice the last value counts, as in Jupyter."""
    text = text.replace("\0", "")
    if text.count("[") + text.count("{") > MAX_PARTS:
        raise Unreadable(f"The file has far too many parts to be a notebook. {AGAIN}")
    try:
        notebook = json.loads(text, strict=False)
    except RecursionError:
        raise Unreadable(f"The file is nested too deeply to be a notebook. {AGAIN}") from None
    except ValueError as error:
        raise Unreadable(f"{what_else(text, error)} {AGAIN}") from None
    if not isinstance(notebook, dict):
        raise Unreadable(f"This is not a notebook, though it is JSON. {AGAIN}")
    return notebook


def what_else(text: str, error: ValueError) -> str:
    """What a file that is no JSON seems to be."""
    start = text.lstrip()[:200].lower()
    if start.startswith(("<!doctype", "<html")):
        return "This is a web page, not a notebook: a download that went wrong."
    if start.startswith("pk\x03\x04"):
        return "This is a ZIP archive, not a notebook."
    if start.startswith("%pdf"):
        return "This is a PDF, not a notebook."
    if re.search(r"^(<{7}|={7}|>{7})", text, re.MULTILINE):
        return "The file holds conflict marks of git (<<<<<<<), so it is no notebook any more."
    if not start.startswith("{"):
        return "This is not a notebook."
    if not text.rstrip().endswith("}"):
        return "The file ends in the middle: it was not saved or not uploaded in whole."
    line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
    return f"The file is damaged: it is no valid JSON{line}."


def find_cells(notebook: dict) -> list:
    """The list of cells; nbformat 3 and older keep them in worksheets."""
    cells = notebook.get("cells")
    if cells is None and isinstance(sheets := notebook.get("worksheets"), list):
        parts = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
        cells = [cell for part in parts if isinstance(part, list) for cell in part]
    if not isinstance(cells, list):
        raise Unreadable(f"There are no cells in this file. {AGAIN}")
    if len(cells) > MAX_CELLS:
        raise Unreadable(
            f"The notebook has {len(cells):,} cells; {MAX_CELLS:,} are allowed. Remove those that "
            "are not needed, and hand in again."
        )
    return cells


def raw_cell(cell: Any) -> RawCell:
    """A cell, with everything that has the wrong type taken as missing."""
    cell = cell if isinstance(cell, dict) else {}
    metadata = cell.get("metadata")
    nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
    return RawCell(
        kind=text_or(cell.get("cell_type"), ""),
        source=clean_source(cell.get("source", cell.get("input"))),
        grade_id=text_or(grade_id, None),
        cell_id=text_or(cell.get("id"), None),
    )


def text_or(value: Any, otherwise: str | None) -> str | None:
    return value if isinstance(value, str) else otherwise


def clean_source(source: Any) -> str:
    """Source as one text that every Python can take: no NUL, no lone surrogate, line ends \\n."""
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    if not isinstance(source, str):
        return ""
    source = source.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    return re.sub("[\ud800-\udfff]", "\ufffd", source)


# -- which cells count ---------------------------------------------------------------------------


def student_cells(cells: list[RawCell], exercise: Exercise) -> list[AnswerCell]:
    """Answers (of any cell type) and free code cells; the teacher's own cells are left out.

    Of a check only its place is kept, with no source: what the student wrote below it did not
    run before it (`session.order_of_checks`).
    """
    recovered = recover(cells, exercise)
    kept = []
    for position, cell in enumerate(cells):
        grade_id = recovered.get(position, cell.grade_id)
        if grade_id in exercise.answers:
            kept.append(AnswerCell(grade_id, cell.source))
        elif grade_id in exercise.checks:
            kept.append(AnswerCell(grade_id, ""))
        elif cell.kind == "code" and not is_the_teachers(cell, exercise):
            kept.append(AnswerCell(None, cell.source))
    return [cell for cell in kept if cell.grade_id or cell.source.strip()]


def is_the_teachers(cell: RawCell, exercise: Exercise) -> bool:
    """A set-up or check cell, by its grade_id or, where that was lost, by its text."""
    return cell.grade_id in exercise.others or without_blanks(cell.source) in exercise.locked_code


def recover(cells: list[RawCell], exercise: Exercise) -> dict[int, str]:
    """Answers whose nbgrader metadata a tool has stripped: {position: grade_id}.

    A cell is taken for a missing answer if it has that answer's cell id, or else if it is the
    only free code cell that defines one of the answer's names. Where several do, nothing is
    guessed: they stay free cells, which run in their order, so that the last definition counts.
    """
    missing = exercise.answers.keys() - {cell.grade_id for cell in cells}
    free = [i for i, cell in enumerate(cells) if is_free(cell, exercise)]
    by_id = {i: exercise.cell_ids.get(cells[i].cell_id) for i in free}
    recovered = {i: grade_id for i, grade_id in by_id.items() if grade_id in missing}
    names_of = {
        i: defined_names(cells[i].source)
        for i in free
        if i not in recovered and cells[i].kind == "code"
    }
    for grade_id in sorted(missing - set(recovered.values())):
        defining = [i for i, names in names_of.items() if names & exercise.answers[grade_id]]
        if len(defining) == 1 and defining[0] not in recovered:
            recovered[defining[0]] = grade_id
    return recovered


def is_free(cell: RawCell, exercise: Exercise) -> bool:
    known = cell.grade_id in exercise.answers or is_the_teachers(cell, exercise)
    return not known and bool(cell.source.strip())


def defined_names(source: str) -> set[str]:
    """Names that a cell sets at its top level, found even where it does not parse."""
    functions = re.findall(r"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", source, re.MULTILINE)
    variables = re.findall(r"^(\w+)[ \t]*(?::[^=\n]*)?=(?!=)", source, re.MULTILINE)
    return {*functions, *variables}


def without_blanks(source: str) -> str:
    return "".join(source.split())
