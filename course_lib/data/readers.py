"""Reading a data set from a folder or from the hub, without noise and without hanging."""

import functools
import os
import threading
from pathlib import Path

import datasets
from datasets import Dataset, DatasetDict

from course_lib.data.cache import cache_dir
from course_lib.data.catalog import Source
from course_lib.hub_files import hub_reachable

PROJECT = Path(__file__).resolve().parent.parent
PATIENCE = 2.5                   # seconds to wait for the hub


class DataError(ValueError):
    """A data set cannot be loaded; the message says what was tried and what to do."""


def course_data() -> Path | None:
    """The folder that COURSE_DATA names, or None; a relative one may start at the project, too."""
    named = os.environ.get("COURSE_DATA")
    if not named:
        return None
    path = Path(named).expanduser()
    from_project = PROJECT / path
    return from_project if not path.exists() and from_project.exists() else path


def check_folder(path: Path, shown: str) -> None:
    """Raise DataError unless `path` is a folder with something in it."""
    problem = ("does not exist" if not path.exists() else "is a file, not a folder"
               if not path.is_dir() else "is empty" if not any(path.iterdir()) else "")
    if problem:
        raise DataError(f"{shown} ({path}) {problem}: it must be a folder with data in the hub's "
                        "layout. Correct the path, or unset it to use the hub or a stand-in.")


def read_folder(path: Path, config: str, shown: str) -> DatasetDict | None:
    """The set in a folder; None if its README lists parts and `config` is not one of them."""
    listed = (path / "README.md").exists()
    if config and not listed:  # then a part is a plain folder inside, or the whole
        path, config = path / config if (path / config).is_dir() else path, ""
    try:
        with quiet():
            return datasets.load_dataset(str(path), config or None,
                                         cache_dir=str(cache_dir() / "datasets"))
    except Exception as problem:
        cause = problem.__cause__ or problem
        if config and "BuilderConfig" in str(cause):
            return None
        raise DataError(
            f"{shown} ({path}) cannot be read: {type(cause).__name__}: "
            f"{(str(cause).splitlines() or [''])[0]}. Fetch its files again, or unset COURSE_DATA "
            "to use the hub or a stand-in.") from problem


def read_hub(source: Source, config: str, online: bool) -> DatasetDict:
    if source.files:
        from huggingface_hub import hf_hub_download

        files = {split: hf_hub_download(source.hub, file, repo_type="dataset",
                                        revision=source.revision, local_files_only=not online)
                 for split, file in source.files.items()}
        rows = datasets.load_dataset("parquet", data_files=files,
                                     cache_dir=str(cache_dir() / "datasets"))
        return rows if len(rows) > 1 else hold_out(rows["train"])
    if online:
        return datasets.load_dataset(source.hub, config or None)
    from datasets.packaged_modules.cache.cache import Cache

    return Cache(dataset_name=source.hub.partition("/")[2], repo_id=source.hub,
                 config_name=config or None, version="auto", hash="auto").as_dataset()


def hold_out(rows: Dataset) -> DatasetDict:
    """The last 2 % of a set without a validation split become one."""
    border = len(rows) - len(rows) // 50
    return DatasetDict(train=rows.select(range(border)),
                       validation=rows.select(range(border, len(rows))))


@functools.cache
def online() -> bool:
    """Does the hub answer within about two seconds? Asked once for each program."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return False
    answers: list[bool] = []  # a name server may hang for longer than any time limit of a request
    asking = threading.Thread(target=lambda: answers.append(hub_reachable(2.0)), daemon=True)
    asking.start()
    asking.join(PATIENCE)
    return answers == [True]


class quiet:
    """Without the progress bars of `datasets`, which say more than the one line."""

    def __enter__(self):
        self.were_on = not datasets.are_progress_bars_disabled()
        datasets.disable_progress_bars()

    def __exit__(self, *problem):
        if self.were_on:
            datasets.enable_progress_bars()
