"""Shared fixtures. No test waits for a network, and none needs data outside the project."""

import os
from pathlib import Path

import pytest

# Before anything imports huggingface_hub: a missing hub is an error at once, not a time-out.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("COURSE_BUDGET", "smoke")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The top folder of the project."""
    return ROOT


@pytest.fixture(scope="session")
def course_data() -> Path:
    """The folder of real data sets named by COURSE_DATA; skips where there is none."""
    name = os.environ.get("COURSE_DATA")
    if not name:
        pytest.skip("COURSE_DATA is not set: this test reads real data sets from that folder")
    folder = Path(name).expanduser().resolve()
    if not folder.is_dir():
        pytest.skip(f"COURSE_DATA={name} is not a folder")
    return folder
