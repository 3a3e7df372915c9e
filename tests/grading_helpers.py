"""A small assignment with two tasks, and submissions to it, as plain dictionaries."""

import copy
import json
from pathlib import Path

NAME = "02_small"
ANSWERS = {"double": "def double(x):\n    return 2 * x", "half": "def half(x):\n    return x / 2"}


def cell(source, kind="code", cell_id=None, **marks):
    """A cell as it lies in a file; `marks` are nbgrader's."""
    made = {"cell_type": kind, "id": cell_id or "c", "metadata": {}, "source": source}
    if kind == "code":
        made |= {"execution_count": None, "outputs": []}
    if marks:
        usual = {"schema_version": 3, "grade": False, "solution": False, "locked": False}
        made["metadata"]["nbgrader"] = usual | marks
    return made


def notebook(cells):
    """The file around the cells; cell ids are made unique."""
    for number, one in enumerate(cells):
        if one["id"] == "c":
            one["id"] = f"cell-{number}"
    info = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": info, "cells": cells}


def check(name, visible, hidden=""):
    """A check cell worth two points."""
    if hidden:
        visible += f"\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS"
    return cell(visible, cell_id=f"id-check-{name}", grade_id=f"check-{name}", grade=True,
                locked=True, points=2)  # fmt: skip


def answer(name, body):
    """The teacher's answer cell with its solution region."""
    head, *rest = body.split("\n")
    lines = [head, "    ### BEGIN SOLUTION", *rest, "    ### END SOLUTION"]
    return cell("\n".join(lines), cell_id=f"id-{name}", grade_id=name, solution=True)


def teacher():
    """The teacher's notebook."""
    heading = "## Task {}: `{}`\n*difficulty {} · 2 points · about 5 minutes*"
    question = cell("## Say why\n", "markdown", grade_id="explain", grade=True, solution=True,
                    points=0)  # fmt: skip
    return notebook([
        cell("# Small numbers", "markdown"),
        cell("import math\nLIMIT = 7", cell_id="id-setup", grade_id="setup", locked=True),
        cell(heading.format(1, "double", "●○○"), "markdown", grade_id="text-1", locked=True),
        answer("double", ANSWERS["double"]),
        check("double", "assert double(2) == 4, 'double(2) is not 4'", "assert double(7) == 14"),
        cell(heading.format(2, "half", "●●○"), "markdown", grade_id="text-2", locked=True),
        answer("half", ANSWERS["half"]),
        check("half", "assert half(4) == 2, 'half(4) is not 2'"),
        question,
    ])  # fmt: skip


def exercise_json():
    return json.dumps(teacher())


def submission(double=ANSWERS["double"], half=ANSWERS["half"]):
    """The exercise as a student hands it in: answers filled in, hidden parts gone."""
    made = copy.deepcopy(teacher())
    for one in made["cells"]:
        grade_id = one["metadata"].get("nbgrader", {}).get("grade_id")
        one["source"] = {"double": double, "half": half}.get(grade_id, one["source"])
        one["source"] = one["source"].split("\n### BEGIN HIDDEN")[0]
    return made


def find_cell(made, grade_id):
    """The first cell with this grade_id."""
    return next(c for c in made["cells"] if marks_of(c).get("grade_id") == grade_id)


def marks_of(one):
    return one["metadata"].get("nbgrader", {})


def write(path, made):
    """Write a notebook (or any text or bytes) and return the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(made, bytes):
        path.write_bytes(made)
    else:
        path.write_text(made if isinstance(made, str) else json.dumps(made), encoding="utf-8")
    return path
