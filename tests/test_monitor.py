"""The monitor of a run: what it shows, and the button that ends the run in a live kernel."""

import time

import pytest
import tiny_run
from jupyter_client.manager import start_new_kernel

from course_lib import monitor
from course_lib.pretraining import pretrain
from course_lib.training import History

RUN = """
import sys
sys.path.insert(0, {tests!r})
import tiny_run
from course_lib.monitor import Monitor
from course_lib.pretraining import pretrain
model = tiny_run.model()
before = model.bert.embeddings.token.weight.detach().clone()
history = pretrain(model, tiny_run.rows(40), tiny_run.OBJECTIVE, tiny_run.config({steps}),
                   monitor=Monitor(every=0.5))
"""
SHOW = """
from course_lib.monitor import Monitor
from course_lib.training import History
seen, history = Monitor(every=1e-6), History(loss=[1.0])
seen.update(history, 2)
history.loss.append(0.5)
"""
LOOK = """same = (before == model.bert.embeddings.token.weight).all().item()
print(history.stopped_early, history.steps, same)"""
CLICK = {"method": "custom", "content": {"event": "click"}}
WIDGET = "application/vnd.jupyter.widget-view+json"
SECONDS = 120


class Pressed:
    """A monitor whose button is pressed after a step."""

    def __init__(self, step):
        self.step, self.stop_asked = step, False

    def update(self, history, total_steps, done=False):
        self.stop_asked = history.steps >= self.step


def test_a_run_ends_after_the_step_in_which_it_is_asked_to():
    history = pretrain(tiny_run.model(), tiny_run.rows(40), tiny_run.OBJECTIVE,
                       tiny_run.config(30), monitor=Pressed(5))  # fmt: skip
    assert history.stopped_early and history.steps == 6


def test_without_a_notebook_there_is_no_button(capsys):
    seen = monitor.Monitor(every=1e-6)
    history = History(loss=[1.0, 0.5])
    seen.update(history, 2)
    seen.update(history, 2, done=True)
    assert seen.button is None and not seen.stop_asked
    assert "step 2 of 2" in capsys.readouterr().err


@pytest.fixture(scope="module")
def kernel(root):
    """A kernel of this environment, and its client, as a front end has them."""
    manager, client = start_new_kernel(kernel_name="python3", cwd=root)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def messages(client, until):
    """What the kernel publishes, up to the first message for which `until` holds."""
    end, found = time.monotonic() + SECONDS, []
    while time.monotonic() < end:
        found.append(client.get_iopub_msg(timeout=SECONDS))
        if found[-1]["msg_type"] == "error":
            pytest.fail("\n".join(found[-1]["content"]["traceback"]))
        if until(found[-1]):
            return found
    pytest.fail(f"the kernel said nothing of the kind within {SECONDS} s")


def idle_after(request):
    return lambda message: (
        message["msg_type"] == "status"
        and message["content"]["execution_state"] == "idle"
        and message["parent_header"].get("msg_id") == request
    )


def answer(client, code):
    request = client.execute(code)
    found = messages(client, idle_after(request))
    return "".join(m["content"]["text"] for m in found if m["msg_type"] == "stream")


def is_button(message):
    return message["msg_type"] == "display_data" and WIDGET in message["content"]["data"]


def second_thread(client):
    """A subshell, as JupyterLab asks for one when it meets the first widget."""
    request = client.session.msg("create_subshell_request", {})
    client.control_channel.send(request)
    return client.control_channel.get_msg(timeout=SECONDS)["content"]["subshell_id"]


def test_a_click_on_the_button_ends_a_run_and_keeps_the_model(kernel, root):
    cell = kernel.execute(RUN.format(tests=str(root / "tests"), steps=1_000_000))
    opened = messages(kernel, is_button)[-1]["content"]["data"][WIDGET]["model_id"]
    click = kernel.session.msg("comm_msg", {"comm_id": opened, "data": CLICK})
    click["header"]["subshell_id"] = second_thread(kernel)
    kernel.shell_channel.send(click)
    found = messages(kernel, idle_after(cell))
    (line,) = lines(found)
    assert "the model keeps what it has learned" in line
    early, steps, same = answer(kernel, LOOK).split()
    assert (early, same) == ("True", "False") and int(steps) < 1_000_000


def lines(found):
    """What was put in a button's place."""
    shown = [m["content"]["data"] for m in found if m["msg_type"] == "update_display_data"]
    return [data["text/plain"] for data in shown if "image/png" not in data]


def test_when_a_run_is_over_a_line_stands_in_the_buttons_place(kernel):
    ended = SHOW + "seen.update(history, 2, done=True)"
    whole = messages(kernel, idle_after(kernel.execute(ended)))
    assert any(map(is_button, whole)) and lines(whole) == ["The run is complete."]
    failed = messages(kernel, idle_after(kernel.execute(SHOW)))
    assert any(map(is_button, failed)) and lines(failed) == ["The run ended with an error."]


def test_cells_that_nobody_watches_have_no_button(kernel):
    """nbclient, nbval and papermill run cells without an ear for questions."""
    found = messages(kernel, idle_after(kernel.execute(SHOW, allow_stdin=False)))
    assert not any(map(is_button, found)) and not lines(found)
    assert any("image/png" in m["content"].get("data", {}) for m in found)
