"""The budget: chosen by name or by the machine, shown, and refused when misspelled."""

import dataclasses

import pytest

from course_lib import budget
from course_lib.budget import Budget


@pytest.mark.parametrize("name, expected", [("smoke", 1), ("cpu", 2), ("gpu", 3)])
def test_pick_takes_the_value_of_the_budget(name, expected):
    assert Budget(name).pick(smoke=1, cpu=2, gpu=3) == expected


def test_pick_wants_all_three():
    with pytest.raises(TypeError):
        Budget("cpu").pick(smoke=1, cpu=2)


def test_a_wrong_name_says_which_and_what_is_allowed(monkeypatch):
    monkeypatch.setenv("COURSE_BUDGET", "huge")
    with pytest.raises(ValueError) as caught:
        budget.choose()
    for word in ("huge", "smoke", "cpu", "gpu", "COURSE_BUDGET"):
        assert word in str(caught.value)


@pytest.mark.parametrize("device, expected", [(None, "cpu"), ("Some GPU", "gpu")])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_without_the_variable_the_machine_decides(monkeypatch, device, expected, value):
    monkeypatch.setattr(budget, "gpu_name", lambda: device)
    if value is None:
        monkeypatch.delenv("COURSE_BUDGET", raising=False)
    else:
        monkeypatch.setenv("COURSE_BUDGET", value)
    assert budget.choose() == Budget(expected)


def test_the_variable_wins_over_the_machine(monkeypatch):
    monkeypatch.setattr(budget, "gpu_name", lambda: "Some GPU")
    monkeypatch.setenv("COURSE_BUDGET", " smoke ")
    assert budget.choose() == Budget("smoke")


def test_a_lesson_can_show_it(monkeypatch):
    monkeypatch.setattr(budget, "gpu_name", lambda: None)
    monkeypatch.setattr(budget, "cores", lambda: 2)
    assert str(Budget("cpu")) == "budget: cpu (2 cores, no GPU; set COURSE_BUDGET to change)"


def test_it_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Budget("cpu").name = "gpu"
