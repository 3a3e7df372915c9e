"""A run in JupyterLab ends when its button is pressed, and keeps its model and its picture."""

import nbformat
import pytest
from nbformat import v4

pytestmark = pytest.mark.browser

MAKE = """import torch
from course_lib import data, tinyworld
from course_lib.bert import BertForPreTraining
from course_lib.config import ModelConfig
from course_lib.objectives import MaskedLM
from course_lib.packing import full_sentences
from course_lib.pretraining import pretrain
from course_lib.training import TrainConfig

tokenizer = tinyworld.tokenizer()
documents = data.encode_corpus(tinyworld.dataset(n_documents=50, seed=0), tokenizer)
rows = full_sentences(documents, 32, tokenizer)
model = BertForPreTraining(ModelConfig(
    vocab_size=tokenizer.vocab_size, hidden_size=16, num_layers=1, num_heads=2,
    intermediate_size=32, max_positions=32))
before = model.bert.embeddings.token.weight.detach().clone()
config = TrainConfig(steps=1_000_000, batch_size=4, warmup_steps=10)"""
RUN = "history = pretrain(model, rows, MaskedLM.from_tokenizer(tokenizer), config)"
AFTER = """learned = not torch.equal(before, model.bert.embeddings.token.weight)
print("early", history.stopped_early, "| learned", learned, "| few", history.steps < 100_000)"""
OUTCOME = "early True | learned True | few True"
KERNEL = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status"
SAVED = "() => !jupyterapp.shell.currentWidget.context.model.dirty"
CURVE = ".jp-OutputArea img"
KEPT = "the model keeps what it has learned"
SECONDS = 1000


def test_a_press_ends_the_run_and_the_cells_after_it_run(lab, lab_root, watched):
    cells = [v4.new_code_cell(source) for source in (MAKE, RUN, AFTER)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    made = v4.new_notebook(cells=cells, metadata=kernel)
    nbformat.write(made, lab_root / "notebooks" / "stopped.ipynb")
    page = watched.page
    page.goto(lab("lab/workspaces/stopped/tree/notebooks/stopped.ipynb"), wait_until="commit")
    page.wait_for_function(f"() => {KERNEL} === 'idle'", timeout=90 * SECONDS)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    button = page.get_by_role("button", name="Stop training")
    button.wait_for(timeout=90 * SECONDS)
    page.locator(CURVE).wait_for(timeout=60 * SECONDS)
    watched.picture("stop_button")
    button.focus()
    page.keyboard.press("Space")
    page.get_by_text(OUTCOME).wait_for(timeout=60 * SECONDS)
    page.get_by_text(KEPT).wait_for()
    assert button.count() == 0
    watched.picture("stop_button_pressed")

    page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function(SAVED, timeout=60 * SECONDS)
    page.reload(wait_until="commit")
    page.locator(CURVE).wait_for(timeout=90 * SECONDS)
    page.get_by_text(KEPT).wait_for()
    assert button.count() == 0
    watched.picture("stop_button_again")
    page.evaluate("() => jupyterapp.commands.execute('notebook:shutdown-kernel')")
    assert watched.left_the_machine == [] and watched.errors == []
