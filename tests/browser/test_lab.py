"""JupyterLab opens as the course promises, and lessons run in it to their end."""

import pytest

from tools.notebook_files import NOTEBOOKS

pytestmark = pytest.mark.browser

START_HERE = NOTEBOOKS / "00_start_here.ipynb"
RUN_HERE = [path for number in ("00", "05") for path in sorted(NOTEBOOKS.glob(f"{number}_*.ipynb"))]
POP_UPS = ".jp-Dialog, .Toastify__toast, .jp-Notification-Toast"
SECONDS = 1000  # Playwright counts in milliseconds
# Of every code cell: id, source, number, and the errors among its outputs.
CODE_CELLS = """() => jupyterapp.shell.currentWidget.content.model.sharedModel.cells
    .filter(cell => cell.cell_type === 'code' && cell.source.trim())
    .map(cell => ({
        id: cell.getId(),
        number: cell.execution_count,
        tags: cell.getMetadata().tags || [],
        error: cell.getOutputs().filter(out => out.output_type === 'error').map(out => out.evalue),
    }))"""
IDLE = """() => {
    const context = window.jupyterapp?.shell?.currentWidget?.sessionContext;
    return context?.session?.kernel?.status === 'idle';
}"""


def open_lab(watched, address):
    """Open the address and wait until the notebook's kernel is idle."""
    watched.page.goto(address)
    watched.page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60 * SECONDS)
    watched.page.wait_for_function(IDLE, timeout=60 * SECONDS)


@pytest.mark.skipif(not START_HERE.exists(), reason="lesson 00 is not there")
def test_lab_opens_at_the_first_lesson_with_its_contents_and_nothing_else(lab, watched):
    open_lab(watched, lab())
    page = watched.page
    page.wait_for_timeout(3 * SECONDS)  # what pops up, pops up now
    watched.picture("lab_opened")
    assert page.locator(".lm-TabBar-tab.lm-mod-current", has_text="00_start_here").count() == 1
    contents = page.locator(".jp-TableOfContents")
    assert contents.is_visible(), "the contents panel is not open"
    assert contents.locator(".jp-tocItem").count() > 1
    assert page.locator(POP_UPS).count() == 0, page.locator(POP_UPS).all_inner_texts()
    assert watched.left_the_machine == []
    assert watched.errors == []


@pytest.mark.parametrize("path", RUN_HERE, ids=lambda path: path.stem)
def test_lesson_runs_to_its_end(lab, watched, path):
    open_lab(watched, lab(f"lab/workspaces/{path.stem}/tree/notebooks/{path.name}"))
    page = watched.page
    page.evaluate("() => jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(
        f"() => ({CODE_CELLS})().every(cell => cell.number !== null)", timeout=600 * SECONDS
    )
    page.wait_for_function(IDLE, timeout=600 * SECONDS)
    watched.picture(f"{path.stem}_ran")
    cells = page.evaluate(CODE_CELLS)
    assert cells and not [c for c in cells if c["error"] and "raises-exception" not in c["tags"]]
    assert page.locator(POP_UPS).count() == 0, page.locator(POP_UPS).all_inner_texts()
    assert watched.left_the_machine == []
    assert watched.errors == []
