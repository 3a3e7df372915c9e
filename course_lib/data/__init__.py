"""One call for data: `load(name)` takes the best copy that this machine can reach, and says which.

It looks in a folder (the argument, or COURSE_DATA), then on the Hugging Face hub and in its
cache, then for a built-in stand-in. The columns are the hub's in all three, so that a lesson runs
anywhere; the numbers of a stand-in are not those of the real set, and the line printed says so.

    rows = data.load("imdb")                     # a datasets.DatasetDict
    train = data.load("glue/sst2", split="train")
    data.origin(train)                           # the line again, to show beside a result
"""

import difflib
import os
from dataclasses import replace
from pathlib import Path

from datasets import Dataset, DatasetDict

from course_lib.data.cache import cache_dir
from course_lib.data.catalog import BUILT_IN, SOURCES, Source
from course_lib.data.corpus import encode_corpus
from course_lib.data.readers import (
    DataError,
    check_folder,
    course_data,
    online,
    quiet,
    read_folder,
    read_hub,
)
from course_lib.data.splitting import sentences

__all__ = ["DataError", "cache_dir", "encode_corpus", "is_stand_in", "known", "load", "origin",
           "sentences"]

MARK = "built-in stand-in"


def load(name: str, config: str | None = None, split: str | None = None,
         folder: str | os.PathLike | None = None) -> DatasetDict | Dataset:
    """The data set `name`, as all its splits or as the one named; prints where it comes from.

    name: one of `known()` ("glue", "sst2" and "glue/sst2" are the same), or of a folder in
    COURSE_DATA. folder: the data set's own folder, laid out as on the hub.
    Raises DataError with what was tried and the way out.
    """
    if not isinstance(name, str) or not name:
        raise DataError(f"the name of a data set is a string such as 'imdb', not {name!r}")
    key, source = _find(name, config, folder is not None)
    if source is None and folder is None:
        make, what = BUILT_IN[key]
        with quiet():
            rows = make()
        return _finish(rows, key, f"{key}: built in ({what})", split)
    tried: list[str] = []
    for step in (_from_folder, _from_hub, _from_stand_in):
        found = step(key, source or Source(), folder, tried)
        if found is not None:
            return _finish(found[0], key, f"{key}: {found[1]}", split)
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


def _from_folder(key: str, source: Source, folder, tried: list[str]):
    """From the argument `folder`, or from COURSE_DATA; None if there is no such set there."""
    root, name = course_data(), key.partition("/")[0]
    if folder is not None:
        path, shown = Path(folder).expanduser(), f"the folder {Path(folder).name!r}"
    elif root:
        check_folder(root, "COURSE_DATA")
        path, shown = root / name, f"$COURSE_DATA/{name}"
        if not path.exists():
            tried.append(f"COURSE_DATA has no folder {name!r}")
            return None
    else:
        tried.append("COURSE_DATA is not set")
        return None
    check_folder(path, shown)
    rows = read_folder(path, source.config, shown)
    if rows is None and folder is None:
        tried.append(f"{shown} has no part {source.config!r}")
        return None
    if rows is None:
        raise DataError(f"{shown} has no part {source.config!r}: name one that its README lists.")
    return rows, shown


def _from_hub(key: str, source: Source, folder, tried: list[str]):
    """From the hub if it answers, else from what the hub's cache holds."""
    if not source.hub:
        tried.append("it is not on the hub")
        return None
    reachable = online()
    try:
        with quiet():
            rows = read_hub(source, source.config, reachable)
    except Exception as problem:  # any failure: say so, and try the next place
        first = (str(problem).splitlines() or [""])[0]
        tried.append(f"the hub failed ({type(problem).__name__}: {first[:120]})" if reachable
                     else "the hub is not reachable, and its cache has no copy")
        return None
    one = ", the first file only, its last 2 % as validation"
    part = one if len(source.files) == 1 else ""
    return rows, f"Hugging Face hub{'' if reachable else ' (its cache)'}, {source.hub}{part}"


def _from_stand_in(key: str, source: Source, folder, tried: list[str]):
    if source.stand_in is None:
        tried.append("there is no built-in stand-in")
        return None
    with quiet():
        rows = source.stand_in()
    return rows, (f"{MARK} ({source.likeness}); numbers are NOT those of the real {key} "
                  f"[{'; '.join(tried)}]")


# --- names and endings -----------------------------------------------------------------------


def _find(name: str, config: str | None, has_folder: bool) -> tuple[str, Source | None]:
    """The full name of a set and where it is to be had (None: built in). DataError if unknown."""
    full = f"{name}/{config}" if config else name
    base, _, part = full.partition("/")
    if full in BUILT_IN:
        return full, None
    if full in SOURCES:
        return full, replace(SOURCES[full], config=part or SOURCES[full].config)
    if base in SOURCES and part in (SOURCES[base].config, *SOURCES[base].configs):
        return full, replace(SOURCES[base], config=part)
    parts = [known_name for known_name in known() if known_name.startswith(f"{full}/")]
    if parts:
        raise DataError(f"{full!r} has several parts: name one of {', '.join(parts)}")
    if has_folder or _in_course_data(base):
        return full, Source(config=part)
    close = difflib.get_close_matches(full, known(), 1, 0.4)
    raise DataError(f"unknown data set {full!r}{f'; did you mean {close[0]!r}?' if close else '.'} "
                    f"Known: {', '.join(known())}. Or put a folder of that name, in the hub's "
                    "layout, into COURSE_DATA.")


def _in_course_data(name: str) -> bool:
    root = course_data()
    return bool(root and name.strip(".") and (root / name).is_dir())


def _finish(rows: DatasetDict, key: str, line: str, split: str | None):
    """Note the origin on each split, print it, and choose the split."""
    if split is not None and split not in rows:
        raise DataError(f"{key} has no split {split!r} here; there are {', '.join(rows)}. "
                        f"({line})")
    for part in rows.values():
        part.info.description = f"{line}\n{part.info.description or ''}"
    print(line)
    return rows if split is None else rows[split]
