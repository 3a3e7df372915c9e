"""The text of the site, laid out as in the project, so that links between files hold.

Lessons and exercises are copied as they were saved; README.md is cut into pages by its headings;
the front page, the ledger, the glossary and the list of decks are made here.
"""

import re
import shutil
from dataclasses import dataclass
from html import escape
from pathlib import Path

import nbformat

from course_lib import facts
from tools import ledger
from tools.notebook_files import ROOT
from tools.slides.deck import Deck

TITLE = "The BERT family, from scratch"
GUIDES = {  # file of the project: where the site has it
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "slides/README.md": "slides/presenting.md",
    "solutions/README.md": "solutions/README.md",
    "solutions/GRADING.md": "solutions/GRADING.md",
}
VERDICTS = {name: name for name in facts.VERDICT_COLORS} | {"unverified": "not verified"}
REST = re.compile(r"^## ", re.M)
LESSON_ROW = re.compile(r"^\| (\d\d) \| (.*?) \| (.*?) \|$", re.M)


@dataclass(frozen=True)
class Lesson:
    """A lesson as README.md lists it, and the files that there are."""

    number: str
    title: str
    question: str
    stem: str
    exercise: bool


def stage(folder: Path, decks: list[Deck], root: Path = ROOT) -> list[ledger.Entry]:
    """Write all sources of the site into `folder`, which is emptied first; give the ledger."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("notebooks", "exercises", "slides", "solutions"):
        (folder / name).mkdir(parents=True)
    copy_notebooks(folder, root)
    for source, target in GUIDES.items():
        text = (root / source).read_text("utf-8")
        (folder / target).write_text(moved(text, source), encoding="utf-8")
    shutil.copy(root / "LICENSE", folder / "LICENSE")
    for picture in (root / "notebooks").glob("*.png"):
        shutil.copy(picture, folder / "notebooks" / picture.name)
    readme = sections((root / "README.md").read_text("utf-8"))
    claims = ledger.entries(root / "notebooks")
    pages = {
        **guide_pages(readme),
        "index.md": front_page(readme, lessons(readme, root), exercises(root)),
        "slides/index.md": decks_page(decks),
        "ledger.md": ledger_page(claims),
        "glossary.md": glossary_page(),
    }
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    return claims


def copy_notebooks(folder: Path, root: Path) -> None:
    """Lessons and exercises; of the solutions nothing."""
    for kind in ("notebooks", "exercises"):
        for path in sorted((root / kind).glob("[0-9][0-9]_*.ipynb")):
            notebook = nbformat.read(path, as_version=4)
            notebook.cells.insert(1, at_work(kind, path))
            for cell in notebook.cells:
                mark(cell)
            nbformat.write(notebook, folder / kind / path.name)


def at_work(kind: str, path: Path):
    """Under the title: where the page can be run, and its slides."""
    text = f"Read it here, run it in JupyterLab: `make lab`, then `{kind}/{path.name}`."
    if kind == "notebooks":
        text += f' In class: <a href="../slides/{path.stem}.html">its slides</a>.'
    return nbformat.v4.new_markdown_cell(f"> {text}", id="site-note")


def mark(cell) -> None:
    """Give texts their address here; the code cells get it as the page is built."""
    if cell.cell_type == "markdown" and cell.id not in ("title", "site-note"):
        cell.source = f'<span class="cell" id="cell-{cell.id}"></span>\n\n{cell.source}'


def moved(text: str, source: str) -> str:
    """Links to files that have another place, or none, on the site."""
    text = text.replace("(slides/README.md)", "(slides/presenting.md)")
    if source == "slides/README.md":
        text = text.replace("# Slides\n", "# Presenting\n", 1)
    return text


def sections(text: str) -> dict[str, str]:
    """A Markdown file by its headings of the second level; what stands before them is ""."""
    first, *rest = REST.split(text)
    found = {"": first.partition("\n")[2].strip()}
    for part in rest:
        heading, _, body = part.partition("\n")
        found[heading.strip()] = moved(body.strip(), "README.md")
    return found


def raised(text: str) -> str:
    """The same text with headings one level higher, code left alone."""
    parts = re.split(r"(^```.*?^```$)", text, flags=re.M | re.S)
    return "".join(
        part if part.startswith("```") else re.sub(r"^#(#+ )", r"\1", part, flags=re.M)
        for part in parts
    )


def guide_pages(readme: dict[str, str]) -> dict[str, str]:
    """README.md as pages: to start, to teach, to grade, about."""
    _, _, running = readme["Lessons"].partition("\n### ")
    pages = {
        "start.md": f"# Start\n\n{raised(readme['Start'])}\n\n## {raised(running)}\n\n"
        f"## For students\n\n{readme['For students']}\n",
        "instructors.md": f"# For instructors\n\n{raised(readme['For instructors'])}\n",
        "graders.md": f"# For graders\n\n{raised(readme['For graders'])}\n",
        "about.md": f"# About\n\n## Layout\n\n{readme['Layout']}\n\n"
        f"## License\n\n{readme['License']}\n",
    }
    return pages


def lessons(readme: dict[str, str], root: Path) -> list[Lesson]:
    """All lessons in order, with title and question from README.md's table."""
    rows = {number: rest for number, *rest in LESSON_ROW.findall(readme["Lessons"])}
    found = []
    for path in sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        number = path.name[:2]
        title, question = rows.get(number, (path.stem[3:].replace("_", " ").capitalize(), ""))
        exercise = (root / "exercises" / path.name).exists()
        found.append(Lesson(number, title, question, path.stem, exercise))
    return found


