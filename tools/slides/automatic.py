"""A lesson's own deck: its cells in order, cut into slides by the `slideshow` metadata.

`slide` and `subslide` start a slide, `fragment` and unmarked cells go on with it, `skip` is left
out, `notes` is for the speaker. A slide that would hold more than one thought becomes several:
texts are cut between paragraphs, code after a dozen lines, each picture and table stands alone,
and the answer to a prediction comes on the slide after its question.
"""

import re

from . import render
from .deck import Deck, Slide
from .lessons import Cell, Lesson

ACCENTS = {"08": "roberta", "09": "albert", "10": "electra"}
TEXT_LINES = 11  # of a slide, at the size of the theme
LINE_LETTERS = 78
CODE_LINES = 12
PLAIN_LINES = 12
TABLE_ROWS = 8
DETAILS = re.compile(r"<details[^>]*>\s*(?:<summary>(.*?)</summary>)?(.*?)</details>", re.S)
SIGNPOSTS = ("**Exercise", "**Practice", "**Next")  # links to other notebooks
DRAWINGS = ("fig-", "tab-", "claim")
HEADING = re.compile(r"^(#{1,4}) +(.*?)\s*\n*(?=\n|$)")


def build(lesson: Lesson) -> Deck:
    """The deck of one lesson."""
    deck = Deck(lesson.path.stem, lesson.title, ACCENTS.get(lesson.number, "bert"), [])
    section = ""
    for cell in lesson.cells:
        if cell.slide == "notes":  # stands after the cell that opens its slide
            deck.slides[-1].notes = f"{deck.slides[-1].notes}\n\n{cell.source}".strip()
        elif cell.slide != "skip":
            slides, section = _slides(cell, section)
            deck.slides += slides
    return deck


def _slides(cell: Cell, section: str) -> tuple[list[Slide], str]:
    """The slides of a cell, and the section that holds from now on."""
    if cell.kind == "code":
        slides = _code(cell)
    elif cell.id == "title":
        return _opening(cell), section
    else:
        slides, section = _text(cell, section)
    for slide in slides:
        slide.source = slide.source or f"lesson {cell.lesson} · {cell.id}"
        slide.shows = (cell,)
        slide.kicker = "" if slide.title == section else section
    return slides, section


def _opening(cell: Cell) -> list[Slide]:
    """Title and question on the first slide, the goals on the second."""
    heading, *rest = paragraphs(cell.source)
    first = Slide(heading.lstrip("# "), [render.markdown(rest[0])] if rest else [], kind="title")
    pages = pack(rest[1:])
    return [first] + [Slide("In this lesson", [render.markdown(p)]) for p in pages]


def _text(cell: Cell, section: str) -> tuple[list[Slide], str]:
    """A Markdown cell: every heading opens a slide, every answer gets its own."""
    slides, title = [], ""
    for part in re.split(r"(?m)^(?=#{1,4} )", cell.source):
        heading = HEADING.match(part)
        if heading:
            title, part = heading[2], part[heading.end() :]
            if len(heading[1]) == 2:
                section = title
        for kind, text in _answers(part):
            pages = pack([p for p in paragraphs(text) if not p.startswith(SIGNPOSTS)])
            for page in pages:
                slides.append(Slide(kind or title, [render.markdown(page)]))
                title = title if kind else ""
        if heading and not part.strip():
            slides.append(Slide(title, kind="chapter"))
    return slides, section


def _answers(text: str):
    """("", text) and ("Answer", text) in turn: folded parts go to a slide of their own."""
    at = 0
    for match in DETAILS.finditer(text):
        yield "", text[at : match.start()]
        yield (re.sub("<[^>]*>", "", match[1] or "") or "Answer"), match[2]
        at = match.end()
    yield "", text[at:]


def paragraphs(text: str) -> list[str]:
    """A Markdown text cut at its blank lines, with fences, formulas and lists kept whole."""
    parts, open_fence = [], False
    for part in re.split(r"\n\s*\n", text.strip("\n")):
        if not part.strip():
            continue
        last = parts[-1] if parts else "#"
        unended = len(last) < LINE_LETTERS and last[-1].isalpha() and last[0] != "#"
        if parts and (open_fence or unended or part.startswith((" ", "\t"))):
            parts[-1] += f"\n\n{part}"
        else:
            parts.append(part)
        if (part.count("```") + part.count("$$")) % 2:
            open_fence = not open_fence
    return [piece for part in parts for piece in _halves(part)]


