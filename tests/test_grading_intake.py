"""Submissions as hostile data: found, named, and read without a crash, a hang or a guess."""

import codecs
import json
import os
import socket
import time
from pathlib import Path

import pytest
from grading_helpers import (
    ANSWERS,
    NAME,
    cell,
    exercise_json,
    find_cell,
    marks_of,
    notebook,
    submission,
    teacher,
    write,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.grading import intake
from course_lib.grading.finding import Found, find, safe_name
from course_lib.grading.results import AnswerCell

EXERCISE = intake.Exercise.from_json(exercise_json(), NAME)
BOTH = [AnswerCell(name, source) for name, source in ANSWERS.items()]


def parse(made):
    """The student's cells, without the places of checks."""
    return [one for one in parse_all(made) if one.grade_id not in EXERCISE.checks]


def parse_all(made):
    raw = made if isinstance(made, bytes) else json.dumps(made).encode()
    return intake.parse(raw, EXERCISE)


def read(path: Path):
    (found,) = find(path, NAME)
    return intake.read(found, EXERCISE)[1]


# -- what is taken -------------------------------------------------------------------------------


def test_answers_are_taken_and_the_teachers_cells_left_out():
    assert parse(submission()) == BOTH
    assert EXERCISE.answers == {"double": {"double"}, "half": {"half"}}
    assert EXERCISE.others == {"setup", "check-double", "check-half", "text-1", "text-2", "explain"}


def test_the_untouched_exercise_is_no_problem():
    stub = 'def double(x):\n    raise NotImplementedError("your answer")'
    assert parse(submission(stub))[0] == AnswerCell("double", stub)


def test_of_a_check_only_its_place_is_taken():
    made = submission()
    find_cell(made, "check-double")["source"] = "points = 100"
    places = [(one.grade_id, bool(one.source)) for one in parse_all(made)]
    assert places == [
        ("double", True), ("check-double", False), ("half", True), ("check-half", False)
    ]  # fmt: skip


def test_free_cells_are_kept_in_their_place():
    made = submission()
    made["cells"].insert(3, cell("def helper(): return 2", cell_id="mine"))
    made["cells"].append(cell("1 / 0", cell_id="scratch"))
    made["cells"].append(cell("  \n", cell_id="blank"))
    made["cells"].append(cell("just text", "markdown", cell_id="text"))
    taken = [(one.grade_id, one.source) for one in parse(made)]
    assert taken[0] == (None, "def helper(): return 2") and taken[-1] == (None, "1 / 0")
    assert [grade_id for grade_id, _ in taken] == [None, "double", "half", None]


@pytest.mark.parametrize("kind", ["markdown", "raw", "", "strange", None])
def test_a_retyped_answer_still_counts(kind):
    made = submission()
    find_cell(made, "double")["cell_type"] = kind
    assert parse(made) == BOTH


def test_an_answer_given_twice_is_kept_twice_in_order():
    made = submission()
    second = cell("def double(x): return x + x", grade_id="double", solution=True)
    made["cells"].append(second | {"id": "copy"})
    assert [one.grade_id for one in parse(made)] == ["double", "half", "double"]


def test_edited_copied_and_retyped_checks_are_left_out():
    made = submission()
    find_cell(made, "check-double")["source"] = "pass"
    made["cells"].append(cell("pass", grade_id="check-half", grade=True, points=2) | {"id": "x"})
    find_cell(made, "setup")["source"] = "import os; os._exit(0)"
    assert parse(made) == BOTH


def test_forged_marks_and_tags_change_nothing():
    made = submission()
    for one in made["cells"]:
        if marks := marks_of(one):
            marks |= {"points": 1000, "locked": False, "grade": True, "schema_version": "x"}
        one["metadata"] |= {"tags": ["raises-exception", "skip"], "editable": 3}
        one["outputs"] = [{"output_type": "forged"}]
    made["metadata"] = {"kernelspec": {"name": "../../evil"}}
    made["nbformat"] = "four"
    assert parse(made) == BOTH


@pytest.mark.parametrize(
    "metadata",
    [None, [], "x", 3, {"nbgrader": None}, {"nbgrader": []}, {"nbgrader": {"grade_id": ["a"]}},
     {"nbgrader": {"grade_id": {"a": 1}}}, {"nbgrader": {"grade_id": 1e308}}],
)  # fmt: skip
def test_metadata_of_any_shape_is_no_crash(metadata):
    made = submission()
    made["cells"][0]["metadata"] = metadata
    find_cell_by_id(made, "id-double")["metadata"] = metadata
    assert parse(made) == BOTH  # recovered by its id


def find_cell_by_id(made, cell_id):
    return next(one for one in made["cells"] if one["id"] == cell_id)


# -- metadata lost -------------------------------------------------------------------------------


def stripped(keep_ids, made=None):
    """A notebook after a tool has removed all metadata, and perhaps the ids."""
    made = made or submission()
    for number, one in enumerate(made["cells"]):
        one["metadata"] = {}
        one["id"] = one["id"] if keep_ids else f"new-{number}"
    return made


@pytest.mark.parametrize("keep_ids", [True, False])
def test_lost_metadata_is_recovered_and_the_teachers_cells_are_known_by_their_text(keep_ids):
    assert parse(stripped(keep_ids)) == BOTH


def test_lost_metadata_and_broken_syntax():
    made = stripped(keep_ids=False, made=submission("def double(x:\n  return 2"))
    assert [one.grade_id for one in parse(made)] == ["double", "half"]


def test_nothing_is_guessed_where_two_cells_could_be_the_answer():
    made = stripped(keep_ids=False)
    made["cells"].append(cell("def double(x): return x + x", cell_id="second"))
    assert [one.grade_id for one in parse(made)] == [None, "half", None]


def test_a_draft_beside_a_marked_answer_stays_a_draft():
    made = submission()
    made["cells"].insert(0, cell("def double(x): return 0", cell_id="draft"))
    assert [one.grade_id for one in parse(made)] == [None, "double", "half"]


@pytest.mark.parametrize(
    "source, names",
    [
        ("x = 1\n\ny: int = 2", {"x", "y"}),
        ("x == 1\nf(a=1)\n  z = 3", set()),
        ("@cache\nasync def f(): pass\nclass C(B): pass", {"f", "C"}),
        ("größe = 1", {"größe"}),
        ("%time x = 1\n!ls", set()),
    ],
)
def test_defined_names(source, names):
    assert intake.defined_names(source) == names


# -- encodings -----------------------------------------------------------------------------------

TEXT = json.dumps(submission("def double(x):\n    return 2 * x  # schön ä"), ensure_ascii=False)


@pytest.mark.parametrize(
    "raw",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        TEXT.encode("latin-1", "replace"),
        TEXT.encode("utf-16"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\\n", "\\r\\n").encode(),
        TEXT.replace("\\n", "\\r").encode(),
        TEXT.encode() + b"\0" * 5000,
        TEXT.encode().replace(b"}", b"\0}"),
        b"\n\n  " + TEXT.encode(),
    ],
    ids=["utf-8", "BOM", "latin-1", "utf-16", "CRLF file", "CRLF source", "CR source",
         "NUL at end", "NUL inside", "blanks"],
)  # fmt: skip
def test_encodings_that_editors_and_systems_leave(raw):
    source = parse(raw)[0].source
    assert source.startswith("def double(x):\n") and source.endswith("schön ä")


def test_nul_and_half_characters_do_not_reach_the_code():
    made = submission("def double(x):\n    return 2 * x  # \0 \ud83d !")
    source = parse(made)[0].source
    assert source.endswith("#  \ufffd !") and compile(source, "x", "exec")


def test_whole_emoji_survive():
    assert "\U0001f600" in parse(submission("x = '\U0001f600'"))[0].source


@pytest.mark.parametrize(
    "source, expected",
    [(["def double(x):\n", "    return 2 * x"], ANSWERS["double"]),
     (["def double(x):\n", 7, None, ["x"], "    return 2 * x"], ANSWERS["double"])],
)  # fmt: skip
def test_source_as_a_list(source, expected):
    made = submission()
    find_cell(made, "double")["source"] = source
    assert parse(made)[0].source == expected


@pytest.mark.parametrize("source", [None, 3, {}, [[]], True])
def test_source_of_another_type_is_an_empty_answer(source):
    made = submission()
    find_cell(made, "double")["source"] = source
    assert parse(made)[0] == AnswerCell("double", "")


def test_nbformat_3_with_worksheets():
    made = submission()
    for one in made["cells"]:
        if one["cell_type"] == "code":
            one["input"] = one.pop("source")
    old = {"nbformat": 3, "worksheets": [None, {"cells": made["cells"]}, {"cells": 3}]}
    assert parse(old) == BOTH


def test_of_a_key_given_twice_the_last_counts():
    text = json.dumps(submission()).replace('"cells":', '"cells": [], "cells":')
    assert parse(text.encode()) == BOTH


# -- what is refused, with a reason --------------------------------------------------------------

REFUSED = {
    "empty": (b"", "is empty"),
    "blanks": (b" \n\0\0", "is empty"),
    "text": (b"hello", "not a notebook"),
    "binary": (bytes(range(256)) * 9, "not a notebook"),
    "web page": (b"<!DOCTYPE html><p>Please log in", "web page"),
    "zip": (b"PK\x03\x04" + b"\0" * 50, "ZIP"),
    "pdf": (b"%PDF-1.7 ...", "PDF"),
    "cut off": (json.dumps(submission()).encode()[:700], "ends in the middle"),
    "conflict": (b'{"cells": [\n<<<<<<< HEAD\n]}', "conflict"),
    "damaged": (b'{"cells": [,,]} ' + b" " * 10 + b"}", "line 1"),
    "deep lists": (b"[" * 200_000, "nested too deeply"),
    "deep dictionaries": (b'{"a":' * 200_000, "nested too deeply"),
    "deep and closed": (b'{"cells":' + b"[" * 90_000 + b"]" * 90_000 + b"}", "nested too deeply"),
    "many parts": (b'{"cells":[' + b"[]," * 2_100_000 + b"[]]}", "too many parts"),
    "huge number": (b'{"cells": ' + b"9" * 10_000 + b"}", "Open it in Jupyter"),
    "a list": (b"[1, 2]", "not a notebook"),
    "a number": (b"3", "not a notebook"),
    "NaN": (b"NaN", "not a notebook"),
    "no cells": (b'{"nbformat": 4}', "no cells"),
    "cells of another type": (b'{"cells": {"a": 1}}', "no cells"),
    "cells not cells": (b'{"cells": [1, null, "x", []]}', "None of the answers"),
    "too many cells": (json.dumps(notebook([cell("x")] * 2001)).encode(), "2,001 cells"),
    "too much code": (json.dumps(submission("x = 1\n" * 200_000)).encode(), "1,048,576 are"),
    "another notebook": (json.dumps(notebook([cell("print(1)")])).encode(), "None of the answers"),
    "no answers": (json.dumps(notebook([])).encode(), "02_small.ipynb"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_soon_and_with_a_reason(name, tmp_path):
    raw, reason = REFUSED[name]
    start = time.perf_counter()
    read_one = read(write(tmp_path / "anna.ipynb", raw))
    assert read_one.student == "anna" and read_one.cells == []
    assert reason in read_one.problem and len(read_one.problem) < 400
    assert "hand in" in read_one.problem.lower()
    assert time.perf_counter() - start < 5


def test_too_large(tmp_path):
    with open(tmp_path / "anna.ipynb", "wb") as file:
        file.truncate(60 * 2**20)
    assert "larger than 20 MB" in read(tmp_path / "anna.ipynb").problem


def test_large_outputs_and_texts_are_fine():
    made = submission()
    made["cells"][0]["source"] = "![](data:image/png;base64," + "A" * 5_000_000
    find_cell(made, "double")["outputs"] = ["B" * 5_000_000]
    assert parse(made) == BOTH


def test_the_refusal_speaks_to_the_student(tmp_path):
    problem = read(write(tmp_path / "anna.ipynb", b"[1]")).problem
    assert problem.endswith("Open it in Jupyter, save it, and hand in the saved .ipynb file.")


KEYS = ["cells", "worksheets", "source", "metadata", "nbgrader", "grade_id", "cell_type", "id"]
LEAVES = st.none() | st.booleans() | st.floats() | st.text(max_size=9)
NESTED = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None)
@given(NESTED)
def test_no_json_makes_it_crash(value):
    for made in (value, {"cells": value}, {"cells": [value]}, {"worksheets": [value]}):
        try:
            parse(json.dumps(made).encode())
        except intake.Unreadable:
            pass


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_make_it_crash(raw):
    with pytest.raises(intake.Unreadable):
        parse(raw)


# -- files that are none -------------------------------------------------------------------------


def test_links_are_not_followed(tmp_path):
    secret = write(tmp_path / "secret.ipynb", submission())
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "anna.ipynb").symlink_to(secret)
    (folder / "bert.ipynb").symlink_to(tmp_path / "nowhere")
    (folder / "carl.ipynb").symlink_to(folder)
    problems = [intake.read(one, EXERCISE)[1].problem for one in find(folder, NAME)]
    assert len(problems) == 3 and all("link" in problem for problem in problems)
    assert "link" in read(folder / "anna.ipynb").problem


def test_a_linked_folder_is_not_entered(tmp_path):
    write(tmp_path / "secret" / f"{NAME}.ipynb", submission())
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "anna").symlink_to(tmp_path / "secret")
    write(tmp_path / "in" / "bert.ipynb", submission())
    anna, bert = find(tmp_path / "in", NAME)
    assert "link" in intake.read(anna, EXERCISE)[1].problem
    assert not intake.read(bert, EXERCISE)[1].problem


