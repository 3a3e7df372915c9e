"""The folder that a grading run writes to."""

import json
import os
import threading
from pathlib import Path

MARKER = "grading.json"  # says whose marks a folder holds


def prepare(out: Path, name: str, fresh: bool) -> None:
    """Make the folder, and see that it is not another assignment's. Raises ValueError."""
    try:
        (out / "results").mkdir(parents=True, exist_ok=True)
        (out / "feedback").mkdir(exist_ok=True)
        if fresh:
            forget(out)
        if (owner := owner_of(out) or name) == name:
            write_file(out / MARKER, json.dumps({"assignment": name}))
    except (FileExistsError, NotADirectoryError):
        raise ValueError(f"--out {out} is a file, or lies in one; name a folder.") from None
    except OSError as error:
        raise ValueError(
            f"--out {out} cannot be written: {error.strerror}; name another folder."
        ) from None
    if owner != name:
        raise ValueError(
            f"--out {out} holds the marks of {owner}; name another folder for {name}, or forget "
            "those marks with --fresh."
        )


def owner_of(out: Path) -> str | None:
    """The assignment whose marks a folder holds; None if it holds none."""
    try:
        return str(json.loads((out / MARKER).read_text())["assignment"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return f"something else ({MARKER} is damaged)"


def forget(out: Path) -> None:
    """Remove what earlier runs have written, and nothing else."""
    written = [*(out / "results").glob("*.json"), *(out / "feedback").glob("*.html")]
    for path in [*written, out / "scores.csv", out / "junit.xml", out / MARKER]:
        path.unlink(missing_ok=True)


def write_file(path: Path, text: str) -> None:
    """Write in whole or not at all: whoever reads it finds the old text or the new."""
    half = path.with_name(f".{path.name}.{threading.get_ident()}")
    try:
        half.write_text(text, encoding="utf-8", newline="")
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)
