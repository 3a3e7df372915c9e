"""Where the submissions are, and whose they are.

Three shapes are known: one file; a folder with a file for each student (anna.ipynb); a folder
with a folder for each student, as nbgrader collects them (STUDENT/ASSIGNMENT/NAME.ipynb) and as
Moodle packs them (STUDENT/NAME.ipynb). Nothing is opened here and no link is followed. What
cannot be graded is found all the same, with the reason: a student who handed in a PDF must not
go missing from the list.
"""

import hashlib
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

MAX_ENTRIES = 2000  # looked at in one student's folder
MAX_NAME = 60  # characters
CLUTTER = {"thumbs.db", "desktop.ini", "__macosx", "__pycache__"}
KEPT = " ._-+@,()'"  # beside letters and digits of all scripts
RESERVED = {"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(10))}


@dataclass(frozen=True)
class Found:
    """A submission that has not been read yet."""

    student: str  # safe as a file name, unique in the run
    root: Path  # the folder that the teacher named: trusted
    parts: tuple[str, ...] = ()  # the way from there to the file: in the student's hands
    problem: str = ""  # why there is nothing to read


def find(submissions: Path, notebook: str) -> list[Found]:
    """All submissions, by student.

    notebook: the name of the exercise without ending, "02_attention"; it decides where a student
        handed in several files.
    Raises ValueError if there is no such place, or nothing in it.
    """
    submissions = Path(submissions)
    if not os.path.lexists(submissions):
        raise ValueError(f"{submissions} does not exist; name a notebook or a folder of them.")
    if not submissions.is_dir():
        name = submissions.name
        return with_safe_names([Found(Path(name).stem, submissions.parent, (name,))])
    folders = list(student_folders(submissions, notebook))
    found = [*loose_files(submissions, notebooks_only=bool(folders)), *folders]
    if not found:
        raise ValueError(
            f"{submissions} holds no submissions; expected are files (anna.ipynb) or a folder for "
            f"each student (anna/{notebook}/{notebook}.ipynb)."
        )
    return with_safe_names(found)


def loose_files(folder: Path, notebooks_only: bool) -> Iterator[Found]:
    """A file is one student's, called after it; other kinds count if there is no notebook."""
    by_stem = defaultdict(list)
    for entry in entries(folder):
        if not entry.is_dir(follow_symlinks=False):
            by_stem[Path(entry.name).stem].append(entry.name)
    for stem, names in by_stem.items():
        notebooks = [name for name in names if is_notebook(name)]
        if len(notebooks) > 1:  # anna.ipynb and anna.IPYNB
            yield Found(stem, folder, problem=several(notebooks))
        elif notebooks or not notebooks_only:
            yield Found(stem, folder, ((notebooks or sorted(names))[0],))


def student_folders(folder: Path, notebook: str) -> Iterator[Found]:
    """A folder is one student's, called after it."""
    for entry in entries(folder):
        if entry.is_dir(follow_symlinks=False):
            try:
                yield choose(entry.name, folder, notebook)
            except OSError as error:
                problem = f"The folder cannot be read: {error.strerror}."
                yield Found(entry.name, folder, problem=problem)


def choose(student: str, folder: Path, notebook: str) -> Found:
    """The one file of a student's folder that is meant, or what is wrong with it."""
    files = list(islice(files_below(folder, (student,)), MAX_ENTRIES + 1))
    if len(files) > MAX_ENTRIES:
        problem = f"More than {MAX_ENTRIES} files. Hand in {notebook}.ipynb alone."
        return Found(student, folder, problem=problem)
    notebooks = [parts for parts in files if is_notebook(parts[-1])]
    named = [parts for parts in notebooks if Path(parts[-1]).stem == notebook]
    inside = [parts for parts in named if parts[-2] == notebook]
    for candidates in (inside, named, notebooks):
        if len(candidates) == 1:
            return Found(student, folder, candidates[0])
    if notebooks:
        problem = several(["/".join(parts[1:]) for parts in notebooks])
    elif files:
        problem = f"No notebook was handed in, only {shown(files[0][-1])}. Hand in the .ipynb file."
    else:
        problem = f"The folder is empty. Hand in {notebook}.ipynb."
    return Found(student, folder, problem=problem)


def files_below(folder: Path, parts: tuple[str, ...], depth: int = 2) -> Iterator[tuple[str, ...]]:
    """The files in a folder and in the folders in it; links count as files and are not followed."""
    for entry in entries(folder.joinpath(*parts)):
        if not entry.is_dir(follow_symlinks=False):
            yield (*parts, entry.name)
        elif depth > 1:
            yield from files_below(folder, (*parts, entry.name), depth - 1)


def entries(folder: Path) -> list[os.DirEntry]:
    """What is in a folder, in a fixed order, without what programs leave behind."""
    with os.scandir(folder) as listing:
        some = list(islice(listing, 100 * MAX_ENTRIES))
    kept = [e for e in some if not e.name.startswith(".") and e.name.lower() not in CLUTTER]
    return sorted(kept, key=lambda entry: entry.name)


def is_notebook(name: str) -> bool:
    return name.lower().endswith(".ipynb")


def several(names: list[str]) -> str:
    """The problem of a student who handed in more than one notebook."""
    listed = ", ".join(shown(name) for name in sorted(names)[:4])
    return f"{len(names)} notebooks were handed in ({listed}). Hand in the one that is meant."


def shown(name: str) -> str:
    """A file name inside a message: short, and without characters that act on a screen."""
    return safe_name(name, "a file")


# -- names ---------------------------------------------------------------------------------------


def with_safe_names(found: list[Found]) -> list[Found]:
    """The same with students' names that are safe and unique, in alphabetical order.

    Two names that are the same but for case, or only after cleaning, get a sum of the original
    added. So nobody's name depends on who else is in the folder, unless the names clash.
    """
    safe = [safe_name(one.student) for one in found]
    count = Counter(map(clash_key, safe))
    taken, named = {key for key in count if count[key] == 1}, []
    for one, name in zip(found, safe, strict=True):
        if count[clash_key(name)] > 1:
            name = f"{name}-{name_sum(one)}"
            while clash_key(name) in taken:  # somebody knew the sum
                name += "_"
            taken.add(clash_key(name))
        named.append(replace(one, student=name))
    return sorted(named, key=lambda one: (one.student.casefold(), one.student))


def safe_name(raw: str, otherwise: str = "unnamed") -> str:
    """`raw` as a name that is harmless in files, tables, pages and terminals."""
    text = unicodedata.normalize("NFC", raw)
    text = "".join(c if is_kept(c) else "_" for c in text)
    text = " ".join(text.split()).lstrip(" .-+@,'").rstrip(" .")[:MAX_NAME].rstrip(" .")
    while len(text.encode()) > 3 * MAX_NAME:  # 255 bytes are the end in most file systems
        text = text[:-1]
    if not any(c.isalnum() for c in text):
        return f"{otherwise}-{short_sum(raw)}" if raw.strip(" ._-") else otherwise
    return f"_{text}" if text.split(".")[0].lower() in RESERVED else text


def is_kept(char: str) -> bool:
    """Letters, marks and digits of all scripts, and `KEPT`; no control or direction marks."""
    return char in KEPT or unicodedata.category(char)[0] in "LMN"


def clash_key(name: str) -> str:
    """Equal for names that a file system, or a person, may take for the same."""
    return unicodedata.normalize("NFKC", name).casefold()


def name_sum(one: Found) -> str:
    return short_sum("/".join((one.student, *one.parts)))


def short_sum(text: str) -> str:
    """A few digits that tell one text from another; the text may hold anything."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