def test_a_folder_that_became_a_link_after_it_was_found(tmp_path):
    write(tmp_path / "in" / "anna" / "sub" / f"{NAME}.ipynb", submission())
    write(tmp_path / "secret" / f"{NAME}.ipynb", submission())
    (found,) = find(tmp_path / "in", NAME)
    (tmp_path / "in/anna/sub").rename(tmp_path / "in/anna/old")
    (tmp_path / "in/anna/sub").symlink_to(tmp_path / "secret")
    assert "cannot be read" in intake.read(found, EXERCISE)[1].problem


def test_a_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "anna.ipynb")
    assert "not an ordinary file" in read(tmp_path / "anna.ipynb").problem


def test_a_socket_and_a_device_are_not_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("anna.ipynb")
        assert "not an ordinary file" in read(tmp_path / "anna.ipynb").problem
    found = Found("x", Path("/dev"), ("zero",))
    assert "not an ordinary file" in intake.read(found, EXERCISE)[1].problem


def test_a_folder_called_like_a_notebook(tmp_path):
    (tmp_path / "anna.ipynb").mkdir()
    write(tmp_path / "bert.ipynb", submission())
    anna, bert = find(tmp_path, NAME)
    assert "empty" in anna.problem and bert.student == "bert"


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root may read everything")
def test_a_file_without_rights(tmp_path):
    write(tmp_path / "anna.ipynb", submission()).chmod(0)
    assert "Permission denied" in read(tmp_path / "anna.ipynb").problem


