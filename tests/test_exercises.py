"""Solutions earn full marks, empty exercises none, and checks tell right answers from wrong ones.

Every notebook in solutions/ comes with answers in solutions/answers/: right ones in other words,
plausible wrong ones, and look-ups. Damage that any answer may have (NaN, an input changed in
place, right only every second call, ...) is made here from the solution itself.
"""

import re
import subprocess
import sys
from functools import cache

import nbformat
import pytest
import torch

from course_lib.checks import CheckError
from course_lib.grading.assignment import BEGIN_SOLUTION, END_SOLUTION, Assignment, kind
from course_lib.grading.names import bound_names
from tests.exercise_runs import DAMAGES, KINDS, Bench, check_one, quiet, run, survives, variants
from tools.notebook_files import KERNEL, ROOT, output_problems, read, source_problems

SOLUTIONS = sorted((ROOT / "solutions").glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)


def exercise(path):
    return ROOT / "exercises" / path.name


def answers(path):
    return ROOT / "solutions" / "answers" / f"{path.stem}.py"


@cache
def bench(path):
    return Bench(Assignment.read(path))


def readable(read, path):
    """What `read` makes of the file, or None: the tests of that notebook say what is wrong."""
    try:
        return read(path)
    except (ValueError, OSError):
        return None


def all_variants():
    for path in SOLUTIONS:
        for number, variant in enumerate(readable(variants, answers(path)) or ()):
            label = f"{path.stem[:2]}-{variant.grade_id}-{variant.kind}-{number}"
            yield pytest.param(path, variant, id=label)


def all_damages():
    for path in SOLUTIONS:
        made = readable(Assignment.read, path)
        for task in made.tasks if made else ():
            for name in task.names:
                for damage in DAMAGES:
                    label = f"{path.stem[:2]}-{name}-{damage.replace(' ', '-')}"
                    yield pytest.param(path, task, name, damage, id=label)


def test_solutions_and_exercises_come_in_pairs():
    made = sorted(path.name for path in (ROOT / "exercises").glob("*.ipynb"))
    assert made == [path.name for path in SOLUTIONS], "`make exercises` makes what is missing"
    for path in SOLUTIONS:
        assert (ROOT / "notebooks" / path.name).exists(), f"no lesson is called {path.name}"
        assert answers(path).exists(), f"write {answers(path).name} with answers to try"


@every_notebook
def test_a_solution_is_written_by_the_rules(path):
    assert not (found := source_problems(read(path))), "\n".join(found)
    found = output_problems(read(path), budget="cpu")
    assert not found, "\n".join(found) + f"\n`make notebooks NB=solutions/{path.name}` saves it"


@every_notebook
def test_an_exercise_comes_from_its_solution(path):
    pytest.importorskip("nbgrader")
    from course_lib.grading.release import release

    made = release(path.read_text(encoding="utf-8"), path.stem)
    assert exercise(path).read_text(encoding="utf-8") == made, "run `make exercises`"
    assert not (found := source_problems(nbformat.reads(made, 4))), "\n".join(found)


@every_notebook
def test_an_assignment_has_the_parts_that_students_expect(path):
    made = Assignment.read(path)
    assert len(made.tasks) >= 3 and made.questions and 10 <= made.points <= 20
    for task in made.tasks:
        assert task.title and task.difficulty and task.minutes, f"{task.grade_id}: heading or line"
        assert task.announced == task.points, f"{task.grade_id}: announced {task.announced} points"
        assert task.checks[0].hidden or len(task.checks) > 1, f"{task.grade_id} hides nothing"
    levels = [task.difficulty.count("●") for task in made.tasks]
    assert levels == sorted(levels), "tasks must rise in difficulty"
    title = read(path).cells[0].source
    for words in (f"{made.points:g} points", "minutes", f"exercises/{path.name}"):
        assert words in title, f"the first cell does not say {words!r}"


@every_notebook
def test_every_task_has_folded_hints(path):
    text = ""
    for cell in read(path).cells:
        text += cell.source if kind(cell) == "text" else ""
        if kind(cell) == "answer":
            assert "<details><summary>Hint" in text, f"{cell.id} has no folded hint"
            assert text.count("<details>") == text.count("</details>"), f"{cell.id}: unclosed"
            text = ""


@every_notebook
def test_the_solution_earns_every_point(path):
    names = bench(path).answers()
    for task in bench(path).assignment.tasks:
        for outcome in bench(path).check(task, names):
            assert outcome.stage == "passed", str(outcome)


