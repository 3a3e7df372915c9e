"""The explorer and the playground in JupyterLab: keys move them, and a picture stays."""

import nbformat
import pytest
from nbformat import v4

pytestmark = pytest.mark.browser

MAKE = """from course_lib import pretrained, widgets
model = pretrained.load(pretrained.shipped())
tokenizer = pretrained.load_tokenizer(pretrained.shipped())"""
EXPLORE = 'widgets.explorer(model, tokenizer, "the cat sat")'
PLAY = 'widgets.playground({"first": (model, tokenizer), "second": (model, tokenizer)}, "a ___")'
IDLE = "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status"
IDLE += " === 'idle'"
SAVED = "() => !jupyterapp.shell.currentWidget.context.model.dirty"


def test_explorer_and_playground(lab, lab_root, watched):
    cells = [v4.new_code_cell(source) for source in (MAKE, EXPLORE, PLAY)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    made = v4.new_notebook(cells=cells, metadata=kernel)
    nbformat.write(made, lab_root / "notebooks" / "controls.ipynb")
    page = watched.page
    page.goto(lab("lab/workspaces/controls/tree/notebooks/controls.ipynb"))
    page.wait_for_function(IDLE, timeout=90_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    image = page.locator(".jp-OutputArea img[alt*='layer 1, head 1']")
    image.wait_for(timeout=90_000)

    page.get_by_role("slider").nth(0).focus()  # layer
    page.keyboard.press("ArrowRight")
    page.locator(".jp-OutputArea img[alt*='layer 2, head 1']").wait_for()
    box = page.locator(".jp-OutputArea input[type=text]")
    box.nth(0).fill("a dog ran")
    box.nth(0).press("Enter")
    page.locator(".jp-OutputArea img[alt*='dog']").wait_for()
    assert page.locator(".jp-OutputArea ol li").count() == 5

    box.nth(1).fill("no gap")
    box.nth(1).press("Enter")
    page.get_by_text("0 blanks; write one").wait_for()
    box.nth(1).fill("they ___ it")
    box.nth(1).press("Enter")
    page.get_by_text("Likeliest words for the blank in: they ___ it").wait_for()
    watched.picture("widgets")

    page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function(SAVED)
    page.evaluate("() => jupyterapp.commands.execute('notebook:shutdown-kernel')")
    page.wait_for_timeout(1000)
    page.reload()
    page.locator(".jp-OutputArea img[alt*='dog']").wait_for(timeout=60_000)
    page.get_by_text("Likeliest words for the blank in: they ___ it").wait_for()
    page.wait_for_timeout(2000)
    watched.picture("widgets_again")
    assert watched.left_the_machine == []
