"""A class in parallel: nothing lost, nothing graded twice, no harm from neighbors."""

import csv
import json
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import psutil
import pytest
from grading_helpers import NAME, exercise_json, submission, write
from typer.testing import CliRunner

from course_lib import cli
from course_lib.grading import executors, runner, sandbox
from course_lib.grading.results import CheckResult, Limits, Result

WRONG = "def double(x):\n    return x"


class FakeGrader:
    """In place of `session.grade_batch`: an answer is right if it multiplies by 2."""

    def __init__(self):
        self.batches, self.lock = [], threading.Lock()

    def __call__(self, text, submissions, limits, sandboxed, on_result=None, warm=None):
        with self.lock:
            self.batches.append([one.student for one in submissions])
        results = []
        for one in submissions:
            results.append(self.judge(one, sandboxed))
            if on_result:
                on_result(results[-1])
        return results

    def judge(self, one, sandboxed):
        answers = {cell.grade_id: cell.source for cell in one.cells}
        checks = [
            CheckResult("check-double", "double", 2, "2 * x" in answers.get("double", "")),
            CheckResult("check-half", "half", 2, "x / 2" in answers.get("half", "")),
        ]
        return Result(one.student, "graded", "", checks, 0.01, sandboxed)

    @property
    def graded(self):
        return sorted(student for batch in self.batches for student in batch)


@pytest.fixture
def grader(monkeypatch):
    fake = FakeGrader()
    monkeypatch.setattr(runner.session, "grade_batch", lambda *args: fake(*args))
    monkeypatch.setattr(runner.session, "warm_for", lambda *args: nullcontext())
    monkeypatch.setattr(sandbox, "check", lambda: None)
    return fake


@pytest.fixture
def place(tmp_path):
    """A class of three with its assignment."""
    write(tmp_path / "solutions" / f"{NAME}.ipynb", exercise_json())
    for student in ("anna", "bert", "carl"):
        write(tmp_path / "in" / f"{student}.ipynb", submission())
    return tmp_path


def grade(place, **options):
    solution = place / "solutions" / f"{NAME}.ipynb"
    return runner.grade(place / "in", solution, place / "out", **options)[1]


def marks(place):
    with open(place / "out" / "scores.csv", encoding="utf-8") as file:
        return {row["student"]: row["total"] for row in csv.DictReader(file)}


# -- one run -------------------------------------------------------------------------------------


def test_everything_is_written(place, grader):
    write(place / "in" / "carl.ipynb", submission(WRONG))
    write(place / "in" / "dora.ipynb", b"")
    results = grade(place)
    assert [r.status for r in results] == ["graded"] * 3 + ["rejected"]
    assert marks(place) == {"anna": "4", "bert": "4", "carl": "2", "dora": ""}
    names = {path.name for path in (place / "out" / "feedback").iterdir()}
    assert names == {f"{student}.html" for student in ("anna", "bert", "carl", "dora")}
    assert "carl" in (place / "out" / "junit.xml").read_text()
    assert grader.graded == ["anna", "bert", "carl"]


def test_the_outcome_does_not_depend_on_the_number_of_jobs(place, grader):
    for number in range(57):
        write(place / "in" / f"s{number}.ipynb", submission(WRONG if number % 3 else ""))
    first = [(r.student, r.points) for r in grade(place, jobs=1)]
    assert [(r.student, r.points) for r in grade(place, jobs=5, fresh=True)] == first
    assert len(first) == 60 and max(map(len, grader.batches)) <= runner.MAX_CHUNK


@pytest.mark.parametrize(
    "number, width, sizes",
    [(20, 1, [20]), (20, 2, [10, 10]), (3, 8, [1, 1, 1]), (250, 2, [100, 100, 50]), (1, 1, [1])],
)
def test_chunks(number, width, sizes):
    parts = runner.chunks(list(range(number)), width)
    assert [len(part) for part in parts] == sizes and sum(parts, []) == list(range(number))


