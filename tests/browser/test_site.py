"""The static site: its links hold, it needs no server, it can be searched, views and formulas draw.

It is built once from the saved lessons, with one lesson more that holds a live attention view.
"""

import json
import re
import shutil
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from nbformat import v4

from course_lib import attention_views, tinyworld
from course_lib.bert import BertModel
from course_lib.config import ModelConfig
from tools import build_site, ledger

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),  # of Sphinx to its extensions
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
SERIOUS = """async () => {
    const { passes, violations } = await axe.run(document,
        { iframes: false, preload: false });
    return [passes.length, violations
        .filter(found => ["serious", "critical"].includes(found.impact))
        .map(found => [found.id, found.nodes.length, found.nodes[0].html.slice(0, 200)])];
}"""
TOO_WIDE = "() => document.documentElement.scrollWidth - innerWidth"
LOADED = ("src", "srcset", "poster", "data")  # attributes whose address is fetched at once
SOLUTION = re.compile(r"### BEGIN (?:SOLUTION|HIDDEN TESTS)\n(.*?)### END", re.S)


class Page(HTMLParser):
    """The anchors of a page, its links, and what it loads by itself."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loads, self.formulas = set(), set(), set(), 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = {name: value or "" for name, value in attributes}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        self.formulas += given.get("class") == "formula"
        self.loads |= {given[name] for name in LOADED if name in given and tag != "option"}
        if "href" in given:
            (self.links if tag == "a" else self.loads).add(given["href"])


def a_lesson_with_a_view(root, folder):
    """A copy of what the site is made from, with one lesson more."""
    for name in ("notebooks", "exercises", "slides", "solutions"):
        ignored = shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__", "records")
        shutil.copytree(root / name, folder / name, ignore=ignored)
    for name in ("README.md", "CONTRIBUTING.md", "LICENSE"):
        shutil.copy(root / name, folder / name)
    config = ModelConfig(vocab_size=tinyworld.tokenizer().vocab_size, hidden_size=16, num_layers=2,
                         num_heads=2, intermediate_size=32, max_positions=32)  # fmt: skip
    text = "the red rose is fragrant ."
    view = attention_views.heads(BertModel(config).eval(), tinyworld.tokenizer(), text)
    shown = [v4.new_output("display_data", view._repr_mimebundle_())]
    cells = [v4.new_markdown_cell("# 99 · A view\n\nWho looks where?", id="title"),
             v4.new_code_cell("attention_views.heads(...)", id="look", outputs=shown)]  # fmt: skip
    made = v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})
    nbformat.write(made, folder / "notebooks" / "99_view.ipynb")
    readme = folder / "README.md"
    row = "| 99 | A view | Who looks where? |\n\nWork through"
    readme.write_text(readme.read_text("utf-8").replace("\nWork through", row, 1), "utf-8")
    return folder


@pytest.fixture(scope="module")
def built(root, tmp_path_factory):
    """The site, and what Sphinx complained about."""
    for name in ("sphinx", "myst_nb", "sphinx_book_theme"):
        pytest.importorskip(name, reason=f"the extra `site` is not installed ({name})")
    source = a_lesson_with_a_view(root, tmp_path_factory.mktemp("project"))
    out = tmp_path_factory.mktemp("site") / "site"
    complaints = build_site.build(out, source)
    return out, complaints


@pytest.fixture(scope="module")
def site(built):
    return built[0]


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in sorted(site.rglob("*.html"))
            if "_static" not in path.parts}  # fmt: skip


@pytest.fixture
def opened(watched, site):
    """Open a page of the site by its path."""

    def open_page(path):
        file, mark, rest = path.partition("?")
        watched.page.set_default_timeout(120_000)  # for a busy machine
        watched.page.goto((site / file).as_uri() + mark + rest)
        return watched.page

    return open_page


def nothing_went_wrong(watched):
    assert watched.left_the_machine == [] and watched.errors == []


def test_sphinx_has_nothing_to_complain_about(built):
    assert built[1] == ""


def test_all_links_within_the_site_lead_somewhere(pages, site):
    broken = []
    for path, page in pages.items():
        for link in page.links | page.loads:
            parts = urlsplit(link)
            if parts.scheme or link.startswith("#/"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists() or not target.is_relative_to(site.resolve()):
                broken.append(f"{path.name}: {link}")
            elif parts.fragment and target.suffix == ".html":
                if unquote(parts.fragment) not in pages[target].anchors | {"main-content"}:
                    broken.append(f"{path.name}: no anchor {link}")
    assert broken == []
    assert len(pages) > 40


def test_nothing_is_loaded_from_a_server(pages, site):
    for path, page in pages.items():
        far = {link for link in page.loads if urlsplit(link).scheme in ("http", "https")}
        far |= {link for link in page.loads if link.startswith("//")}
        assert far == set(), path
    for path in site.rglob("*.css"):
        assert not re.search(r"""url\(["']?(https?:)?//|@import\s+["'](https?:)?//""",
                             path.read_text("utf-8")), path  # fmt: skip


def test_exercises_hold_no_solution(root, site):
    assert not list(site.rglob("solutions/*.ipynb")) and not list(site.rglob("answers"))
    secrets = 0
    for path in sorted((root / "exercises").glob("*.ipynb")):
        sources = [cell.source for cell in nbformat.read(path, as_version=4).cells]
        given = words("\n".join(sources))
        page = (site / "exercises" / path.with_suffix(".html").name).read_text("utf-8")
        page = words(unescape(re.sub(r"<[^>]*>", "", page)))
        download = (site / "_sources" / "exercises" / path.name).read_text("utf-8")
        assert download == path.read_text("utf-8")
        solution = nbformat.read(root / "solutions" / path.name, as_version=4)
        for block in SOLUTION.findall("\n".join(cell.source for cell in solution.cells)):
            lines = [words(line) for line in block.splitlines()]
            hidden = [line for line in lines if len(line) > 20 and line not in given]
            secrets += len(hidden)
            assert [line for line in hidden if line in page] == [], path.name
        assert "BEGIN SOLUTION" not in page and "HIDDEN TESTS" not in page
    assert secrets > 100


def words(text):
    """Without differences of blanks."""
    return " ".join(text.split())


def test_every_lesson_opens_offline_with_its_formulas(watched, opened, pages, site):
    formulas = 0
    for path, page in pages.items():
        if path.parent.name != "notebooks":
            continue
        shown = opened(f"notebooks/{path.name}")
        assert (
            shown.locator(".formula > .katex, .formula > .katex-display").count() == page.formulas
        )
        assert shown.locator(".katex-error").count() == 0
        broken = (
            "() => [...document.images].filter(image => !image.complete || !image.naturalWidth)"
        )
        shown.evaluate("() => Promise.all([...document.images].map(image => image.decode()))")
        assert shown.evaluate(f"({broken})().length") == 0
        assert shown.evaluate("() => [...document.images].filter(i => !i.alt).length") == 0
        formulas += page.formulas
    assert formulas > 40
    text = opened("notebooks/02_attention.html").locator("article").inner_text()
    assert "$" not in re.sub(r"\$\w+", "", text)
    watched.page.locator("div.formula").first.scroll_into_view_if_needed()
    watched.picture("site_lesson")
    nothing_went_wrong(watched)


def test_search_finds_a_word_in_a_section(watched, opened):
    page = opened("index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("GELU")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"search\.html\?q=GELU"))
    results = page.locator("#search-results li")
    results.first.locator(".context").wait_for()
    assert results.count() >= 3
    assert "gelu" in results.first.locator(".context").inner_text().lower()
    watched.picture("site_search")
    results.first.locator("a").click()
    page.wait_for_url(re.compile(r"/(notebooks|exercises)/\w+\.html.*#"))
    nothing_went_wrong(watched)


def test_a_view_draws_reacts_and_follows_the_theme(watched, opened):
    page = opened("notebooks/99_view.html")
    frame = page.frame_locator(".cell_output iframe")
    lines = frame.locator("#attention line")
    lines.first.wait_for(state="attached")
    links = lines.count()
    frame.locator("#left g g").filter(has_text="rose").last.hover()
    assert 0 < frame.locator("line[visibility=visible]").count() < links
    frame.get_by_label("Layer").select_option("2")
    assert page.locator(".course-view-note").is_hidden()
    for theme in ("light", "dark"):
        page.get_by_role("button", name="Color mode").click()
        page.locator(f".theme-change-button[data-mode={theme}]:visible").click()
        frame.locator(f"html.{theme}").wait_for()
        watched.picture(f"site_view_{theme}")
    nothing_went_wrong(watched)


def test_the_ledger_shows_all_claims_and_can_be_narrowed(watched, opened, site):
    page = opened("ledger.html")
    entries = ledger.entries()
    assert page.locator(".claim").count() == page.locator("nav.ledger-map a").count() == 166
    rows = json.loads((site / "ledger.json").read_text("utf-8"))
    assert [row["kind"] for row in rows] == [entry.kind for entry in entries]
    page.get_by_label("Verdict").select_option("wrong")
    assert page.locator(".claim:visible").count() == sum(e.verdict == "wrong" for e in entries)
    page.get_by_label("Verdict").select_option("")
    link = page.locator("#claim-16 li a").first
    target = link.get_attribute("href")
    link.click()
    page.wait_for_url(f"**/{target}")
    assert page.locator(f"#{target.partition('#')[2]}").is_visible()
    nothing_went_wrong(watched)


@pytest.mark.parametrize(
    ("scheme", "names"),
    [
        ("light", ["notebooks/02_attention.html", "ledger.html"]),
        ("dark", ["notebooks/00_start_here.html", "exercises/02_attention.html", "index.html"]),
    ],
)
def test_axe_finds_no_serious_problem(watched, opened, scheme, names):
    watched.page.emulate_media(color_scheme=scheme)
    for name in names:
        page = opened(name)
        assert page.locator("html").get_attribute("data-theme") == scheme
        page.add_script_tag(path=AXE)
        passed, serious = page.evaluate(SERIOUS)
        assert passed > 10 and serious == []
        watched.picture(f"site_{Path(name).stem}_{scheme}")
    nothing_went_wrong(watched)


def test_pages_fit_a_telephone(watched, opened):
    watched.page.set_viewport_size({"width": 390, "height": 800})
    for name in ("index", "ledger", "notebooks/05_bert", "exercises/02_attention", "slides/index"):
        page = opened(f"{name}.html")
        assert page.evaluate(TOO_WIDE) <= 0, name
        watched.picture(f"site_{name.replace('/', '_')}_telephone")
    nothing_went_wrong(watched)
