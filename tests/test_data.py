"""Data: where it comes from is always said, errors name the way out, encoding stays on disk."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
from datasets import Dataset, DatasetDict

from course_lib import data, tinyworld
from course_lib.data import cache, catalog, readers
from course_lib.tokenization import WordPiece

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def own_places(tmp_path, monkeypatch):
    """A cache of its own, no data folder, no hub."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("COURSE_DATA", raising=False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hub_cache"))
    readers.online.cache_clear()
    yield
    readers.online.cache_clear()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """COURSE_DATA with an imdb of two splits and a glue whose part is a plain folder."""
    root = tmp_path / "my data"
    rows = Dataset.from_dict({"text": ["good film", "bad film"], "label": [1, 0]})
    for path, split in [("imdb/data/train-0.parquet", rows),
                        ("imdb/data/test-0.parquet", rows.select([0])),
                        ("glue/sst2/train-0.parquet", rows.rename_column("text", "sentence")),
                        ("glue/cola/train-0.parquet", rows)]:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        split.to_parquet(root / path)
    monkeypatch.setenv("COURSE_DATA", str(root))
    return root


# --- where it comes from ----------------------------------------------------------------------


def test_folder_comes_first(folder, capsys):
    rows = data.load("imdb")
    line = capsys.readouterr().out.strip()
    assert line == "imdb: $COURSE_DATA/imdb" == data.origin(rows) == data.origin(rows["test"])
    assert {name: len(split) for name, split in rows.items()} == {"train": 2, "test": 1}
    assert rows["train"]["label"][:] == [1, 0] and not data.is_stand_in(rows)
    assert data.load("imdb", split="test")["text"][:] == ["good film"]