@every_notebook
def test_the_untouched_exercise_earns_nothing(path):
    trial, names = bench(path), bench(path).names()
    with quiet(trial.grad_after):
        for cell in read(exercise(path)).cells:
            if kind(cell) == "answer":
                try:
                    run(cell.source, names, cell.id)
                except NotImplementedError:
                    pass
        for task in trial.assignment.tasks:
            for check in task.checks:
                outcome = check_one(check, names, ("visible",))
                missing = isinstance(outcome.error, NameError) and outcome.error.name in task.names
                assert missing or isinstance(outcome.error, NotImplementedError | CheckError), (
                    f"{outcome}: an empty answer must fail with NotImplementedError"
                )


@every_notebook
def test_an_exercise_holds_no_solution_and_no_hidden_check(path):
    given, kept = set(), {line.strip() for cell in read(exercise(path)).cells
                          for line in cell.source.split("\n")}  # fmt: skip
    for task in Assignment.read(path).tasks:
        inside = re.findall(f"{BEGIN_SOLUTION}(.*?){END_SOLUTION}", task.answer, re.DOTALL)
        for part in (*inside, *(check.hidden for check in task.checks)):
            given |= {line.strip() for line in part.split("\n") if len(line.strip()) > 30}
    shown = [check.visible for task in Assignment.read(path).tasks for check in task.checks]
    shown += [cell.source for cell in read(path).cells if kind(cell) in ("text", "setup", "free")]
    visible = {line.strip() for source in shown for line in source.split("\n")}
    assert not (found := (given - visible) & kept), found
    for question in Assignment.read(path).questions:
        assert question.source not in exercise(path).read_text(encoding="utf-8")


@every_notebook
def test_every_task_has_answers_to_try(path):
    found = variants(answers(path))
    for task in Assignment.read(path).tasks:
        count = [sum(v.grade_id == task.grade_id and v.kind == kind for v in found)
                 for kind in KINDS]  # fmt: skip
        assert count[0] >= 2 and count[1] >= 5 and count[2] >= 1, (
            f"{task.grade_id}: {count} right, wrong, hidden; needed are 2, 5, 1"
        )
    ids = {task.grade_id for task in Assignment.read(path).tasks}
    assert not (unknown := {variant.grade_id for variant in found} - ids), unknown


@pytest.mark.parametrize("path, variant", [*all_variants()])
def test_an_answer_is_judged_as_it_deserves(path, variant):
    trial = bench(path)
    task = trial.task(variant.grade_id)
    assert set(bound_names(variant.source)) & set(task.names), f"it defines none of {task.names}"
    outcomes = trial.check(task, trial.answers({variant.grade_id: variant.source}))
    failed = [outcome for outcome in outcomes if outcome.stage != "passed"]
    told = "\n".join(map(str, failed))
    if variant.kind == "right":
        assert not failed, f"{variant.about}: a right answer is refused\n{told}"
        return
    assert failed, f"{variant.about}: a wrong answer earns full marks"
    if variant.kind == "wrong":
        seen = [str(outcome.error) for outcome in failed if outcome.stage == "visible"]
        assert seen, f"{variant.about}: only a hidden check finds it\n{told}"
        assert any(variant.says.lower() in text.lower() for text in seen), (
            f"{variant.about}: the message does not say {variant.says!r}\n{told}"
        )


@pytest.mark.parametrize("path, task, name, damage", [*all_damages()])
def test_a_damaged_answer_does_not_earn_full_marks(path, task, name, damage):
    assert not survives(bench(path), task, name, damage), f"{name} with damage passes: {damage}"


# The tools of these tests and of `make exercises`, tried on a small notebook.

CHECKS = {
    "strong": "for n in (2, 3):\n    x = torch.full((n, 2), 1.5)\n    before = x.clone()\n"
    "    y = double(x)\n    checks.unchanged(before, x)\n"
    "    checks.close(y, before * 2 + torch.arange(n)[:, None])",
    "one call": "checks.close(double(torch.ones(2, 1)), torch.tensor([[2.0], [3.0]]))",
    "shape only": "for n in (2, 3):\n    checks.shape(double(torch.ones(n, 1)), (n, 1))",
    "nothing": "double(torch.ones(2, 2))",
}
SURVIVORS = {
    "strong": set(),
    "one call": {"first call right", "in place", "look-up"},
    "shape only": {*DAMAGES} - {"empty"},
    "nothing": {*DAMAGES},
}