def test_a_file_that_is_gone(tmp_path):
    found = Found("anna", tmp_path, ("anna.ipynb",))
    assert "No such file" in intake.read(found, EXERCISE)[1].problem


# -- finding -------------------------------------------------------------------------------------


def students(path):
    return [one.student for one in find(path, NAME)]


def test_a_file_a_folder_of_files_and_nbgraders_tree(tmp_path):
    for student in ("anna", "Bert", "carl"):
        write(tmp_path / "flat" / f"{student}.ipynb", submission())
        write(tmp_path / "tree" / student / NAME / f"{NAME}.ipynb", submission())
        write(tmp_path / "tree" / student / "01_other" / "01_other.ipynb", submission())
        write(tmp_path / "tree" / student / NAME / "timestamp.txt", "2026-11-20")
        write(tmp_path / "moodle" / student / "my work.ipynb", submission())
    assert students(tmp_path / "flat" / "anna.ipynb") == ["anna"]
    for shape in ("flat", "tree", "moodle"):
        found = find(tmp_path / shape, NAME)
        assert [one.student for one in found] == ["anna", "Bert", "carl"]
        assert not any(intake.read(one, EXERCISE)[1].problem for one in found), shape


def test_a_named_folder_may_itself_be_a_link(tmp_path):
    write(tmp_path / "real" / "anna.ipynb", submission())
    (tmp_path / "here").symlink_to(tmp_path / "real")
    assert students(tmp_path / "here") == ["anna"]