def test_progress_is_told(place, grader):
    told = []
    grade(place, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


# -- again ---------------------------------------------------------------------------------------


def test_an_unchanged_submission_is_not_graded_again(place, grader):
    first = grade(place)
    before = (place / "out" / "scores.csv").read_bytes()
    assert grade(place) == first and grader.graded == ["anna", "bert", "carl"]
    assert (place / "out" / "scores.csv").read_bytes() == before


def test_a_changed_one_is(place, grader):
    grade(place)
    write(place / "in" / "bert.ipynb", submission(WRONG))
    write(place / "in" / "dora.ipynb", submission())
    (place / "in" / "carl.ipynb").unlink()
    grader.batches.clear()
    grade(place)
    assert grader.graded == ["bert", "dora"]
    assert marks(place) == {"anna": "4", "bert": "2", "dora": "4"}


def test_a_rejected_one_is_graded_when_it_is_handed_in_again(place, grader):
    write(place / "in" / "anna.ipynb", b"")
    assert grade(place)[0].status == "rejected"
    write(place / "in" / "anna.ipynb", submission())
    assert grade(place)[0].status == "graded"


@pytest.mark.parametrize("change", ["assignment", "limits", "sandbox", "grader", "fresh"])
def test_all_are_graded_again_when_something_else_changes(place, grader, monkeypatch, change):
    grade(place)
    grader.batches.clear()
    if change == "assignment":
        text = exercise_json().replace("double(7) == 14", "double(8) == 16")
        write(place / "solutions" / f"{NAME}.ipynb", text)
    if change == "grader":
        monkeypatch.setattr(runner, "grader_version", lambda: "next")
    options = {"limits": {"limits": Limits(cell_seconds=1)}, "sandbox": {"sandboxed": False},
               "fresh": {"fresh": True}}  # fmt: skip
    grade(place, **options.get(change, {}))
    assert grader.graded == ["anna", "bert", "carl"]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"key": 3}', "null", '{"result": {}}'])
def test_a_damaged_result_is_made_again(place, grader, damage):
    grade(place)
    write(place / "out" / "results" / "bert.json", damage)
    grader.batches.clear()
    grade(place)
    assert grader.graded == ["bert"] and marks(place)["bert"] == "4"


def test_a_forged_result_needs_the_key(place, grader):
    grade(place)
    path = place / "out" / "results" / "bert.json"
    kept = json.loads(path.read_text()) | {"key": "0" * 64}
    path.write_text(json.dumps(kept))
    grader.batches.clear()
    grade(place)
    assert grader.graded == ["bert"]


def test_two_assignments_do_not_share_a_folder(place, grader):
    grade(place)
    other = write(place / "solutions" / "03_other.ipynb", exercise_json())
    with pytest.raises(ValueError, match="holds the marks of 02_small"):
        runner.grade(place / "in", other, place / "out")
    with pytest.raises(ValueError, match="holds the marks of 02_small"):  # and still
        runner.grade(place / "in", other, place / "out")
    assert len(runner.grade(place / "in", other, place / "out", fresh=True)[1]) == 3


def test_fresh_removes_only_what_grading_wrote(place, grader):
    write(place / "out" / "notes.txt", "mine")
    grade(place)
    write(place / "out" / "results" / "gone.json", "{}")
    grade(place, fresh=True)
    assert (place / "out" / "notes.txt").read_text() == "mine"
    assert not (place / "out" / "results" / "gone.json").exists()


# -- when things fail ----------------------------------------------------------------------------


def test_a_chunk_that_fails_is_graded_one_by_one(place, grader, monkeypatch):
    def fragile(text, submissions, *rest):
        if len(submissions) > 1:
            grader.batches.append([])
            raise RuntimeError("the kernel fell over")
        return grader(text, submissions, *rest)

    monkeypatch.setattr(runner.session, "grade_batch", fragile)
    assert [r.points for r in grade(place)] == [4, 4, 4]


def test_one_that_fails_again_has_no_mark_and_does_not_harm_the_others(place, grader, monkeypatch):
    def fragile(text, submissions, *rest):
        if any(one.student == "bert" for one in submissions):
            raise RuntimeError("evil \x1b[2J")
        return grader(text, submissions, *rest)

    monkeypatch.setattr(runner.session, "grade_batch", fragile)
    results = grade(place)
    assert [r.status for r in results] == ["graded", "error", "graded"]
    assert marks(place) == {"anna": "4", "bert": "", "carl": "4"}
    assert "RuntimeError: evil" in results[1].message and "\x1b" not in results[1].message
    monkeypatch.setattr(runner.session, "grade_batch", grader)
    grader.batches.clear()
    assert [r.status for r in grade(place)] == ["graded"] * 3 and grader.graded == ["bert"]


