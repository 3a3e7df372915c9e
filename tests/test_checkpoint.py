"""Checkpoints: whole or not there."""

import builtins
import os

import pytest
import torch

from course_lib import checkpoint


def state(number):
    return {"number": number, "weights": torch.arange(10) * number}


def test_the_newest_is_found_and_reads_back(tmp_path):
    for step in (5, 10):
        checkpoint.save(tmp_path, step, state(step))
    found = checkpoint.newest(tmp_path)
    assert checkpoint.step_of(found) == 10
    assert torch.equal(checkpoint.load(found)["weights"], state(10)["weights"])


def test_only_two_stay(tmp_path):
    for step in range(1, 6):
        checkpoint.save(tmp_path, step, state(step))
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["step-000000004", "step-000000005"]


@pytest.mark.parametrize("harm", ["truncate", "flip", "no seal", "half a seal", "missing"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path, harm):
    for step in (1, 2):
        checkpoint.save(tmp_path, step, state(step))
    file, seal = (tmp_path / "step-000000002" / name for name in ("state.pt", "seal.json"))
    content = file.read_bytes()
    if harm == "truncate":
        file.write_bytes(content[: len(content) // 2])
    elif harm == "flip":
        file.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    elif harm == "no seal":
        seal.unlink()
    elif harm == "half a seal":
        seal.write_text('{"state.pt": "ab')
    else:
        file.unlink()
    with pytest.warns(UserWarning, match="damaged"):
        assert checkpoint.step_of(checkpoint.newest(tmp_path)) == 1


def test_a_folder_half_written_by_a_killed_process_is_not_seen(tmp_path):
    checkpoint.save(tmp_path, 1, state(1))
    (tmp_path / ".writing-000000002").mkdir()
    (tmp_path / ".writing-000000002" / "state.pt").write_bytes(b"half")
    assert checkpoint.step_of(checkpoint.newest(tmp_path)) == 1
    checkpoint.save(tmp_path, 2, state(2))
    assert checkpoint.load(checkpoint.newest(tmp_path))["number"] == 2


def test_a_full_disk_keeps_the_last_good_one(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, 1, state(1))

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(checkpoint.CheckpointError, match="No space left.*step 1 is kept"):
        checkpoint.save(tmp_path, 2, state(2))
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["step-000000001"]


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "out").write_text("I am a file")
    with pytest.raises(checkpoint.CheckpointError, match="nothing is saved yet"):
        checkpoint.save(tmp_path / "out", 1, state(1))


def test_no_code_is_run_on_loading(tmp_path, monkeypatch):
    class Evil:
        def __reduce__(self):
            return builtins.print, ("run!",)

    checkpoint.save(tmp_path, 1, {"x": Evil()})
    with pytest.raises(Exception, match="[Ww]eights.only"):
        checkpoint.load(checkpoint.newest(tmp_path))


def test_an_empty_or_missing_folder_has_none(tmp_path):
    assert checkpoint.newest(tmp_path) is None and checkpoint.newest(tmp_path / "no") is None


def test_a_fresh_start_deletes_checkpoints_and_nothing_else(tmp_path):
    checkpoint.save(tmp_path, 1, state(1))
    (tmp_path / ".writing-000000002").mkdir()
    (tmp_path / "mine").mkdir()
    checkpoint.remove_all(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]
    checkpoint.remove_all(tmp_path / "no such folder")


def test_what_a_killed_process_left_is_cleared_away(tmp_path):
    (tmp_path / ".writing-000000002").mkdir()
    checkpoint.save(tmp_path, 3, state(3))
    assert [p.name for p in tmp_path.iterdir()] == ["step-000000003"]
