"""What you see of a run while it runs: progress, time left, and a curve.

In a notebook the curve is a plain picture that is replaced every few seconds, so it is still there
when the notebook is opened again; above it a button ends the run. In a terminal there is one line
that is rewritten; in a log file a line every half a minute.
"""

import multiprocessing
import shutil
import sys
import threading
import time

from course_lib.plots import COLORS, use_style

STOP_HINT = "End the run after this step; the model keeps what it has learned"
NO_BUTTON = "Run this cell to see its stop button."


def in_notebook() -> bool:
    """True in a Jupyter kernel (Colab's is a subclass)."""
    shell = sys.modules.get("IPython") and sys.modules["IPython"].get_ipython()
    return any(cls.__name__ == "ZMQInteractiveShell" for cls in type(shell).__mro__)


def someone_there() -> bool:
    """True in a cell that a person runs. What runs notebooks by itself (nbclient, nbval, papermill)
    says with each cell that there is nobody to answer a question; and a process that the notebook
    started (`notebook_launcher`) hears of no click."""
    if not in_notebook() or multiprocessing.parent_process() is not None:
        return False
    request = sys.modules["IPython"].get_ipython().get_parent() or {}
    return bool(request.get("content", {}).get("allow_stdin"))


class StopButton:
    """A button that asks a run to end. When the run is over, a line stands in its place.

    JupyterLab sends a click to a second thread of the kernel (a subshell), so it is heard while the
    first one trains. Where there is none (older front ends), the button that interrupts the kernel
    does the same.
    """

    def __init__(self):
        import ipywidgets
        from IPython import get_ipython
        from IPython.display import display

        self.pressed = threading.Event()
        self.widget = ipywidgets.Button(description="Stop training", icon="stop", tooltip=STOP_HINT)
        self.widget.on_click(self._press)
        # Of itself ipykernel would keep a click for the thread that made the button: this one.
        self.widget.comm._reply_subshell_for = lambda data, asked: asked
        bundle = self.widget._repr_mimebundle_() | {"text/plain": NO_BUTTON}
        self.handle = display(bundle, raw=True, display_id=True)
        self.events = get_ipython().events
        self.events.register("post_run_cell", self._cell_ended)

    def _press(self, widget) -> None:
        self.pressed.set()
        widget.disabled, widget.description = True, "Stopping ..."

    def _cell_ended(self, result) -> None:
        self.close("The run ended with an error.")

    def close(self, line: str) -> None:
        """Leave `line` in the button's place."""
        self.events.unregister("post_run_cell", self._cell_ended)
        self.handle.update({"text/plain": line}, raw=True)
        self.widget.close()