def test_results_before_a_failure_are_kept(place, grader, monkeypatch):
    def dies_after_one(text, submissions, limits, sandboxed, on_result, warm=None):
        grader(text, submissions[:1], limits, sandboxed, on_result)
        if len(submissions) > 1:
            raise RuntimeError("gone")
        return []

    monkeypatch.setattr(runner.session, "grade_batch", dies_after_one)
    assert [r.status for r in grade(place)] == ["graded"] * 3
    assert grader.graded == ["anna", "bert", "carl"]  # each once


@pytest.mark.parametrize("forge", ["nothing", "stranger", "no checks", "twice", "unknown check"])
def test_a_result_that_is_not_sound_is_no_mark(place, grader, monkeypatch, forge):
    def unsound(text, submissions, limits, sandboxed, on_result, warm=None):
        made = [grader.judge(one, sandboxed) for one in submissions]
        checks = made[0].checks
        extra = CheckResult("bonus", "double", 99, True)
        return {
            "nothing": [],
            "stranger": [Result("mallory", "graded", "", checks)],
            "no checks": [Result(one.student, "graded") for one in submissions],
            "twice": [Result(one.student, "graded", "", checks * 2) for one in submissions],
            "unknown check": [
                Result(o.student, "graded", "", [*checks, extra]) for o in submissions
            ],
        }[forge]

    monkeypatch.setattr(runner.session, "grade_batch", unsound)
    assert {r.status for r in grade(place)} == {"error"}
    assert set(marks(place).values()) == {""} and set(marks(place)) == {"anna", "bert", "carl"}


def test_without_a_sandbox_nothing_is_graded(place, grader, monkeypatch):
    def missing(*_):
        raise sandbox.SandboxMissing("bubblewrap is not installed")

    monkeypatch.setattr(runner.session, "grade_batch", missing)
    with pytest.raises(runner.Refused, match="bubblewrap"):
        grade(place, jobs=2)
    assert not (place / "out" / "scores.csv").exists()


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_interrupt_keeps_what_is_done_and_the_next_run_goes_on(place, grader, monkeypatch, jobs):
    for number in range(9):
        write(place / "in" / f"s{number}.ipynb", submission())
    done = []

    def interrupted(count, total):
        done.append(count)
        if count == 4:
            waited.set()

    waited = threading.Event()
    real_wait = runner.wait

    def slow(text, submissions, limits, sandboxed, on_result, warm=None):
        def one_by_one(result):
            time.sleep(0.02)
            on_result(result)

        return grader(text, submissions, limits, sandboxed, one_by_one)

    def interrupting_wait(*args, **options):
        if waited.wait(5):
            raise KeyboardInterrupt
        return real_wait(*args, **options)

    monkeypatch.setattr(runner.session, "grade_batch", slow)
    monkeypatch.setattr(runner, "wait", interrupting_wait)
    with pytest.raises(KeyboardInterrupt):
        grade(place, jobs=jobs, progress=interrupted)
    kept = {path.stem for path in (place / "out" / "results").glob("*.json")}
    assert 4 <= len(kept) < 12 and not (place / "out" / "scores.csv").exists()
    assert not list((place / "out").rglob(".*"))  # nothing half written
    monkeypatch.setattr(runner, "wait", real_wait)
    grader.batches.clear()
    assert len(grade(place)) == 12 and kept.isdisjoint(grader.graded)


def test_after_an_interrupt_no_process_is_left():
    before = psutil.Process().children()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(subprocess.run, ["sh", "-c", "sleep 60; true"], check=False)
        while not (started := set(psutil.Process().children()) - set(before)):
            time.sleep(0.01)
        runner.end_children(before, {future})
    assert future.done() and not any(process.is_running() for process in started)


# -- the command ---------------------------------------------------------------------------------


def course(place, *more, solution=NAME, out="out"):
    """`course grade` as typed; an error message is in `.output` or `.exception`."""
    arguments = ["grade", str(place / "in"), "--out", str(place / out), *more]
    arguments += ["--assignment", str(place / "solutions" / f"{solution}.ipynb")]
    return CliRunner().invoke(cli.app, arguments)


def test_the_command_grades_and_ends_with_0(place, grader):
    done = course(place)
    assert done.exit_code == 0, done.output
    assert "3 graded" in done.output and "scores.csv" in done.output


