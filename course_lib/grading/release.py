"""Exercises made from solutions, with nbgrader's own preprocessors: `make exercises`.

The steps are those of `nbgrader generate_assignment` without its database: answers give way to a
stub, hidden tests and outputs go, cells are locked, checksums are noted. The same solution
always gives the same bytes. nbgrader is imported only here; it is part of the extra `dev`.
"""

from pathlib import Path
from typing import Annotated

import nbformat
import typer
from nbformat import NotebookNode

from course_lib.grading.assignment import Assignment

STUB = 'raise NotImplementedError("your answer")'
TEXT_STUB = "*Your answer here.*"
KEPT = ("kernelspec", "language_info")  # of the notebook's metadata


def release(text: str, name: str = "assignment") -> str:
    """The exercise (text of an `.ipynb`) for a solution.

    Raises AssignmentError if the solution is badly built, ImportError without nbgrader.
    """
    Assignment.from_json(text, name)
    notebook = nbformat.reads(text, as_version=4)
    kept = {key: value for key, value in notebook.metadata.items() if key in KEPT}
    notebook.metadata = NotebookNode(kept)
    for step in preprocessors():
        notebook, _ = step.preprocess(notebook, {})
    _refuse_leaks(notebook, name)
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def preprocessors() -> list:
    """nbgrader's steps in the order of its `generate_assignment`."""
    try:
        from nbgrader import preprocessors as steps
    except ImportError as problem:
        raise ImportError(
            "nbgrader makes the exercises and is not installed: pip install -e '.[dev]'"
        ) from problem
    return [
        steps.LockCells(),
        steps.ClearSolutions(code_stub={"python": STUB}, text_stub=TEXT_STUB),
        steps.ClearOutput(),
        steps.CheckCellMetadata(),
        steps.ClearHiddenTests(),
        steps.ComputeChecksums(),
        steps.CheckCellMetadata(),
    ]


def _refuse_leaks(notebook: NotebookNode, name: str) -> None:
    """Stop if a marker is left: then the text beside it may be left, too."""
    for cell in notebook.cells:
        for word in ("BEGIN SOLUTION", "END SOLUTION", "HIDDEN TESTS"):
            if word in cell.source:
                raise ValueError(
                    f"{name}: cell {cell.get('id')!r} still holds {word!r} after the solutions "
                    "are cut out: write each marker on a line of its own"
                )


def main(
    solutions: Annotated[list[Path], typer.Argument(help="Notebooks with solutions.")],
    folder: Annotated[Path, typer.Option(help="Where exercises go.")] = Path("exercises"),
):
    """Write the exercise for each solution."""
    folder.mkdir(exist_ok=True)
    for path in solutions:
        try:
            made = release(path.read_text(encoding="utf-8"), path.stem)
        except (ValueError, ImportError, OSError) as problem:
            raise SystemExit(str(problem)) from None
        target = folder / path.name
        same = target.exists() and target.read_text(encoding="utf-8") == made
        if not same:
            target.write_text(made, encoding="utf-8", newline="\n")
        print(f"{target}: {'unchanged' if same else 'written'}")


if __name__ == "__main__":
    typer.run(main)
