"""`course finetune` and `course predict`: each kind of task end to end on tiny models, the folder
that transformers reads, resuming, and inputs that cannot work."""

import csv
import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
import transformers
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from sklearn.metrics import accuracy_score

from course_lib import finetuning, pretrained, tinyworld
from course_lib.tasks import catalog, finetune_command, predict_command, starts
from course_lib.tasks.finetune_command import Wish

KINDS = {"classification": "tinyworld/sentiment", "spans": "tinyworld/qa",
         "tagging": "tinyworld/ner"}
FEW = dict(epochs=1, batch_size=16, learning_rate=2e-3)
CLASSES = {"classification": transformers.AutoModelForSequenceClassification,
           "regression": transformers.AutoModelForSequenceClassification,
           "spans": transformers.AutoModelForQuestionAnswering,
           "tagging": transformers.AutoModelForTokenClassification}


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("COURSE_DATA", raising=False)
        patch.setenv("COURSE_BUDGET", "smoke")
        yield


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """One run of each kind: {kind: its folder}."""
    folders = {}
    for kind, task in KINDS.items():
        folders[kind] = tmp_path_factory.mktemp(kind)
        run(folders[kind], task)
    return folders


def run(out, task="tinyworld/sentiment", model="scratch", options=None, **wish):
    wish = dict(rows=120, test_rows=40, max_length=64) | wish
    finetune_command.run(Wish(task, model, out, **wish), FEW | (options or {}))
    return json.loads((out / "metrics.json").read_text())