def test_folder_argument_wins(folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(folder / "imdb", other)
    assert data.origin(data.load("imdb", folder=other)) == "imdb: the folder 'other'"
    assert len(data.load("my own", folder=other)["train"]) == 2


@pytest.mark.parametrize("arguments", [("glue/sst2",), ("glue", "sst2")])
def test_two_spellings_of_a_part(folder, arguments):
    assert data.load(*arguments)["train"].column_names == ["sentence", "label"]


def test_a_new_name_in_the_folder(folder):
    (folder / "imdb").rename(folder / "letters")
    assert len(data.load("letters")["train"]) == 2


def test_relative_folder_starts_here_or_at_the_project(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", "my data")
    monkeypatch.chdir(tmp_path)
    assert readers.course_data() == Path("my data") and data.load("imdb")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.setattr(readers, "PROJECT", tmp_path)
    assert readers.course_data() == tmp_path / "my data" and data.load("imdb")


def test_nothing_is_written_beside_the_data(folder):
    before = sorted(folder.rglob("*"))
    data.load("imdb")
    assert sorted(folder.rglob("*")) == before
    assert list(data.cache_dir().rglob("*.arrow"))


def test_stand_in_says_that_it_is_one(capsys):
    rows = data.load("imdb")
    line = capsys.readouterr().out
    assert line.count("\n") == 1 and "stand-in" in line and "NOT those of the real imdb" in line
    assert "COURSE_DATA is not set" in line and "hub is not reachable" in line
    changed = rows["train"].map(lambda row: {"n": 1}).filter(lambda row: row["label"] == 1)
    assert data.is_stand_in(changed.select([0])) and data.origin(changed) == line.strip()


def test_folder_without_the_set_falls_through_and_says_so(folder, capsys):
    data.load("squad")
    assert "COURSE_DATA has no folder 'squad'" in capsys.readouterr().out


@pytest.mark.parametrize("name, columns, splits", [
    ("imdb", ["text", "label"], ["train", "test"]),
    ("glue/sst2", ["sentence", "label", "idx"], ["train", "validation"]),
    ("squad", ["id", "title", "context", "question", "answers"], ["train", "validation"]),
    ("conll2003", ["id", "tokens", "ner_tags"], ["train", "validation", "test"]),
    ("wnut_17", ["id", "tokens", "ner_tags"], ["train", "validation"]),
    ("tinyworld", list(tinyworld.FEATURES), ["train", "validation"]),
])
def test_stand_ins_have_the_columns_of_the_real_set(monkeypatch, name, columns, splits):
    monkeypatch.setattr(tinyworld.splits, "__defaults__",
                        (tinyworld.dataset, ("train", "validation"), 12, 6))
    rows = data.load(name)
    assert list(rows) == splits and rows["train"].column_names == columns
    assert "/" not in str(rows["train"].info.description).replace(name, "").replace("glue/", "")


def test_wnut_stand_in_keeps_the_truth():
    ours, theirs = tinyworld.ner_dataset(30), catalog.stand_ins.wnut_17()["train"]
    names = theirs.features["ner_tags"].feature
    assert names.names[:4] == ["O", "B-corporation", "I-corporation", "B-creative-work"]
    same = {"PER": "person", "ORG": "corporation", "LOC": "location"}
    for a, b in zip(ours, theirs, strict=False):
        tags = [tinyworld.NER_TAGS[tag] for tag in a["ner_tags"]]
        assert names.int2str(b["ner_tags"]) == [t[:2] + same[t[2:]] if t != "O" else t
                                                for t in tags]


def test_hub_comes_before_the_stand_in(monkeypatch, capsys):
    real = DatasetDict(train=Dataset.from_dict({"text": ["x"], "label": [0]}))
    monkeypatch.setattr("course_lib.data.online", lambda: True)
    monkeypatch.setattr(datasets, "load_dataset", lambda name, config=None: real)
    assert data.origin(data.load("imdb")) == "imdb: Hugging Face hub, stanfordnlp/imdb"


def test_a_failing_hub_is_not_silent(monkeypatch, capsys):
    def fail(*_, **__):
        raise ConnectionError("the line broke\nsecond line")
    monkeypatch.setattr("course_lib.data.online", lambda: True)
    monkeypatch.setattr(datasets, "load_dataset", fail)
    data.load("imdb")
    assert "the hub failed (ConnectionError: the line broke)" in capsys.readouterr().out


def test_hub_cache_is_used_without_a_network(tmp_path, folder, monkeypatch):
    """What the hub's cache holds after an earlier download is found offline."""
    built = datasets.load_dataset(str(folder / "imdb"), cache_dir=str(tmp_path / "built"))
    made = next((tmp_path / "built").rglob("dataset_info.json")).parent
    kept = tmp_path / "hub_cache" / "stanfordnlp___imdb" / "default" / "0.0.0" / "abc"
    shutil.copytree(made, kept)
    for path in kept.glob("*.arrow"):
        path.rename(kept / path.name.replace(path.name.split("-")[0], "imdb"))
    info = (kept / "dataset_info.json").read_text().replace(f'"{made.parts[-3]}"', '"default"')
    (kept / "dataset_info.json").write_text(info)
    monkeypatch.delenv("COURSE_DATA")
    rows = data.load("imdb")
    assert data.origin(rows) == "imdb: Hugging Face hub (its cache), stanfordnlp/imdb"
    assert rows["train"]["text"][:] == built["train"]["text"][:]


def test_hub_is_asked_once_and_never_hangs(monkeypatch):
    import time
    asked = []
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(readers, "hub_reachable", lambda s: asked.append(s) or time.sleep(30))
    monkeypatch.setattr(readers, "PATIENCE", 0.2)
    start = time.monotonic()
    assert not readers.online() and not readers.online()
    assert len(asked) == 1 and time.monotonic() - start < 5


# --- errors -----------------------------------------------------------------------------------


def test_unknown_name():
    with pytest.raises(data.DataError, match=r"unknown data set 'imbd'; did you mean 'imdb'\?"):
        data.load("imbd")
    with pytest.raises(data.DataError, match="several parts: name one of glue/cola"):
        data.load("glue")
    for name in ("", None, 3, "../imdb"):
        with pytest.raises(data.DataError):
            data.load(name)


def test_no_stand_in():
    with pytest.raises(data.DataError) as error:
        data.load("cmrc2018")
    for part in ("'cmrc2018'", "COURSE_DATA is not set", "hub is not reachable",
                 "no built-in stand-in", "$COURSE_DATA/cmrc2018", "data.load('squad')"):
        assert part in str(error.value)


def test_unknown_split(folder):
    with pytest.raises(data.DataError, match="no split 'dev' here; there are train, test"):
        data.load("imdb", split="dev")


@pytest.mark.parametrize("spoil, message", [
    (lambda root: shutil.rmtree(root), "COURSE_DATA .* does not exist"),
    (lambda root: (shutil.rmtree(root), root.write_text("x")), "COURSE_DATA .* is a file"),
    (lambda root: (shutil.rmtree(root), root.mkdir()), "COURSE_DATA .* is empty"),
    (lambda root: (shutil.rmtree(root / "imdb"), (root / "imdb").mkdir()), "imdb .* is empty"),
    (lambda root: shutil.rmtree(root / "imdb/data") or (root / "imdb/notes.bin").write_text("x"),
     "imdb .* cannot be read"),
    (lambda root: (root / "imdb/data/train-0.parquet").write_bytes(b"PAR1 broken PAR1"),
     "imdb .* cannot be read"),
])
def test_a_wrong_folder_is_an_error_with_a_way_out(folder, spoil, message):
    spoil(folder)
    with pytest.raises(data.DataError, match=message) as error:
        data.load("imdb")
    assert "unset" in str(error.value)


# --- the cache --------------------------------------------------------------------------------


def test_cache_is_never_in_the_repository(monkeypatch, tmp_path):
    assert data.cache_dir() == tmp_path / "cache"
    monkeypatch.delenv("COURSE_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data.cache_dir() == tmp_path / ".cache" / "bert-course"
    assert REPOSITORY not in data.cache_dir().parents


def test_unwritable_cache(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file" / "cache"))
    spare = data.cache_dir()
    assert "COURSE_CACHE cannot be written to" in capsys.readouterr().out
    assert spare == data.cache_dir() and spare.is_dir() and tmp_path not in spare.parents
    assert capsys.readouterr().out == ""
    cache._usable.cache_clear()


# --- sentences --------------------------------------------------------------------------------


@pytest.mark.parametrize("text, expected", [
    ("", []),
    (" \n ", []),
    ("One", ["One"]),
    ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
    ("Mr. Smith met Dr. J. R. Brown. They left.",
     ["Mr. Smith met Dr. J. R. Brown.", "They left."]),
    ("It costs $3.50 a day. Version 2.0. Done.",
     ["It costs $3.50 a day.", "Version 2.0.", "Done."]),
    ("The U.S. Army came. He is in the U.S. The end.",
     ["The U.S. Army came.", "He is in the U.S.", "The end."]),
    ('"Why?" he asked. "Go!" She left.', ['"Why?" he asked.', '"Go!"', "She left."]),
    ("He said: “It is done.” Then he left. (So it was.) Yes",
     ["He said: “It is done.”", "Then he left.", "(So it was.)", "Yes"]),
    ("See Fig. 3 and No. 5. Done.", ["See Fig. 3 and No. 5.", "Done."]),
    ("I asked no. Then I left. So did I. Then he did.",
     ["I asked no.", "Then I left.", "So did I.", "Then he did."]),
    ("Use tools, e.g. Python or C. The rest follows.",
     ["Use tools, e.g. Python or C.", "The rest follows."]),
    ("Wait... what? Really?! Yes.", ["Wait... what?", "Really?!", "Yes."]),
    ("1. The first. 2. The second.", ["1. The first.", "2. The second."]),
    ("a.b.c and x.y", ["a.b.c and x.y"]),
    ("line one\nline two", ["line one", "line two"]),
    ("今天天气很好。我们去公园吧！好吗？", ["今天天气很好。", "我们去公园吧！", "好吗？"]),
    ("他说：“好。”她走了。价格是3.5元。", ["他说：“好。”", "她走了。", "价格是3.5元。"]),
    ("我喜欢BERT。It is good. 是的。", ["我喜欢BERT。", "It is good.", "是的。"]),
])
def test_sentences(text, expected):
    assert data.sentences(text) == expected


def test_sentences_lose_nothing():
    from hypothesis import given, settings
    from hypothesis import strategies as st

    pieces = st.sampled_from(["Mr", "A", "the", "U.S", "3", ".", "?", "!", "。", "”", '"', " ", 
                              "\n", "…", "(", ")", "你", "x", "I"])

    @settings(max_examples=150, deadline=None)
    @given(st.lists(pieces, max_size=30).map("".join) | st.text(max_size=40))
    def check(text):
        found = data.sentences(text)
        assert "".join("".join(found).split()) == "".join(text.split())
        assert all(sentence == sentence.strip() != "" for sentence in found)
    check()


def test_sentences_wants_a_string():
    with pytest.raises(TypeError, match="must be a string, not bytes"):
        data.sentences(b"One.")


# --- encoding a corpus ------------------------------------------------------------------------


@pytest.fixture
def documents():
    return tinyworld.dataset(60, truth=False)


def test_encode_corpus_gives_the_tokenizers_ids(documents):
    tokenizer = tinyworld.tokenizer()
    encoded = data.encode_corpus(documents, tokenizer)
    assert encoded.column_names == ["sentences"] and len(encoded) == 60
    for row, text in zip(encoded, documents["text"], strict=True):
        assert row["sentences"] == [tokenizer.encode(s)["input_ids"][1:-1]
                                    for s in data.sentences(text)]


def test_encoding_twice_reads_the_file_again(documents):
    def only_file(rows):
        (file,) = rows.cache_files
        return Path(file["filename"])

    tokenizer = tinyworld.tokenizer()
    first = only_file(data.encode_corpus(documents, tokenizer))
    changed = first.stat().st_mtime_ns
    again = only_file(data.encode_corpus(tinyworld.dataset(60, truth=False), tokenizer))
    assert again == first and first.stat().st_mtime_ns == changed
    assert data.cache_dir() in first.parents
    other = WordPiece(list(tokenizer.vocab)[:200])
    assert only_file(data.encode_corpus(documents, other)) != first
    assert only_file(data.encode_corpus(tinyworld.dataset(60, seed=9), tokenizer)) != first


def test_encode_corpus_takes_sentences_and_blank_texts():
    tokenizer = tinyworld.tokenizer()
    split = Dataset.from_dict({"parts": [["Anna is in", "the pool"], [], ["rain"]]})
    rows = data.encode_corpus(split, tokenizer, text_column="parts")
    assert [[len(s) for s in row["sentences"]] for row in rows] == [[3, 2], [], [1]]
    rows = data.encode_corpus(Dataset.from_dict({"text": ["", "rain.", None]}), tokenizer)
    assert [len(row["sentences"]) for row in rows] == [0, 1, 0]


def test_encode_corpus_in_two_processes_is_the_same(documents):
    tokenizer = tinyworld.tokenizer()
    assert (data.encode_corpus(documents, tokenizer, num_proc=2)["sentences"][:]
            == data.encode_corpus(documents, tokenizer)["sentences"][:])


def test_encode_corpus_errors(documents):
    tokenizer = tinyworld.tokenizer()
    with pytest.raises(TypeError, match="choose a split"):
        data.encode_corpus(DatasetDict(train=documents), tokenizer)
    with pytest.raises(ValueError, match="no column 'body'"):
        data.encode_corpus(documents, tokenizer, text_column="body")
    with pytest.raises(ValueError, match="not text"):
        data.encode_corpus(documents, tokenizer, text_column="topic")


GROWTH = """
import sys, psutil
from datasets import Dataset
from course_lib import data, tinyworld

def private():
    info = psutil.Process().memory_info()
    return (info.rss - getattr(info, "shared", 0)) / 1e6

text = "\\n".join(d.text for d in tinyworld.documents(100))
def corpus(n):
    path = data.cache_dir() / f"{n}.parquet"
    Dataset.from_dict({"text": [f"{i} {text}" for i in range(n)]}).to_parquet(path)
    return Dataset.from_parquet(str(path), cache_dir=str(data.cache_dir()))

tokenizer = tinyworld.tokenizer()
small, large = corpus(60), corpus(600)
data.encode_corpus(small, tokenizer)
before = private()
rows = data.encode_corpus(large, tokenizer)
tokens = sum(len(s) for row in rows.select(range(0, 600, 30)) for s in row["sentences"]) * 30
print(large.data.nbytes / 1e6, tokens / 1e6, private() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's memory figures")
def test_memory_does_not_grow_with_the_corpus():
    """14 MB of text; a tenth of it has set the level before."""
    done = subprocess.run([sys.executable, "-c", GROWTH], capture_output=True, text=True,
                          check=True, cwd=REPOSITORY, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    megabytes, tokens, growth = map(float, done.stdout.split()[-3:])
    assert megabytes > 12 and tokens > 2.5
    assert growth < 15, f"private memory grew by {growth:.0f} MB"


def test_processes_at_once_share_the_cache(folder):
    program = ("from course_lib import data, tinyworld\n"
               "rows = data.load('imdb')['train']\n"
               "print(data.encode_corpus(rows, tinyworld.tokenizer())[0])")
    running = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True,
                                cwd=REPOSITORY) for _ in range(2)]
    printed = [process.communicate()[0].strip().splitlines()[-1] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert printed[0] == printed[1] and "sentences" in printed[0]
