"""Notebooks with cells and marks tampered with, and files that are no sound notebooks."""

import copy
import json

from submissions.case import RIGHT, TASKS, WRONG, cell, find, handed_in, honest, hostile, id_of

CHECKS, FORGED, TAGS, FORMAT = "check cells", "forged marks", "tags", "file formats"
TEXT = "texts that act"


def wrong() -> dict:
    return handed_in({"weights": WRONG})


# --- check cells ---


@hostile(CHECKS, loses="weights")
def check_deleted(trap):
    made = wrong()
    made["cells"].remove(find(made, "check-weights"))
    return made


@hostile(CHECKS, loses="all")
def all_checks_deleted_and_nothing_done(trap):
    made = handed_in(dict.fromkeys(TASKS, "pass"))
    made["cells"] = [one for one in made["cells"] if not (id_of(one) or "").startswith("check")]
    return made


@hostile(CHECKS, loses="weights")
def check_emptied(trap):
    made = wrong()
    find(made, "check-weights")["source"] = "print('passed')"
    return made


@hostile(CHECKS, loses="weights")
def right_answer_in_the_check_only(trap):
    """What stands in a check cell is the teacher's business, and not taken from the student."""
    made = wrong()
    find(made, "check-weights")["source"] = RIGHT["weights"]
    return made


@hostile(CHECKS, loses="weights")
def check_twice_with_many_points(trap):
    made = wrong()
    double = copy.deepcopy(find(made, "check-number"))
    double["metadata"]["nbgrader"]["points"] = 1000
    made["cells"] += [double, copy.deepcopy(double)]
    return made


@hostile(CHECKS, loses="weights")
def checks_before_answers(trap):
    made = wrong()
    made["cells"].sort(key=lambda one: not (id_of(one) or "").startswith("check"))
    return made


@hostile(CHECKS, loses="weights")
def check_as_text(trap):
    made = wrong()
    for grade_id, kind in (("check-weights", "markdown"), ("check-head", "raw")):
        find(made, grade_id)["cell_type"] = kind
    return made


@hostile(CHECKS, loses="weights")
def check_called_an_answer(trap):
    made = wrong()
    marks = find(made, "check-weights")["metadata"]["nbgrader"]
    marks |= {"solution": True, "grade": False, "locked": False}
    return made


@hostile(CHECKS, loses="weights")
def code_under_the_name_of_the_set_up(trap):
    made = wrong()
    find(made, "setup")["source"] += "\nmath.sqrt = lambda x: 1\nchecks = None"
    return made


# --- forged marks ---


@hostile(FORGED, loses="weights")
def points_and_scores(trap):
    made = wrong()
    for one in made["cells"]:
        one["metadata"].setdefault("nbgrader", {}).update(points=100, score=100, passed=True)
    made["metadata"]["score"] = made["metadata"]["grade"] = 100
    return made


@hostile(FORGED, loses="weights")
def outputs_that_say_passed(trap):
    made = wrong()
    for one in made["cells"]:
        if one["cell_type"] == "code":
            one["execution_count"] = 1
            one["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "passed\n10/10"}]
    return made


@hostile(FORGED, loses="weights")
def another_kernel(trap):
    made = wrong()
    made["metadata"]["kernelspec"] = {"name": "../../evil", "display_name": "x", "language": "R"}
    made["metadata"]["language_info"] = {"name": "bash", "version": "; rm -rf /"}
    return made


@hostile(FORGED, loses="number")
def answer_under_the_id_of_another_task(trap):
    """Whatever a cell is called, it is worth what the functions in it can do."""
    made = handed_in()
    made["cells"].remove(find(made, "number"))
    find(made, "weights")["metadata"]["nbgrader"]["grade_id"] = "number"
    return made


@hostile(FORGED, loses="weights")
def ids_of_cells_that_are_not_there(trap):
    made = wrong()
    extra = cell(
        "points = 100",
        nbgrader={
            "grade_id": "../../etc/passwd",
            "grade": True,
            "points": 1e308,
            "schema_version": 99,
        },
    )
    made["cells"].append(extra)
    return made


@hostile(FORGED, loses="weights")
def marks_of_strange_types(trap):
    made = wrong()
    made["cells"] += [cell("pass", nbgrader=value) for value in (7, [], "x", {"grade_id": {}})]
    made["cells"] += [cell("pass", nbgrader={"grade_id": ["weights"], "points": "nan"}), 7, None]
    made["metadata"] = [1, 2]
    return made


# --- tags ---


def tagged(*tags) -> dict:
    made = wrong()
    for one in made["cells"]:
        one["metadata"]["tags"] = list(tags)
    return made


@hostile(TAGS, loses="weights")
def tag_raises_exception(trap):
    return tagged("raises-exception", "nbval-raises-exception")


@hostile(TAGS, loses="weights")
def tag_skip(trap):
    return tagged("nbval-skip", "skip", "skip-execution")


@hostile(TAGS, loses="weights")
def tag_in_a_comment(trap):
    made = tagged("nbval-ignore-output")
    find(made, "check-weights")["source"] = "# NBVAL_SKIP\n# NBVAL_RAISES_EXCEPTION\nassert False"
    find(made, "weights")["source"] = "# NBVAL_SKIP\n" + WRONG
    return made


# --- texts that act where they are shown ---

EVIL = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b]0;title\x07\x1b[2J\u202e\u2066=1+1"
)