def _halves(part: str) -> list[str]:
    """A long list or table as several that fit a slide."""
    rows = part.split("\n")
    if lines_of(part) <= TEXT_LINES:
        return [part]
    if rows[0].startswith("|") and len(rows) > 3:
        head, body = rows[:2], rows[2:]
        pages = pack_rows(body, TEXT_LINES - 3)
        return ["\n".join([*head, *page]) for page in pages]
    entries = re.split(r"\n(?=(?:[-*]|\d+\.) )", part)
    if len(entries) > 1:
        return ["\n".join(page) for page in pack_rows(entries, TEXT_LINES - 1)]
    return [part]


def pack_rows(rows: list[str], limit: float) -> list[list[str]]:
    """Rows in as few pages as possible, evenly filled."""
    total = sum(map(lines_of, rows))
    size = total / -(-total // limit) + 1
    pages, used = [[]], 0.0
    for row in rows:
        if pages[-1] and used + lines_of(row) > size:
            pages.append([])
            used = 0.0
        pages[-1].append(row)
        used += lines_of(row)
    return pages


def lines_of(text: str) -> float:
    """About how many lines of a slide a Markdown text takes."""
    if text.startswith("|"):
        rows = [row for row in text.split("\n") if not re.fullmatch(r"[|\s:-]+", row)]
        return sum(_row_lines(row) for row in rows)
    if text.startswith("```"):
        return len(text.split("\n")) - 1
    if text.startswith("$$"):
        return 2.5
    entries = re.split(r"\n(?=(?:[-*]|\d+\.) )", text)
    return sum(-(-len(" ".join(e.split())) // LINE_LETTERS) for e in entries) + 0.5


def _row_lines(row: str) -> float:
    """Height of a table row: its longest cell over an equal share of the width."""
    cells = row.strip("|").split("|")
    share = LINE_LETTERS * 1.1 / len(cells)
    return max(-(-len(cell.strip()) // share) for cell in cells) + 0.4


def pack(parts: list[str]) -> list[str]:
    """Paragraphs together as long as they fit; a prediction starts a slide of its own."""
    pages, used = [], 0.0
    for part in parts:
        height = lines_of(part)
        if not pages or used + height > TEXT_LINES or part.startswith("**Predict"):
            pages.append(part)
            used = height
        else:
            pages[-1] += f"\n\n{part}"
            used += height
    return pages


def _code(cell: Cell) -> list[Slide]:
    """Code in pages of a dozen lines, what it printed below it or after it, pictures alone.

    The lines that only draw a picture or fill a table are left to the notebook.
    """
    blocks = render.outputs(cell)
    shown = any(tag.startswith("lib:") for tag in cell.tags)  # a definition that is taught
    drawing = blocks and cell.id.startswith(DRAWINGS) and not shown
    pages = [] if drawing else [Slide("", [block]) for block in code_blocks(cell.source)]
    if drawing and any("block plain" not in block for block in blocks):
        blocks = [block for block in blocks if "block plain" not in block]
    for block in blocks:
        lines = block.count("\n") + 1
        room = CODE_LINES - pages[-1].blocks[0].count("\n") - 1 if pages else 0
        if "block plain" in block and pages and len(pages[-1].blocks) == 1 and lines < room:
            shown = block.replace('class="block plain"', 'class="block plain fragment"')
            pages[-1].blocks.append(shown)
        elif "block plain" in block:
            pages += [Slide("", [page]) for page in _plain_pages(block)]
        else:
            pages += [Slide("", [page]) for page in render.pages_of_table(block, TABLE_ROWS)]
    return pages


def code_blocks(source: str) -> list[str]:
    """Code in pages of at most a dozen lines, cut at a blank line where one is near."""
    rows = source.rstrip().split("\n")
    pages, first = [], 0
    while first < len(rows):
        left = len(rows) - first
        even = -(-left // -(-left // CODE_LINES))
        near = range(max(4, even - 4), min(CODE_LINES, left - 1) + 1)
        blank = [n for n in near if not rows[first + n].strip()]
        size = min(blank, key=lambda n: abs(n - even)) if blank and left > CODE_LINES else even
        pages.append(render.code(source, f"{first + 1}-{first + size}", dots=False))
        first += size
        while first < len(rows) and not rows[first].strip():
            first += 1
    return pages


def _plain_pages(block: str) -> list[str]:
    """A long print in several blocks."""
    start, _, rest = block.partition("<pre")
    opening, _, text = rest.partition(">")
    rows = text.removesuffix("</pre></div>").split("\n")
    parts = -(-len(rows) // PLAIN_LINES)
    size = -(-len(rows) // parts)
    texts = ["\n".join(rows[at : at + size]) for at in range(0, len(rows), size)]
    return [f"{start}<pre{opening}>{text}</pre></div>" for text in texts]
