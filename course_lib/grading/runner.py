"""A whole class: chunks of submissions, in parallel, kept as they come, reports at the end.

Each submission's result is a file of its own (OUT/results/NAME.json), written at once and in
whole, with a key of everything that the marks depend on: the bytes handed in, the teacher's
notebook, this grader, the limits. So the same command given again continues where it was cut off,
and grades anew only what has changed.

A chunk is one call of `session.grade_batch`. What a chunk fails to answer is graded again one by
one, so that no submission can harm its neighbors; what fails again has status "error", no marks.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import psutil

import course_lib
from course_lib.grading import intake, sandbox, session
from course_lib.grading.assignment import Assignment
from course_lib.grading.executors import open_executor
from course_lib.grading.finding import Found, find
from course_lib.grading.folder import prepare, write_file
from course_lib.grading.page import feedback_html
from course_lib.grading.report import junit_xml, scores_csv
from course_lib.grading.results import (
    Limits,
    Result,
    Submission,
    from_plain,
    read_json,
    write_json,
)
from course_lib.grading.text import one_line
from course_lib.grading.warm import Warm

MAX_CHUNK = 100  # submissions that share one trusted kernel, which takes seconds to start

Progress = Callable[[int, int], None]  # submissions done, and all of them


class Refused(Exception):
    """Nothing can be graded here, so there is no use in trying the others."""


class Stopped(Exception):
    """Raised in the threads after an interrupt: what they bring now is not to be trusted."""


@dataclass
class Run:
    """What all parts of one run share."""

    text: str  # the teacher's notebook
    assignment: Assignment
    out: Path
    limits: Limits
    sandboxed: bool
    total: int = 0
    keys: dict[str, str] = field(default_factory=dict)  # student -> key of the submission
    results: dict[str, Result] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)  # student -> why there is no result yet
    stopped: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    progress: Progress = lambda done, total: None
    warm: Warm | None = None

    def keep(self, result: Result) -> None:
        """Note and write one result. Raises Stopped if the run is being stopped."""
        with self.lock:
            if self.stopped.is_set():
                raise Stopped
            self.results[result.student] = result
            if result.status != "error":  # the next run tries those again
                kept = {"key": self.keys[result.student], "result": json.loads(write_json(result))}
                write_file(self.out / "results" / f"{result.student}.json", json.dumps(kept))
            self.progress(len(self.results), self.total)

    def earlier(self, student: str) -> Result | None:
        """The result of an earlier run, if everything that it depends on is still the same."""
        try:
            kept = json.loads((self.out / "results" / f"{student}.json").read_bytes())
            same = kept["key"] == self.keys[student]
            return from_plain(Result, kept["result"]) if same else None
        except (OSError, ValueError, KeyError, TypeError):  # none, or a damaged one
            return None


def grade(
    submissions: Path, assignment: Path, out: Path, *, jobs: int = 1, executor: str = "",
    sandboxed: bool = True, limits: Limits | None = None, fresh: bool = False,
    progress: Progress | None = None,
) -> tuple[Assignment, list[Result]]:  # fmt: skip
    """Grade all submissions and write the reports to `out`.

    submissions: a notebook, a folder of them, or a folder for each student.
    assignment: the teacher's notebook, solutions/NN_name.ipynb.
    executor: "" for threads here, "dask://host:port" for a Dask cluster.
    fresh: forget what `out` holds of earlier runs.
    progress: called with the counts after each submission.

    Raises ValueError or OSError with what is wrong with the arguments, and SandboxMissing. On
    KeyboardInterrupt what is finished stays, and the reports are left as they were.
    """
    text = Path(assignment).read_text(encoding="utf-8")
    name = Path(assignment).stem
    exercise = intake.Exercise.from_json(text, name)
    found = find(submissions, name)
    run = Run(text, Assignment.from_json(text, name), Path(out), limits or Limits(), sandboxed)
    run.total, run.progress = len(found), progress or run.progress
    check_places(run, Path(submissions), Path(assignment))
    if run.sandboxed and not executor:
        sandbox.check()
    prepare(run.out, name, fresh)
    with starting(run, jobs, executor):  # imports while the submissions are read
        waiting = [one for place in found if (one := take_in(run, place, exercise))]
        grade_all(run, waiting, jobs, executor)
    results = [run.results[student] for student in run.keys]
    write_reports(run, results)
    return run.assignment, results


@contextmanager
def starting(run: Run, jobs: int, executor: str) -> Iterator[None]:
    """Start what all jobs on this machine share. A cluster's workers start their own."""
    if executor:
        yield
        return
    with session.warm_for(run.assignment, run.limits, run.sandboxed, jobs) as run.warm:
        yield


def take_in(run: Run, place: Found, exercise: intake.Exercise) -> Submission | None:
    """Read a submission; settle what needs no grading, and return what does.

    Only the code is kept in memory, not the file with its pictures.
    """
    raw, submission = intake.read(place, exercise)
    run.keys[submission.student] = key(run, raw, submission)
    if earlier := run.earlier(submission.student):
        run.keep(earlier)
    elif submission.problem:
        run.keep(Result(submission.student, "rejected", submission.problem))
    else:
        return submission
    return None


# -- keys and files ------------------------------------------------------------------------------


def key(run: Run, raw: bytes, submission: Submission) -> str:
    """A sum of everything that the result of a submission depends on."""
    parts = (raw, submission.problem.encode(), run.text.encode(), write_json(run.limits).encode(),
             grader_version().encode(), b"sandbox" if run.sandboxed else b"none")  # fmt: skip
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