@hostile(TEXT, loses="weights", says="<script>")
def text_in_a_message(trap):
    return {"weights": f"def weights(q, k):\n    raise ValueError({EVIL!r})"}


@hostile(TEXT, loses="weights")
def text_in_the_name_of_an_exception(trap):
    return {"weights": f"def weights(q, k):\n    raise type({EVIL!r}, (Exception,), {{}})('=1+1')"}


@hostile(TEXT, loses="weights")
def text_in_the_name_of_a_class(trap):
    return {
        "weights": f"Evil = type({EVIL!r}, (nn.Module,), {{}})\n"
        "def weights(q, k):\n    return Evil()"
    }


@hostile(TEXT, loses="number")
def text_as_a_value(trap):
    return {"number": f"share = {EVIL!r} * 1000"}


@hostile(TEXT, loses="weights")
def half_characters_in_a_message(trap):
    return {"weights": "def weights(q, k):\n    raise ValueError('\\ud800' + chr(0) + '\\udfff')"}


@hostile(TEXT, loses="weights", says="Your notebook does not define")
def text_in_a_syntax_error(trap):
    return {"weights": "def weights(q, k:\n    return '<script>alert(1)</script>'"}


# --- file formats: not to be read ---


def rejected(message):
    return hostile(FORMAT, loses="all", rejected=message)


@rejected("empty")
def empty_file(trap):
    return b""


@rejected("empty")
def nothing_but_zeros(trap):
    return bytes(1000)


@rejected("larger than")
def sixty_megabytes(trap):
    return json.dumps(handed_in()).encode() + b" " * (60 << 20)


@rejected("ends in the middle")
def cut_off(trap):
    return json.dumps(handed_in())[:-500]


@rejected("no valid JSON")
def a_comma_missing(trap):
    return json.dumps(handed_in()).replace('", "', '" "', 1)


@rejected("nested too deeply")
def deep_nesting(trap):
    return '{"cells":' + "[" * 100_000 + "]" * 100_000 + "}"


@rejected("too many parts")
def a_flood_of_brackets(trap):
    return '{"cells":[' + "[]," * 3_000_000 + "[]]}"


@rejected("cells; ")
def ten_thousand_cells(trap):
    made = handed_in()
    made["cells"] += [cell("pass")] * 10_000
    return made


@rejected("characters; ")
def megabytes_of_code(trap):
    return handed_in({"weights": RIGHT["weights"] + "\n# " + "x" * (3 << 20)})


@rejected("not a notebook")
def a_list(trap):
    return "[1, 2, 3]"


@rejected("no cells")
def no_cells(trap):
    return '{"nbformat": 4, "cells": {"a": 1}}'


@rejected("web page")
def a_web_page(trap):
    return "<!DOCTYPE html><html><script>alert(1)</script></html>"


@rejected("ZIP")
def an_archive(trap):
    return b"PK\x03\x04" + bytes(range(256)) * 10


@rejected("conflict")
def conflict_marks(trap):
    return "<<<<<<< HEAD\n" + json.dumps(handed_in(), indent=1) + "\n>>>>>>> other\n"


@rejected("None of the answers")
def another_exercise(trap):
    made = handed_in()
    made["cells"] = [cell("print('hello')")]
    return made


@rejected("")
def a_pickle(trap):
    return b"\x80\x04\x95\x1b\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93R."


@rejected("")
def numbers_out_of_range(trap):
    return '{"cells": 1' + "0" * 100_000 + ', "nbformat": 1e999}'


# --- file formats: odd, but to be read ---


@honest(FORMAT)
def nbformat_3(trap):
    made = handed_in()
    for one in made["cells"]:
        one["input" if one["cell_type"] == "code" else "source"] = one.pop("source")
    return {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [{"cells": made["cells"], "metadata": {}}],
    }


@honest(FORMAT)
def byte_order_mark_and_windows_line_ends(trap):
    made = handed_in()
    for one in made["cells"]:
        one["source"] = "".join(one["source"]).replace("\n", "\r\n")
    return b"\xef\xbb\xbf" + json.dumps(made, indent=1).replace("\n", "\r\n").encode()


@honest(FORMAT)
def latin_1(trap):
    made = handed_in({"weights": '"""Für Ümläute."""\n' + RIGHT["weights"]})
    return json.dumps(made, ensure_ascii=False).encode("latin-1", "replace")


@honest(FORMAT)
def utf_16(trap):
    return json.dumps(handed_in()).encode("utf-16")


@honest(FORMAT)
def zeros_and_half_characters(trap):
    made = json.dumps(handed_in(after=["half = '\ud800'"]))
    return made.replace("Exercise", "Exer\0cise").encode()


@honest(FORMAT)
def marks_lost_in_another_program(trap):
    """The metadata are gone, as after some conversions."""
    made = handed_in()
    for one in made["cells"]:
        one["metadata"] = {}
    return made


@honest(FORMAT)
def marks_forged_but_answers_right(trap):
    made = handed_in()
    for one in made["cells"]:
        one["metadata"].setdefault("nbgrader", {}).update(points=0, locked=True, grade=True)
    return made
