"""Each attention view draws, reacts to mouse, keys and selects, in light and in dark."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import torch
from nbformat import v4

from course_lib import attention_views as views

pytestmark = pytest.mark.browser

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
TOKENS = ["[CLS]", "the", "cat", "</script>", '"sat"', "<b>", "你好", "😀"]
TOKENS += ["internationalization", "[SEP]"]
BACKGROUNDS = {"light": "#ffffff", "dark": "#111111"}
AROUND = """<!doctype html><html lang="en"><meta charset="utf-8"><title>View</title>
<body style="background:{}"><main><h1 style="color:#777">View</h1>{}</main></body></html>"""
SERIOUS = """async () => {
    const { passes, violations } = await axe.run(document, { iframes: false });
    return [passes.length, violations
        .filter(found => ["serious", "critical"].includes(found.impact))
        .map(found => found.id + ": " + found.nodes[0].html.slice(0, 200))];
}"""


def a_view(kind):
    generator = torch.Generator().manual_seed(0)
    shape = (3, 2, len(TOKENS))
    scores = 3 * torch.randn(*shape, len(TOKENS), generator=generator)
    queries, keys = torch.randn(2, *shape, 8, generator=generator)
    seen = views.Seen(TOKENS, scores.softmax(-1), queries, keys, second=4)
    return seen, views.show(kind, seen)


@pytest.fixture(params=BACKGROUNDS)
def theme(request):
    return request.param


def opened(watched, folder, kind, theme):
    """The frame of a view in a page of the theme's color; nothing may go wrong until the end."""
    seen, view = a_view(kind)
    path = folder / f"{kind}_{theme}.html"
    path.write_text(AROUND.format(BACKGROUNDS[theme], view.html), encoding="utf-8")
    watched.page.goto(path.as_uri())
    frame = watched.page.frame_locator("iframe")
    frame.locator("svg").wait_for()
    assert frame.locator("html").get_attribute("class") == theme
    assert watched.page.locator(".course-view-note").is_hidden()
    return seen, frame


def settled(watched, name):
    """Keep a picture, and hold that all went well."""
    watched.picture(name)
    page = watched.page
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), "too wide"
    height = "() => [document.body.scrollHeight, innerHeight]"
    needed, given = page.frames[1].evaluate(height)
    assert needed <= given, "the frame cuts its view"
    for document in page.frames:  # the page around the view, and the view
        document.evaluate(AXE.read_text("utf-8"))
        passed, serious = document.evaluate(SERIOUS)
        assert passed > 5 and serious == []
    assert watched.left_the_machine == [] and watched.errors == []


def opacities(frame, selector):
    return frame.locator(selector).evaluate_all(
        "nodes => nodes.map(node => +(node.style.opacity || 1))"
    )


def test_head_view(watched, tmp_path, theme):
    seen, frame = opened(watched, tmp_path, "head", theme)
    texts = frame.locator("#left text").all_text_contents()
    assert texts == TOKENS
    lines = frame.locator("#attention line")
    assert lines.count() == 2 * len(TOKENS) ** 2
    shown = float(lines.nth(1).get_attribute("stroke-opacity"))
    assert abs(shown - float(seen.attentions[0, 0, 0, 1]) / 2) < 1e-3

    frame.locator("#left g g").filter(has_text="cat").last.hover()
    assert frame.locator("line[visibility=visible]").count() == 2 * len(TOKENS)
    settled(watched, f"view_head_{theme}")

    frame.get_by_label("Layer").select_option("3")
    shown = float(lines.nth(1).get_attribute("stroke-opacity"))
    assert abs(shown - float(seen.attentions[2, 0, 0, 1]) / 2) < 1e-3
    frame.get_by_label("Part").select_option(label="A looks at B")
    assert frame.locator("#left text").all_text_contents() == TOKENS[:4]
    assert frame.locator("#right text").all_text_contents() == TOKENS[4:]
    frame.get_by_role("button", name="head 2").dblclick()
    assert set(lines.first.get_attribute("stroke-opacity")) <= set("0.")
    settled(watched, f"view_head_part_{theme}")