def test_what_programs_leave_behind_is_no_submission(tmp_path):
    write(tmp_path / "anna.ipynb", submission())
    for name in (".DS_Store", "._anna.ipynb", "Thumbs.db", ".ipynb_checkpoints/a.ipynb",
                 "__MACOSX/anna.ipynb"):  # fmt: skip
        write(tmp_path / name, "x")
    assert students(tmp_path) == ["anna"]


def test_a_student_who_handed_in_something_else_is_not_lost(tmp_path):
    write(tmp_path / "anna.ipynb", submission())
    write(tmp_path / "anna.py", "helper")
    write(tmp_path / "bert.pdf", b"%PDF-1.4")
    problems = {one.student: intake.read(one, EXERCISE)[1].problem for one in find(tmp_path, NAME)}
    assert problems["anna"] == "" and "PDF" in problems["bert"]


def test_several_notebooks_are_not_guessed_at(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / "anna" / f"{name}.ipynb", submission())
    write(tmp_path / "bert" / "notes.txt", "x")
    (tmp_path / "carl").mkdir()
    anna, bert, carl = find(tmp_path, NAME)
    assert "2 notebooks" in anna.problem and "a.ipynb, b.ipynb" in anna.problem.replace("anna/", "")
    assert "No notebook" in bert.problem and "empty" in carl.problem


