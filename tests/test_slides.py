"""The decks hold what the lectures show, in the lectures' order, and need nothing from outside."""

import base64
import io
import re
import textwrap
from html import unescape

import nbformat
import pytest
from matplotlib import pyplot as plt
from PIL import Image

from course_lib import facts, plots
from tools import build_slides
from tools.notebook_files import NOTEBOOKS
from tools.slides import automatic, captions, lessons, outline, page, render

NUMBERED = {  # the lectures whose figures and tables are numbered, and the decks that show them
    "lecture-000": "000",
    "lecture-001": "001",
    "talk-003": "003",
}
LONG = "Three seeds (thin) and their mean. Left: as published; right: what was run here. " * 4
LONG = LONG.strip()


@pytest.fixture(scope="module")
def found():
    return lessons.Lessons()


@pytest.fixture(scope="module")
def decks():
    return {deck.name: deck for deck in build_slides.decks()}


def items_of(lecture):
    return facts.items(outline=lecture)


def drawn(found, tag):
    """Has a lesson a cell for this item, and was it run? (That lessons are run is another test.)"""
    return any(cell.ran for cell in found.by_tag.get(tag, ()))


def places(deck, tag):
    """The numbers of the slides that show a cell with this tag."""
    return [
        n for n, slide in enumerate(deck.slides) if any(tag in cell.tags for cell in slide.shows)
    ]


@pytest.mark.parametrize(("name", "lecture"), NUMBERED.items())
def test_each_item_stands_in_its_lecture_where_the_lecture_has_it(decks, found, name, lecture):
    deck = decks[name]
    for item in items_of(lecture):
        if not drawn(found, item["tag"]):
            continue
        here = [" / ".join(deck.slides[n].place) for n in places(deck, item["tag"])]
        assert item["section_zh"] in here, f"{item['tag']} is missing in {item['section_zh']}"


@pytest.mark.parametrize(("name", "lecture"), list(NUMBERED.items())[:2])
def test_items_come_in_the_order_of_the_lecture(decks, found, name, lecture):
    deck = decks[name]
    first = [
        next(n for n in places(deck, item["tag"])
             if " / ".join(deck.slides[n].place) == item["section_zh"])
        for item in items_of(lecture)
        if drawn(found, item["tag"])
    ]  # fmt: skip
    assert first == sorted(first)


@pytest.mark.parametrize(("name", "lecture"), NUMBERED.items())
def test_what_is_listed_as_missing_is_what_no_lesson_draws(decks, found, name, lecture):
    """The list gets shorter by itself as lessons are written."""
    unwritten = [i["tag"] for i in items_of(lecture) if i["tag"] not in found.by_tag]
    missing = [item for item in decks[name].missing if not item[0].isdigit()]  # not 15:fig-bias
    assert sorted(missing) == sorted(unwritten)


def test_the_lectures_have_62_numbered_items_all_named_in_their_outlines():
    named = 0
    for name, lecture in list(NUMBERED.items())[:2]:
        named += len(items_of(lecture))
        assert {"fig", "tab"} == {item["tag"][:3] for item in items_of(lecture)}, name
    assert named == 62


def test_report_counts_what_is_missing(decks):
    every = list(decks.values())
    count = sum(len(deck.missing) for deck in every)
    assert build_slides.missing_report(every).startswith(str(count) if count else "Every")


def test_every_lesson_has_a_deck_with_all_its_pictures_and_tables(decks, found):
    for lesson in found.all:
        deck = decks[lesson.path.stem]
        shown = {cell.id for slide in deck.slides for cell in slide.shows}
        for cell in lesson.cells:
            drawn = cell.slide not in ("skip", "notes") and any(
                f"block {kind}" in block
                for block in render.outputs(cell)
                for kind in ("picture", "table")
            )
            assert not drawn or cell.id in shown, f"{cell.address} is on no slide"


def test_decks_ask_for_nothing_from_outside(decks):
    outside = re.compile(
        r"""<(?:script|link|img|iframe|source|video|audio)\b[^>]*?(?:src|href)=["']?https?:"""
        r"""|@import|url\(["']?(?!["']?data:)[^)]""",
        re.I,
    )
    for deck in decks.values():
        html = page.page(deck)
        for text in (html, unescape(html)):  # the second look reaches into srcdoc
            slides_and_styles = re.sub(r"<script>.*?</script>", "", text, flags=re.S)
            assert not outside.findall(slides_and_styles), deck.name


def test_code_on_slides_is_a_dozen_lines_at_most(decks):
    for deck in decks.values():
        for slide in deck.slides:
            for block in slide.blocks:
                if "block code" in block:
                    assert block.count("\n") < outline.MOST_CODE_LINES + 2, slide.source


