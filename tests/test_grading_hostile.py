"""All of `tests/submissions` in one class: the marks, the traps, and what students get to read.

Each case is a neighbor of the next: it shares the trusted kernel and the warm process with it. The
honest ones are spread among the others, and most hostile ones hold tasks that are done well; all
these must earn just what they would earn alone.
"""

import csv
import json
import time

import psutil
import pytest
from submissions import CASES, Trap, handed_in, teachers_notebook
from submissions.case import POINTS, TASKS, as_bytes

from course_lib.grading import runner, sandbox
from course_lib.grading.results import Limits

try:
    sandbox.check()
    MISSING = ""
except sandbox.SandboxMissing as missing:
    MISSING = str(missing)
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

# Honest work under a name that a terminal, a spreadsheet or a file system might stumble over.
ODD_NAMES = ("=1+1", "-rf", "<img src=x>", "é🙂", "a\u202eb", "$(id)", "x; y", "nul", "%2e%2e%2fx")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The class graded once: results by name, the folder of reports, the trap."""
    folder = tmp_path_factory.mktemp("class")
    solution = folder / "solutions" / "02_small.ipynb"
    solution.parent.mkdir()
    solution.write_text(json.dumps(teachers_notebook()), encoding="utf-8")
    (folder / "outside").mkdir()
    trap = Trap(folder / "outside", solution)
    write_class(folder / "in", trap)
    # limits that no other run on this machine has, to find its processes by
    limits = Limits(start_seconds=100 + float(trap.nap) / 1e8, cell_seconds=2, call_seconds=2,
                    total_seconds=15, memory_mb=1000)  # fmt: skip
    _, results = runner.grade(folder / "in", solution, folder / "out", jobs=2, limits=limits)
    yield {result.student: result for result in results}, folder / "out", trap, limits
    trap.close()


def write_class(folder, trap):
    folder.mkdir()
    spread = sorted(CASES, key=lambda case: sum(map(ord, case.name)) % 97)
    for number, case in enumerate(spread):
        (folder / f"{number:03} {case.name}.ipynb").write_bytes(as_bytes(case.make(trap)))
    for name in ODD_NAMES:
        (folder / f"{name}.ipynb").write_bytes(as_bytes(handed_in()))


def result_of(run, name):
    return next(result for student, result in run[0].items() if student[4:] == name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_marks(case, run):
    result = result_of(run, case.name)
    if case.rejected or case.loses == set(TASKS) and result.status == "rejected":
        assert result.status == "rejected" and case.rejected in result.message, result.message
        return
    assert result.status == "graded", result.message
    earned = {check.task for check in result.checks if check.passed}
    said = {check.task: (check.stage, check.message) for check in result.checks}
    assert not earned & case.loses, f"a false pass: {earned}"
    assert earned >= set(TASKS) - case.loses - case.may_lose, f"a false fail: {said}"
    lost = [check for check in result.checks if check.task in case.loses]
    assert any(case.says in check.message for check in lost) or not case.says, said
    assert result.points == sum(POINTS[task] for task in earned)


def test_there_are_enough_cases():
    assert sum(not case.honest for case in CASES) >= 60
    assert sum(case.honest for case in CASES) >= 20
    assert len({case.name for case in CASES}) == len(CASES)


def test_nothing_outside_is_touched(run):
    trap = run[2]
    assert trap.file.read_text() == "untouched"
    assert sorted(path.name for path in trap.folder.iterdir()) == ["canary.txt", "socket"]
    assert trap.solution.read_text(encoding="utf-8") == json.dumps(teachers_notebook())


def test_nobody_is_called(run):
    assert run[2].calls() == 0


def test_no_process_stays(run):
    """Neither the submissions' own nor the grader's."""
    marks = run[2].nap, str(run[3].start_seconds)
    for _ in range(50):  # the last ones may be on their way out
        left = [process for process in command_lines() if any(mark in process for mark in marks)]
        if not left:
            return
        time.sleep(0.1)
    assert not left


def command_lines():
    for process in psutil.process_iter(["cmdline"]):
        yield " ".join(process.info["cmdline"] or [])


def test_no_hidden_test_is_told(run):
    """All hidden tests hold the word, and no submission does."""
    results, out, _, _ = run
    for path in out.rglob("*"):
        assert path.is_dir() or b"SECRET" not in path.read_bytes(), path
    assert len([*(out / "feedback").iterdir()]) == len(results) == len(CASES) + len(ODD_NAMES)


def test_pages_and_tables_are_plain(run):
    for page in (run[1] / "feedback").iterdir():
        text = page.read_text(encoding="utf-8")
        assert "<script" not in text.lower() and "<img" not in text.lower(), page
        assert not set(text) & {"\x1b", "\x07", "\u202e", "\u2066", "\0"}, page
    with open(run[1] / "scores.csv", encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            assert not any(field.startswith(("=", "+", "@", "\t")) for field in row), row


def test_names_change_nothing(run):
    others = [result for name, result in run[0].items() if name[4:] not in {c.name for c in CASES}]
    assert [result.points for result in others] == [sum(POINTS.values())] * len(ODD_NAMES)
