"""A teacher's notebook is read whole, and a badly built one is refused with the cell's name."""

import nbformat
import pytest

from course_lib.grading.assignment import Assignment, AssignmentError
from course_lib.grading.names import bound_names, used_names

ANSWER = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
CHECK = """checks.close(double(3), 6)
### BEGIN HIDDEN TESTS
assert double(4) == 8
### END HIDDEN TESTS"""
TEXT = "## Task 1: twice\n\n*difficulty ●○○ · 2 points · about 5 minutes*\n\nDouble it."


def marked(source, name, kind="code", points=None, **flags):
    make = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
    marks = {"grade": False, "solution": False, "locked": True, "schema_version": 3, "task": False}
    marks |= {"grade_id": name} | flags | ({} if points is None else {"points": points})
    return make(source, metadata={"nbgrader": marks})


def setup(source="from course_lib import checks", name="setup"):
    return marked(source, name)


def answer(source=ANSWER, name="double"):
    return marked(source, name, solution=True, locked=False)


def check(source=CHECK, name="check-double", points=2):
    return marked(source, name, points=points, grade=True)


def question(points=1):
    return marked(
        "Because.", "explain", "markdown", points, grade=True, solution=True, locked=False
    )


def text(source=TEXT):
    return nbformat.v4.new_markdown_cell(source)


def free(source):
    return nbformat.v4.new_code_cell(source)


def read(*cells):
    return Assignment.from_json(nbformat.writes(nbformat.v4.new_notebook(cells=list(cells))), "01")


def test_everything_is_read():
    made = read(setup(), text(), answer(), check(), text("## Explain"), question(), free("1"))
    assert made.name == "01" and made.names == ("double",) and made.points == 2
    assert [cell.source for cell in made.setups] == ["from course_lib import checks"]
    (task,) = made.tasks
    assert task.title == "Task 1: twice" and task.difficulty == "●○○"
    assert task.minutes == 5 and task.announced == 2 and task.answer == ANSWER
    (found,) = task.checks
    assert found.visible == "checks.close(double(3), 6)" and found.hidden == "assert double(4) == 8"
    assert made.questions[0].title == "Explain" and made.questions[0].points == 1


def test_several_checks_and_tasks_keep_their_order():
    second = answer("### BEGIN SOLUTION\nhalf, _hidden = 0.5, 1\n### END SOLUTION", "half")
    made = read(answer(), check(), check("assert double(1)", "b", 1), second, check("half", "c", 3))
    assert [task.points for task in made.tasks] == [3, 3] and made.names == ("double", "half")
    assert made.tasks[0].checks[1].hidden == ""


HIDDEN_IN_BLOCK = "if True:\n    ### BEGIN HIDDEN TESTS\n    double(1)\n    ### END HIDDEN TESTS"
FAULTS = {
    "two equal ids": ([answer(), check(name="double")], "cell 2 (double) has a grade_id that"),
    "no id": ([answer(name=""), check()], "has no grade_id"),
    "no points": ([answer(), check(points=None)], "cell 2 (check-double) has no points"),
    "points as text": ([answer(), check(points="2")], "has no points"),
    "negative points": ([answer(), check(points=-1)], "has no points"),
    "no answer": ([setup()], "no cell is an answer"),
    "check first": ([check(), answer(), check(name="b")], "no answer cell stands before it"),
    "no check": ([answer()], "cell 1 (double) has no check"),
    "no check between": ([answer(), answer(name="b"), check()], "cell 1 (double) has no check"),
    "no solution region": ([answer("def double(x): return 2 * x"), check()], "get it solved"),
    "open region": ([answer("### BEGIN SOLUTION\ndouble = 1"), check()], "closes its SOLUTION"),
    "hidden in a block": ([answer(), check(HIDDEN_IN_BLOCK)], "without indent"),
    "hidden not closed": ([answer(), check(CHECK[:-10])], "closes its HIDDEN TESTS"),
    "hidden not last": ([answer(), check(CHECK + "\ndouble(2)")], "put the hidden part last"),
    "hidden in an answer": ([answer(ANSWER + "\n" + CHECK), check()], "another kind of cell"),
    "solution in a check": ([answer(), check(ANSWER)], "another kind of cell"),
    "magic": ([setup("%matplotlib inline"), answer(), check()], "is not plain Python"),
    "set-up uses an answer": ([setup("a = double(1)"), answer(), check()], "uses 'double'"),
    "set-up uses it later": ([setup("def f():\n  return double"), answer(), check()], "rename"),
    "set-up binds it": ([setup("double = 1"), answer(), check()], "uses 'double'"),
    "unmarked set-up": ([free("x = 1"), answer(), check("assert double(x)")], "mark that cell"),
    "import shadowed": ([setup("import double"), answer(), check()], "uses 'double'"),
    "check uses a check": (
        [answer(), check("x = double(1)"), check("assert x == 2", "b")],
        "cell 3 (b) uses 'x', which only a check cell defines",
    ),
    "task cell": ([answer(), check(), marked("x", "t", "markdown", 1, task=True)], "mean nothing"),
    "answer and check in one": ([marked(ANSWER, "a", points=1, grade=True, solution=True)], "mean"),
    "locked question": ([answer(), check(), marked("x", "q", "markdown", 1, grade=True)], "mean"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_badly_built_notebook_is_refused(name):
    cells, words = FAULTS[name]
    with pytest.raises(AssignmentError) as error:
        read(*cells)
    assert words in str(error.value), str(error.value)


def test_all_faults_are_told_at_once():
    with pytest.raises(AssignmentError) as error:
        read(answer(name=""), check(points=None))
    assert "has no grade_id" in str(error.value) and "has no points" in str(error.value)


def test_what_is_no_notebook_is_refused():
    with pytest.raises(AssignmentError, match="not a notebook"):
        Assignment.from_json("{", "01")


def test_names_of_a_cell():
    source = (
        "import math\na, (b, c) = 1, (2, 3)\nd: int = 4\nfor e in []:\n    f = 1\n"
        "with open(a) as g:\n    pass\ntry:\n    h = 1\nexcept E:\n    i = 2\n"
        "def j(k):\n    m = n(k)\nclass o:\n    p = 1\nq.r = 1\ns[0] = 1\ndel a"
    )
    assert bound_names(source) == [*"abcdefghijo"]
    assert bound_names(source, imports=True)[0] == "math"
    assert {"n", "q", "s", "E", "open"} <= used_names(source)
    assert not {"k", "m", "p", "r"} & used_names(source)