def test_a_folder_with_very_many_files(tmp_path):
    for number in range(2100):
        (tmp_path / "in" / "anna").mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / "anna" / f"{number}.ipynb").touch()
    (anna,) = find(tmp_path / "in", NAME)
    assert "More than 2000 files" in anna.problem


def test_nothing_to_grade_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="holds no submissions"):
        find(tmp_path, NAME)
    with pytest.raises(ValueError, match="does not exist"):
        find(tmp_path / "nowhere", NAME)


# -- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw, safe",
    [
        ("anna", "anna"),
        ("Müller, Anna (12)", "Müller, Anna (12)"),
        ("李雷", "李雷"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("a\\b/c:d", "a_b_c_d"),
        ("anna\x1b[31m", "anna__31m"),
        ("anna\u202egpj", "anna_gpj"),
        ("=HYPERLINK(1)", "_HYPERLINK(1)"),
        ("-rf", "rf"),
        (" .anna. ", "anna"),
        ("con", "_con"),
        ("NUL.txt", "_NUL.txt"),
        ("a\nb\0c", "a_b_c"),
        ("<script>", "_script_"),
        ("a" * 300, "a" * 60),
        ("", "unnamed"),
        ("...", "unnamed"),
    ],
)
def test_safe_names(raw, safe):
    assert safe_name(raw) == safe


@given(st.text(max_size=200))
def test_safe_names_are_safe(raw):
    name = safe_name(raw)
    assert 0 < len(name) <= 80 and len(name.encode()) < 200
    assert not set(name) & set('/\\:*?"<>|\0\n\r\t=') and name[0] not in ".-+@ "
    assert name == safe_name(raw) and any(c.isalnum() for c in name)


def test_names_that_clash_are_told_apart_and_the_others_stay(tmp_path):
    for name in ("Anna.ipynb", "anna.ipynb", "bert.ipynb", "x\u202a.ipynb", "x\u202b.ipynb"):
        write(tmp_path / name, submission())
    names = students(tmp_path)
    assert len({name.casefold() for name in names}) == 5 and "bert" in names
    assert names == students(tmp_path)


def test_a_name_made_to_look_like_a_clash(tmp_path):
    for name in ("Anna.ipynb", "anna.ipynb"):
        write(tmp_path / name, submission())
    forged = students(tmp_path)[0]
    write(tmp_path / f"{forged}.ipynb", submission())
    assert len({name.casefold() for name in students(tmp_path)}) == 3


def test_a_name_that_is_no_text(tmp_path):
    with open(os.fsencode(tmp_path) + b"/\xff\xfe.ipynb", "wb") as file:
        file.write(json.dumps(submission()).encode())
    (found,) = find(tmp_path, NAME)
    assert found.student.startswith("unnamed-") and found.student.isascii()
    assert not intake.read(found, EXERCISE)[1].problem


def test_a_solution_without_ids_can_be_read():
    made = teacher()
    for one in made["cells"]:
        del one["id"]
    made["nbformat_minor"] = 4
    assert intake.Exercise.from_json(json.dumps(made), NAME).cell_ids == {}
