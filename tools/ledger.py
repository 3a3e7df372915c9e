"""The ledger: every claim of the lectures, its verdict, and the lessons' cells that settle it.

It is computed from `course_lib/facts/claims.csv` and the saved lessons: a cell settles claim 17 if
it carries the tag `claim:17`. `python -m tools.ledger` prints what is open and writes
`build/ledger.json`; `make site` shows it as a page.
"""

import json
import re
from collections import Counter
from dataclasses import asdict, dataclass
from html import unescape
from pathlib import Path
from typing import Annotated

import typer

from course_lib import facts
from tools.notebook_files import NOTEBOOKS, ROOT
from tools.slides.lessons import Cell, Lesson, read, text_of

BUILT = ROOT / "build" / "ledger.json"
TAG = re.compile(r"claim:(\d+)")
# How a claim is settled, the strongest first.
KINDS = {
    "computed": "a lesson says what its own cells, or its recorded runs, found",
    "shown": "a lesson's picture, table or check shows it",
    "published": "a lesson cites what is published",
    "open": "no lesson settles it yet",
}
BOX = re.compile(r"<div>Claim (\d+):.*?(?=<div>Claim \d+:|\Z)", re.S)
HERE = re.compile(r"<b>Here:</b>(.*?)</div>", re.S)


@dataclass(frozen=True)
class Settling:
    """One cell that settles a claim. `here`: what it says that the lesson found."""

    lesson: str  # "05"
    cell: str  # the cell's id
    notebook: str  # "05_bert"
    kind: str  # a key of KINDS
    here: str


@dataclass(frozen=True)
class Entry:
    """One claim of the ledger."""

    number: int
    group: str
    claim: str
    source: str
    verdict: str
    verdict_text: str
    evidence: str
    kind: str
    cells: tuple[Settling, ...]


def entries(folder: Path = NOTEBOOKS) -> list[Entry]:
    """All claims in order, with the cells of the lessons in `folder`."""
    lessons = [read(path) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))]
    found: dict[int, list[Settling]] = {}
    for lesson in lessons:
        for cell in lesson.cells:
            for tag in filter(None, map(TAG.fullmatch, cell.tags)):
                found.setdefault(int(tag[1]), []).append(settling(lesson, cell, int(tag[1])))
    return [entry(row, tuple(found.get(row["number"], ()))) for row in facts.claims()]


def entry(row: dict, cells: tuple[Settling, ...]) -> Entry:
    """A row of claims.csv with its cells; the strongest of them says how it is settled."""
    kinds = {cell.kind for cell in cells}
    kind = next(kind for kind in KINDS if kind in kinds or kind == "open")
    return Entry(**row, kind=kind, cells=cells)


def settling(lesson: Lesson, cell: Cell, number: int) -> Settling:
    """What one tagged cell contributes, by its saved outputs."""
    html = "".join(text_of(o.get("data", {}).get("text/html", "")) for o in cell.outputs)
    boxes = {int(box[1]): box[0] for box in BOX.finditer(html)}
    said = HERE.search(boxes.get(number, ""))
    here = unescape(said[1]).strip() if said else ""
    kind = "computed" if here else "published" if number in boxes else "shown"
    if cell.kind == "code" and not cell.ran:
        kind = "open"  # saved before it was run
    return Settling(lesson.number, cell.id, lesson.path.stem, kind, here)


def counts(ledger: list[Entry]) -> dict[str, Counter]:
    """For each verdict, how many claims are settled in which way."""
    table = {verdict: Counter() for verdict in facts.VERDICT_COLORS}
    for claim in ledger:
        table[claim.verdict][claim.kind] += 1
    return table


def write(ledger: list[Entry], path: Path) -> Path:
    """The ledger as JSON: a list of claims, each with its cells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [asdict(claim) for claim in ledger]
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path


def main(out: Annotated[Path, typer.Option(help="The file to write.")] = BUILT):
    """Write the ledger and list what is open."""
    ledger = entries()
    print(f"{write(ledger, out)}: {len(ledger)} claims")
    for verdict, kinds in counts(ledger).items():
        listed = ", ".join(f"{kinds[kind]} {kind}" for kind in KINDS if kinds[kind])
        print(f"  {verdict:10} {kinds.total():4}  {listed}")
    waiting = [str(claim.number) for claim in ledger if claim.kind == "open"]
    print(f"open: {', '.join(waiting) or 'none'}")


if __name__ == "__main__":
    typer.run(main)
