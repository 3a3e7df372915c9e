"""Marks as tables, pages and XML: right sums, valid formats, and nothing that acts."""

import csv
import io
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from grading_helpers import NAME, exercise_json
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.grading.assignment import Assignment
from course_lib.grading.page import feedback_html
from course_lib.grading.report import junit_xml, scores_csv, summary
from course_lib.grading.results import CheckResult, Limits, Result, read_json, write_json
from course_lib.grading.text import clean, one_line

ASSIGNMENT = Assignment.from_json(exercise_json(), NAME)
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp; \x1b[2J\x1b]0;title\x07 "
    "\x9b31m \0\x08\x7f \ud800 \ufffe \u202egnp.exe \u2066 \r\n =1+1 ]]> <!-- {{7*7}} \u2028"
)


def graded(student="anna", double=True, half=True, stage="visible", message="", traceback=""):
    """A result with one check passed or failed in each task."""
    checks = [
        CheckResult(f"check-{task}", task, 2, passed, "" if passed else stage,
                    "" if passed else message, "" if passed else traceback)
        for task, passed in (("double", double), ("half", half))
    ]  # fmt: skip
    return Result(student, "graded", checks=checks, seconds=1.5)


CLASS = [
    graded("carl", double=False, half=False, message="no"),
    graded("Bert", half=False, message="half(4) is not 2"),
    graded("anna"),
    Result("dora", "rejected", "The file is empty. Hand in again."),
    Result("emil", "error", "assert SECRET == 42"),
]


def rows(results):
    return list(csv.DictReader(io.StringIO(scores_csv(ASSIGNMENT, results))))


# -- scores.csv ----------------------------------------------------------------------------------


def test_a_row_for_each_student_and_a_column_for_each_task():
    table = rows(CLASS)
    columns = ["student", "double", "half", "total", "max", "status", "message"]
    assert list(table[0]) == columns
    assert [row["student"] for row in table] == ["anna", "Bert", "carl", "dora", "emil"]
    assert [row["total"] for row in table] == ["4", "2", "0", "", ""]
    assert [row["half"] for row in table] == ["2", "0", "0", "", ""]
    assert {row["max"] for row in table} == {"4"}
    assert [row["status"] for row in table] == ["graded"] * 3 + ["rejected", "error"]
    assert table[3]["message"].startswith("The file is empty")


def test_the_order_of_the_results_does_not_matter():
    assert scores_csv(ASSIGNMENT, CLASS) == scores_csv(ASSIGNMENT, CLASS[::-1])


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\uff1d1", "\x1b[0m=1", "\0=1"]
)
def test_nothing_is_a_formula(text):
    result = Result("anna", "rejected", text)
    (row,) = rows([result])
    assert row["message"][0] in "'\ufffd"
    assert rows([Result(text, "rejected", "")])[0]["student"][0] in "'\ufffd"


def test_a_message_stays_in_its_field():
    (row,) = rows([Result("anna", "rejected", 'a,"b"\n;\r\nc\t' + HOSTILE)])
    assert row["message"].startswith('a,"b" ; c') and None not in row
    assert scores_csv(ASSIGNMENT, [Result("anna", "rejected", HOSTILE)]).count("\n") == 2


def test_why_the_grader_failed_is_not_for_students():
    assert "SECRET" not in scores_csv(ASSIGNMENT, CLASS)
    assert "SECRET" not in feedback_html(ASSIGNMENT, CLASS[-1])
    assert "SECRET" in summary(ASSIGNMENT, CLASS)


def test_a_run_without_the_sandbox_is_marked_everywhere():
    result = Result("anna", "graded", checks=graded().checks, sandboxed=False)
    assert rows([result])[0]["message"] == "graded without the sandbox"
    assert "without the sandbox" in feedback_html(ASSIGNMENT, result)
    assert "WITHOUT THE SANDBOX" in summary(ASSIGNMENT, [result])
    assert "without the sandbox" not in feedback_html(ASSIGNMENT, graded())


# -- the page ------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Collects elements, attributes and text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], "", []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_says_what_failed_where():
    result = graded(double=False, message="softmax over the wrong axis", traceback="line 3, in f")
    page = Page(feedback_html(ASSIGNMENT, result))
    assert not page.open and page.tags.count("section") == 3
    for words in ("Task 1: double", "●●○", "0 of 2", "2 of 2", "2 of 4 points", "wrong axis",
                  "line 3, in f", "about 5 minutes", "graded by hand", "anna"):  # fmt: skip
        assert words in page.text, words


def test_of_a_hidden_check_only_the_failure_is_told():
    result = graded(double=False, stage="hidden", message="SECRET", traceback="SECRET")
    for text in (feedback_html(ASSIGNMENT, result), junit_xml(ASSIGNMENT, [result]),
                 scores_csv(ASSIGNMENT, [result]), summary(ASSIGNMENT, [result])):  # fmt: skip
        assert "SECRET" not in text
    assert "fails its hidden part" in feedback_html(ASSIGNMENT, result)


def test_a_check_that_was_not_run_is_told():
    result = graded(double=False, stage="", message="the process ended")
    text = Page(feedback_html(ASSIGNMENT, result)).text
    assert "Could not be run" in text and "the process ended" in text


