"""Build self-contained decks from the saved lessons: `make slides`, `make slides-pdf`.

One deck for each outline in `slides/*.yaml`, one for each lesson. No code of a lesson runs and
nothing is fetched. At the end stands what the lectures show and no lesson draws yet.
"""

import shutil
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.notebook_files import NOTEBOOKS, ROOT  # noqa: E402
from tools.slides import automatic, outline, page  # noqa: E402
from tools.slides.deck import Deck  # noqa: E402
from tools.slides.lessons import Lessons  # noqa: E402

OUTLINES = ROOT / "slides"
BUILT = ROOT / "build" / "slides"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def decks(folder: Path = OUTLINES, notebooks: Path = NOTEBOOKS) -> list[Deck]:
    """The lectures' decks, then one for each lesson. OutlineError names a wrong line."""
    lessons = Lessons(notebooks)
    lectures = [outline.build(path, lessons) for path in sorted(folder.glob("*.yaml"))]
    return lectures + [automatic.build(lesson) for lesson in lessons.all]


def missing_report(built: list[Deck]) -> str:
    """What the outlines name and no lesson draws yet, deck by deck."""
    count = sum(len(deck.missing) for deck in built)
    if not count:
        lines = ["Every figure and table that the outlines name is drawn by a lesson."]
    else:
        lines = [f"{count} figures and tables wait for their lesson:"]
    lines += [f"  {deck.name}: {', '.join(deck.missing)}" for deck in built if deck.missing]
    for deck in built:
        if deck.not_run:
            lines.append(
                f"{deck.name} is without {', '.join(deck.not_run)}: saved before they were run "
                "(`make notebooks` runs the lessons)"
            )
    return "\n".join(lines)


def write_pdf(path: Path) -> Path:
    """The deck printed by Chromium, a slide a page."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise SystemExit(
            "Playwright is not installed: pip install -e .[dev], or open the deck with ?print-pdf "
            "at the end of its address and print it from the browser"
        ) from None
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        raise SystemExit(f"no {' or '.join(BROWSERS)} on this machine: install one")
    target = path.with_suffix(".pdf")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.goto(f"{path.resolve().as_uri()}?print-pdf")
        tab.wait_for_selector("html[data-printable]", timeout=120_000)
        tab.pdf(path=target, prefer_css_page_size=True, print_background=True)
        browser.close()
    return target


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Starts of decks' names.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the built decks.")] = BUILT,
    pdf: Annotated[bool, typer.Option(help="Print the decks to PDF, too.")] = False,
):
    """Build all decks, or those whose names begin as given (`lecture-000 05`)."""
    started = time.perf_counter()
    try:
        every = decks()
    except outline.OutlineError as error:
        raise SystemExit(str(error)) from None
    wanted = [d for d in every if not names or d.name.startswith(tuple(names))]
    if not wanted:
        raise SystemExit(f"no deck begins so; there are {', '.join(d.name for d in every)}")
    out.mkdir(parents=True, exist_ok=True)
    for deck in wanted:
        path = out / f"{deck.name}.html"
        path.write_text(page.page(deck), encoding="utf-8")
        print(f"{len(deck.slides):4} slides  {path.stat().st_size / 1e6:4.1f} MB  {shown(path)}")
        if pdf:
            print(f"{'':23}{shown(write_pdf(path))}")
    (out / "index.html").write_text(page.index(every), encoding="utf-8")
    print(f"{len(wanted)} decks in {time.perf_counter() - started:.1f} s.")
    print(missing_report(every))


def shown(path: Path) -> str:
    """A path as seen from the project."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


if __name__ == "__main__":
    typer.run(main)
