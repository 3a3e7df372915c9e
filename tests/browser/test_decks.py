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
        if (part.tagName === 'IMG' && (!part.naturalWidth ||
                box.height < (box.width > 1000 ? 100 : 200)))
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
# The same of all slides, one after the other, fragments shown, in one call.
ALL_PROBLEMS = f"""() => {{
    const problems = {PROBLEMS};
    return [...Array(Reveal.getTotalSlides()).keys()].map(number => {{
        Reveal.slide(number, 0, 99);
        return problems();
    }});
}}"""
# All slides below each other: what looks at a page as a whole sees them all at once.
UNROLLED = """.reveal, .reveal .slides { position: static !important; overflow: visible !important;
    height: auto !important; transform: none !important; zoom: 1 !important; }
html, body { overflow: visible !important; height: auto !important; }
.reveal > :not(.slides, .slide-number) { display: none !important; }
.reveal .slides section { display: block !important; position: relative !important;
    visibility: visible !important; opacity: 1 !important; transform: none !important; }
.fragment { opacity: 1 !important; visibility: visible !important; }"""
SHOW_ALL = """() => document.querySelectorAll('section').forEach(section => {
    section.hidden = false;
    section.removeAttribute('aria-hidden');
})"""


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
    sources = [slide.source for slide in decks[name].slides]
    walked = zip(sources, tab.evaluate(ALL_PROBLEMS), strict=True)
    bad = [
        f"slide {number} ({source}): {problem}"
        for number, (source, found) in enumerate(walked, 1)
        for problem in found
    ]
    kept = range(count) if os.environ.get("COURSE_SCREENSHOTS") else of_interest(decks[name])
    for number in kept:
        tab.evaluate("n => { Reveal.slide(n, 0, 99); }", number)
        tab.screenshot(path=screenshots / f"{name}-{number + 1:03}.png")
    assert bad == []
    assert seen == {"requests": [], "errors": []}


def serious_violations(tab):
    """What axe finds on all slides together, by rule."""
    tab.add_script_tag(path=AXE)
    tab.add_style_tag(content=UNROLLED)
    tab.evaluate(SHOW_ALL)
    found = tab.evaluate(VIOLATIONS)
    return {rule: part for rule, impact, part in found if impact in ("serious", "critical")}


@pytest.mark.parametrize("name", [name for name in NAMES if not name[0].isdigit()])
def test_axe_finds_no_serious_problem(opened, name):
    tab, _ = opened(name)
    assert serious_violations(tab) == {}


def test_axe_looks_at_the_slides_that_are_not_on_show(opened):
    nameless = '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">'
    pale = '<div class="block text"><p style="color:#ddd">pale</p></div>'
    slides = [Slide("First"), Slide("Second", [nameless]), Slide("Third", [pale])]
    tab, _ = opened("wrong", built={"wrong": Deck("wrong", "Wrong", "bert", slides)})
    assert {"image-alt", "color-contrast"} <= set(serious_violations(tab))


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
