"""Lessons show the library's own text; the tool that keeps it so, and its messages."""

import nbformat
import pytest

from tools import sync_lessons
from tools.notebook_files import lessons, read
from tools.sync_lessons import library_text, sync

MODULE = '''"""A small module."""

import functools

SIZE: int = 3  # a comment
NAMES = (
    "one",
)


@functools.cache
def double(x):
    """Twice x."""

    return 2 * x  # trailing


# not part of the class
class Thing:
    size = SIZE
'''


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "course_lib"
    (folder / "deep").mkdir(parents=True)
    (folder / "small.py").write_text(MODULE)
    (folder / "deep" / "er.py").write_text("def down():\n    return 1\n")
    return folder


def notebook(path, *cells):
    book = nbformat.v4.new_notebook()
    for number, (source, tags, outputs) in enumerate(cells):
        cell = nbformat.v4.new_code_cell(source, id=f"c-{number}", metadata={"tags": tags})
        cell.outputs, cell.execution_count = outputs, number + 1
        book.cells.append(cell)
    nbformat.write(book, path)
    return path


def printed(text):
    return [nbformat.v4.new_output("stream", name="stdout", text=text)]


@pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)
def test_lessons_hold_the_text_of_the_library(path):
    found = sync(path, check=True)
    assert not found, "\n\n".join(found) + "\n\n`make sync` copies the library's text"


@pytest.mark.parametrize(
    "name, expected",
    [
        (
            "small.double",
            '@functools.cache\ndef double(x):\n    """Twice x."""\n\n    return 2 * x',
        ),
        ("small.Thing", "class Thing:\n    size = SIZE"),
        ("small.NAMES", 'NAMES = (\n    "one",\n)'),
        ("small.SIZE", "SIZE: int = 3"),
        ("deep.er.down", "def down():\n    return 1"),
    ],
)
def test_definition_with_decorators_and_nothing_else(library, name, expected):
    text = library_text(name, library)
    assert text.startswith(expected)
    assert "not part" not in text and "import" not in text


def test_rewrites_only_what_differs_and_keeps_other_outputs(library, tmp_path):
    both = "class Thing:\n    size = SIZE\n\n\ndef down():\n    return 1"
    path = notebook(
        tmp_path / "lesson.ipynb",
        ("free = 1", [], printed("kept 1")),
        ("class Thing:\n    size = 4", ["lib:small.Thing"], printed("stale")),
        (both, ["lib:small.Thing", "lib:deep.er.down"], printed("kept 2")),
    )
    (diff,) = sync(path, library)
    assert "-    size = 4" in diff and "+    size = SIZE" in diff
    assert "lesson.ipynb, cell c-1" in diff and "lib:small.Thing" in diff
    first, changed, last = read(path).cells
    assert changed.source == "class Thing:\n    size = SIZE" and changed.outputs == []
    assert (first.source, last.source) == ("free = 1", both)
    assert first.outputs[0].text == "kept 1" and last.outputs[0].text == "kept 2"
    assert sync(path, library) == []


@pytest.mark.parametrize(
    "source",
    [
        "x = 1",
        "import math\nclass Thing:\n    size = SIZE",
        "class Thing:\n    size = SIZE\nThing()",
    ],
)
def test_anything_but_the_definition_is_a_difference(library, tmp_path, source):
    path = notebook(tmp_path / "lesson.ipynb", (source, ["lib:small.Thing"], []))
    before = path.read_bytes()
    assert len(sync(path, library, check=True)) == 1
    assert path.read_bytes() == before, "--check must not write"


@pytest.mark.parametrize(
    "tag, words",
    [
        ("lib:small.Thong", ["small.Thong", "Thing", "double"]),
        ("lib:tiny.Thing", ["tiny", "no module"]),
        ("lib:Thing", ["lib:module.Name"]),
    ],
)
def test_a_wrong_tag_is_named(library, tmp_path, tag, words):
    path = notebook(tmp_path / "lesson.ipynb", ("x = 1", [tag], []))
    with pytest.raises(ValueError) as caught:
        sync(path, library)
    assert all(word in str(caught.value) for word in words)


def test_the_command_fails_with_a_diff_in_check_mode(library, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sync_lessons.sync, "__defaults__", (library, False))
    path = notebook(tmp_path / "lesson.ipynb", ("class Thing: ...", ["lib:small.Thing"], []))
    with pytest.raises(SystemExit) as caught:
        sync_lessons.main([path], check=True)
    assert "make sync" in str(caught.value) and "-class Thing: ..." in capsys.readouterr().out
    sync_lessons.main([path])
    sync_lessons.main([path], check=True)
    assert "same text" in capsys.readouterr().out