def exercises(root: Path) -> list[str]:
    """All exercises, also those whose lesson is not there yet."""
    return [f"exercises/{p.stem}" for p in sorted((root / "exercises").glob("[0-9][0-9]_*.ipynb"))]


def front_page(readme: dict[str, str], every: list[Lesson], practice: list[str]) -> str:
    """What the course is, and the way to each part of it."""
    rows = []
    for lesson in every:
        exercise = f"[exercise](exercises/{lesson.stem}.ipynb)" if lesson.exercise else ""
        deck = f'<a class="deck" href="slides/{lesson.stem}.html">slides</a>'
        link = f"[{lesson.title}](notebooks/{lesson.stem}.ipynb)"
        rows.append(f"| {lesson.number} | {link} | {lesson.question} | {exercise} | {deck} |")
    table = "\n".join(["| | lesson | answers | | |", "|---|---|---|---|---|", *rows])
    trees = [
        tree("Begin", ["start"]),
        tree("Lessons", [f"notebooks/{lesson.stem}" for lesson in every]),
        tree("Exercises", practice),
        tree("Look up", ["ledger", "glossary"]),
        tree("Teach", ["slides/index", "slides/presenting", "instructors", "solutions/README",
                       "graders", "solutions/GRADING", "CONTRIBUTING", "about"]),
    ]  # fmt: skip
    return "\n\n".join([f"# {TITLE}", readme[""], "## Lessons", table, *trees]) + "\n"


def tree(caption: str, pages: list[str]) -> str:
    """A part of the table of contents, not shown in the page itself."""
    listed = "\n".join(pages)
    return f":::{{toctree}}\n:hidden:\n:caption: {caption}\n\n{listed}\n:::"


def decks_page(decks: list[Deck]) -> str:
    """All decks with their links; they stand beside the page as single files."""
    rows = [
        f'<tr><td><a class="deck" href="{deck.name}.html">{escape(deck.title)}</a></td>'
        f'<td style="white-space:nowrap">{len(deck.slides)} slides</td></tr>'
        for deck in decks
    ]
    lectures = len([deck for deck in decks if not deck.name[0].isdigit()])
    return (
        "# Slides\n\nEach deck is one file that needs no network. It opens with the slides alone; "
        "`Esc` shows all of them, `s` the speaker's view. How to use them in class: "
        "[Presenting](presenting.md).\n\n## Lectures\n\n"
        f'<table class="table">{"".join(rows[:lectures])}</table>\n\n## Lessons\n\n'
        f'<table class="table">{"".join(rows[lectures:])}</table>\n'
    )


def glossary_page() -> str:
    """English and Chinese terms, by subject."""
    rows = facts.glossary()
    text = [
        "# Glossary\n\nThe terms of the course, with the usual Chinese ones. A lesson explains a "
        "term where it first needs it."
    ]
    for category in dict.fromkeys(row["category"] for row in rows):
        text.append(f"## {category.capitalize()}")
        lines = ["| term | short | 中文 | also | note |", "|---|---|---|---|---|"]
        names = ("english", "abbreviation", "chinese", "chinese_variants", "note")
        for row in (row for row in rows if row["category"] == category):
            cells = [str(row[name] or "").replace("|", "\\|") for name in names]
            lines.append(f"| {' | '.join(cells)} |")
        text.append("\n".join(lines))
    return "\n\n".join(text) + "\n"


