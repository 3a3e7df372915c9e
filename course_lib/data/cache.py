"""Where the course keeps what it can make again: encoded corpora, extracted text."""

import functools
import os
import tempfile
from pathlib import Path


def cache_dir() -> Path:
    """The folder for cached data: COURSE_CACHE, or ~/.cache/bert-course. Made if need be.

    Where it cannot be written to, a message says so and a temporary folder is used until the
    program ends.
    """
    chosen = os.environ.get("COURSE_CACHE")
    return _usable(chosen or str(Path.home() / ".cache" / "bert-course"), bool(chosen))


@functools.lru_cache
def _usable(folder: str, chosen: bool) -> Path:
    """`folder` if files can be made in it, else a temporary one; asked once for each folder."""
    path = Path(folder).expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as problem:
        spare = tempfile.TemporaryDirectory(prefix="bert-course-", ignore_cleanup_errors=True)
        _spare_folders.append(spare)
        name = "COURSE_CACHE" if chosen else "the cache folder"
        print(f"{name} cannot be written to ({problem.strerror}: {folder}): using a temporary "
              "folder instead. Set COURSE_CACHE to a folder of your own to keep what is prepared.")
        return Path(spare.name)


_spare_folders: list[tempfile.TemporaryDirectory] = []  # removed when the program ends
