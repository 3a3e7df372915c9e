"""Reading, writing and the house rules of a lesson's `.ipynb` file.

`source_problems` looks at what an author writes, `output_problems` at what a run saved;
both return plain sentences, empty when all is well.
"""

import re
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
MAX_BYTES = 600_000

READABLE_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
RANDOM_ID = re.compile(r"(?=.*\d)[0-9a-f]{8}(-[0-9a-f]{4}){0,3}(-[0-9a-f]{12})?|cell-?\d+")
REMOTE_IMAGE = re.compile(r"!\[[^\]]*\]\(\s*(https?:|data:)|<img[^>]+src=[\"']?(https?:|data:)")
ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}")
# Top-level folders of Linux, macOS and Windows machines, unless part of a longer path or a URL.
MACHINE_PATH = re.compile(
    r"(?<![\w./:~-])/(?:home|root|tmp|usr|opt|var|mnt|srv|private|Users)/[\w.-]+"
    r"|\bfile:///\w+|\b[A-Z]:\\+Users\\+\w+|\b(?:site|dist)-packages[/\\]"
)


def lessons(paths=()) -> list[Path]:
    """The given notebooks, or every lesson in order."""
    return [Path(path) for path in paths] or sorted(NOTEBOOKS.glob("*.ipynb"))


def read(path: Path) -> NotebookNode:
    """One notebook, as it lies on disk (no silent upgrade of its format)."""
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def write(notebook: NotebookNode, path: Path) -> None:
    """Save in the form that JupyterLab itself writes, whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(dump(notebook), encoding="utf-8")
    partial.replace(path)


def dump(notebook: NotebookNode) -> str:
    """The text of the file: indented by one, sorted, one newline at its end."""
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip("\n") + "\n"


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell, in order."""
    return list(cell.metadata.get("tags", []))


def source_problems(notebook: NotebookNode) -> list[str]:
    """What is wrong with format, kernel, cell ids, metadata and pictures."""
    if (notebook.nbformat, notebook.nbformat_minor) < (4, 5):
        return [f"format {notebook.nbformat}.{notebook.nbformat_minor} has no cell ids: use 4.5"]
    found = []
    if dict(notebook.metadata.get("kernelspec", {})) != KERNEL:
        found.append(f"kernelspec must be {KERNEL}, so that any Python 3 kernel runs it")
    if "widgets" in notebook.metadata:
        found.append("saved widget state in the metadata: run the notebook with the tool")
    return found + id_problems(notebook) + [p for c in notebook.cells for p in cell_problems(c)]


def id_problems(notebook: NotebookNode) -> list[str]:
    """Cell ids are addresses that people use: readable, stable, each once."""
    found, seen = [], set()
    for cell in notebook.cells:
        if not READABLE_ID.fullmatch(cell.id) or RANDOM_ID.fullmatch(cell.id):
            start = cell.source.strip().split("\n")[0][:50]
            found.append(f"cell {cell.id!r} ({start!r}): give it a readable id (masking-rule)")
        if cell.id in seen:
            found.append(f"cell id {cell.id!r} is used twice")
        seen.add(cell.id)
    return found


def cell_problems(cell: NotebookNode) -> list[str]:
    """Empty cells, pasted or remote pictures, marks left behind by editors."""
    found = []
    if not cell.source.strip():
        found.append(f"cell {cell.id!r} is empty")
    if cell.get("attachments") or (
        cell.cell_type == "markdown" and REMOTE_IMAGE.search(cell.source)
    ):
        found.append(f"cell {cell.id!r} holds a pasted or remote picture: draw it by code")
    for key in ("execution", "ExecuteTime", "vscode", "colab", "outputId"):
        if key in cell.metadata:
            found.append(f"cell {cell.id!r} carries metadata {key!r}: run it with the tool")
    return found


def output_problems(notebook: NotebookNode, budget: str = "cpu") -> list[str]:
    """What is wrong with the saved run: order, errors, machine paths, budget, size."""
    found = []
    saved_at = notebook.metadata.get("course", {}).get("budget")
    if saved_at != budget:
        found.append(f"outputs were saved at budget {saved_at!r}, not {budget!r}")
    ran = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and "skip-execution" not in tags(cell)
    ]
    for count, cell in enumerate(ran, start=1):
        if cell.execution_count != count:
            found.append(
                f"not run from top to bottom: cell {cell.id!r} has number "
                f"{cell.execution_count}, not {count}"
            )
            break
    found += [f"cell {cell.id!r} {text}" for cell in ran for text in run_problems(cell)]
    size = len(dump(notebook).encode())
    if size > MAX_BYTES:
        found.append(f"{size:,} bytes, over the limit of {MAX_BYTES:,}: save fewer views")
    return found


def run_problems(cell: NotebookNode) -> list[str]:
    """What is wrong with the outputs of one cell."""
    found = []
    for output in cell.outputs:
        if output.output_type == "error" and "raises-exception" not in tags(cell):
            found.append(f"ended in {output.ename}: {output.evalue}")
        if output.get("name") == "stderr":
            found.append(f"wrote to stderr: {output.text.strip()[:120]!r}")
        if any("widget" in kind for kind in output.get("data", {})):
            found.append("saved a widget without its state")
        text = readable(output)
        for name in sorted(machine_paths(text)):
            found.append(f"shows a path of this machine: {name}")
        if match := ADDRESS.search(text):
            found.append(f"shows a memory address: {match.group()}")
    return found


def readable(output: NotebookNode) -> str:
    """All text of an output, whatever its kind (pictures left out)."""
    parts = [output.get("text", ""), *output.get("traceback", [])]
    for kind, value in output.get("data", {}).items():
        if kind.startswith("text/") or kind.endswith(("json", "svg+xml")):
            parts.append(value if isinstance(value, str) else str(value))
    return "\n".join(parts)


def machine_paths(text: str) -> set[str]:
    """Paths in `text` that exist on this machine only."""
    here = {str(ROOT), str(Path.home()), tempfile.gettempdir()} - {"/"}
    return {match.group() for match in MACHINE_PATH.finditer(text)} | {
        name for name in here if re.search(rf"(?<![\w.~-]){re.escape(name)}\b", text)
    }