def ledger_page(claims: list[ledger.Entry]) -> str:
    """Every claim as a box like those of the lessons, under a map of all of them."""
    text = [
        "# The claims ledger",
        f"The lectures behind this course make {len(claims)} claims that can be checked. Here is "
        "each of them, with our verdict, what is published, and the cells of the lessons that "
        "settle it. The list is computed from the lessons; as data it is in "
        '<a href="ledger.json">ledger.json</a>.',
        ledger_counts(claims),
        ledger_map(claims),
        CHOICES,
    ]
    for group in dict.fromkeys(claim.group for claim in claims):
        text.append(f"## {group}")
        text.append("\n".join(claim_box(claim) for claim in claims if claim.group == group))
    return "\n\n".join(text) + "\n"


CHOICES = (
    '<div class="ledger-choices" hidden><label>Verdict <select id="ledger-verdict">'
    '<option value="">all</option>'
    + "".join(f'<option value="{name}">{said}</option>' for name, said in VERDICTS.items())
    + '</select></label> <label>Settled <select id="ledger-kind"><option value="">any way</option>'
    + "".join(f'<option value="{name}">{name}</option>' for name in ledger.KINDS)
    + '</select></label> <output id="ledger-count" aria-live="polite"></output></div>'
)


def ledger_counts(claims: list[ledger.Entry]) -> str:
    """How many claims have which verdict, and how they are settled."""
    table = ledger.counts(claims)
    used = [kind for kind in ledger.KINDS if any(kinds[kind] for kinds in table.values())]
    lines = [f"| | {' | '.join(used)} | all |", "|---|" + "---:|" * (len(used) + 1)]
    for verdict, kinds in table.items():
        numbers = [str(kinds[kind] or "") for kind in used]
        lines.append(f"| {VERDICTS[verdict]} | {' | '.join(numbers)} | {kinds.total()} |")
    sums = [str(sum(kinds[kind] for kinds in table.values())) for kind in used]
    lines.append(f"| **all** | {' | '.join(sums)} | {len(claims)} |")
    meaning = "; ".join(f"*{kind}*: {ledger.KINDS[kind]}" for kind in used)
    return "\n".join(lines) + f"\n\n{meaning}."


def ledger_map(claims: list[ledger.Entry]) -> str:
    """A numbered square for each claim: colored by its verdict, hollow while it is open."""
    squares = "".join(
        f'<a href="#claim-{claim.number}" class="{claim.verdict} {claim.kind}" '
        f'title="{VERDICTS[claim.verdict]}, {claim.kind}: {escape(claim.claim, quote=True)}">'
        f"{claim.number}</a>"
        for claim in claims
    )
    keys = "".join(
        f'<li><span class="{verdict} computed">1</span> {said}</li>'
        for verdict, said in VERDICTS.items()
    )
    keys += '<li><span class="open">1</span> open: no lesson settles it yet</li>'
    return (
        f'<nav class="ledger-map" aria-label="All claims">{squares}</nav>'
        f'<ul class="ledger-map ledger-key">{keys}</ul>'
    )


def claim_box(claim: ledger.Entry) -> str:
    """One claim. Its text is searched, too."""
    cells = "".join(cell_line(cell) for cell in claim.cells)
    settled = f"<ul>{cells}</ul>" if cells else "<p><b>Open:</b> no lesson settles it yet.</p>"
    return (
        f'<div class="claim {claim.verdict}" id="claim-{claim.number}" '
        f'data-verdict="{claim.verdict}" data-kind="{claim.kind}">'
        f"<p>Claim {claim.number}: <i>{escape(claim.claim)}</i> "
        f'<span class="source" lang="zh">{escape(claim.source)}</span></p>'
        f'<p><b class="verdict">{escape(facts.ShownClaim(vars(claim), "").verdict())}.</b> '
        f"<b>Published:</b> {escape(claim.evidence)}</p>{settled}</div>"
    )


def cell_line(cell: ledger.Settling) -> str:
    """A link to a cell, and what it found."""
    link = f"notebooks/{cell.notebook}.html#cell-{cell.cell}"
    kind = "not run yet" if cell.kind == "open" else cell.kind
    found = f": {escape(cell.here)}" if cell.here else f" ({kind})"
    return f'<li><a href="{link}">lesson {cell.lesson} · {cell.cell}</a>{found}</li>'
