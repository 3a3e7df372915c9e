"""Grades a batch of submissions: one run of nbval with one trusted kernel for all of them.

The notebook that nbval runs is made here and runs the teacher's cells only. For each student there
is a cell for the set-up, one for each check, and one for the end. Each is a single call of the
`referee`, which has compiled the teacher's source once for all students, and runs the student's own
cells in the sandbox.
"""

import ast
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path

import nbformat

from course_lib.grading import sandbox as sandboxes
from course_lib.grading.assignment import Assignment, Check, Task
from course_lib.grading.names import used_names
from course_lib.grading.results import CheckResult, Limits, Result, Submission
from course_lib.grading.warm import KERNEL, Warm

GRACE_SECONDS = 90  # for the trusted side: its own work on one submission, and starting up
ALWAYS = ("torch", "numpy", "matplotlib.pyplot")  # what students import, whatever the set-up does


class GradingError(RuntimeError):
    """The teacher's side does not work: no submission is to blame."""


class NotStarted(GradingError):
    """The trusted kernel did not get as far as the first submission."""


def grade_batch(
    assignment_text: str,
    submissions: list[Submission],
    limits: Limits | None = None,
    sandbox: bool = True,
    on_result: Callable[[Result], None] | None = None,
    warm: Warm | None = None,
) -> list[Result]:
    """Grade `submissions` by the teacher's notebook `assignment_text` (JSON).

    on_result is called with each result as it comes. warm: what the run has started already;
    without it a process is started for this batch. A submission at which the trusted kernel itself
    fails twice gets the status "error" and no mark; the others go on in a new kernel.
    Raises AssignmentError for a notebook that is no assignment, sandbox.SandboxMissing where
    there is none, GradingError if the teacher's own cells fail.
    """
    assignment, limits = Assignment.from_json(assignment_text), limits or Limits()
    if sandbox:
        sandboxes.check()
    results: dict[int, Result] = {}

    def note(place: int, result: Result) -> None:
        results[place] = result
        if on_result:
            on_result(result)

    todo = []
    for place, submission in enumerate(submissions):
        if submission.problem:
            note(place, Result(submission.student, "rejected", submission.problem,
                               sandboxed=sandbox))  # fmt: skip
        else:
            todo.append(place)
    if todo:
        with nullcontext(warm) if warm else warm_for(assignment, limits, sandbox) as warm:
            run_all(assignment, submissions, todo, limits, warm, results, note)
    return [results[place] for place in range(len(submissions))]


def warm_for(assignment: Assignment, limits: Limits, sandboxed: bool, jobs: int = 1) -> Warm:
    """Start importing what the grading of this assignment needs."""
    modules = imported([cell.source for cell in assignment.setups])
    return Warm(modules, limits, sandboxed, jobs)


def run_all(
    assignment: Assignment, submissions: list[Submission], todo: list[int], limits: Limits,
    warm: Warm, results: dict[int, Result], note: Callable[[int, Result], None],
) -> None:  # fmt: skip
    """Run nbval until each submission has a result, `note`d in `results`, or has failed twice.

    Raises GradingError if the kernel does not start, twice in a row.
    """
    failures: Counter[int] = Counter()
    not_started = 0
    while todo:
        try:
            broken, why = run_nbval(assignment, submissions, todo, limits, warm, note)
        except NotStarted as error:
            not_started += 1
            if not_started == 2:
                why = f"the grader does not start: {error} {warm.complaint()}".strip()
                raise GradingError(why) from None
            continue
        not_started = 0
        todo = [place for place in todo if place not in results]
        if not todo:
            return
        place = broken if broken in todo else todo[0]
        failures[place] += 1
        if failures[place] == 2:
            note(place, Result(submissions[place].student, "error",
                               f"not graded, look at it by hand: {why}",
                               sandboxed=warm.sandboxed))  # fmt: skip
            todo.remove(place)
        else:  # once more, after the others
            todo = [*(p for p in todo if p != place), place]