# --- the builder, on notebooks made for the purpose


@pytest.fixture
def folder(tmp_path):
    """A lesson 05 with a text, a picture-less figure, a long cell and a live view."""
    new = nbformat.v4
    view = '<iframe srcdoc="&lt;b&gt;x&lt;/b&gt;&lt;script&gt;1 &lt; 2&lt;/script&gt;"></iframe>'
    table = "<table><thead><tr><th>a</th></tr></thead><tbody>{}</tbody></table>"
    rows = "".join(f"<tr><td>row {n}</td></tr>" for n in range(1, 26))
    html = lambda text: new.new_output("display_data", data={"text/html": text})  # noqa: E731
    cells = [
        new.new_markdown_cell("# 05 · A lesson\n\n**Why?**\n\nBecause.", id="title"),
        new.new_markdown_cell(
            "## One\n\nText.\n\n**Predict:** how many?\n\n"
            "<details><summary>Answer</summary>\n\nSeven.\n\n</details>",
            id="one",
            metadata={"slideshow": {"slide_type": "slide"}},
        ),
        new.new_code_cell("a = 1\n" * 30, id="long-cell", execution_count=1),
        new.new_code_cell("draw()", id="fig-not-run"),
        new.new_code_cell("print(1)", id="fig-view", outputs=[html(view)],
                          metadata={"tags": ["fig:000-F1"]}),
        new.new_code_cell("print(2)", id="tab-long", outputs=[html(table.format(rows))]),
        new.new_code_cell("hidden", id="left-out", metadata={"slideshow": {"slide_type": "skip"}}),
    ]  # fmt: skip
    nbformat.write(new.new_notebook(cells=cells), tmp_path / "05_lesson.ipynb")
    return tmp_path


def build(folder, *slides):
    """An outline with these slides, built on the lesson above."""
    path = folder / "lecture-x.yaml"
    path.write_text("title: X\noutline: '000'\nslides:\n" + "".join(slides), encoding="utf-8")
    return outline.build(path, lessons.Lessons(folder))


def test_a_wrong_reference_names_its_line_and_the_nearest_cells(folder):
    with pytest.raises(outline.OutlineError, match=r"lecture-x.yaml, line 5: no cell '05:fig-vew'"):
        build(folder, "  - title: A\n", "    show: 05:fig-vew\n")
    with pytest.raises(outline.OutlineError, match="the nearest are 05:fig-view"):
        build(folder, "  - title: A\n", "    show: 05:fig-vew\n")


def test_a_tag_that_is_no_item_is_an_error_and_an_unwritten_item_is_not(folder):
    deck = build(folder, "  - {title: A, show: fig:000-F2}\n", "  - {title: B, text: b}\n")
    assert deck.missing == ["fig:000-F2"]
    later = build(folder, "  - {title: A, show: 14:fig-of-a-lesson-to-come}\n")
    assert later.missing == ["14:fig-of-a-lesson-to-come"]
    assert [slide.title for slide in deck.slides] == ["X", "B"]
    with pytest.raises(outline.OutlineError, match="fig:000-F99"):
        build(folder, "  - {title: A, show: fig:000-F99}\n")


@pytest.mark.parametrize(
    ("slide", "message"),
    [
        ("  - {title: A, shows: 05:fig-view}\n", "unknown shows"),
        ("  - {title: A, code: 05:long-cell}\n", "30 lines of 05:long-cell"),
        ("  - {title: A, code: 05:long-cell, lines: 28-31}\n", "there are lines 1 to 30"),
        ("  - {title: A, code: 05:long-cell, lines: all}\n", "write them as"),
        ("  - {title: A, show: 05:long-cell}\n", "no output to show"),
        ("  - {title: A, show: 05:fig-view, outputs: [1]}\n", "has 1 output"),
        ("  - {title: A, show: 05:fig-view, rows: 1-2}\n", None),
        ("  - title: [A\n", "line"),
    ],
)
def test_errors_say_what_is_wrong_and_where(folder, slide, message):
    if message is None:  # a view has no rows to choose from, and is shown as it is
        assert len(build(folder, slide).slides) == 2
        return
    with pytest.raises(outline.OutlineError, match=message) as error:
        build(folder, slide)
    assert "lecture-x.yaml" in str(error.value)


def test_a_cell_that_was_not_run_is_left_out_and_said(folder):
    deck = build(folder, "  - {title: A, show: 05:fig-not-run}\n", "  - {title: B, text: b}\n")
    assert [slide.title for slide in deck.slides] == ["X", "B"]
    assert "without 05:fig-not-run" in build_slides.missing_report([deck])


def test_named_lines_of_code_with_dots_where_some_are_left_out():
    text = render.code("def f():\n    a\n    b\n    c", "2, 4")
    assert re.sub("<[^>]*>", "", text) == "...\na\n...\nc"


