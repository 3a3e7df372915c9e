"""A pytest plugin that turns nbval's verdicts on a grading notebook into results.

A check counts only if nbval reports its cells as *passed* and the referee in the kernel agrees:
after a time-out nbval marks cells as expected failures, which is not the same as passed.
"""

import json
import os
import re
from pathlib import Path

import pytest

from course_lib.grading.quick import skip_slow_import

skip_slow_import()  # before nbval, which is loaded after this plugin
CELL = re.compile(r"::Cell (\d+)$")


class Plugin:
    """Follows the cells in their order and sends one line per student."""

    def __init__(self, plan: dict, pipe):
        self.plan, self.pipe = plan, pipe
        self.passed: set[str] = set()

    def pytest_runtest_logreport(self, report) -> None:
        found = CELL.search(report.nodeid)
        if not found or report.when == "teardown":
            return
        role = self.plan["roles"][int(found.group(1))]
        passed = report.passed and not hasattr(report, "wasxfail")
        if report.when == "setup":
            if not report.passed:
                self._broken(role, "the kernel did not start")
        elif report.skipped or hasattr(report, "wasxfail"):
            self._broken(role, "the kernel hung or died")
        elif role["role"] in ("start", "begin", "end") and not passed:
            self._broken(role, reason(report))
        elif role["role"] == "check" and passed:
            self.passed.add(role["check"])
        elif role["role"] == "end":
            self._send({"submission": role["submission"], "passed": sorted(self.passed),
                        "notes": self._notes(role["submission"])})  # fmt: skip
            self.passed.clear()

    def _notes(self, submission: int) -> dict:
        """What the referee has written about this student: the last line of its file."""
        line = Path(self.plan["notes_file"]).read_text(encoding="utf-8").splitlines()[-1]
        notes = json.loads(line)
        if notes["submission"] != submission:
            raise RuntimeError(f"notes on {notes['submission']}, expected {submission}")
        return notes

    def _broken(self, role: dict, why: str) -> None:
        """The kernel can not go on: say where it stopped; the session starts another."""
        self._send({"broken": role.get("submission"), "why": why})
        pytest.exit("the kernel can not go on", returncode=3)

    def _send(self, message: dict) -> None:
        self.pipe.write(json.dumps(message) + "\n")
        self.pipe.flush()


def reason(report) -> str:
    """The last lines of nbval's report, without colors."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(report.longrepr)).split("Traceback:")[-1]
    return text.strip(" -\n")[-1500:]


def pytest_configure(config) -> None:
    plan = json.loads(Path(os.environ["COURSE_GRADER_PLAN"]).read_text(encoding="utf-8"))
    pipe = os.fdopen(int(os.environ["COURSE_GRADER_PIPE"]), "w", encoding="utf-8")
    config.pluginmanager.register(Plugin(plan, pipe), "course-grader")
