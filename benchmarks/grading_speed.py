"""How fast the course grades, beside nbgrader's autograde on the same submissions and machine.

    python -m benchmarks.grading_speed [--submissions 20] [--assignment solutions/NN_name.ipynb]

Both grade the same honest submissions (the solution, with a line of each student's own) from the
same `submitted/STUDENT/ASSIGNMENT/` tree, one after the other. Ours once more with two jobs, and
with twice and four times as many submissions, to see that the time grows in proportion. Everything
is counted, from the start of the command to the last report. Needs nbgrader (the extra `dev`).
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

CONFIG = """c = get_config()
c.CourseDirectory.course_id = "speed"
c.ClearSolutions.code_stub = {"python": 'raise NotImplementedError("your answer")'}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--submissions", type=int, default=20)
    parser.add_argument("--assignment", type=Path, default=Path("solutions/02_attention.ipynb"))
    options = parser.parse_args()
    count, teacher = options.submissions, options.assignment.resolve()
    with tempfile.TemporaryDirectory(prefix="grading-speed-") as folder:
        base = Path(folder)
        rows = [("nbgrader autograde", count, nbgrader(base / "theirs", teacher, count))]
        runs = [(number, jobs) for number in (count, 2 * count, 4 * count) for jobs in (1, 2)]
        for number, jobs in runs:
            tree = base / f"ours-{number}"
            if not tree.exists():
                hand_in(tree / "submitted", teacher, number)
            seconds = course_grade(tree, teacher, number, jobs)
            rows.append((f"course grade --jobs {jobs}", number, seconds))
    print_table(teacher.stem, rows)


def hand_in(submitted: Path, teacher: Path, count: int) -> None:
    """`count` submissions of the solution, each with a line of its own."""
    for number in range(count):
        notebook = nbformat.read(teacher, as_version=4)
        notebook.cells.append(nbformat.v4.new_code_cell(f"# student {number}"))
        place = submitted / f"student{number:03d}" / teacher.stem / teacher.name
        place.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, place)


def nbgrader(course: Path, teacher: Path, count: int) -> float:
    """Seconds of `nbgrader autograde`."""
    source = course / "source" / teacher.stem / teacher.name
    source.parent.mkdir(parents=True)
    shutil.copy(teacher, source)
    (course / "nbgrader_config.py").write_text(CONFIG)
    command = [str(Path(sys.executable).parent / "nbgrader")]
    call([*command, "generate_assignment", teacher.stem], course)
    hand_in(course / "submitted", teacher, count)
    seconds = call([*command, "autograde", teacher.stem], course)
    graded = list((course / "autograded").glob("*/*/*.ipynb"))
    if len(graded) != count:
        raise SystemExit(f"nbgrader graded {len(graded)} of {count}")
    return seconds


def course_grade(tree: Path, teacher: Path, count: int, jobs: int) -> float:
    """Seconds of `course grade`; all submissions must earn all points."""
    out = tree.parent / f"grades-{count}-{jobs}"
    command = [str(Path(sys.executable).parent / "course"), "grade", str(tree / "submitted"),
               "--assignment", str(teacher), "--out", str(out), "--jobs", str(jobs)]  # fmt: skip
    seconds = call(command, tree)
    with open(out / "scores.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    full = [row for row in rows if row["status"] == "graded" and row["total"] == row["max"]]
    if len(full) != count:
        raise SystemExit(f"{len(full)} of {count} submissions earned all points")
    return seconds


def call(command: list[str], folder: Path) -> float:
    """Run a command, and time it. One thread for each process on both sides."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PATH": path}
    started = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True,
                          check=False)  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"{command[:2]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return time.monotonic() - started


def print_table(name: str, rows: list[tuple[str, int, float]]) -> None:
    theirs = rows[0][2] / rows[0][1]
    print(f"{name}, {os.cpu_count()} cores, Python {sys.version.split()[0]}\n")
    print(f"{'command':24} {'submissions':>11} {'seconds':>9} {'s each':>8} {'times nbgrader':>15}")
    for command, count, seconds in rows:
        each = seconds / count
        print(f"{command:24} {count:11} {seconds:9.1f} {each:8.2f} {theirs / each:15.1f}")


if __name__ == "__main__":
    main()
