"""A lecture's deck from its outline file in `slides/` (slides/README.md describes the form)."""

import re
from pathlib import Path

import yaml

from course_lib import facts

from . import render
from .automatic import code_blocks
from .deck import Deck, Slide
from .lessons import Cell, Lessons, MissingItem, NotRun

HEAD = {"title", "zh", "subtitle", "outline", "accent", "notes", "slides"}
SLIDE = {"title", "show", "code", "lines", "outputs", "rows", "text", "notes", "references"}
MOST_CODE_LINES = 12
TABLE_ROWS = 9


class OutlineError(ValueError):
    """Something in an outline file that cannot be built; the message names file and line."""


class _Numbered(yaml.SafeLoader):
    """YAML whose mappings remember their lines: {"__line__": 12, "__lines__": {key: line}}."""

    def construct_mapping(self, node, deep=False):
        mapping = super().construct_mapping(node, deep)
        mapping["__line__"] = node.start_mark.line + 1
        mapping["__lines__"] = {k.value: v.start_mark.line + 1 for k, v in node.value}
        return mapping


def read(path: Path) -> dict:
    """The file as a mapping with line numbers. OutlineError for what is not YAML or no outline."""
    try:
        outline = yaml.load(path.read_text(encoding="utf-8"), _Numbered)
    except yaml.YAMLError as error:
        raise OutlineError(f"{path.name}: {error}") from None
    _known(path, outline, HEAD)
    return outline


def build(path: Path, lessons: Lessons) -> Deck:
    """The deck of an outline; items that no lesson draws yet are in `deck.missing`."""
    outline = read(path)
    deck = Deck(path.stem, outline["title"], outline.get("accent", "bert"), [_title(outline)])
    chapter, section = "", ""
    for entry in outline["slides"]:
        if "chapter" in entry:
            chapter, section = entry, {}
            deck.slides.append(_chapter(entry))
        elif "section" in entry:
            section = entry
        else:
            _known(path, entry, SLIDE)
            _add(deck, path, entry, chapter, section, lessons)
    return deck


def _known(path, entry, keys):
    extra = set(entry) - keys - {"__line__", "__lines__"}
    if extra:
        raise OutlineError(
            f"{path.name}, line {entry['__line__']}: unknown {', '.join(sorted(extra))}; "
            f"there are {', '.join(sorted(keys))}"
        )


def _title(outline) -> Slide:
    blocks = [render.markdown(outline["subtitle"])] if outline.get("subtitle") else []
    return Slide(outline["title"], blocks, outline.get("notes", ""), outline.get("zh", ""),
                 kind="title")  # fmt: skip


def _chapter(entry) -> Slide:
    return Slide(entry["chapter"], notes=entry.get("notes", ""), kicker=entry.get("zh", ""),
                 kind="chapter")  # fmt: skip


def _add(deck, path, entry, chapter, section, lessons):
    """Append the slides of one entry, or note that its item is missing."""
    lines = entry["__lines__"]
    where = lambda key: f"{path.name}, line {lines.get(key, entry['__line__'])}"  # noqa: E731
    key = "code" if "code" in entry else "show"
    try:
        found = [c for ref in _references(entry.get(key)) for c in lessons.find(ref)]
    except MissingItem as missing:
        deck.missing.append(str(missing))
        return
    except LookupError as error:
        raise OutlineError(f"{where(key)}: {error.args[0]}") from None
    together = isinstance(entry.get(key), list) or not found
    for number, cells in enumerate([found] if together else [[cell] for cell in found], 1):
        try:
            pages = _pages(entry, key, cells)
        except NotRun as cell:
            deck.not_run.append(str(cell))
            continue
        except ValueError as error:
            raise OutlineError(f"{where(key)}: {error}") from None
        of = f" ({number} of {len(found)})" if not together and len(found) > 1 else ""
        for page, blocks in enumerate(pages):
            deck.slides.append(Slide(
                title=entry.get("title", "") + of + (" (continued)" if page else ""),
                blocks=blocks,
                notes=entry.get("notes", ""),
                kicker=" · ".join(filter(None, (_name(chapter, "chapter"),
                                                _name(section, "section")))),
                source=", ".join(f"lesson {c.lesson} · {c.id}" for c in cells),
                place=tuple(e.get("zh", "") for e in (chapter, section) if e),
                shows=tuple(cells),
            ))  # fmt: skip


def _references(value) -> list[str]:
    return value if isinstance(value, list) else [value] if value else []


def _name(entry, key) -> str:
    return entry[key] if entry else ""


def _pages(entry, key, cells: list[Cell]) -> list[list[str]]:
    """Blocks of one slide, or of several when a table is long."""
    text = [render.markdown(entry["text"])] if "text" in entry else []
    if "references" in entry:
        lines = [f"- {facts.cite(key)}" for key in entry["references"]]
        return [text + [render.markdown("\n".join(lines))]]
    if not cells:
        return [text]
    if key == "code":
        return [text + [_code(cell, entry.get("lines")) for cell in cells]]
    if all(cell.kind == "markdown" for cell in cells):
        return [text + [render.markdown(_body(cell, entry.get("lines"))) for cell in cells]]
    if any(is_code_figure(cell) for cell in cells):
        return _listing(text, cells)
    if waiting := [cell.address for cell in cells if cell.kind == "code" and not cell.ran]:
        raise NotRun(", ".join(waiting))
    shown = [b for c in cells for b in render.outputs(c, entry.get("outputs"), entry.get("rows"))]
    if "outputs" not in entry:
        shown = _main(shown)
    if not shown:
        raise ValueError(f"{cells[0].address} has no output to show: name it as code, not show")
    if len(shown) == 1 and "rows" not in entry:
        first, *more = render.pages_of_table(shown[0], TABLE_ROWS)
        return [text + [first], *([page] for page in more)]
    return [text + shown]


def _listing(text, cells) -> list[list[str]]:
    """A numbered listing: the tables that the cell made of it, or else its lines, by the dozen."""
    shown = [b for c in cells for b in render.outputs(c)]
    tables = [b for b in shown if "block table" in b]
    if tables:
        return [text + tables[:1], *([block] for block in tables[1:])]
    codes = [block for c in cells for block in code_blocks(c.source)]
    return [text + codes[:1], *([block] for block in codes[1:] + shown)]


def is_code_figure(cell: Cell) -> bool:
    """Does the cell stand for a numbered figure that is itself a listing?"""
    kinds = {item["tag"]: item["kind"] for item in facts.items()}
    return any(kinds.get(tag) == "code figure" for tag in cell.tags)


def _main(blocks: list[str]) -> list[str]:
    """Of several outputs the picture or table counts; claims' boxes and prints stay away."""
    first = [b for kind in ("picture", "view", "table") for b in blocks if f"block {kind}" in b]
    return first[:1] or blocks


def _code(cell: Cell, lines) -> str:
    count = len(cell.source.splitlines() if lines is None else
                render.numbers(lines, len(cell.source.splitlines())))  # fmt: skip
    if count > MOST_CODE_LINES:
        raise ValueError(
            f"{count} lines of {cell.address} on one slide, over the limit of {MOST_CODE_LINES}: "
            "name the ones to show, such as lines: 1-8, 12"
        )
    return render.code(cell.source, lines)


def _body(cell: Cell, lines) -> str:
    """A Markdown cell without its heading, or the named lines of it."""
    rows = cell.source.splitlines()
    if lines is not None:
        return "\n".join(rows[n - 1] for n in render.numbers(lines, len(rows)))
    return re.sub(r"^#+ .*\n*", "", cell.source)
