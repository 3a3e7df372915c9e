"""What `course grade` does, apart from reading its options."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from course_lib.grading import runner
from course_lib.grading.report import summary
from course_lib.grading.results import Limits
from course_lib.grading.sandbox import SandboxMissing


def grade(
    submissions: Path, assignment: Path, out: Path, jobs: int, executor: str, sandboxed: bool,
    fresh: bool, timeout: float,
) -> None:  # fmt: skip
    """Grade, and say how it went. Ends the process with 1 if the grader failed on a submission,
    and with 130 after an interrupt."""
    if not assignment.is_file():
        raise ValueError(
            f"--assignment {assignment} is not a file; name the teacher's notebook, for instance "
            "solutions/02_attention.ipynb."
        )
    if not sandboxed:
        say("--no-sandbox: students' code runs with your rights on this machine.")
    try:
        with bar() as progress:
            made, results = runner.grade(
                submissions, assignment, out, jobs=jobs, executor=executor, sandboxed=sandboxed,
                limits=limits(timeout), fresh=fresh, progress=progress,
            )  # fmt: skip
    except (runner.Refused, SandboxMissing) as error:
        raise ValueError(str(error)) from None
    except KeyboardInterrupt:
        say(f"Stopped. What is graded is kept in {out}; the same command goes on from here.")
        sys.exit(130)
    print(summary(made, results))
    print(f"\nscores.csv, junit.xml and a page for each student in feedback/ are in {out}")
    sys.exit(any(result.status == "error" for result in results))


def limits(timeout: float) -> Limits:
    """The usual limits, with times in proportion to the whole."""
    usual = Limits()
    share = timeout / usual.total_seconds
    return Limits(total_seconds=timeout, cell_seconds=usual.cell_seconds * share,
                  call_seconds=usual.call_seconds * share)  # fmt: skip


def say(text: str) -> None:
    """To people, not into a pipe."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def bar() -> Iterator[runner.Progress]:
    """A progress bar with the time that is left; on the error output, and only on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    console = Console(stderr=True)
    columns = (TextColumn("grading"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("grading", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