def run_nbval(
    assignment: Assignment, submissions: list[Submission], places: list[int], limits: Limits,
    warm: Warm, note: Callable[[int, Result], None],
) -> tuple[int | None, str]:  # fmt: skip
    """One run over the submissions at these places, each result given to `note`.

    Returns the place at which the run broke off, if it said so, and why. Raises NotStarted.
    """
    with tempfile.TemporaryDirectory(prefix="course-grading-") as folder:
        plan, notebook = make_plan(assignment, submissions, places, limits, warm.sandboxed, folder)
        Path(folder, "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        nbformat.write(notebook, Path(folder, "grading.ipynb"))
        why = "the run ended without a word"
        with nbval_process(folder, limits, warm) as (process, lines):
            for line in lines:
                message = json.loads(line)
                if "broken" in message:
                    if message["broken"] is None:
                        raise NotStarted(message["why"])
                    return message["broken"], message["why"]
                place = message["submission"]
                note(place, result_of(assignment, submissions[place], message, warm.sandboxed))
            if process.poll() is None:
                why = "the run hung"
    return None, why


def make_plan(
    assignment: Assignment, submissions: list[Submission], places: list[int], limits: Limits,
    sandboxed: bool, folder: str,
) -> tuple[dict, nbformat.NotebookNode]:  # fmt: skip
    """What the referee has to know, and the notebook whose cells call it."""
    start = ("from course_lib.grading.referee import Referee\n"
             f"__referee__ = Referee({str(Path(folder, 'plan.json'))!r})")
    cells, roles = [start], [{"role": "start"}]
    setup = [cell.source for cell in assignment.setups]
    for place in places:
        cells.append(f"__referee__.begin({place})")
        roles.append({"role": "begin", "submission": place})
        for count, task, check in order_of_checks(assignment, submissions[place]):
            cells.append(f"__referee__.check({check.grade_id!r}, {task.grade_id!r}, {count})")
            roles.append({"role": "check", "submission": place, "check": check.grade_id})
        cells.append(f"__referee__.end({place})")
        roles.append({"role": "end", "submission": place})
    plan = {
        "setup": setup, "checks": sources_of_checks(assignment), "names": assignment.names,
        "limits": asdict(limits), "roles": roles,
        "modules": imported(setup), "sandboxed": sandboxed,
        "uses": {check.grade_id: sorted(used_names(check.source) & set(assignment.names))
                 for task in assignment.tasks for check in task.checks},
        "notes_file": str(Path(folder, "notes.jsonl")),
        "submissions": {str(p): [asdict(c) for c in submissions[p].cells] for p in places},
    }  # fmt: skip
    return plan, nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])


def order_of_checks(
    assignment: Assignment, submission: Submission
) -> list[tuple[int, Task, Check]]:
    """The checks in the order in which this student's cells come, and how many cells each needs:
    up to the place of the check itself, in any case up to the last copy of its answer."""
    last = {cell.grade_id: number for number, cell in enumerate(submission.cells, start=1)}
    found = []
    for task in assignment.tasks:
        needed = last.get(task.grade_id, len(submission.cells))
        for check in task.checks:
            found.append((max(needed, last.get(check.grade_id, 0)), task, check))
    return sorted(found, key=lambda item: item[0])


def sources_of_checks(assignment: Assignment) -> dict[str, dict[str, str]]:
    """grade_id -> the source of each part."""
    return {check.grade_id: {"visible": check.visible, "hidden": check.hidden}
            for task in assignment.tasks for check in task.checks}  # fmt: skip


def imported(sources: list[str]) -> list[str]:
    """The modules that these cells import, for the sandbox to import once for all students."""
    names = list(ALWAYS)
    for node in (n for source in sources for n in ast.walk(ast.parse(source))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return list(dict.fromkeys(names))


@contextmanager
def nbval_process(folder: str, limits: Limits, warm: Warm):
    """pytest with nbval on the grading notebook. Gives the process and its lines as they come;
    the lines end when the process does, or is silent for longer than one submission may take."""
    read_end, write_end = os.pipe()
    command = [
        sys.executable, "-m", "pytest", "-p", "course_lib.grading.plugin", "-p", "no:cacheprovider",
        "--nbval-lax", f"--nbval-kernel-name={KERNEL}", "-q", "--color=no", "-c", os.devnull,
        f"--nbval-cell-timeout={limits.total_seconds + GRACE_SECONDS}", f"--rootdir={folder}",
        "grading.ipynb",
    ]  # fmt: skip
    environment = os.environ | {
        "COURSE_GRADER_PLAN": str(Path(folder, "plan.json")), "COURSE_GRADER_PIPE": str(write_end),
        "JUPYTER_PATH": str(warm.folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": "", "PYTEST_PLUGINS": "nbval.plugin",
    }  # fmt: skip
    with open(Path(folder, "log.txt"), "w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, pass_fds=[write_end],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   start_new_session=True)  # fmt: skip
    os.close(write_end)
    try:
        yield process, lines_of(read_end, limits.total_seconds + 2 * GRACE_SECONDS)
    finally:
        os.close(read_end)
        finish(process)


def lines_of(fd: int, patience: float) -> Iterator[str]:
    """Lines of a pipe, until it closes or nothing has come for `patience` seconds."""
    rest, until = b"", time.monotonic() + patience
    while (left := until - time.monotonic()) > 0:
        if not select.select([fd], [], [], left)[0]:
            return
        piece = os.read(fd, 1 << 16)
        if not piece:
            return
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.decode()
            until = time.monotonic() + patience


def finish(process: subprocess.Popen) -> None:
    """Give nbval a moment to stop its kernel, then end all that is left."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(10 if process.poll() is None else 0)
    sandboxes.end_group(process.pid)
    process.wait()


def result_of(
    assignment: Assignment, submission: Submission, message: dict, sandboxed: bool
) -> Result:
    """The marks: a check is passed if nbval and the referee both say so."""
    passed = set(message["passed"])
    notes = {note["check"]: note for note in message["notes"]["notes"]}
    checks = []
    for task in assignment.tasks:
        for check in task.checks:
            note = notes.get(check.grade_id, {"failed": "visible"})
            failed = note["failed"] or ("" if check.grade_id in passed else "visible")
            checks.append(CheckResult(
                check.grade_id, task.grade_id, check.points, not failed, failed,
                note.get("message", ""), note.get("traceback", "")))  # fmt: skip
    return Result(submission.student, "graded", "", checks, message["notes"]["seconds"], sandboxed)
