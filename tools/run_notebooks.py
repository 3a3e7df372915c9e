"""Run lessons from a clean kernel at a named budget and save their outputs.

The saved file holds nothing of the machine: no time stamps, no widget state, no paths.
A notebook with an error or a problem is left as it was, and the exit code is 1.
"""

import datetime
import os
import re
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from course_lib.budget import VARIABLE, Budget  # noqa: E402
from tools.notebook_files import (  # noqa: E402
    KERNEL,
    dump,
    lessons,
    output_problems,
    read,
    source_problems,
    write,
)

PROGRESS_BAR = re.compile(r"\d+%\|")
COLOR = re.compile(r"\x1b\[[0-9;]*m")
RUN_ME = "<p><em>Run this cell to use its controls.</em></p>"


def execute(notebook, folder: Path, budget: str, timeout: int):
    """Run all cells in a fresh kernel of this environment, working in the notebook's folder.

    Raises nbclient.exceptions.CellExecutionError at the first cell that fails, and
    CellTimeoutError at one that takes longer than `timeout` seconds.
    """
    from nbclient import NotebookClient

    os.environ[VARIABLE] = Budget(budget).name
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name=KERNEL["name"],
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,
        coalesce_streams=True,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    client.execute()


def failure(notebook, error: Exception) -> str:
    """The cell that did not end well and, without colors, what it said."""
    ran = [cell for cell in notebook.cells if "execution" in cell.metadata]
    where = f"cell {ran[-1].id!r}" if ran else "before the first cell"
    text = getattr(error, "traceback", "") or str(error)
    return f"{where}: {type(error).__name__}\n{COLOR.sub('', text)}"


def cell_seconds(notebook) -> list[tuple[float, str]]:
    """(seconds, cell id) of every cell that ran, slowest first."""
    found = []
    for cell in notebook.cells:
        times = cell.metadata.get("execution", {})
        if "iopub.execute_input" in times and "shell.execute_reply" in times:
            start, end = (
                datetime.datetime.fromisoformat(times[key].replace("Z", "+00:00"))
                for key in ("iopub.execute_input", "shell.execute_reply")
            )
            found.append(((end - start).total_seconds(), cell.id))
    return sorted(found, reverse=True)


def tidy(notebook, budget: str) -> None:
    """Take away what differs from run to run or from machine to machine; note the budget."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata["kernelspec"] = dict(KERNEL)
    notebook.metadata.get("language_info", {}).pop("version", None)
    notebook.metadata["course"] = {**notebook.metadata.get("course", {}), "budget": budget}
    for cell in notebook.cells:
        for key in ("execution", "ExecuteTime"):
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = [tidy_output(out) for out in cell.outputs if not progress_bar(out)]


def progress_bar(output) -> bool:
    """A finished bar of `tqdm`, as text or as a widget: of no use to a reader."""
    text = output.get("text", "") or output.get("data", {}).get("text/plain", "")
    return bool(PROGRESS_BAR.search(text)) and output.output_type != "error"


def tidy_output(output):
    """A widget becomes a line that says how to get it; overwritten text goes."""
    if output.output_type == "stream":
        lines = output.text.rstrip("\r").split("\n")
        output.text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
    elif any("widget" in kind for kind in output.get("data", {})):
        output.data = {"text/html": RUN_ME, "text/plain": "Run this cell to use its controls."}
    return output


def run(path: Path, budget: str = "cpu", timeout: int = 600, save: bool = True) -> list[str]:
    """Run one notebook, report its time, and return what is wrong (nothing is saved then)."""
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook = read(path)
    if found := source_problems(notebook):
        return found
    print(f"{path.name}: running at budget {budget}", flush=True)
    start = time.perf_counter()
    try:
        execute(notebook, path.parent, budget, timeout)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        return [failure(notebook, error)]
    seconds, slowest = time.perf_counter() - start, cell_seconds(notebook)[:3]
    tidy(notebook, budget)
    found = output_problems(notebook, budget)
    if save and not found:
        write(notebook, path)
    cells = ", ".join(f"{name} {took:.1f}" for took, name in slowest)
    print(f"  {seconds:.1f} s, {len(dump(notebook)) / 1000:.0f} KB; slowest cells (s): {cells}")
    return found


def main(
    paths: Annotated[list[Path] | None, typer.Argument(help="Notebooks; all by default.")] = None,
    budget: Annotated[str, typer.Option(help="smoke, cpu or gpu.")] = "cpu",
    timeout: Annotated[int, typer.Option(help="Most seconds for one cell.")] = 600,
    save: Annotated[bool, typer.Option(help="Save the outputs.")] = True,
):
    """Run lessons and save their outputs (only whole, clean runs are saved)."""
    try:
        Budget(budget)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    failed = 0
    for path in lessons(paths or ()):
        found = run(path.resolve(), budget, timeout, save)
        failed += bool(found)
        for text in found:
            print(f"  {path.name}: {text}")
    if failed:
        raise SystemExit(f"{failed} notebook(s) not saved.")


if __name__ == "__main__":
    typer.run(main)