def test_the_command_ends_with_1_if_the_grader_failed(place, monkeypatch, grader):
    monkeypatch.setattr(runner.session, "grade_batch", lambda *args: [])
    done = course(place)
    assert done.exit_code == 1 and "Error, so without marks" in done.output


@pytest.mark.parametrize("more", [["--jobs", "0"], ["--timeout", "0"], ["--jobs", "x"], ["--nope"]])
def test_wrong_arguments_end_with_2(place, grader, more):
    assert course(place, *more).exit_code == 2


def test_an_assignment_is_required(place):
    assert CliRunner().invoke(cli.app, ["grade", str(place / "in")]).exit_code == 2


@pytest.mark.parametrize(
    "case, message",
    [
        ("no assignment", "is not a file; name the teacher's notebook"),
        ("unsolved", "students would get it solved"),
        ("no submissions", "does not exist"),
        ("empty folder", "holds no submissions"),
        ("out is a file", "is a file"),
        ("out inside", "lies in"),
        ("executor", "is not known"),
        ("no sandbox", "bubblewrap"),
    ],
)
def test_errors_are_one_sentence_with_the_way_out(place, grader, monkeypatch, case, message):
    more, options = [], {}
    if case == "no assignment":
        options["solution"] = "99_none"
    if case == "unsolved":
        text = exercise_json().replace("### BEGIN SOLUTION", "").replace("### END SOLUTION", "")
        write(place / "solutions" / f"{NAME}.ipynb", text)
    if case in ("no submissions", "empty folder"):
        (place / "in").rename(place / "elsewhere")
    if case == "empty folder":
        (place / "in").mkdir()
    if case == "out is a file":
        write(place / "out", "x")
    if case == "out inside":
        options["out"] = "in/grades"
    if case == "executor":
        more = ["--executor", "spark://x"]
    if case == "no sandbox":
        monkeypatch.undo()
        monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    done = course(place, *more, **options)
    assert isinstance(done.exception, ValueError), done.output
    assert message in str(done.exception)


def test_an_interrupted_command_says_how_to_go_on(place, grader, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "grade_all", interrupt)
    done = course(place)
    assert done.exit_code == 130 and "goes on from here" in done.output


def test_without_the_sandbox_has_to_be_typed(place, grader):
    done = course(place, "--no-sandbox")
    assert "with your rights" in done.output and "WITHOUT THE SANDBOX" in done.output


def test_the_time_limit_is_shared_out():
    from course_lib.grading.command import limits

    assert limits(60) == Limits()
    assert (limits(120).cell_seconds, limits(120).call_seconds) == (30, 20)


# -- Dask ----------------------------------------------------------------------------------------


def test_no_scheduler_is_a_clear_message(place, grader, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(executors, "DASK_SECONDS", 0.5)
    with pytest.raises(ValueError, match="no Dask scheduler answers at 127.0.0.1:9"):
        grade(place, executor="dask://127.0.0.1:9")


def test_a_dask_cluster_grades(place, grader):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None,
        protocol="tcp://",
    ) as cluster:  # fmt: skip
        address = cluster.scheduler_address.removeprefix("tcp://")
        results = grade(place, executor=f"dask://{address}")
    assert [r.points for r in results] == [4, 4, 4]


# -- the real grader -----------------------------------------------------------------------------


def works_here():
    try:
        sandbox.check()
    except sandbox.SandboxMissing:
        return False
    return True


@pytest.mark.slow
@pytest.mark.skipif(not works_here(), reason="bubblewrap is missing, or cannot work here")
def test_a_small_class_from_files_to_marks(place, monkeypatch):
    write(place / "in" / "bert.ipynb", submission(double=WRONG))
    write(place / "in" / "carl.ipynb", submission(half="import os\nos._exit(0)"))
    write(place / "in" / "dora.ipynb", submission(double="def double(x):\n    return 4"))
    write(place / "in" / "emil.ipynb", b"{")
    done = course(place)
    assert done.exit_code == 0, done.output
    assert marks(place) == {"anna": "4", "bert": "2", "carl": "2", "dora": "2", "emil": ""}
    pages = {path.stem: path.read_text() for path in (place / "out" / "feedback").iterdir()}
    assert "double(2) is not 4" in pages["bert"] and "fails its hidden part" in pages["dora"]
    assert not any("double(7)" in page for page in pages.values())  # it is hidden
    monkeypatch.setattr(runner.session, "grade_batch", None)
    assert course(place).exit_code == 0  # nothing is run again
