"""The saved lessons, and their cells by address (`05:fig-sizes`) or tag (`fig:000-F1`)."""

import difflib
import json
from dataclasses import dataclass
from pathlib import Path

from course_lib import facts
from tools.notebook_files import NOTEBOOKS


class MissingItem(Exception):
    """A numbered figure or table that no lesson draws yet, or a cell of a lesson to come."""


class NotRun(Exception):
    """A cell whose output is wanted, in a notebook that was saved before the cell was run."""


@dataclass(frozen=True)
class Cell:
    """One cell of one lesson."""

    lesson: str  # "05"
    id: str
    kind: str  # "code", "markdown"
    source: str
    outputs: tuple
    tags: tuple
    slide: str  # the type in the slideshow metadata, "" for none
    ran: bool  # was it run before the notebook was saved?

    @property
    def address(self) -> str:
        return f"{self.lesson}:{self.id}"


@dataclass(frozen=True)
class Lesson:
    number: str
    path: Path
    cells: tuple

    @property
    def title(self) -> str:
        return self.cells[0].source.splitlines()[0].lstrip("# ").strip()


def text_of(value) -> str:
    """A notebook keeps text as one string or as a list of lines."""
    return value if isinstance(value, str) else "".join(value)


def read(path: Path) -> Lesson:
    """One saved notebook; its number is the first two characters of its name."""
    number = path.name[:2]
    cells = [
        Cell(
            lesson=number,
            id=raw["id"],
            kind=raw["cell_type"],
            source=text_of(raw["source"]),
            outputs=tuple(raw.get("outputs", ())),
            tags=tuple(raw["metadata"].get("tags", ())),
            slide=raw["metadata"].get("slideshow", {}).get("slide_type", ""),
            ran=raw.get("execution_count") is not None or bool(raw.get("outputs")),
        )
        for raw in json.loads(path.read_text(encoding="utf-8"))["cells"]
    ]
    return Lesson(number, path, tuple(cells))


class Lessons:
    """All lessons of a folder, and where to find their cells."""

    def __init__(self, folder: Path = NOTEBOOKS):
        self.all = [read(path) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))]
        cells = [cell for lesson in self.all for cell in lesson.cells]
        self.by_address = {cell.address: cell for cell in cells}
        self.by_tag: dict[str, list[Cell]] = {}
        for cell in cells:
            for tag in cell.tags:
                self.by_tag.setdefault(tag, []).append(cell)
        self.items = {item["tag"]: item for item in facts.items()}

    def find(self, reference: str) -> list[Cell]:
        """The cells of an address (one) or a tag (one or more, in order).

        Raises MissingItem for a numbered item that no lesson draws yet and for a cell of a lesson
        that is not written yet, and LookupError, which names the nearest addresses, for everything
        else that is not there.
        """
        if reference in self.by_address:
            return [self.by_address[reference]]
        if reference in self.by_tag:
            return self.by_tag[reference]
        number = reference.partition(":")[0]
        unwritten = number.isdigit() and number not in {lesson.number for lesson in self.all}
        if reference in self.items or unwritten:
            raise MissingItem(reference)
        raise LookupError(f"no cell {reference!r}; {self.nearest(reference)}")

    def nearest(self, reference: str) -> str:
        """What the writer may have meant, best first."""
        lesson = reference.split(":")[0]
        known = [*self.by_address, *self.by_tag]
        near = [a for a in known if a.startswith(f"{lesson}:")] or known
        close = difflib.get_close_matches(reference, near, n=4, cutoff=0.4)
        close = close or difflib.get_close_matches(reference, known, n=4, cutoff=0.3)
        return f"the nearest are {', '.join(close)}" if close else "write it as 05:fig-sizes"
