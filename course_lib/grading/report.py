"""The outcome of a grading run for teachers: scores.csv, JUnit XML, a summary on the terminal.

Only a submission with status "graded" has marks. Of one that was rejected, or where the grader
failed, the fields stay empty, so that nothing is imported as zero by mistake.
"""

import csv
import io
import re
import statistics
import xml.etree.ElementTree as ET
from collections import Counter

from course_lib.grading.assignment import Assignment, Task
from course_lib.grading.results import CheckResult, Result
from course_lib.grading.text import clean, one_line

UNSANDBOXED = "graded without the sandbox"
BAR = 30  # characters of the longest bar


def earned(result: Result, task: Task) -> float:
    """The points that a submission has for one task."""
    return sum(c.points for c in result.checks if c.passed and c.task == task.grade_id)


def in_order(results: list[Result]) -> list[Result]:
    """By student, upper and lower case together."""
    return sorted(results, key=lambda result: (result.student.casefold(), result.student))


def number(points: float) -> str:
    """3, 2.5, 0.33: as short as it can be."""
    return f"{round(points, 2):g}"


# -- scores.csv ----------------------------------------------------------------------------------


def scores_csv(assignment: Assignment, results: list[Result]) -> str:
    """One row for each student, one column for each task: what a learning platform imports."""
    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n")
    tasks = [plain_cell(task.grade_id) for task in assignment.tasks]
    table.writerow(["student", *tasks, "total", "max", "status", "message"])
    for result in in_order(results):
        marks = [""] * (len(tasks) + 1)
        if result.status == "graded":
            marks = [number(earned(result, task)) for task in assignment.tasks]
            marks.append(number(result.points))
        row = [result.student, *marks, number(assignment.points), result.status, remark(result)]
        table.writerow(map(plain_cell, row))
    return lines.getvalue()


def remark(result: Result) -> str:
    """The message on one line; a run without the sandbox is marked.

    Why the grader failed is not in it: that may quote the teacher's cells, and platforms show
    such a column to students.
    """
    if result.status == "error":
        return "the grader failed; look at it by hand"
    remarks = [one_line(result.message)] if result.message.strip() else []
    if result.status == "graded" and not result.sandboxed:
        remarks.insert(0, UNSANDBOXED)
    return "; ".join(remarks)


def plain_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula (=HYPERLINK(...)): a quote mark goes before."""
    text = one_line(text)
    return f"'{text}" if re.match(r"[=+\-@\uff1d\uff0b\uff0d\uff20]", text) else text


# -- JUnit XML -----------------------------------------------------------------------------------


def junit_xml(assignment: Assignment, results: list[Result]) -> str:
    """A test suite for each student, a test case for each check; valid XML 1.0."""
    top = ET.Element("testsuites", name=clean(assignment.name))
    for result in in_order(results):
        top.append(suite(assignment, result))
    count(top, list(top.iter("testcase")))
    ET.indent(top)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(top, encoding="unicode")}\n'


def suite(assignment: Assignment, result: Result) -> ET.Element:
    """The checks of one student; for a submission without marks, one case that says why."""
    student, seconds = clean(result.student), f"{max(0.0, result.seconds):.3f}"
    suite = ET.Element("testsuite", name=f"{clean(assignment.name)}/{student}", time=seconds)
    if result.status != "graded":
        case = ET.SubElement(suite, "testcase", classname=student, name="submission")
        ET.SubElement(case, "error", type=result.status, message=one_line(result.message))
    for check in result.checks if result.status == "graded" else ():
        case = ET.SubElement(suite, "testcase", classname=student, name=clean(check.check))
        if not check.passed:
            message = one_line(told(check)) or "not passed"
            failure = ET.SubElement(case, "failure", type=check.stage or "not run", message=message)
            failure.text = clean(check.traceback) if check.stage != "hidden" else None
    count(suite, list(suite))
    return suite


def told(check: CheckResult) -> str:
    """The message that a student may see: of a hidden part, only that it failed."""
    return "a hidden check did not pass" if check.stage == "hidden" else check.message


def count(element: ET.Element, cases: list[ET.Element]) -> None:
    element.set("tests", str(len(cases)))
    for attribute, tag in (("failures", "failure"), ("errors", "error")):
        element.set(attribute, str(sum(case.find(tag) is not None for case in cases)))


# -- the terminal --------------------------------------------------------------------------------


def summary(assignment: Assignment, results: list[Result]) -> str:
    """How the class did: distribution of points, tasks by difficulty, and who has no marks."""
    graded = [result for result in results if result.status == "graded"]
    states = Counter(result.status for result in results)
    counts = [f"{states[s]} {s}" for s in ("graded", "rejected", "error") if states[s]]
    lines = [f"{one_line(assignment.name)}: {', '.join(counts) or 'no submissions'}"]
    if any(not result.sandboxed for result in graded):
        lines.append("WITHOUT THE SANDBOX: students' code ran with your rights on this machine.")
    if graded:
        lines += ["", *distribution(graded, assignment.points), "", *tasks(assignment, graded)]
    for status in ("rejected", "error"):
        chosen = [result for result in in_order(results) if result.status == status]
        if chosen:
            lines += ["", f"{status.capitalize()}, so without marks:"]
            lines += [f"  {one_line(r.student)}: {one_line(r.message, 200)}" for r in chosen]
    return "\n".join(lines)


def distribution(graded: list[Result], most: float) -> list[str]:
    """A histogram with up to ten bars of whole points."""
    points = [result.points for result in graded]
    lines = [
        f"Points of {number(most)}: mean {number(statistics.fmean(points))}, median "
        f"{number(statistics.median(points))}, from {number(min(points))} to {number(max(points))}"
    ]
    width = max(1, -(-int(most + 1) // 10))
    bins = Counter(int(p // width) for p in points)
    scale = BAR / max(BAR, *bins.values())
    for i in range(max(int(most // width), max(bins)) + 1):
        first, last = i * width, min((i + 1) * width - 1, int(most))
        label = f"{first}-{last}" if last > first else f"{first}"
        bar = "#" * (max(1, round(bins[i] * scale)) if bins[i] else 0)
        lines.append(f"  {label:>7} {bar} {bins[i] or ''}".rstrip())
    return lines


def tasks(assignment: Assignment, graded: list[Result]) -> list[str]:
    """The tasks, those with the least points first."""
    rows = []
    for task in assignment.tasks:
        points = [earned(result, task) for result in graded]
        share = statistics.fmean(points) / task.points if task.points else 1.0
        rows.append((share, task, sum(p >= task.points for p in points)))
    width = max(len(task.grade_id) for _, task, _ in rows) if rows else 0
    lines = ["Tasks, the hardest first:"]
    for share, task, full in sorted(rows, key=lambda row: row[0]):
        lines.append(
            f"  {one_line(task.grade_id):<{width}}  {share:4.0%} of {number(task.points)} points, "
            f"{full} of {len(graded)} in full"
        )
    return lines