def table(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


# --- what a run leaves ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_transformers_reads_what_a_run_leaves(kind, tuned):
    folder = tuned[kind] / "model"
    theirs, report = CLASSES[kind].from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"], report
    reader = predict_command.open_model(str(tuned[kind]))
    assert list(theirs.config.id2label.values()) == reader.labels or kind == "spans"
    if kind != "spans":
        assert theirs.config.label2id == {name: i for i, name in enumerate(reader.labels)}
    text = tinyworld.dataset(1, seed=5)["text"][0]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(text, return_tensors="pt")
    assert ids["input_ids"][0].tolist() == reader.tokenizer.encode(text)["input_ids"]
    with torch.no_grad():
        ours, output = reader.model(**ids).logits, theirs.eval()(**ids)
    expected = (torch.stack([output.start_logits, output.end_logits], -1) if kind == "spans"
                else output.logits)
    assert torch.allclose(ours, expected, atol=1e-5)


def test_the_figures_are_those_of_the_predictions(tuned):
    found = json.loads((tuned["classification"] / "metrics.json").read_text())
    rows = table(tuned["classification"] / "predictions.csv")
    assert len(rows) == 40 and {row["label"] for row in rows} == {"neg", "pos"}
    right = accuracy_score([row["label"] for row in rows], [row["prediction"] for row in rows])
    accuracy = found["test"]["accuracy"]
    assert accuracy["value"] == pytest.approx(right)
    assert accuracy["low"] <= right <= accuracy["high"]
    assert all(0.5 <= float(row["probability"]) <= 1 for row in rows)
    assert found["finished"] and found["evaluations"][0]["accuracy"] >= 0
    assert set(found["expected_calibration_error"]) == {"as trained", "with temperature"}
    assert (tuned["classification"] / "curve.png").stat().st_size > 5000


def test_the_table_of_spans_and_tags(tuned):
    spans = table(tuned["spans"] / "predictions.csv")
    assert {"question", "label", "prediction", "probability"} <= set(spans[0])
    tags = table(tuned["tagging"] / "predictions.csv")
    assert all(len(row["text"].split()) == len(row["label"].split()) ==
               len(row["prediction"].split()) for row in tags)
    found = json.loads((tuned["spans"] / "metrics.json").read_text())
    assert set(found["test"]) == {"f1", "exact"}


def test_a_pretrained_model_goes_in_and_learns(tuned, tmp_path, capsys):
    """From a folder of `course finetune`, whose encoder goes on."""
    found = run(tmp_path, model=str(tuned["classification"]), rows=600, test_rows=200,
                options=dict(epochs=3))
    assert found["test"]["accuracy"]["value"] > 0.65  # 0.5 by chance, plus or minus 0.035
    assert "checkpoint in" in found["model"]
    assert "test accuracy" in capsys.readouterr().out


# --- resume ---------------------------------------------------------------------------------------

COMMAND = ["-m", "course_lib.cli", "finetune", "--task", "tinyworld/sentiment",
           "--model", "scratch", "--rows", "400", "--test-rows", "20", "--max-length", "48",
           "--epochs", "3", "--batch-size", "8"]


class InterruptAt:
    """A monitor that presses Ctrl-C when a step is done."""

    def __init__(self, step):
        self.step = step

    def update(self, history, total_steps, done=False):
        if history.steps == self.step:
            os.kill(os.getpid(), signal.SIGINT)


def test_stopped_and_given_again_it_ends_as_if_nothing_had_been(tmp_path, monkeypatch, capsys):
    """Ctrl-C keeps the model and does not look at the test rows; the same command goes on."""
    with monkeypatch.context() as patch:
        patch.setattr(finetuning, "Monitor", lambda title: InterruptAt(5))
        with pytest.raises(SystemExit) as end:
            run(tmp_path / "cut", options=dict(epochs=2))
    assert end.value.code == 130
    assert "the test rows were not looked at" in capsys.readouterr().out
    found = json.loads((tmp_path / "cut" / "metrics.json").read_text())
    assert not found["finished"] and "test" not in found and len(found["loss"]) == 6
    assert (tmp_path / "cut" / "model" / "model.safetensors").exists()
    one, other = (run(tmp_path / name, options=dict(epochs=2)) for name in ("cut", "straight"))
    assert one["loss"] == other["loss"] and one["test"] == other["test"]
    weights = [pretrained.read_weights(tmp_path / name / "model") for name in ("cut", "straight")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.slow
def test_two_processes(tmp_path):
    launch = ("-m", "accelerate.commands.launch", "--num_processes", "2", "--cpu",
              "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no")
    done = subprocess.run([sys.executable, *launch, *COMMAND, "--out", str(tmp_path)],
                          capture_output=True, text=True, timeout=300,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("test accuracy") == 1
    assert len(table(tmp_path / "predictions.csv")) == 20


def test_another_run_in_the_folder_is_refused(tuned):
    with pytest.raises(ValueError, match="belongs to another run.*model was 'scratch'"):
        run(tuned["classification"], model="bert")
    with pytest.raises(ValueError, match="belongs to another run.*--fresh"):
        run(tuned["classification"], rows=100)


# --- one's own rows -------------------------------------------------------------------------------


def own(folder, rows, name="train"):
    with open(folder / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


REVIEWS = [{"review": f"a {word} film number {i}", "stars": word} for i in range(20)
           for word in ("good", "bad", "dull")]


def test_ones_own_rows_with_words_as_labels(tmp_path):
    own(tmp_path, REVIEWS)
    found = run(tmp_path / "out", "own", data=tmp_path, columns=("review",), label="stars",
                rows=None, test_rows=None, options=dict(epochs=4))
    reader = predict_command.open_model(str(tmp_path / "out"))
    assert reader.labels == ["bad", "dull", "good"] and found["test"]["accuracy"]
    said = predict_command.answer(reader, [("a good film",)])[0].answer
    assert said["label"] in reader.labels and 0.3 < said["probability"] <= 1


def test_fractions_are_regression_and_two_columns_are_pairs(tmp_path):
    own(tmp_path, [{"a": f"text {i}", "b": f"other {i % 3}", "label": i / 40} for i in range(40)])
    found = run(tmp_path / "out", "own", data=tmp_path, columns=("a", "b"), rows=None)
    assert set(found["test"]) == {"pearson", "spearman"}
    theirs = CLASSES["regression"].from_pretrained(tmp_path / "out" / "model")
    assert theirs.config.problem_type == "regression" and theirs.config.num_labels == 1
    reader = predict_command.open_model(str(tmp_path / "out"))
    assert list(predict_command.answer(reader, [("text 1", "other 2")])[0].answer) == ["value"]
    with pytest.raises(ValueError, match="reads pairs \\(a, b\\).*--pair"):
        predict_command.run(str(tmp_path / "out"), ["one text"], "", None, (), None)


def test_an_unseen_label_is_named(tmp_path):
    own(tmp_path, REVIEWS)
    own(tmp_path, [{"review": "so so", "stars": "middling"}], "test")
    own(tmp_path, REVIEWS[:3], "validation")
    words = "test row 0 has the label 'middling'.*'bad', 'dull', 'good'.*leave the row out"
    with pytest.raises(ValueError, match=words):
        run(tmp_path / "out", "own", data=tmp_path, columns=("review",), label="stars")


@pytest.mark.parametrize("wish, words", [
    (dict(task="imbd"), "--task 'imbd' is not known; did you mean 'imdb'"),
    (dict(task="own"), "needs --data FOLDER"),
    (dict(columns=("sentence",)), "the column 'sentence', which is not there: there are text"),
    (dict(label="stars"), "the column 'stars'.*--label"),
    (dict(keep="middle"), "--keep 'middle'.*head, tail"),
    (dict(task="tinyworld/ner", keep="tail"), "reads all of a long text"),
    (dict(rows=0), "--rows is 0"),
    (dict(max_length=5000), "--max-length 5000: this model reads at most 512"),
    (dict(max_length=3), "--max-length 3"),
    (dict(frozen=9), "--frozen 9: this model has 2 layers"),
    (dict(model="scratch-gpt"), "scratch-gpt is not known; .*scratch-roberta"),
    (dict(model="no/such-model"), "no folder here"),
    (dict(columns=("a", "b", "c")), "--columns a,b,c: name one"),
])
def test_a_wrong_wish_is_named(wish, words, tmp_path):
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        run(tmp_path, **wish)


@pytest.mark.parametrize("family", ["roberta", "albert", "electra"])
def test_the_whole_family_is_tuned(family, tmp_path):
    run(tmp_path, model=f"scratch-{family}", rows=40, test_rows=10)
    theirs = CLASSES["classification"].from_pretrained(tmp_path / "model")
    assert theirs.config.model_type == family
    assert predict_command.open_model(str(tmp_path)).labels == ["neg", "pos"]


# --- splits ---------------------------------------------------------------------------------------

TEXT = Features({"text": Value("string"), "label": ClassLabel(names=["no", "yes"])})


def split(number, label=None, name="t"):
    labels = [i % 2 if label is None else label for i in range(number)]
    return Dataset.from_dict({"text": [f"{name}{i}" for i in range(number)], "label": labels}, TEXT)


@pytest.mark.parametrize("sets, sizes", [
    (dict(train=split(100), validation=split(10, name="v"), test=split(7)), (100, 10, 7)),
    (dict(train=split(100), validation=split(10), test=split(7, -1)), (90, 10, 10)),
    (dict(train=split(100), test=split(7)), (90, 10, 7)),
    (dict(train=split(100)), (81, 10, 9)),
])
def test_hidden_labels_are_not_used_and_the_test_chooses_nothing(sets, sizes):
    task = catalog.TASKS["imdb"]
    found = catalog.three_ways(DatasetDict(sets), task)
    train, dev, test = (set(part["text"]) for part in found[:3])
    assert tuple(map(len, found[:3])) == (len(train), len(dev), len(test)) == sizes
    assert not train & dev
    if len(sets) == 1:
        assert not (train | dev) & test
    assert -1 not in found.test["label"]


def test_questions_about_one_passage_stay_together():
    rows = Dataset.from_dict({"context": [f"c{i // 7}" for i in range(200)],
                              "question": [str(i) for i in range(200)], "answers": ["x"] * 200})
    train, dev = catalog.put_aside(rows, catalog.TASKS["squad"])
    assert len(train) + len(dev) == 200 and 20 <= len(dev) <= 28
    assert not set(train["context"]) & set(dev["context"])


def test_every_named_task_has_figures_and_a_kind():
    for task in catalog.TASKS.values():
        assert task.kind in starts.KINDS and task.metrics and 8 <= task.max_length <= 512
    with pytest.raises(ValueError, match="at least 10"):
        catalog.put_aside(split(4), catalog.TASKS["imdb"])


# --- course predict -------------------------------------------------------------------------------


def said(tuned, *texts, kind="classification", file="", pair=None, columns=(), out=None):
    predict_command.run(str(tuned[kind]), list(texts), file, pair, columns, out)


def test_lines_for_people(tuned, capsys):
    said(tuned, "Anna praised the soup .", "the soup was bad")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(re.match(r"(neg|pos)  0\.\d{3}\t", line) for line in lines)


def test_a_question_and_its_passage(tuned, capsys):
    row = tinyworld.qa_dataset(1, seed=3)[0]
    said(tuned, row["question"], kind="spans", pair=row["context"])
    answer = capsys.readouterr().out.split("  ")[0]
    assert answer in row["context"]
    with pytest.raises(ValueError, match="question, context.*--pair"):
        said(tuned, "who?", kind="spans")
    with pytest.raises(ValueError, match="--pair: this model reads one text"):
        said(tuned, "who?", pair="x")


def test_entities(tuned, tmp_path):
    text = " ".join(tinyworld.ner_dataset(1, seed=3)["tokens"][0])
    said(tuned, text, kind="tagging", out=tmp_path / "found.jsonl")
    row = json.loads((tmp_path / "found.jsonl").read_text())
    assert all(set(entity) == {"kind", "text"} for entity in row["entities"])


def test_nothing_ten_thousand_words_and_other_scripts(tuned, capsys):
    said(tuned, "", "bad " * 10_000, "Ωμέγα и другие письма 漢字", "   ")
    found = capsys.readouterr()
    assert len(found.out.splitlines()) == 4
    notes = found.err.splitlines()
    assert re.match(r"text 1: no word in it", notes[0])
    assert re.match(r"text 2: [12]0,000 tokens; the model read the first 62", notes[1])
    assert re.match(r"text 3: \d+ of its \d+ tokens are \[UNK\]", notes[2])
    assert re.match(r"text 4: no word in it", notes[3])


@pytest.mark.parametrize("kind", ["spans", "tagging"])
def test_empty_texts_get_an_answer_in_every_task(kind, tuned, capsys):
    said(tuned, "", kind=kind, pair="" if kind == "spans" else None)
    found = capsys.readouterr()
    assert "no answer" in found.out or "no entity" in found.out
    assert "no word in it" in found.err


def test_files_in_and_out(tuned, tmp_path):
    rows = [{"text": "the soup, \"hot\" and bad", "id": 1}, {"text": "gut é 漢字", "id": 2}]
    own(tmp_path, rows, "in")
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    (tmp_path / "in.txt").write_text("\n".join(row["text"] for row in rows))
    answers = []
    for kind in ("csv", "jsonl", "txt"):
        said(tuned, file=str(tmp_path / f"in.{kind}"), out=tmp_path / f"{kind}.csv")
        answers.append(table(tmp_path / f"{kind}.csv"))
    assert answers[0] == answers[1] == answers[2]
    assert [row["text"] for row in answers[0]] == [row["text"] for row in rows]


def test_standard_input(tuned, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", iter(["one\n", "two\n"]))
    said(tuned, file="-")
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize("content, name, options, words", [
    ("a,b\n1,2\n", "in.csv", {}, "no column 'text', only a, b: .*--columns"),
    ("", "in.csv", {}, "no column 'text', only none"),
    ("text\n", "in.csv", {}, "holds no text"),
    ('{"text": 3}\n', "in.jsonl", {}, "line 1: text is 3, not a text"),
    ('{"text": "a"}\n[1]\n', "in.jsonl", {}, "line 2 is no object"),
    ("{oops\n", "in.jsonl", {}, "line 1 is not JSON"),
    ("x", "in.xlsx", {}, "must end in one of .csv, .jsonl, .txt"),
    ("x", "in.txt", dict(columns=("a", "b")), "this model reads 1, as text"),
    (b"caf\xe9\n", "in.txt", {}, "is not UTF-8 .*iconv"),
])
def test_wrong_files_are_named(content, name, options, words, tuned, tmp_path):
    content = content if isinstance(content, bytes) else content.encode()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words):
        said(tuned, file=str(tmp_path / name), **options)


def test_other_misuse_of_predict(tuned, tmp_path):
    with pytest.raises(ValueError, match="one of the two"):
        said(tuned, "text", file="in.csv")
    with pytest.raises(ValueError, match="is not a file here"):
        said(tuned, file="gone.csv")
    with pytest.raises(ValueError, match="ends in .csv or .jsonl"):
        said(tuned, "text", out=tmp_path / "out.xlsx")
    with pytest.raises(ValueError, match="BertForPreTraining, which has learned no task.*finetune"):
        predict_command.run("bert", ["text"], "", None, (), None)
    with pytest.raises(ValueError, match="surrogate"):
        said(tuned, "half \ud800")


def test_the_labels_names_are_checked(tuned, tmp_path):
    reader = predict_command.open_model(str(tuned["classification"]))
    with pytest.raises(ValueError, match="3 names for a model with 2 classes"):
        pretrained.save(reader.model, tmp_path, labels=["a", "b", "c"])
    assert np.isclose(reader.temperature, json.loads(
        (tuned["classification"] / "metrics.json").read_text())["temperature"], atol=1e-3)
