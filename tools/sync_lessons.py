"""Keep the definitions shown in the lessons equal to the library's text.

A code cell tagged `lib:attention.MultiHeadAttention` holds exactly that definition of
`course_lib/attention.py`; several such tags hold several definitions, in the order of the tags,
two blank lines apart. `make sync` rewrites the cells, `--check` only shows what differs.
"""

import ast
import difflib
import sys
from pathlib import Path
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.notebook_files import ROOT, lessons, read, tags, write  # noqa: E402

LIBRARY = ROOT / "course_lib"
PREFIX = "lib:"


def library_text(name: str, library: Path = LIBRARY) -> str:
    """Source of a top-level definition, decorators included: `attention.MultiHeadAttention`.

    Raises ValueError when the module or the definition does not exist.
    """
    module, _, definition = name.rpartition(".")
    path = library.joinpath(*module.split(".")).with_suffix(".py") if module else None
    if path is None or not path.is_file():
        raise ValueError(
            f"tag {PREFIX}{name}: no module course_lib.{module or '?'} "
            f"(the form is {PREFIX}module.Name)"
        )
    text = path.read_text(encoding="utf-8")
    found = definitions(text)
    if definition not in found:
        raise ValueError(
            f"tag {PREFIX}{name}: course_lib.{module} defines no {definition!r}; "
            f"it has {', '.join(found) or 'nothing'}"
        )
    return found[definition]


def definitions(text: str) -> dict[str, str]:
    """Name -> source of each top-level class, function and plain assignment of a module."""
    lines = text.splitlines()
    found = {}
    for node in ast.parse(text).body:
        first = min([node.lineno] + [d.lineno for d in getattr(node, "decorator_list", [])])
        for name in names(node):
            found[name] = "\n".join(lines[first - 1 : node.end_lineno])
    return found


def names(node: ast.stmt) -> list[str]:
    """The names that a top-level statement defines."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def wanted_text(cell, library: Path = LIBRARY) -> str | None:
    """What a cell must hold according to its `lib:` tags; None for any other cell."""
    names = [tag.removeprefix(PREFIX) for tag in tags(cell) if tag.startswith(PREFIX)]
    if not names:
        return None
    return "\n\n\n".join(library_text(name, library) for name in names)


def sync(path: Path, library: Path = LIBRARY, check: bool = False) -> list[str]:
    """One diff for each cell of a notebook that differs from the library; rewrites unless `check`.

    Only the source of those cells changes (and their outputs, now stale, go); the rest of the
    notebook stays as it is.
    """
    notebook, found = read(path), []
    for cell in notebook.cells:
        wanted = wanted_text(cell, library)
        if wanted is None or (cell.cell_type == "code" and cell.source == wanted):
            continue
        if cell.cell_type != "code":
            raise ValueError(
                f"{path.name}: cell {cell.id!r} has a {PREFIX} tag but is no code cell"
            )
        found.append(difference(cell, wanted, path))
        cell.source, cell.outputs = wanted, []
    if found and not check:
        write(notebook, path)
    return found


def difference(cell, wanted: str, path: Path) -> str:
    """A readable diff from the notebook's text to the library's."""
    lines = difflib.unified_diff(
        cell.source.splitlines(),
        wanted.splitlines(),
        f"{path.name}, cell {cell.id}",
        "course_lib, " + " ".join(tag for tag in tags(cell) if tag.startswith(PREFIX)),
        lineterm="",
    )
    return "\n".join(lines)


def main(
    paths: Annotated[list[Path] | None, typer.Argument(help="Notebooks; all by default.")] = None,
    check: Annotated[bool, typer.Option(help="Change nothing; exit 1 on a difference.")] = False,
):
    """Rewrite the `lib:` cells of the lessons from course_lib."""
    total = 0
    for path in lessons(paths or ()):
        try:
            found = sync(path, check=check)
        except ValueError as error:
            raise SystemExit(f"{path.name}: {error}") from None
        total += len(found)
        print("\n\n".join(found), end="\n\n" if found else "")
        if found:
            print(f"{path.name}: {len(found)} cell(s) {'differ' if check else 'rewritten'}\n")
    if total and check:
        raise SystemExit("Notebook and library differ: `make sync` copies the library's text.")
    if not total:
        print("Notebooks and library hold the same text.")


if __name__ == "__main__":
    typer.run(main)