@cache
def grader_version() -> str:
    """The course's version and a sum of all its code: checks may call any of it."""
    top = Path(course_lib.__file__).parent
    whole = hashlib.sha256()
    for path in sorted(top.rglob("*.py")):
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{course_lib.__version__}+{whole.hexdigest()[:16]}"


def check_places(run: Run, submissions: Path, assignment: Path) -> None:
    """Marks, solutions and submissions must lie where no student's code or file can meet them."""
    out, folder = run.out.resolve(), submissions.resolve()
    if folder.is_dir() and (out == folder or folder in out.parents):
        raise ValueError(
            f"--out {run.out} lies in {submissions}, where it would be taken for a student's "
            "folder; name one beside it."
        )
    if run.sandboxed:
        for place in (assignment, submissions, run.out):
            sandbox.refuse_visible(place)


def write_reports(run: Run, results: list[Result]) -> None:
    """scores.csv, junit.xml, and a page for each student."""
    write_file(run.out / "scores.csv", scores_csv(run.assignment, results))
    write_file(run.out / "junit.xml", junit_xml(run.assignment, results))
    for result in results:
        page = run.out / "feedback" / f"{result.student}.html"
        write_file(page, feedback_html(run.assignment, result))


# -- in parallel ---------------------------------------------------------------------------------


def grade_all(run: Run, waiting: list[Submission], jobs: int, executor: str) -> None:
    """Grade in chunks; what a chunk does not answer again, alone; then give up on it."""
    if not waiting:
        return
    with open_executor(executor, jobs) as (pool, width, local):
        submit_all(run, pool, chunks(waiting, width), local)
        alone = [[one] for one in waiting if one.student not in run.results]
        submit_all(run, pool, alone, local)
    for one in waiting:
        if one.student not in run.results:
            run.keep(Result(one.student, "error", run.faults[one.student], sandboxed=run.sandboxed))


def chunks(waiting: list[Submission], width: int) -> list[list[Submission]]:
    """As few as keep all workers busy, and none too large."""
    size = min(MAX_CHUNK, -(-len(waiting) // width))
    return [waiting[i : i + size] for i in range(0, len(waiting), size)]


def submit_all(run: Run, pool: Executor, parts: list[list[Submission]], local: bool) -> None:
    """Grade each part in one batch; raise only what makes all further work useless."""
    before = psutil.Process().children()
    running = {submit(run, pool, part, local): part for part in parts}
    pending = set(running)
    try:
        while pending:
            # A time limit, so that Ctrl-C is noticed on every system.
            done, pending = wait(pending, timeout=1, return_when=FIRST_COMPLETED)
            for future in done:
                settle(run, running[future], future)
    except BaseException:
        run.stopped.set()
        for future in pending:
            future.cancel()
        if local:
            end_children(before, pending)
        raise


def end_children(before: list[psutil.Process], pending: set[Future]) -> None:
    """End the processes that the threads have started, until the threads give up."""
    while not all(future.done() for future in pending):
        for child in set(psutil.Process().children()) - set(before):
            with suppress(psutil.Error):
                for process in [*child.children(recursive=True), child]:
                    process.kill()
        time.sleep(0.05)


def submit(run: Run, pool: Executor, part: list[Submission], local: bool) -> Future:
    """Hand over one part: plain text only, so that it can go to another machine."""
    task = (run.text, [write_json(one) for one in part], write_json(run.limits), run.sandboxed,
            grader_version())  # fmt: skip
    if not local:
        return pool.submit(run_chunk, *task)
    taken = {one.student for one in part}
    keep = partial(keep_sound, run, taken)
    return pool.submit(run_chunk, *task, keep, run.warm)


def run_chunk(
    text: str, submissions: list[str], limits: str, sandboxed: bool, version: str,
    on_result: Callable[[Result], None] | None = None, warm: Warm | None = None,
) -> list[str]:  # fmt: skip
    """One call of `grade_batch`, in a thread here or on another machine."""
    if version != grader_version():
        raise Refused(
            f"a worker has another version of the course ({grader_version()}) than this machine "
            f"({version}); install the same one on both."
        )
    batch = [read_json(Submission, one) for one in submissions]
    try:
        results = session.grade_batch(
            text, batch, read_json(Limits, limits), sandboxed, on_result, warm)
    except (sandbox.SandboxMissing, session.GradingError) as error:
        raise Refused(str(error)) from None
    return [write_json(result) for result in results]


def settle(run: Run, part: list[Submission], future: Future) -> None:
    """Take what a part has given, and note why there is nothing for the others."""
    fault = "the grader gave no sound result"
    try:
        for text in future.result():
            keep_sound(run, {one.student for one in part}, read_json(Result, text))
    except Refused:
        raise
    except Exception as error:  # whatever happens in a worker, the others go on
        fault = f"the grader failed: {type(error).__name__}: {one_line(str(error))}"
    run.faults |= {one.student: fault for one in part if one.student not in run.results}


def keep_sound(run: Run, students: set[str], result: Result) -> None:
    """Keep a first result that is one of these students' and judges every check once."""
    checks = [check.grade_id for task in run.assignment.tasks for check in task.checks]
    judged = [check.check for check in result.checks]
    sound = result.status != "graded" or sorted(judged) == sorted(checks)
    if sound and result.student in students and result.student not in run.results:
        run.keep(result)