def test_a_rejected_submission_has_the_reason_and_no_points():
    text = Page(feedback_html(ASSIGNMENT, CLASS[3])).text
    assert "The file is empty" in text and "no marks" in text and "of 2" not in text


def test_the_page_needs_nothing_and_runs_nothing():
    html = feedback_html(ASSIGNMENT, graded(double=False, message="x", traceback="y"))
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "href"]
    assert "url(" not in html and "@import" not in html and "http" not in html.replace(
        "http-equiv", "")  # fmt: skip
    assert html.index("charset") < html.index("<title>") < 900


def harmless_page(html):
    page = Page(html)
    assert not {"script", "img"} & set(page.tags) and not page.open
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]", html)
    html.encode("utf-8")


@pytest.mark.parametrize("stage", ["visible", "hidden", ""])
def test_hostile_text_is_only_text(stage):
    result = graded(HOSTILE, double=False, stage=stage, message=HOSTILE, traceback=HOSTILE)
    harmless_page(feedback_html(ASSIGNMENT, result))
    harmless_page(feedback_html(ASSIGNMENT, Result(HOSTILE, "rejected", HOSTILE)))


def test_long_text_is_cut_and_keeps_its_end():
    result = graded(double=False, message="m" * 10**6, traceback="t" * 10**6 + " ZeroDivisionError")
    html = feedback_html(ASSIGNMENT, result)
    assert len(html) < 60_000 and "ZeroDivisionError" in html and "characters ..." in html


# -- JUnit ---------------------------------------------------------------------------------------


def test_junit_counts_every_check():
    top = ET.fromstring(junit_xml(ASSIGNMENT, CLASS).encode())
    assert (top.get("tests"), top.get("failures"), top.get("errors")) == ("8", "3", "2")
    students = ("anna", "Bert", "carl", "dora", "emil")
    assert [one.get("name") for one in top] == [f"{NAME}/{student}" for student in students]
    assert top[1].find("testcase/failure").get("message") == "half(4) is not 2"


def test_junit_is_valid_xml_whatever_the_text():
    result = graded(HOSTILE, double=False, message=HOSTILE, traceback=HOSTILE)
    top = ET.fromstring(junit_xml(ASSIGNMENT, [result, Result("b", "error", HOSTILE)]).encode())
    assert "<script>alert(1)</script>" in top.find(".//failure").text


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_no_text_breaks_a_format(text):
    results = [graded(text, double=False, message=text, traceback=text),
               Result("zoe", "rejected", text)]  # fmt: skip
    ET.fromstring(junit_xml(ASSIGNMENT, results).encode())
    assert len(rows(results)) == 2
    harmless_page(feedback_html(ASSIGNMENT, results[0]))
    assert summary(ASSIGNMENT, results).isprintable() or "\n" in summary(ASSIGNMENT, results)


# -- the terminal --------------------------------------------------------------------------------


def test_the_summary_tells_how_the_class_did():
    text = summary(ASSIGNMENT, CLASS)
    assert "3 graded, 1 rejected, 1 error" in text
    assert "Points of 4: mean 2, median 2, from 0 to 4" in text
    assert text.index("half ") < text.index("double ")  # the hardest first
    assert "dora: The file is empty" in text


def test_the_summary_of_nobody_and_of_a_large_class():
    assert "no submissions" in summary(ASSIGNMENT, [])
    large = summary(ASSIGNMENT, [graded(f"s{i}") for i in range(5000)])
    assert max(map(len, large.splitlines())) < 100


def test_the_summary_does_not_drive_the_terminal():
    text = summary(ASSIGNMENT, [Result(HOSTILE, "rejected", HOSTILE)])
    assert "\x1b" not in text and "\x9b" not in text and "\u202e" not in text


# -- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, expected",
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x07", "link"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\0b", "a\ufffdb"),
        ("\u202eabc", "<U+202E>abc"),
        ("👩\u200d💻 größe\t李", "👩\u200d💻 größe\t李"),
        ("\x1b", ""),
    ],
)
def test_clean(text, expected):
    assert clean(text) == expected


def test_one_line_is_one_line():
    assert one_line(" a\n\n b\u2028c ") == "a b<U+2028>c"


# -- results as JSON -----------------------------------------------------------------------------


@pytest.mark.parametrize("value", [*CLASS, graded(HOSTILE, double=False, message=HOSTILE),
                                   Limits(call_seconds=2.5)])  # fmt: skip
def test_results_survive_json(value):
    text = write_json(value)
    assert text.isascii() and read_json(type(value), text) == value


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", "3", "[" * 99999, '{"student": 1, "status": "graded"}',
     '{"student": "a", "status": "passed"}', '{"student": "a", "status": "graded", "total": 9}',
     '{"student": "a", "status": "graded", "seconds": NaN}',
     '{"student": "a", "status": "graded", "seconds": true}',
     '{"student": "a", "status": "graded", "checks": [{}]}',
     '{"student": "a", "status": "graded", "checks": {}}'],
)  # fmt: skip
def test_json_that_is_no_result_is_refused(text):
    with pytest.raises(ValueError):
        read_json(Result, text)


@pytest.mark.parametrize("name", ["cell_seconds", "processes", "memory_mb"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 10**7])
def test_limits_have_limits(name, value):
    with pytest.raises(ValueError, match=name):
        Limits(**{name: value})
