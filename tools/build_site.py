"""Build the course as a site of static pages: `make site`, to build/site/index.html.

From the saved notebooks; no code of a lesson runs. The site needs no server and no network.
"""

import io
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import build_slides, ledger  # noqa: E402
from tools.notebook_files import ROOT  # noqa: E402
from tools.site.stage import stage  # noqa: E402
from tools.slides import page  # noqa: E402

BUILT = ROOT / "build" / "site"
COLORS = re.compile(r"\x1b\[[0-9;]*m")
CONFIG = Path(__file__).resolve().parent / "site"


def build(out: Path = BUILT, root: Path = ROOT) -> str:
    """Build the project in `root`; gives what Sphinx complained about, "" where all is well."""
    try:
        from sphinx.application import Sphinx
    except ImportError:
        advice = "pip install -c constraints.txt -e .[site]"
        raise SystemExit(f"Sphinx is not installed: {advice}") from None
    decks = build_slides.decks(root / "slides", root / "notebooks")
    work = out.with_name(f"{out.name}-work")
    shutil.rmtree(out, ignore_errors=True)
    claims = stage(work / "source", decks, root)
    complaints = io.StringIO()
    app = Sphinx(
        work / "source", CONFIG, out, work / "doctrees", "html",
        status=None, warning=complaints, freshenv=True,
    )  # fmt: skip
    app.build(force_all=True)
    for kind in ("notebooks", "exercises"):  # to download: the files as they lie in the project
        for path in (out / "_sources" / kind).glob("*.ipynb"):
            shutil.copy(root / kind / path.name, path)
    for deck in decks:
        (out / "slides" / f"{deck.name}.html").write_text(page.page(deck), encoding="utf-8")
    ledger.write(claims, out / "ledger.json")
    return COLORS.sub("", complaints.getvalue()).strip().replace(f"{work / 'source'}/", "")


def main(out: Annotated[Path, typer.Option(help="Folder of the built pages.")] = BUILT):
    """Build the site. Ends with an error where a link or a page is not right."""
    started = time.perf_counter()
    try:
        complaints = build(out)
    except build_slides.outline.OutlineError as error:
        raise SystemExit(str(error)) from None
    count = len(list(out.rglob("*.html")))
    place = build_slides.shown(out / "index.html")
    print(f"{count} pages in {time.perf_counter() - started:.0f} s: {place}")
    if complaints:
        raise SystemExit(complaints)


if __name__ == "__main__":
    typer.run(main)
