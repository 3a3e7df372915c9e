"""The recorded comparisons: each says what it is, has one script, and a cut-off run goes on."""

import importlib
import json
import subprocess
import sys

import pytest
import torch

from benchmarks import evidence, records
from course_lib.budget import Budget

NAMES = sorted(path.stem for path in (records.ROOT / "notebooks" / "records").glob("*.json"))


@pytest.fixture(autouse=True)
def lessons_records(monkeypatch):
    """The records of the lessons, whatever budget the tests run at."""
    monkeypatch.setattr(records, "BUDGET", Budget("cpu"))
    monkeypatch.delenv(records.VARIABLE, raising=False)


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv(records.VARIABLE, str(tmp_path))
    return tmp_path


# --- what there is ---


@pytest.mark.parametrize("name", NAMES)
def test_a_record_says_what_is_needed_to_judge_and_repeat_it(name):
    record = records.read(name)
    assert records.seeds_of(record) and records.settings_of(record)
    assert records.versions_of(record)["torch"].startswith("2.")
    assert record["hardware"] and record["date"].startswith("20")


def test_the_records_are_complete():
    for entry in evidence.entries("cpu"):
        assert entry.record and records.complete(entry.record), entry.name


def test_each_record_has_one_script_and_each_script_its_records():
    found = evidence.entries("cpu")
    assert len({entry.name for entry in found}) == len(found)
    assert set(NAMES) <= {entry.name for entry in found}
    named = [name for script in evidence.SCRIPTS for name in script.records]
    assert len(named) == len(set(named))
    for entry in found:
        text = (records.ROOT / "benchmarks" / f"{entry.script.module}.py").read_text("utf-8")
        assert entry.part in text.split('"""')[1], f"{entry.script.module} says nothing of its part"


def test_a_records_own_command_names_the_script_that_claims_it():
    for entry in evidence.entries("cpu"):
        if entry.record and "command" in entry.record:
            call = f"python -m benchmarks.{entry.script.module} {entry.part}".strip()
            assert entry.record["command"] == call


def test_a_record_that_no_script_claims_is_found():
    with pytest.raises(LookupError, match="python -m benchmarks.nothing"):
        evidence.claimed({"command": "python -m benchmarks.nothing at all"})


def test_the_table_has_a_line_for_each_record():
    lines = evidence.table(evidence.entries("cpu")).splitlines()
    (masks,) = [line.split() for line in lines if line.startswith("08-masks")]
    assert masks[:3] == ["08-masks", "roberta_evidence", "masks"] and masks[-1] == "yes"


def test_a_single_record_or_script_can_be_chosen():
    found = evidence.entries("cpu")
    assert [e.name for e in evidence.chosen(found, ["08-masks"])] == ["08-masks"]
    assert {e.name for e in evidence.chosen(found, ["albert_evidence"])} == {
        "09_pairs", "09_sharing"}  # fmt: skip
    with pytest.raises(SystemExit, match="no record or script"):
        evidence.chosen(found, ["08-msaks"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_the_budget_gpu_needs_a_gpu(monkeypatch):
    said = "the budget is gpu, but no CUDA device is usable"
    call = [sys.executable, "-m", "benchmarks.evidence", "--budget", "gpu"]
    found = subprocess.run(call, cwd=records.ROOT, capture_output=True, text=True)
    assert found.returncode == 1 and found.stderr.startswith(said)
    monkeypatch.setattr(records, "BUDGET", Budget("gpu"))
    with pytest.raises(SystemExit, match=said):  # a script alone
        begin()


# --- how it grows ---


def begin():
    return records.opened("try", "a trial", "trial part", settings={"steps": 1})


def test_a_run_that_was_cut_off_goes_on_where_it_was(elsewhere):
    done = []

    def run(arm, seed):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append((arm, seed))
        return {"loss": seed + 0.5}

    with pytest.raises(KeyboardInterrupt):
        records.run_missing("try", begin(), run, ["a", "b"], (0, 1))
    assert done == [("a", 0), ("b", 0), ("a", 1)]  # seed by seed
    assert not records.complete(records.read("try"))
    done.clear()
    records.run_missing("try", begin(), run, ["a", "b"], (0, 1))
    assert done == [("b", 1)]
    record = records.read("try")
    assert records.complete(record) and records.seeds_of(record) == [0, 1]
    assert record["runs"]["a"] == {"0": {"loss": 0.5}, "1": {"loss": 1.5}}
    assert record["command"] == "python -m benchmarks.trial part"
    assert records.seconds_of(record) is not None
    assert [path.name for path in elsewhere.iterdir()] == ["try.json"]  # nothing half-written


def test_an_arm_that_needs_one_seed_runs_once(elsewhere):
    records.run_missing("try", begin(), lambda arm, seed: {}, ["start", "a"], (0, 1), ("start",))
    record = records.read("try")
    assert {arm: list(runs) for arm, runs in record["runs"].items()} == {
        "start": ["0"], "a": ["0", "1"]}  # fmt: skip
    assert records.complete(record)


def test_a_complete_record_is_not_written_again(elsewhere):
    records.run_missing("try", begin(), lambda arm, seed: {}, ["a"], (0,))
    path = elsewhere / "try.json"
    path.write_text(json.dumps(json.loads(path.read_text())))  # the same, in another form
    before = path.read_text()
    records.run_missing("try", begin(), lambda arm, seed: 1 / 0, ["a"], (0,))
    records.save("try", records.read("try"))
    assert path.read_text() == before


@pytest.mark.parametrize("record, whole", [
    ({"runs": {"a": {"0": {}, "1": {}}, "b": {"0": {}}, "c": {"0": {}, "1": {}}}}, True),  # b: once
    ({"runs": {"a": {"0": {}, "1": {}, "2": {}}, "b": {"0": {}, "1": {}}}}, False),
    ({"runs": {"a": {"0": {}}}, "complete": False}, False),
    ({"runs": {}}, False),
    ({"runs": {"a": [{"seed": 0}], "b": [{"seed": 0}]}}, True),
    ({"runs": {"8": {"0": {}, "1": {}}, "32": {"a": {"0": {}, "1": {}}}}}, True),  # arms in arms
    ({"seeds": [0, 1, 2]}, True),
])  # fmt: skip
def test_what_counts_as_complete(record, whole):
    assert records.complete(record) is whole


def test_every_budget_has_a_folder_of_its_own(monkeypatch):
    folders = set()
    for name in ("smoke", "cpu", "gpu"):
        monkeypatch.setattr(records, "BUDGET", Budget(name))
        folders.add(records.folder())
    assert len(folders) == 3
    assert records.times(300) == 1200  # gpu


# --- the family on real text ---


def test_equal_compute_counts_what_a_step_of_each_model_costs():
    family = importlib.import_module("benchmarks.family_real_text")
    size, cost = next(iter(family.SIZES.values())), {}
    for model in family.CLASSIFIERS:
        config = family.ModelConfig(vocab_size=500, hidden_size=64, num_layers=2, num_heads=4,
                                    intermediate_size=256, max_positions=32)  # fmt: skip
        if model == "albert":
            config = config.replace(shared="all", embedding_size=16)
        made = family.first_objective(model)[2](config)
        cost[model] = family.row_operations(made, size.row)
    assert cost["bert"] == cost["roberta"]
    assert 0.8 < cost["albert"] / cost["bert"] < 1  # sharing saves no arithmetic
    assert cost["electra"] > 1.1 * cost["bert"]  # a generator beside the discriminator
