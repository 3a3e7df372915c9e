"""Saved lessons keep the house rules; the tool that runs them leaves clean files.

Whether the lessons' code still runs is checked by nbval, apart from these tests: `make test`.
"""

import nbformat
import pytest

from tools import run_notebooks
from tools.notebook_files import (
    KERNEL,
    MAX_BYTES,
    lessons,
    output_problems,
    read,
    source_problems,
)

every_lesson = pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)


@every_lesson
def test_lesson_is_written_by_the_rules(path):
    assert not (found := source_problems(read(path))), "\n".join(found)


@every_lesson
def test_lesson_was_saved_whole_at_budget_cpu(path):
    found = output_problems(read(path), budget="cpu")
    assert not found, (
        "\n".join(found) + f"\n`make notebooks NB=notebooks/{path.name}` runs and saves it"
    )


def book(*cells, **metadata):
    made = nbformat.v4.new_notebook(metadata={"kernelspec": dict(KERNEL)} | metadata)
    made.cells = list(cells)
    return made


def code(source="1", id="some-cell", count=1, outputs=(), **metadata):
    cell = nbformat.v4.new_code_cell(source, id=id, metadata=metadata)
    cell.execution_count, cell.outputs = count, list(outputs)
    return cell


def text(value, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=value)


def shown(data):
    return nbformat.v4.new_output("display_data", data=data)


def error(message):
    return nbformat.v4.new_output("error", ename="ValueError", evalue=message, traceback=[])


def saved(*cells):
    return book(*cells, course={"budget": "cpu"})


GOOD = [
    saved(code("x = 1", "first", 1), code("x", "second", 2, [text("1")])),
    saved(code(outputs=[text("see https://example.org/home/user/page and 3/4 or course_lib/x")])),
    saved(code(outputs=[error("meant")], tags=["raises-exception"])),
    saved(code(outputs=[text("the tree/root of usr/home; x/tmp/y, ~/tmp; 1/2")])),
    saved(code(count=None, tags=["skip-execution"]), code(id="next", count=1)),
    saved(nbformat.v4.new_markdown_cell("A [link](https://example.org).", id="words")),
]


@pytest.mark.parametrize("made", GOOD, ids=range(len(GOOD)))
def test_good_notebooks_pass(made):
    assert source_problems(made) == [] and output_problems(made) == []


@pytest.mark.parametrize(
    "made, words",
    [
        (book(code(id="3f2a9b1c")), "readable id"),
        (book(code(id="3f2a9b1c-0d1e-4f5a-8b7c-1234567890ab")), "readable id"),
        (book(code(id="cell-12")), "readable id"),
        (book(code(id="Masking_Rule")), "readable id"),
        (book(code(id="twice"), code(id="twice")), "used twice"),
        (book(code(), kernelspec={"name": "my-env", "display_name": "Mine"}), "kernelspec"),
        (book(code(), widgets={"state": {}}), "widget state"),
        (book(code(" \n")), "is empty"),
        (book(code(execution={"iopub.status.busy": "2026"})), "execution"),
        (book(nbformat.v4.new_markdown_cell("![x](https://a.b/c.png)", id="words")), "picture"),
        (book(nbformat.v4.new_markdown_cell("<img src='data:x'>", id="words")), "picture"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_rule_for_authors_can_fail(made, words):
    assert any(words in found for found in source_problems(made))


@pytest.mark.parametrize(
    "cells, words",
    [
        ([code(count=2)], "not run from top to bottom"),
        ([code(count=None)], "not run from top to bottom"),
        ([code(outputs=[error("oh")])], "ValueError: oh"),
        ([code(outputs=[text("careful", "stderr")])], "stderr"),
        ([code(outputs=[text("saved in /home/ann/course/x.pt")])], "/home/ann"),
        ([code(outputs=[text("see file:///data/x.html")])], "file:///data"),
        ([code(outputs=[text(r"C:\Users\ann\course")])], "path"),
        ([code(outputs=[shown({"text/html": "<a href='/Users/ann/x'>"})])], "/Users/ann"),
        ([code(outputs=[text("lib/python3.11/site-packages/torch")])], "site-packages"),
        ([code(outputs=[text("<object at 0x7f3a2b1c>")])], "memory address"),
        ([code(outputs=[shown({"application/vnd.jupyter.widget-view+json": {}})])], "widget"),
        ([code(outputs=[text("a" * MAX_BYTES)])], "over the limit"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_rule_for_outputs_can_fail(cells, words):
    assert any(words in found for found in output_problems(saved(*cells)))


def test_paths_of_the_project_and_of_the_user_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.notebook_files.ROOT", tmp_path / "odd" / "place")
    cell = code(outputs=[text(f"reading {tmp_path}/odd/place/notebooks/x.csv")])
    assert any("path" in found for found in output_problems(saved(cell)))


def test_budget_of_the_saved_outputs_is_checked():
    made = book(code(), course={"budget": "smoke"})
    assert any("'smoke'" in found for found in output_problems(made))
    assert output_problems(made, "smoke") == []


def write(path, *sources):
    cells = [code(source, f"step-{'abcdefg'[n]}", None) for n, source in enumerate(sources)]
    nbformat.write(book(*cells), path)
    return path


def test_a_run_is_saved_clean(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_BUDGET", "gpu")
    path = write(
        tmp_path / "lesson.ipynb",
        "import os\nprint(os.environ['COURSE_BUDGET'])",
        "import ipywidgets\nipywidgets.IntSlider()",
        "for n in range(3):\n    print(n, end='\\r')\nprint('three')",
    )
    assert run_notebooks.run(path, "smoke", timeout=60) == []
    made = read(path)
    assert source_problems(made) == [] and output_problems(made, "smoke") == []
    first, slider, bar = made.cells
    assert first.outputs[0].text == "smoke\n" and bar.outputs[0].text == "three\n"
    assert "Run this cell" in slider.outputs[0].data["text/html"]
    assert "version" not in made.metadata.language_info


@pytest.mark.parametrize(
    "last, words",
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import os\nprint(os.getcwd())", "path of this machine"),
        ("import time\ntime.sleep(30)", "CellTimeoutError"),
        ("import os\nos._exit(1)", "DeadKernelError"),
    ],
)
def test_a_bad_run_is_reported_and_not_saved(tmp_path, monkeypatch, last, words):
    monkeypatch.setenv("COURSE_BUDGET", "smoke")
    path = write(tmp_path / "lesson.ipynb", "x = 1", last)
    before = path.read_bytes()
    found = run_notebooks.run(path, "smoke", timeout=3)
    assert any(words in text and "step-b" in text for text in found), found
    assert path.read_bytes() == before