def test_a_live_view_comes_through_untouched(folder):
    deck = build(folder, "  - {title: A, show: fig:000-F1}\n")
    assert 'srcdoc="&lt;b&gt;x&lt;/b&gt;&lt;script&gt;1 &lt; 2&lt;/script&gt;"' in page.page(deck)


def test_long_tables_go_over_several_slides_each_with_its_header(folder):
    deck = build(folder, "  - {title: A, show: 05:tab-long}\n")
    pages = [slide.blocks[0] for slide in deck.slides[1:]]
    assert [render.count_rows(p) for p in pages] == [9, 9, 7]
    assert all("<th>a</th>" in p for p in pages)
    one = build(folder, "  - {title: A, show: 05:tab-long, rows: '1-2, 25'}\n")
    assert re.findall(r"row \d+", one.slides[1].blocks[0]) == ["row 1", "row 2", "row 25"]


def test_automatic_deck_splits_questions_answers_and_code(folder):
    (lesson,) = lessons.Lessons(folder).all
    deck = automatic.build(lesson)
    texts = [re.sub("<[^>]*>", " ", " ".join(slide.blocks)) for slide in deck.slides]
    question = next(i for i, text in enumerate(texts) if "how many" in text)
    assert "Seven" not in texts[question] and "Seven" in texts[question + 1]
    assert deck.slides[question + 1].title == "Answer"
    assert deck.slides[0].title == "05 · A lesson" and "Why?" in texts[0]
    code = [slide for slide in deck.slides if "block code" in "".join(slide.blocks)]
    assert [slide.source for slide in code].count("lesson 05 · long-cell") == 3
    assert not any("hidden" in text for text in texts)


def test_vendored_files_have_licenses_and_are_small():
    for name in ("reveal.js", "katex"):
        assert "MIT" in (page.VENDOR / name / "LICENSE").read_text(encoding="utf-8") or (
            "Permission is hereby granted" in (page.VENDOR / name / "LICENSE").read_text("utf-8")
        )
    size = sum(path.stat().st_size for path in page.VENDOR.rglob("*") if path.is_file())
    assert size < 2_000_000


def test_building_reads_saved_lessons_only(tmp_path):
    """All decks in one go, by the command of `make slides`."""
    build_slides.main(names=["lecture-000", "05"], out=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "index.html", "lecture-000.html", "05_bert.html",
    }  # fmt: skip
    assert NOTEBOOKS.is_dir()


def drawn_with(caption, label="step"):
    """A picture as lessons save it: (PNG as base64, its alternative text)."""
    plots.use_style()
    figure, axes = plt.subplots(figsize=(9, 4))
    axes.plot([0, 1], [0, 1])
    axes.set_xlabel(label)
    plots.caption(figure, caption)
    png, about = plots.style.png_with_alt(figure)
    plt.close(figure)
    return png, about["alt"]


def height(png):
    return Image.open(io.BytesIO(base64.b64decode(png))).height


@pytest.mark.parametrize("caption", ["Short.", "One line, of some length, (with signs).", LONG])
def test_a_caption_leaves_its_picture_and_becomes_text(caption):
    png, alt = drawn_with(caption)
    cut, found = captions.cut(png, alt)
    lines = textwrap.wrap(caption, 9 * 13)
    assert found == caption
    assert 0 <= height(png) - height(cut) - captions.PITCH * len(lines) < 16
    block = render.picture("image/png", png, alt)
    assert f'<p class="caption">{caption}</p>' in block and cut in block


def test_a_picture_without_its_caption_stays_as_it_is():
    png, _ = drawn_with("")
    assert captions.cut(png, LONG) == (png, "")
    png, _ = drawn_with("These words stand in the picture.")
    assert captions.cut(png, "But its alternative text has quite other words.") == (png, "")
    assert captions.cut(png, "Figure: step") == (png, "")


def test_captions_of_the_lessons_are_found():
    found = [
        captions.cut("".join(output["data"]["image/png"]).replace("\n", ""), alt)[1] == alt
        for lesson in lessons.Lessons().all
        for cell in lesson.cells
        for output in cell.outputs
        if "image/png" in output.get("data", {})
        and not (alt := output["metadata"].get("image/png", {}).get("alt", "Figure")).startswith(
            ("Figure", "Loss while training")
        )
    ]
    assert len(found) > 50 and sum(found) / len(found) > 0.95


def test_the_speaker_has_notes_for_every_slide_of_a_lecture(decks):
    for name in NUMBERED:
        for number, slide in enumerate(decks[name].slides, 1):
            assert slide.notes, f"{name}, slide {number} ({slide.title}): no notes"
