"""pydocs: real English from this machine, the docstrings of Python and its installed packages.

No network and no download: the files are read and parsed (`ast`), never imported or run. What
looks like prose is kept, repetitions are dropped, and each text says which package it is from.
The text differs from machine to machine with what is installed; on one machine it stays the same.

    pydocs.dataset()          a row a docstring: text, label (package), origin (module.name)
    pydocs.modules()          a row a module, for pretraining on longer texts
    pydocs.classification()   eight packages in equal shares: which one is a text from?
"""

import ast
import hashlib
import itertools
import os
import re
import sys
import sysconfig
import warnings
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pyarrow.parquet
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from course_lib.data.cache import cache_dir
from course_lib.data.prose import prose

VERSION = 1                      # change it when the extraction changes: old caches are left alone
MAX_FILES = 150                  # a package: more than that adds time, and little variety
MAX_BYTES = 150_000              # a file: longer ones are tables or generated
DENSE = 0.2                      # share of a file in triple quotes: parsing the others is slow
SKIPPED = {"test", "tests", "testing", "_testing", "idlelib", "lib2to3", "site-packages",
           "dist-packages", "__pycache__", "vendor", "_vendor", "vendored", "_vendored",
           "third_party", "_third_party", "externals", "extern", "_extern", "ensurepip",
           "node_modules", "thirdparty", "_distutils", "pydoc_data"}
_QUOTED = re.compile(r'"""(.*?)"""', re.DOTALL)
COLUMNS = ("text", "label", "origin", "module")
STANDARD = "python"              # the label of the standard library


def dataset() -> DatasetDict:
    """All docstrings as train and validation (one module in ten, whole).

    Columns: text; label, the package ("python" for the standard library); origin, the module and
    the name in it; module. Made once (some seconds), then read from the cache.
    """
    path = cache_dir() / f"pydocs-{VERSION}-{fingerprint()}.parquet"
    rows = _read(path)
    if rows is None:
        features = Features({name: Value("string") for name in COLUMNS})
        columns = zip(*extract(), strict=True)
        rows = Dataset.from_dict(dict(zip(COLUMNS, map(list, columns), strict=True)), features)
        _write_whole(rows, path)
    marks = [_is_held_out(module) for module in rows["module"]]
    return DatasetDict(train=rows.select([i for i, mark in enumerate(marks) if not mark]),
                       validation=rows.select([i for i, mark in enumerate(marks) if mark]))


def modules() -> DatasetDict:
    """The same text with the docstrings of a module as one document, a docstring a line."""
    return DatasetDict({name: _joined(rows) for name, rows in dataset().items()})


def classification(n_packages: int = 8, n_train: int = 200, n_validation: int = 25) -> DatasetDict:
    """Which package is a text from? The `n_packages` with most text, equally often each.

    Texts that name their own package are left out. Columns as in `dataset`, label as a ClassLabel.
    Raises ValueError where fewer than two packages have enough text.
    """
    wanted = {"train": n_train, "validation": n_validation}
    rows = {name: _by_package(split) for name, split in dataset().items()}
    counts = Counter({label: min(len(rows[name].get(label, ())) / wanted[name] for name in wanted)
                      for label in rows["train"]})
    enough = [label for label, share in sorted(counts.items(), key=lambda x: (-x[1], x[0]))
              if share >= 1][:n_packages]
    if len(enough) < 2:
        raise ValueError(
            f"only {len(enough)} packages have {n_train} texts for training and {n_validation} "
            "for validation: ask for fewer, e.g. classification(n_train=50, n_validation=5)")
    features = Features({"text": Value("string"), "label": ClassLabel(names=sorted(enough)),
                         "origin": Value("string"), "module": Value("string")})
    return DatasetDict({name: Dataset.from_list(
        [row for group in zip(*(rows[name][label][:count] for label in sorted(enough)),
                              strict=True) for row in group], features)
        for name, count in wanted.items()})


# --- reading the files -----------------------------------------------------------------------


def extract() -> Iterator[tuple[str, str, str, str]]:
    """(text, package, origin, module) of each docstring that is prose, once, in a fixed order."""
    seen = set()
    for package, path, module in files():
        for name, doc in docstrings(path):
            text = prose(doc)
            key = hashlib.blake2b(text.lower().encode(), digest_size=8).digest()
            if text and key not in seen:
                seen.add(key)
                yield text, package, f"{module}.{name}" if name else module, module


def files() -> Iterator[tuple[str, Path, str]]:
    """(package, file, module name) of the standard library and of all installed packages."""
    paths = sysconfig.get_paths()
    roots = [Path(paths["stdlib"])] + sorted({Path(paths["purelib"]), Path(paths["platlib"])})
    for root in roots:
        standard = root == roots[0]
        for package, found in itertools.groupby(_sources(root), lambda path: path.parts[0]):
            found = list(found)
            if not standard:
                found = found[::-(-len(found) // MAX_FILES)]  # evenly over the package
            for path in found:
                module = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
                yield (STANDARD if standard else package.removesuffix(".py")), root / path, module


def _sources(root: Path) -> Iterator[Path]:
    """The .py files below `root`, relative to it, in order; links out of it are not followed."""
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(f for f in folders if f not in SKIPPED and f.isidentifier())
        for name in sorted(names):
            path = Path(folder, name)
            if name.endswith(".py") and not name.startswith(("test_", "__editable__")):
                if not path.is_symlink():
                    yield path.relative_to(root)


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """(name, docstring) of a file's module, classes and functions; nothing if it is unreadable."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return
        source = path.read_text(encoding="utf-8")
        if sum(map(len, _QUOTED.findall(source))) < DENSE * len(source):
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old packages have invalid escapes
            tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    yield from _walk(tree, "")


def _walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, str]]:
    doc = ast.get_docstring(node)
    if doc:
        yield prefix, doc
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _walk(child, f"{prefix}.{child.name}" if prefix else child.name)


# --- tables ----------------------------------------------------------------------------------


def fingerprint() -> str:
    """Changes with the Python version and with the installed packages."""
    installed = sorted(f"{d.metadata['Name']}=={d.version}" for d in metadata.distributions())
    return hashlib.blake2b("\n".join([sys.version, *installed]).encode(),
                           digest_size=8).hexdigest()


def _write_whole(rows: Dataset, path: Path) -> None:
    """Write, then rename: another process sees the whole file or none."""
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        rows.to_parquet(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _read(path: Path) -> Dataset | None:
    """The cached table; None if there is none, or one that a full disk cut short."""
    try:
        return Dataset(pyarrow.parquet.read_table(path))
    except (OSError, pyarrow.ArrowInvalid):
        return None


def _is_held_out(module: str) -> bool:
    return hashlib.blake2b(module.encode(), digest_size=1).digest()[0] < 26  # one in ten


def _joined(rows: Dataset) -> Dataset:
    texts: dict[str, list[str]] = {}
    labels: dict[str, str] = {}
    for row in rows:
        texts.setdefault(row["module"], []).append(row["text"])
        labels[row["module"]] = row["label"]
    return Dataset.from_dict({"text": ["\n".join(parts) for parts in texts.values()],
                              "label": list(labels.values()), "origin": list(texts)})


def _by_package(rows: Dataset) -> dict[str, list[dict]]:
    """Rows of each package that do not name it."""
    found: dict[str, list[dict]] = {}
    for row in rows:
        if row["label"].lower() not in row["text"].lower():
            found.setdefault(row["label"], []).append(row)
    return found
