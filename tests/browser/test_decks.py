"""Every slide of every deck fits a 1280 x 720 screen, can be read, and asks no one for anything."""

import os
from pathlib import Path

import pytest

from course_lib import attention_views, tinyworld
from course_lib.bert import BertModel
from course_lib.config import ModelConfig
from tools import build_slides
from tools.slides import render
from tools.slides.deck import Deck, Slide
from tools.slides.page import page as page_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAMES = sorted(path.stem for path in build_slides.OUTLINES.glob("*.yaml"))
NAMES += sorted(path.stem for path in build_slides.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
SECONDS = 1000
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
VIOLATIONS = """() => axe.run({ resultTypes: ['violations'] }).then(result =>
    result.violations.map(v => [v.id, v.impact, v.nodes[0].html.slice(0, 120)]))"""
# What is wrong with the slide on show: parts outside their slide, cut code, pictures that did not
# load or are tiny, letters too small for the last row (in pixels of a screen 720 high).
PROBLEMS = """() => {
    const frame = Reveal.getCurrentSlide().querySelector('.frame');
    const edge = frame.getBoundingClientRect(), bad = [];
    const body = frame.querySelector('.body');
    const name = part => `${part.tagName.toLowerCase()} "${part.textContent.trim().slice(0, 40)}"`;
    if (edge.width !== 1280 || edge.height !== 720)
        bad.push(`slide ${edge.width} x ${edge.height}`);
    if (body.scrollHeight > body.clientHeight + 1) bad.push(
        `too tall: ${body.scrollHeight} in ${body.clientHeight}`);
    for (const part of frame.querySelectorAll('*')) {
        if (part.closest('.katex-mathml, .katex svg')) continue;
        const box = part.getBoundingClientRect();
        if (!box.width || !box.height) continue;
        if (box.right > edge.right + 1 || box.bottom > edge.bottom + 1) bad.push(
            `outside: ${name(part)} to ${Math.round(box.right)}, ${Math.round(box.bottom)}`);
        if (part.tagName === 'PRE' && part.scrollWidth > part.clientWidth + 1)
            bad.push(`cut: ${name(part)}`);
        if (part.tagName === 'IMG' && (!part.naturalWidth || box.height < 200))
            bad.push(`picture ${part.alt.slice(0, 40)}: ${Math.round(box.height)} high`);
        const own = [...part.childNodes].some(n => n.nodeType === 3 && n.data.trim());
        if (!own || part.closest('.source, .katex, caption')) continue;
        const zoom = Number(part.closest('.block')?.style.zoom || 1);
        const size = parseFloat(getComputedStyle(part).fontSize) * zoom;
        const least = part.closest('table, .box, pre, .kicker') ? 15 : 19;
        if (size < least) bad.push(`${size.toFixed(1)} px letters: ${name(part)}`);
    }
    return [...new Set(bad)].slice(0, 4);
}"""


@pytest.fixture(scope="module")
def decks():
    return {deck.name: deck for deck in build_slides.decks()}


@pytest.fixture
def opened(browser, decks, tmp_path):
    """Open a deck by its name; what it asked for and complained about is noted."""
    contexts = []

    def open_deck(name, query="", built=decks):
        path = tmp_path / f"{name}.html"
        path.write_text(page_of(built[name]), encoding="utf-8")
        context = browser.new_context(viewport={"width": 1280, "height": 720})
        contexts.append(context)
        tab = context.new_page()
        seen = {"requests": [], "errors": []}
        own = path.as_uri()
        context.on(
            "request",
            lambda r: (
                r.url.startswith((own, "data:", "about:", "blob:"))
                or seen["requests"].append(r.url)
            ),
        )
        tab.on("pageerror", lambda error: seen["errors"].append(str(error)))
        tab.on("console", lambda m: m.type == "error" and seen["errors"].append(m.text))
        tab.goto(own + query)
        ready = "() => window.Reveal && Reveal.isReady()"
        tab.wait_for_function(ready, timeout=60 * SECONDS)
        return tab, seen

    yield open_deck
    for context in contexts:
        context.close()


def of_interest(deck) -> set[int]:
    """Places of the title, of the first slide of each kind, and of all live views."""
    blocks = ["".join(slide.blocks) for slide in deck.slides]
    marks = ("block code", "block picture", "block table", "block box", 'class="block text', "$")
    first = {next((i for i, b in enumerate(blocks) if mark in b), 0) for mark in marks}
    return {0} | first | {i for i, block in enumerate(blocks) if "block view" in block}


@pytest.mark.parametrize("name", NAMES)
def test_every_slide_fits_and_can_be_read(opened, decks, name, screenshots):
    tab, seen = opened(name)
    count = tab.evaluate("() => Reveal.getTotalSlides()")
    assert count == len(decks[name].slides)
    kept = range(count) if os.environ.get("COURSE_SCREENSHOTS") else of_interest(decks[name])
    bad = []
    for number in range(count):
        tab.evaluate("n => { Reveal.slide(n, 0, 99); }", number)
        source = decks[name].slides[number].source
        bad += [f"slide {number + 1} ({source}): {p}" for p in tab.evaluate(PROBLEMS)]
        if number in kept:
            tab.screenshot(path=screenshots / f"{name}-{number + 1:03}.png")
    assert bad == []
    assert seen == {"requests": [], "errors": []}


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not among the tests' files")
@pytest.mark.parametrize("name", [name for name in NAMES if not name[0].isdigit()])
def test_axe_finds_no_serious_problem(opened, decks, name):
    tab, _ = opened(name)
    tab.add_script_tag(path=AXE)
    found = {}
    for number in range(0, len(decks[name].slides), 3):
        tab.evaluate("n => { Reveal.slide(n, 0, 99); }", number)
        for rule, impact, part in tab.evaluate(VIOLATIONS):
            if impact in ("serious", "critical"):
                found.setdefault(rule, f"slide {number + 1}: {part}")
    assert found == {}


def test_the_speaker_sees_notes_in_a_window_of_their_own(opened, decks):
    tab, seen = opened("lecture-000")
    number = next(i for i, slide in enumerate(decks["lecture-000"].slides) if slide.notes)
    tab.evaluate("n => { Reveal.slide(n); }", number)
    with tab.expect_popup() as popup:
        tab.keyboard.press("s")
    notes = popup.value.locator(".speaker-controls-notes .value")
    notes.wait_for(state="visible", timeout=60 * SECONDS)
    first_words = " ".join(decks["lecture-000"].slides[number].notes.split()[:3])
    assert first_words in " ".join(notes.inner_text().split())
    assert seen["requests"] == []


def test_a_live_attention_view_draws_on_a_slide(opened, decks):
    tokenizer = tinyworld.tokenizer()
    config = ModelConfig(vocab_size=tokenizer.vocab_size, hidden_size=16, num_layers=2, num_heads=2,
                         intermediate_size=32, max_positions=32)  # fmt: skip
    view = attention_views.heads(BertModel(config).eval(), tokenizer, "the red rose is fragrant .")
    slides = [Slide("First"), Slide("View", [render.own_html(view.html)])]
    tab, seen = opened("view", built={"view": Deck("view", "A view", "bert", slides)})
    tab.evaluate("() => { Reveal.slide(1); }")
    lines = tab.frame_locator("iframe").locator("svg line")
    lines.first.wait_for(state="attached", timeout=30 * SECONDS)
    assert lines.count() >= 36  # six tokens and more, each linked with each
    assert tab.evaluate(PROBLEMS) == []
    assert seen == {"requests": [], "errors": []}


def test_printing_gives_a_page_a_slide(opened, decks):
    name = NAMES[0]
    tab, seen = opened(name, "?print-pdf")
    tab.wait_for_selector("html[data-printable]", timeout=60 * SECONDS, state="attached")
    assert tab.locator(".pdf-page").count() == len(decks[name].slides)
    assert seen == {"requests": [], "errors": []}