def test_model_view(watched, tmp_path, theme):
    _, frame = opened(watched, tmp_path, "model", theme)
    maps = frame.locator("rect.attn_background")
    assert maps.count() == 6
    assert maps.first.get_attribute("fill") == ("#111111" if theme == "dark" else "white")
    frame.get_by_role("button", name="layer 2, head 1").click()
    assert frame.get_by_text("Layer 2, Head 1").count() == 1
    frame.locator(".detail g").filter(has_text="cat").first.hover()
    assert sorted(opacities(frame, ".attn-line-group"))[-2:] == [0, 1]
    settled(watched, f"view_model_{theme}")
    frame.get_by_label("Part").select_option(label="B looks at B")
    assert frame.locator("rect.attn_background").count() == 6


def test_neuron_view(watched, tmp_path, theme):
    seen, frame = opened(watched, tmp_path, "neuron", theme)
    token = frame.locator("#collapsed #leftText > g").nth(2)
    token.hover()
    shown = opacities(frame, "#collapsed #rightText .highlight")
    assert shown == pytest.approx(seen.attentions[0, 0, 2].tolist(), abs=1e-3)
    token.locator("rect").last.click()
    token = frame.locator("#expanded #leftText > g").nth(2)
    token.hover()
    dots = frame.locator("#dotproducts rect")
    dots = dots.evaluate_all("nodes => nodes.map(node => +node.dataset.value)")
    expected = seen.queries[0, 0, 2] @ seen.keys[0, 0].T / 8**0.5
    assert dots == pytest.approx(expected.tolist(), abs=0.1)
    settled(watched, f"view_neuron_{theme}")
    frame.get_by_label("Layer").select_option(label="3")
    frame.get_by_label("Head").select_option(label="2")
    frame.locator("#expanded #leftText > g").nth(0).hover()
    shown = opacities(frame, "#expanded #rightText .highlight")
    assert shown == pytest.approx(seen.attentions[2, 1, 0].tolist(), abs=1e-3)


@pytest.mark.parametrize("kind", ["head", "model", "neuron"])
def test_views_follow_the_keyboard(watched, tmp_path, kind):
    _, frame = opened(watched, tmp_path, kind, "light")
    focus = frame.locator("[role=button]")
    keys = watched.page.keyboard
    if kind == "model":
        frame.get_by_role("button", name="layer 3, head 2").focus()
        keys.press("Enter")
        assert frame.get_by_text("Layer 3, Head 2").count() == 1
    elif kind == "head":
        focus.first.focus()
        assert frame.locator("line[visibility=visible]").count() == 2 * len(TOKENS)
        keys.press("Tab")
        assert frame.locator("line[visibility=visible]").count() == 2 * len(TOKENS)
        frame.get_by_role("button", name="head 1").focus()
        keys.press("Enter")
        opacity = frame.locator("#attention line").first.get_attribute("stroke-opacity")
        assert float(opacity) == 0
    else:
        frame.locator("#collapsed [role=button]").nth(1).focus()
        keys.press("Enter")
        assert frame.locator("#expanded").get_attribute("visibility") == "visible"
        assert frame.locator("#product").evaluate("node => +node.style.opacity") == 1
    assert watched.errors == []


@pytest.mark.parametrize("kind", ["head", "model", "neuron"])
def test_views_change_with_the_theme_around_them(watched, tmp_path, kind):
    _, frame = opened(watched, tmp_path, kind, "light")
    watched.page.evaluate("() => { document.body.style.background = '#111111' }")
    frame.locator("html.dark").wait_for()
    assert frame.locator("svg").count() == 1
    assert watched.errors == []


@pytest.mark.parametrize("kind", ["head", "model", "neuron"])
def test_views_on_a_slide_not_yet_shown(watched, tmp_path, kind):
    hidden = f'<section style="display:none">{a_view(kind)[1].html}</section>'
    path = tmp_path / "slides.html"
    path.write_text(AROUND.format("#ffffff", hidden), encoding="utf-8")
    watched.page.goto(path.as_uri())
    watched.page.wait_for_timeout(500)
    watched.page.evaluate("() => document.querySelector('section').style.display = 'block'")
    watched.page.frame_locator("iframe").locator("svg").wait_for()
    watched.page.wait_for_timeout(300)
    size = "() => [document.body.scrollHeight, innerHeight]"
    needed, given = watched.page.frames[1].evaluate(size)
    assert 150 < needed <= given
    assert watched.errors == []