def small(check="strong", hidden="checks.close(double(torch.ones(1, 1)), torch.full((1, 1), 2.0))"):
    marks = {"grade": False, "solution": False, "locked": True, "schema_version": 3, "task": False}
    answer = (
        "def double(x):\n    ### BEGIN SOLUTION\n"
        "    return 2 * x + torch.arange(len(x))[:, None]\n    ### END SOLUTION"
    )
    hidden = f"\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS"
    cells = [
        ("setup", "import torch\nfrom course_lib import checks", {}),
        ("double", answer, {"solution": True, "locked": False}),
        ("check-double", CHECKS[check] + hidden, {"grade": True, "points": 1}),
    ]
    made = nbformat.v4.new_notebook(
        metadata={"kernelspec": dict(KERNEL), "course": {"budget": "cpu"}}
    )
    for name, source, flags in cells:
        cell = nbformat.v4.new_code_cell(source, id=name, execution_count=1)
        cell.metadata["nbgrader"] = marks | {"grade_id": name} | flags
        made.cells.append(cell)
    return nbformat.writes(made)


@pytest.mark.parametrize("check", CHECKS)
def test_damage_that_a_check_lets_pass_is_found(check):
    hidden = {"strong": {}, "one call": {"hidden": "1"}}.get(check, {"hidden": "1"})
    trial = Bench(Assignment.from_json(small(check, **hidden)))
    (task,) = trial.assignment.tasks
    found = {damage for damage in DAMAGES if survives(trial, task, "double", damage)}
    assert found == SURVIVORS[check]


def test_a_model_that_an_answer_changed_is_made_anew():
    text = small().replace("import torch\\n", "import torch\\nnet = torch.nn.Linear(1, 1)\\n", 1)
    trial = Bench(Assignment.from_json(text))
    first = trial.names()["net"]
    assert trial.names()["net"] is first
    with torch.no_grad():
        first.weight.add_(1)
    again = trial.names()["net"]
    assert again is not first and not torch.equal(again.weight, first.weight)


def test_release_hides_what_must_be_hidden_and_is_the_same_each_time():
    pytest.importorskip("nbgrader")
    from course_lib.grading.release import release

    made = release(small(), "01")
    assert made == release(small(), "01")
    cells = nbformat.reads(made, 4).cells
    assert cells[1].source == 'def double(x):\n    raise NotImplementedError("your answer")'
    assert cells[2].source == CHECKS["strong"] and "arange(len(x))" not in made
    assert [cell.id for cell in cells] == ["setup", "double", "check-double"]
    assert all(cell.execution_count is None and not cell.outputs for cell in cells)
    assert all(cell.metadata.nbgrader.checksum for cell in cells)
    assert "course" not in nbformat.reads(made, 4).metadata


def test_without_nbgrader_the_way_out_is_told(monkeypatch):
    from course_lib.grading.release import release

    monkeypatch.setitem(sys.modules, "nbgrader", None)
    with pytest.raises(ImportError, match=r"pip install -e '\.\[dev\]'"):
        release(small(), "01")


@pytest.mark.parametrize("header", ["x | right", "x | wrong | no words", "x | hidden | a | says: b",
                                    "x | odd | a"])  # fmt: skip
def test_a_wrong_header_of_an_answer_is_refused(header, tmp_path):
    path = tmp_path / "answers.py"
    path.write_text(f"# %% {header}\ndef x(): pass\n")
    with pytest.raises(ValueError, match="write '# %%"):
        variants(path)


@pytest.mark.slow
@pytest.mark.parametrize("path", SOLUTIONS[1:2], ids=lambda path: path.stem)
def test_nbval_fails_on_an_untouched_exercise(path):
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-q", "-rA",
         "-p", "no:cacheprovider", "-p", "no:xdist", str(exercise(path))],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert ran.returncode == 1, ran.stdout[-2000:]
    code = [cell for cell in read(exercise(path)).cells if cell.cell_type == "code"]
    for number, cell in enumerate(code):
        if kind(cell) == "check":
            place = f"exercises/{path.name}::Cell {number}"
            assert re.search(f"^FAILED {re.escape(place)}$|^FAILED {re.escape(place)} ", ran.stdout,
                             re.MULTILINE), f"{cell.id} does not fail"  # fmt: skip
