"""What a student's code changes in place is changed for the check, too, and back again."""

import torch

from course_lib.grading import wire


def test_what_a_tuple_holds_is_changed_and_changed_back():
    total, words = torch.zeros(2), ["a"]
    state = (total, 1, words)
    before = wire.copy_of(state)
    wire.copy_into(state, (torch.ones(2), 1, ["a", "b"]))
    assert total.tolist() == [1, 1] and words == ["a", "b"]
    wire.copy_into(state, before)
    assert total.tolist() == [0, 0] and words == ["a"]
