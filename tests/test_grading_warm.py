"""The processes that a run starts once for all: they end with it, and say why they do not start."""

import psutil
import pytest
from grading_helpers import NAME, exercise_json, submission, write
from test_grading_sandbox import needs_sandbox

from course_lib.grading import runner, sandbox, session
from course_lib.grading.assignment import Assignment
from course_lib.grading.results import AnswerCell, Limits, Result, Submission
from course_lib.grading.sandbox import Sandbox
from course_lib.grading.student import Student

LIMITS = Limits(start_seconds=60.5)  # as no other run on this machine, to find its processes by


def processes() -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if str(LIMITS.start_seconds) in
            " ".join(p.info["cmdline"] or [])]  # fmt: skip


def below(pid: int) -> set[psutil.Process]:
    return {psutil.Process(number) for number in sandbox.descendants(pid)}


@needs_sandbox
def test_nothing_is_left_when_the_run_is_over(tmp_path):
    write(tmp_path / "solutions" / f"{NAME}.ipynb", exercise_json())
    for student in ("anna", "bert", "carl"):
        write(tmp_path / "in" / f"{student}.ipynb", submission())
    _, results = runner.grade(tmp_path / "in", tmp_path / "solutions" / f"{NAME}.ipynb",
                              tmp_path / "out", jobs=2, limits=LIMITS)  # fmt: skip
    assert [result.points for result in results] == [4, 4, 4]
    psutil.wait_procs(processes(), timeout=5)
    assert not processes()


@needs_sandbox
def test_a_kernel_that_dies_is_replaced():
    """By another fork of the warm process, which then has no sandbox left to give."""
    assignment = Assignment.from_json(exercise_json(), NAME)
    killing = Submission("evil", [AnswerCell("double", "def double(x):\n    return 2 * x")])
    with session.warm_for(assignment, LIMITS, True) as warm:
        batches = [session.grade_batch(exercise_json(), [killing], LIMITS, warm=warm)
                   for _ in range(2)]  # fmt: skip
    assert [[c.passed for c in batch[0].checks] for batch in batches] == [[True, False]] * 2


@needs_sandbox
def test_where_students_code_cannot_start_nothing_is_graded():
    """And the run says so at once, not after trying each submission."""
    one = Submission("anna", [AnswerCell("double", "def double(x):\n    return 2 * x")])
    with pytest.raises(session.GradingError, match="does not start.*it was too slow"):
        session.grade_batch(exercise_json(), [one] * 5, Limits(start_seconds=0.001))


def test_a_run_that_ends_without_a_word_costs_one_submission_and_not_the_class(monkeypatch):
    """As one that blames a submission does: only a kernel that never starts ends it all."""
    students = [Submission(name, [AnswerCell("double", "")]) for name in ("anna", "evil", "carl")]

    def silent_at_evil(assignment, submissions, places, limits, warm, note):
        for place in places:
            if submissions[place].student == "evil":
                return None, "the run hung"
            note(place, Result(submissions[place].student, "graded"))
        return None, ""

    monkeypatch.setattr(session, "run_nbval", silent_at_evil)
    monkeypatch.setattr(session.sandboxes, "check", lambda: None)
    with session.warm_for(Assignment.from_json(exercise_json(), NAME), LIMITS, True) as warm:
        results = session.grade_batch(exercise_json(), students, LIMITS, warm=warm)
    assert [one.status for one in results] == ["graded", "error", "graded"]
    assert "the run hung" in results[1].message


@needs_sandbox
def test_several_sandboxes_share_their_imports_and_nothing_else():
    boxes = Sandbox.several(["math"], LIMITS, True, 2)
    students = []
    try:
        for number, box in enumerate(boxes):
            cells = [AnswerCell(None, "import os\nseen = os.path.exists('/tmp/mine')\n"
                                      f"open('/tmp/mine', 'w').write('{number}')")]  # fmt: skip
            students.append(Student(cells, LIMITS, box, [], ("seen",), {}))
            students[-1].run_until(1)
            students[-1].bind(["seen"])
        assert [one.namespace["seen"] for one in students] == [False, False]
        assert boxes[0].pid != boxes[1].pid
        first, second = (below(box.pid) for box in boxes)
        assert first and second and not first & second
        boxes[0].close()
        students[1].bind(["seen"])  # the other goes on
        assert not psutil.wait_procs(first, timeout=10)[1]
    finally:
        for box in boxes:
            box.close()
