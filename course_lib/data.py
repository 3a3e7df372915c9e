"""One call for data: `load(name)` takes the best copy that this machine can reach, and says which.

It looks in a folder (the argument, or COURSE_DATA), then on the Hugging Face hub and in its
cache, then for a built-in stand-in. The columns are the hub's in all three, so that a lesson runs
anywhere; the numbers of a stand-in are not those of the real set, and the line printed says so.

    rows = data.load("imdb")                     # a datasets.DatasetDict
    train = data.load("glue/sst2", split="train")
    data.origin(train)                           # the line again, to show beside a result
"""

import difflib
import functools
import os
import threading
from pathlib import Path

import datasets
from datasets import Dataset, DatasetDict

from course_lib.cache import cache_dir
from course_lib.catalog import BUILT_IN, SOURCES, Source
from course_lib.corpus import encode_corpus
from course_lib.hub_files import hub_reachable
from course_lib.sentences import sentences

__all__ = ["DataError", "cache_dir", "encode_corpus", "is_stand_in", "known", "load", "origin",
           "sentences"]

MARK = "built-in stand-in"


class DataError(ValueError):
    """A data set cannot be loaded; the message says what was tried and what to do."""


def load(name: str, config: str | None = None, split: str | None = None,
         folder: str | os.PathLike | None = None) -> DatasetDict | Dataset:
    """The data set `name`, as all its splits or as the one named; prints where it comes from.

    name: one of `known()` ("glue", "sst2" and "glue/sst2" are the same), or of a folder in
    COURSE_DATA. folder: the data set's own folder, laid out as on the hub.
    Raises DataError with what was tried and the way out.
    """
    key = _key(name, config)
    if key in BUILT_IN and folder is None:
        make, what = BUILT_IN[key]
        with quiet():
            rows = make()
        return _finish(rows, key, f"{key}: built in ({what})", split)
    tried: list[str] = []
    for step in (_from_folder, _from_hub, _from_stand_in):
        found = step(key, folder, tried)
        if found is not None:
            return _finish(found[0], key, f"{key}: {found[1]}", split)
    source = SOURCES[key]
    raise DataError(
        f"no copy of {key!r} can be reached. Tried: {'; '.join(tried)}. Put one into "
        f"$COURSE_DATA/{key.partition('/')[0]} (set COURSE_DATA to the folder that holds it), or "
        f"go on with the closest at hand: data.load({source.closest!r}).")


def known() -> list[str]:
    """The names that `load` knows."""
    return sorted([*SOURCES, *BUILT_IN])


def origin(rows: Dataset | DatasetDict) -> str:
    """The line that `load` printed for this data, also after map, filter or select."""
    rows = next(iter(rows.values())) if isinstance(rows, DatasetDict) else rows
    return rows.info.description.partition("\n")[0]


def is_stand_in(rows: Dataset | DatasetDict) -> bool:
    """Is this a built-in stand-in for another set, so that its numbers are not that set's?"""
    return MARK in origin(rows)


# --- the three places ------------------------------------------------------------------------


def _from_folder(key: str, folder, tried: list[str]):
    """From the argument `folder`, or from COURSE_DATA; None if there is no such set there."""
    root, name = os.environ.get("COURSE_DATA"), key.partition("/")[0]
    if folder is not None:
        path, shown = Path(folder).expanduser(), f"the folder {Path(folder).name!r}"
    elif root:
        _check_folder(Path(root).expanduser(), "COURSE_DATA")
        path, shown = Path(root).expanduser() / name, f"$COURSE_DATA/{name}"
        if not path.exists():
            tried.append(f"COURSE_DATA has no folder {name!r}")
            return None
    else:
        tried.append("COURSE_DATA is not set")
        return None
    _check_folder(path, shown)
    rows = _read_folder(path, _config(key), shown)
    if rows is None and folder is None:
        tried.append(f"{shown} has no part {_config(key)!r}")
        return None
    if rows is None:
        raise DataError(f"{shown} has no part {_config(key)!r}: name one that its README lists.")
    return rows, shown


def _from_hub(key: str, folder, tried: list[str]):
    """From the hub if it answers, else from what the hub's cache holds."""
    source = SOURCES[key]
    if not source.hub:
        tried.append("it is not on the hub")
        return None
    online = _online()
    try:
        with quiet():
            rows = _read_hub(source, _config(key), online)
    except Exception as problem:  # any failure: say so, and try the next place
        first = (str(problem).splitlines() or [""])[0]
        why = f"{type(problem).__name__}: {first[:120]}" if online else "and its cache has no copy"
        tried.append(f"the hub {'failed, ' + why if online else 'is not reachable, ' + why}")
        return None
    one = ", the first file only, its last 2 % as validation"
    part = one if len(source.files) == 1 else ""
    return rows, f"Hugging Face hub{'' if online else ' (its cache)'}, {source.hub}{part}"