MAKE = """import torch
from course_lib import attention_views as views
weights, queries, keys = torch.rand(2, 2, 3, 3), *torch.rand(2, 2, 2, 3, 4)
seen = views.Seen(["the", "cat", "sat"], weights, queries, keys)"""
KINDS = ["head", "model", "neuron"]
IDLE = "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status"
IDLE += " === 'idle'"
SAVED = "() => !jupyterapp.shell.currentWidget.context.model.dirty"


@pytest.fixture(scope="module")
def notebook(lab_root):
    """A function that writes a notebook of code cells into the Lab's folder."""

    def write(name, sources, outputs):
        cells = [
            v4.new_code_cell(source, outputs=out)
            for source, out in zip(sources, outputs, strict=True)
        ]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        made = v4.new_notebook(cells=cells, metadata=kernel)
        nbformat.write(made, lab_root / "notebooks" / f"{name}.ipynb")
        return f"lab/workspaces/{name}/tree/notebooks/{name}.ipynb"

    return write


def shown(kind):
    """The view of `a_view` as a saved output."""
    return [v4.new_output("display_data", a_view(kind)[1]._repr_mimebundle_())]


def test_notebook_from_elsewhere(lab, watched, notebook):
    """Not trusted: the heat maps, and a line that says what to do. The palette then trusts it."""
    page = watched.page
    page.goto(lab(notebook("foreign", KINDS, map(shown, KINDS))))
    images = page.locator(".jp-OutputArea img")
    images.nth(2).wait_for(timeout=60_000)
    assert page.locator(".jp-OutputArea iframe").count() == 0
    assert page.get_by_text("Trust Notebook").count() == 3
    assert images.evaluate_all("all => all.every(one => one.complete && one.naturalWidth > 99)")
    watched.picture("views_foreign")
    page.wait_for_function(IDLE, timeout=90_000)
    page.locator(".jp-InputPrompt").first.click()
    page.keyboard.press("Control+Shift+C")
    page.keyboard.type("Trust Notebook")
    page.locator(".lm-CommandPalette-item.lm-mod-active", has_text="Trust Notebook").wait_for()
    page.keyboard.press("Enter")
    page.locator(".jp-Dialog").get_by_role("button", name="Trust").click()
    page.frame_locator(".jp-OutputArea iframe").nth(2).locator("svg").wait_for(timeout=60_000)
    assert watched.left_the_machine == [] and watched.errors == []


def test_notebook_run_and_opened_again(lab, watched, notebook):
    """Views live where they were made, follow the Lab's theme, and live again after a reload."""
    page = watched.page
    sources = [MAKE, *(f'views.show("{kind}", seen)' for kind in KINDS)]
    page.goto(lab(notebook("made_here", sources, [[]] * 4)))
    page.wait_for_function(IDLE, timeout=90_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    for _ in range(2):
        for number in range(3):
            frame = page.frame_locator(f".jp-OutputArea iframe >> nth={number}")
            frame.locator("svg").wait_for(timeout=90_000)
            assert frame.locator("html").get_attribute("class") == "light"
        assert page.locator(".course-view-note:visible").count() == 0
        page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
        page.wait_for_function(SAVED)
        page.reload()
    frame.locator("svg").wait_for(timeout=90_000)
    change = "name => jupyterapp.commands.execute('apputils:change-theme', { theme: name })"
    page.evaluate(change, "JupyterLab Dark")
    frame.locator("html.dark").wait_for(timeout=30_000)
    page.locator(".jp-Cell").nth(1).scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    watched.picture("views_lab_dark")
    page.evaluate(change, "JupyterLab Light")
    frame.locator("html.light").wait_for(timeout=30_000)
    assert watched.left_the_machine == [] and watched.errors == []


def test_static_page(watched, notebook, lab_root, tmp_path):
    """nbconvert's page shows the views, too."""
    notebook("static", KINDS, map(shown, KINDS))
    convert = [sys.executable, "-m", "nbconvert", "--to", "html", "--output-dir", str(tmp_path)]
    source = lab_root / "notebooks" / "static.ipynb"
    subprocess.run([*convert, str(source)], check=True, capture_output=True)
    watched.page.route("http*://**", lambda route: route.abort())  # nbconvert asks for MathJax
    watched.page.goto((tmp_path / "static.html").as_uri(), wait_until="commit")
    for number in range(3):
        watched.page.frame_locator(f"iframe >> nth={number}").locator("svg").wait_for()
    assert not [error for error in watched.errors if error.startswith("uncaught")]
