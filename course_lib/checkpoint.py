"""Checkpoints that survive a killed process and a full disk.

A checkpoint is written to a hidden folder beside its place, sealed with the sizes and SHA-256 sums
of its files, and only then renamed. So a folder named `step-...` is whole, and a reader
that finds a broken one all the same (a damaged disk) passes over it to the one before.
"""

import hashlib
import json
import os
import shutil
import warnings
from pathlib import Path

import torch

SEAL = "seal.json"
KEEP = 2  # the newest checkpoints that stay


class CheckpointError(OSError):
    """A checkpoint could not be written; the message says why and what to do."""


def save(folder: Path, step: int, state: dict) -> Path:
    """Write `state` (anything torch.save takes) as checkpoint `step` and drop old ones.

    Raises CheckpointError if the disk is full or the folder cannot be written; the checkpoints
    that were there before stay.
    """
    folder = Path(folder)
    half_done = folder / f".writing-{step:09d}"
    final = folder / f"step-{step:09d}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left_behind in folder.glob(".writing-*"):  # by a process that was killed
            shutil.rmtree(left_behind, ignore_errors=True)
        half_done.mkdir()
        _write(half_done / "state.pt", lambda file: torch.save(state, file))
        sums = {path.name: _digest(path) for path in half_done.iterdir()}
        _write(half_done / SEAL, lambda file: file.write(json.dumps(sums).encode()))
        if final.exists():
            shutil.rmtree(final)
        half_done.rename(final)
        _sync(folder)
    except (OSError, RuntimeError) as problem:  # torch.save reports a full disk as RuntimeError
        shutil.rmtree(half_done, ignore_errors=True)
        last = newest(folder)
        kept = f"the checkpoint of step {step_of(last)} is kept" if last else "nothing is saved yet"
        raise CheckpointError(
            f"the checkpoint of step {step} could not be written to {folder}: {problem}; {kept}. "
            "Free some space or choose another folder, then start the same command again."
        ) from problem
    for old in _folders(folder)[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def load(checkpoint: Path, map_location="cpu") -> dict:
    """Read the state back. Only tensors and plain values are read, never code (weights_only)."""
    return torch.load(Path(checkpoint) / "state.pt", map_location=map_location, weights_only=True)


def newest(folder: Path) -> Path | None:
    """The newest whole checkpoint in the folder, or None. Broken ones are passed over, loudly."""
    for checkpoint in reversed(_folders(folder)):
        if is_whole(checkpoint):
            return checkpoint
        warnings.warn(f"{checkpoint} is damaged and is not used", stacklevel=2)
    return None


def remove_all(folder: Path) -> None:
    """Delete the checkpoints in the folder, and nothing else that may be there."""
    for checkpoint in [*_folders(folder), *Path(folder).glob(".writing-*")]:
        shutil.rmtree(checkpoint)


def is_whole(checkpoint: Path) -> bool:
    """True if every file is there with the sum that its seal names."""
    try:
        sums = json.loads((checkpoint / SEAL).read_text())
        return all(_digest(checkpoint / name) == value for name, value in sums.items())
    except (OSError, ValueError, AttributeError):
        return False


def step_of(checkpoint: Path) -> int:
    """The step in a checkpoint's name."""
    return int(checkpoint.name.removeprefix("step-"))


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in Path(folder).glob("step-*") if path.name[5:].isdigit())


def _write(path: Path, write) -> None:
    with open(path, "wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make a rename last through a power cut (where the system can: not on Windows)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