def _from_stand_in(key: str, folder, tried: list[str]):
    source = SOURCES[key]
    if source.stand_in is None:
        tried.append("there is no built-in stand-in")
        return None
    with quiet():
        rows = source.stand_in()
    return rows, (f"{MARK} ({source.likeness}); numbers are NOT those of the real {key} "
                  f"[{'; '.join(tried)}]")


# --- reading ---------------------------------------------------------------------------------


def _check_folder(path: Path, shown: str) -> None:
    """Raise DataError unless `path` is a folder with something in it."""
    problem = ("does not exist" if not path.exists() else "is a file, not a folder"
               if not path.is_dir() else "is empty" if not any(path.iterdir()) else "")
    if problem:
        raise DataError(f"{shown} ({path}) {problem}: it must be a folder with data in the hub's "
                        "layout. Correct the path, or unset it to use the hub or a stand-in.")


def _read_folder(path: Path, config: str, shown: str) -> DatasetDict | None:
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


def _read_hub(source: Source, config: str, online: bool) -> DatasetDict:
    if source.files:
        from huggingface_hub import hf_hub_download

        files = {split: hf_hub_download(source.hub, file, repo_type="dataset",
                                        revision=source.revision, local_files_only=not online)
                 for split, file in source.files.items()}
        rows = datasets.load_dataset("parquet", data_files=files,
                                     cache_dir=str(cache_dir() / "datasets"))
        return rows if len(rows) > 1 else _hold_out(rows["train"])
    if online:
        return datasets.load_dataset(source.hub, config or None)
    from datasets.packaged_modules.cache.cache import Cache

    return Cache(dataset_name=source.hub.partition("/")[2], repo_id=source.hub,
                 config_name=config or None, version="auto", hash="auto").as_dataset()


def _hold_out(rows: Dataset) -> DatasetDict:
    """The last 2 % of a set without a validation split become one."""
    border = len(rows) - len(rows) // 50
    return DatasetDict(train=rows.select(range(border)),
                       validation=rows.select(range(border, len(rows))))


@functools.cache
def _online() -> bool:
    """Does the hub answer within about two seconds? Asked once for each program."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return False
    answers: list[bool] = []  # a name server may hang for longer than any time limit of a request
    asking = threading.Thread(target=lambda: answers.append(hub_reachable(2.0)), daemon=True)
    asking.start()
    asking.join(2.5)
    return answers == [True]


class quiet:
    """Without the progress bars of `datasets`, which say more than the one line."""

    def __enter__(self):
        self.were_on = not datasets.are_progress_bars_disabled()
        datasets.disable_progress_bars()

    def __exit__(self, *problem):
        if self.were_on:
            datasets.enable_progress_bars()


# --- names and endings -----------------------------------------------------------------------


def _key(name: str, config: str | None) -> str:
    """The name under which SOURCES or BUILT_IN knows a set. Raises DataError for others."""
    full = f"{name}/{config}" if config else name
    if full in SOURCES or full in BUILT_IN:
        return full
    base, _, part = full.partition("/")
    if base in SOURCES and part in (SOURCES[base].config, *SOURCES[base].configs):
        SOURCES.setdefault(full, SOURCES[base])
        return full
    root = os.environ.get("COURSE_DATA")
    if root and base and (Path(root).expanduser() / base).is_dir() and ".." not in full:
        SOURCES.setdefault(full, Source())
        return full
    close = difflib.get_close_matches(full, known(), 1, 0.4)
    raise DataError(f"unknown data set {full!r}{f'; did you mean {close[0]!r}?' if close else '.'} "
                    f"Known: {', '.join(known())}. Or put a folder of that name, in the hub's "
                    "layout, into COURSE_DATA.")


def _config(key: str) -> str:
    return key.partition("/")[2] or SOURCES[key].config


def _finish(rows: DatasetDict, key: str, line: str, split: str | None):
    """Note the origin on each split, print it, and choose the split."""
    if split is not None and split not in rows:
        raise DataError(f"{key} has no split {split!r} here; there are {', '.join(rows)}. "
                        f"({line})")
    for part in rows.values():
        part.info.description = f"{line}\n{part.info.description or ''}"
    print(line)
    return rows if split is None else rows[split]
