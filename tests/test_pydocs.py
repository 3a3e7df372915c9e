"""pydocs: only readable prose, only from where packages are, the same each time."""

import sysconfig

import pytest
from datasets import Dataset, DatasetDict, Features, Value

from course_lib import data
from course_lib.data import pydocs
from course_lib.data.prose import prose

LONG = ("Return the number of words that the text holds, and of those only the ones that are "
        "long enough to be of any use to the reader.")


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A standard library and a site-packages of a few files, in place of the real ones."""
    standard, site = tmp_path / "lib", tmp_path / "lib" / "site-packages"
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {
        "stdlib": str(standard), "purelib": str(site), "platlib": str(site)})
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    outside = tmp_path / "outside.py"
    files = {
        standard / "count.py": f'"""{LONG} One."""\n\ndef f():\n    """{LONG}"""\n',
        standard / "test" / "count.py": f'"""{LONG} Two."""',
        site / "alpha" / "__init__.py": f'"""{LONG} Three."""',
        site / "alpha" / "part.py": f'class A:\n    """{LONG} Four."""\n\n    def m(self):\n'
                                    f'        """{LONG} Five."""\n',
        site / "alpha" / "tests" / "a.py": f'"""{LONG} Six."""',
        site / "alpha" / "_vendor" / "a.py": f'"""{LONG} Seven."""',
        site / "alpha" / "broken.py": f'"""{LONG} Eight."""\ndef (',
        site / "alpha" / "run.py": f'"""{LONG} Nine."""\nraise SystemExit("was run")',
        site / "alpha" / "large.py": f'"""{LONG} Ten."""\n' + "#" * pydocs.MAX_BYTES,
        site / "beta.py": f'"""{LONG}"""',  # a repetition
        outside: f'"""{LONG} Eleven."""',
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (site / "alpha" / "latin.py").write_bytes('"""caf\xe9 """'.encode("latin-1"))
    (site / "alpha" / "link.py").symlink_to(outside)
    return tmp_path


def test_what_is_read(packages):
    rows = list(pydocs.extract())
    assert [row[1:] for row in rows] == [
        ("python", "count", "count"), ("python", "count.f", "count"),
        ("alpha", "alpha", "alpha"), ("alpha", "alpha.part.A", "alpha.part"),
        ("alpha", "alpha.part.A.m", "alpha.part"), ("alpha", "alpha.run", "alpha.run")]
    assert rows[1][0] == LONG
    assert str(packages) not in str(rows)
    assert rows == list(pydocs.extract())


def test_cached_and_split_by_module(packages):
    rows = pydocs.dataset()
    assert list(rows) == ["train", "validation"]
    assert rows["train"].column_names == ["text", "label", "origin", "module"]
    (file,) = data.cache_dir().glob("pydocs-*")
    written = file.stat().st_mtime_ns
    again = pydocs.dataset()
    assert [again[name][:] for name in again] == [rows[name][:] for name in rows]
    assert file.stat().st_mtime_ns == written
    assert not set(rows["train"]["module"]) & set(rows["validation"]["module"])
    joined = pydocs.modules()
    texts = dict(zip(joined["train"]["origin"], joined["train"]["text"], strict=True))
    texts |= dict(zip(joined["validation"]["origin"], joined["validation"]["text"], strict=True))
    assert texts["count"] == f"{LONG} One.\n{LONG}"


def test_a_broken_cache_is_made_again(packages):
    before = pydocs.dataset()
    (file,) = data.cache_dir().glob("pydocs-*")
    file.write_bytes(b"half a file")
    assert pydocs.dataset()["train"][:] == before["train"][:]


def rows_of(counts):
    rows = [dict(text=f"Text {i} of this.", label=label, origin=f"{label}.{i}", module=label)
            for label, n in counts.items() for i in range(n)]
    rows += [dict(text="The alpha package.", label="alpha", origin="x", module="x")]
    return Dataset.from_list(rows, Features({n: Value("string") for n in pydocs.COLUMNS}))


def test_classification_is_balanced(monkeypatch):
    split = DatasetDict(train=rows_of({"alpha": 30, "beta": 50, "gamma": 20, "delta": 5}),
                        validation=rows_of({"alpha": 9, "beta": 9, "gamma": 9, "delta": 9}))
    monkeypatch.setattr(pydocs, "dataset", lambda: split)
    rows = pydocs.classification(n_packages=3, n_train=10, n_validation=2)
    assert rows["train"].features["label"].names == ["alpha", "beta", "gamma"]
    assert rows["train"]["label"][:] == [0, 1, 2] * 10
    assert rows["validation"]["label"][:] == [0, 1, 2] * 2
    assert not any("alpha" in text for text in rows["train"]["text"])
    with pytest.raises(ValueError, match="only 0 packages have 1000 texts"):
        pydocs.classification(n_train=1000)


@pytest.mark.parametrize("docstring, expected", [
    (LONG, LONG),
    ("", ""),
    ("Too short.", ""),
    (LONG + "\n\n    >>> f(1)\n    2\n", LONG),
    (LONG + "\n\nParameters\n----------\nx : int\n    The number.\n", LONG),
    (LONG + "\n\nArgs:\n    x: the number of all the things that are in it.\n", LONG),
    (LONG + "\n\n:param x: the number of things that the list will hold.\n", LONG),
    (LONG + "\n\n- one of the things that it can do for you\n- another\n", LONG),
    (LONG.replace("text", ":class:`~a.b.text`"), LONG),
    (LONG.replace("text", "``text``").replace("long", "*long*"), LONG),
    (LONG.replace("words", "[words](http://x.y/z)"), LONG),
    ("x = {1: 2, 3: 4}; y = f(x)[0] + g(x)[1] - h(z) * 2 + k(1, 2, 3) == m(4, 5, 6, 7).", ""),
    ("Gibt die Anzahl der Wörter im Text zurück, und zwar nur die, welche lang genug sind.", ""),
])
def test_prose(docstring, expected):
    assert prose(docstring) == expected