class Monitor:
    """Shows a `History` while it grows. `floor` is a level to compare with, such as the loss of
    the best guess without context. `stop_asked` is True once the stop button was pressed."""

    def __init__(self, title: str = "", floor: float | None = None, every: float | None = None):
        self.title, self.floor = title, floor
        self.notebook = in_notebook()
        self.terminal = sys.stderr.isatty()
        self.every = every or (3.0 if self.notebook else 0.5 if self.terminal else 30.0)
        self.shown = time.monotonic()
        self.first = None  # step and time of the first call: a compiler's work lies before it
        self.handle = None
        self.button = None

    @property
    def stop_asked(self) -> bool:
        return self.button is not None and self.button.pressed.is_set()

    def update(self, history, total_steps: int, done: bool = False) -> None:
        """Called after every few steps; draws only when it is time to, or at the end."""
        now = time.monotonic()
        self.first = self.first or (len(history.loss), now)
        if not done and now - self.shown < self.every:
            return
        self.shown = now
        line = self.line(history, total_steps)
        if self.notebook:
            self._button(history, total_steps, done)
            self._draw(history, line)
        elif self.terminal:
            room = shutil.get_terminal_size().columns - 1  # a longer line could not be rewritten
            short = line if done else line[:room]
            print(f"\r{short:<{room}}", end="\n" if done else "", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def line(self, history, total_steps: int) -> str:
        """For example: step 120 of 400 | loss 4.31 | held out: loss 4.52, accuracy 0.27 | ..."""
        step = len(history.loss)
        parts = [f"step {step} of {total_steps}"]
        if step:
            recent = history.loss[-20:]
            parts.append(f"loss {sum(recent) / len(recent):.2f}")
        if history.evaluations:
            last = history.evaluations[-1]
            parts.append(f"held out: loss {last['mlm_loss']:.2f}, accuracy {last['accuracy']:.2f}"
                         if "mlm_loss" in last else
                         "held out: " + ", ".join(f"{k} {v:.2f}" for k, v in last.items()
                                                  if k != "step"))
            if "replaced_auc" in last:
                parts.append(f"replaced tokens: AUC {last['replaced_auc']:.2f}")
        if self.floor is not None:
            parts.append(f"no-context loss {self.floor:.2f}")
        if step >= total_steps:
            parts.append(f"took {_clock(history.seconds)}")
        elif self.first and step > self.first[0]:
            pace = (time.monotonic() - self.first[1]) / (step - self.first[0])
            parts.append(f"{_clock(pace * (total_steps - step))} left")
        return " | ".join(parts)

    def _button(self, history, total_steps: int, done: bool) -> None:
        """Show it with the first picture, and put the outcome in its place at the end."""
        if self.button is None and not done and someone_there():
            self.button = StopButton()
        elif self.button is not None and done:
            early = f"Stopped after step {history.steps} of {total_steps}; the model keeps what it "
            early += "has learned."
            self.button.close(early if history.stopped_early else "The run is complete.")

    def _draw(self, history, line: str) -> None:
        import io

        from IPython.display import Image, display

        buffer = io.BytesIO()
        figure = loss_curve(history, self.title, self.floor, line)
        figure.savefig(buffer, format="png", dpi=80, bbox_inches="tight")
        picture = Image(buffer.getvalue(), alt=f"Loss while training. {line}")
        if self.handle is None:
            self.handle = display(picture, display_id=True)
        else:
            self.handle.update(picture)


def loss_curve(history, title: str = "", floor: float | None = None, caption: str = ""):
    """Training and held-out loss over the steps, as a matplotlib Figure of its own.

    `floor` belongs to the masked words: compare it with their curve, not with the sum of losses.
    """
    from matplotlib.figure import Figure

    use_style()
    figure = Figure(figsize=(6.4, 3.2))
    axes = figure.subplots()
    steps = range(1, len(history.loss) + 1)
    parts = {"mlm_loss": "held out, masked words", "nsp_loss": "held out, next sentence",
             "sop_loss": "held out, sentence order", "restored_loss": "held out, restored words",
             "replaced_loss": "held out, replaced or not"}
    if history.evaluations and "mlm_loss" not in history.evaluations[-1]:
        parts = {"loss": "held out"}  # fine-tuning has one loss
    training = "training, all losses" if len(parts) > 1 else "training"
    axes.plot(steps, history.loss, color=COLORS["bert"], alpha=0.25, linewidth=0.8)
    axes.plot(steps, _smooth(history.loss), color=COLORS["bert"], label=training)
    for name, label in parts.items():
        points = [(e["step"], e[name]) for e in history.evaluations if name in e]
        if points:
            axes.plot(*zip(*points, strict=True), "o-", markersize=4, label=label,
                      color="black" if name == "mlm_loss" else "gray")
    if floor is not None:
        axes.axhline(floor, linestyle="--", color="gray", label="best guess without context")
    axes.set(xlabel="step", ylabel="loss (nats)", title=title)
    axes.legend()
    if caption:
        figure.text(0.5, -0.04, caption, ha="center", fontsize=9)
    return figure


def _smooth(values: list[float], weight: float = 0.95) -> list[float]:
    """Exponential moving average, corrected for its start."""
    total, norm, smooth = 0.0, 0.0, []
    for value in values:
        total = weight * total + (1 - weight) * value
        norm = weight * norm + (1 - weight)
        smooth.append(total / norm)
    return smooth


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
