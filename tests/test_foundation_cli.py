"""`course`: quick help, plain errors, exit codes; and the doctor's judgement."""

import json
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from course_lib import __version__, cli, doctor
from course_lib.doctor import Finding, what_runs

runner = CliRunner()
OFFLINE = {"HF_HUB_OFFLINE": "1", "COURSE_BUDGET": "smoke", "COURSE_DATA": ""}


def test_help_names_the_commands():
    result = runner.invoke(cli.app, ["--help"])
    assert result.exit_code == 0 and "doctor" in result.output and "lab" in result.output


def test_version():
    assert runner.invoke(cli.app, ["--version"]).output.strip() == f"course {__version__}"


@pytest.mark.parametrize("arguments", [["doktor"], ["doctor", "--jason"]])
def test_wrong_arguments_end_with_2(arguments):
    assert runner.invoke(cli.app, arguments).exit_code == 2


def test_help_loads_no_large_package():
    code = (
        "import sys, course_lib.cli; print(*{'torch', 'datasets', 'jupyterlab'} & {*sys.modules})"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    assert time.perf_counter() - start < 10  # 0.2 s on a quiet machine


def test_errors_that_people_can_mend_are_one_line(monkeypatch, capsys):
    def broken():
        raise ValueError("too many steps: 9, at most 5")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == "course: too many steps: 9, at most 5"


def test_doctor_finds_this_environment_ready():
    result = runner.invoke(cli.app, ["doctor"], env=OFFLINE)
    assert result.exit_code == 0, result.output
    for words in ("Python", "everything that the course asks for", "Ready", "smoke"):
        assert words in result.output


def test_doctor_speaks_json():
    result = runner.invoke(cli.app, ["doctor", "--json"], env=OFFLINE)
    told = json.loads(result.stdout)
    assert told["ready"] is True and set(told["runs"]) == {"smoke", "cpu", "gpu"}
    assert {item["state"] for item in told["findings"]} <= {"ok", "note", "bad"}


@pytest.mark.parametrize(
    "variable, value", [("COURSE_BUDGET", "huge"), ("COURSE_DATA", "/no/such")]
)
def test_a_wrong_setting_is_bad_and_ends_with_1(variable, value):
    result = runner.invoke(cli.app, ["doctor"], env=OFFLINE | {variable: value})
    assert result.exit_code == 1
    assert value in result.output and f"unset {variable}" in result.output
    assert "Not ready" in result.output


def test_a_missing_or_old_package_is_bad_and_says_what_to_type(monkeypatch):
    versions = {"typer": None, "torch": "2.1.0"}
    real = doctor.version
    monkeypatch.setattr(doctor, "version", lambda name: versions.get(name, real(name)))
    first = next(doctor.packages())
    assert first.state == "bad" and "typer is missing" in first.text
    assert "torch 2.1.0 does not fit ==2.13.0" in first.text
    assert first.mend.endswith("pip install -c constraints.txt -e .")


def test_another_version_within_the_range_is_a_note(monkeypatch):
    real = doctor.version
    monkeypatch.setattr(doctor, "version", lambda name: "99.0" if name == "typer" else real(name))
    assert [item.state for item in doctor.packages()] == ["ok", "note"]


def test_an_old_python_is_bad(monkeypatch):
    monkeypatch.setattr(doctor.sys, "version_info", (3, 10, 4))
    (found,) = doctor.python()
    assert found.state == "bad" and "3.11" in found.text


def test_a_broken_check_does_not_hide_the_others(monkeypatch):
    def broken():
        raise RuntimeError("odd machine")
        yield

    monkeypatch.setattr(doctor, "CHECKS", (broken, doctor.python))
    first, second = doctor.examine()
    assert first.state == "bad" and "odd machine" in first.text and second.name == "Python"


@pytest.mark.parametrize("value", ["1", "true", "ON"])
def test_the_hub_is_not_asked_offline(monkeypatch, value):
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    monkeypatch.setattr(doctor, "hub_answers", lambda: pytest.fail("asked the hub"))
    (found,) = doctor.hub()
    assert found.state == "note" and "HF_HUB_OFFLINE" in found.text


def test_a_hub_that_does_not_answer_is_given_up_soon(monkeypatch):
    def slow(*_, **__):
        time.sleep(4)
        raise OSError("no answer")

    monkeypatch.setattr(doctor.urllib.request, "urlopen", slow)
    start = time.perf_counter()
    assert doctor.hub_answers(seconds=0.2) is False
    assert time.perf_counter() - start < 3


@pytest.mark.parametrize("free, state", [(0.5, "bad"), (2, "note"), (8, "ok")])
def test_memory(monkeypatch, free, state):
    monkeypatch.setattr(doctor, "container_limit", lambda: free * doctor.GIB)
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("M", (), {"available": 2**50})())
    (found,) = doctor.memory()
    assert found.state == state


@pytest.mark.parametrize("text, expected", [("max\n", float("inf")), ("1024\n", 1024.0)])
def test_a_container_limit_is_read(tmp_path, text, expected):
    (tmp_path / "memory.max").write_text(text)
    assert doctor.container_limit(tmp_path / "memory.max") == expected


def test_models_on_this_machine_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "version", lambda name: None)
    (none,) = doctor.models(tmp_path)
    assert none.state == "note" and none.mend.endswith("-e .[pretrained]")
    (tmp_path / "small-bert").mkdir()
    (tmp_path / "small-bert" / "config.json").write_text("{}")
    (one,) = doctor.models(tmp_path)
    assert one.state == "ok" and "small-bert" in one.text


def test_what_runs_depends_on_the_gpu_and_on_nothing_bad():
    assert what_runs([Finding("GPU", "ok", "")])["gpu"].startswith("yes")
    assert what_runs([Finding("GPU", "note", "")])["gpu"].startswith("no")
    assert what_runs([Finding("x", "bad", ""), Finding("GPU", "ok", "")])["cpu"].startswith("not")
