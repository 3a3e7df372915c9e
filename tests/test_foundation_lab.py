"""How `course lab` sets JupyterLab up: its own settings, first layout, trusted lessons."""

import json
import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.sign import NotebookNotary

from course_lib import lab


@pytest.fixture
def clone(tmp_path, root, monkeypatch):
    """A small course, and a user whose Jupyter folders are their own."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "lab").symlink_to(root / "tools" / "lab")
    for name in ("CONFIG", "DATA", "RUNTIME"):
        monkeypatch.setenv(f"JUPYTER_{name}_DIR", str(tmp_path / "home" / name))
    for name in ("JUPYTER_CONFIG_PATH", "JUPYTER_PREFER_ENV_PATH", "PATH"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    return tmp_path


def test_first_layout_opens_lesson_00_with_contents_and_later_ones_stay(clone):
    lab.first_workspace(clone)
    (path,) = (clone / ".lab" / "workspaces").iterdir()
    layout = json.loads(path.read_text())
    assert layout["data"]["layout-restorer:data"]["left"]["current"] == "@jupyterlab/toc:plugin"
    assert "notebook:notebooks/00_start_here.ipynb" in layout["data"]
    layout["data"]["mine"] = {}
    path.write_text(json.dumps(layout))
    lab.first_workspace(clone)
    assert "mine" in json.loads(path.read_text())["data"]


def test_settings_and_commands_of_this_environment_come_first(clone, monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "users-own")
    lab.prepare_environment(clone)
    first, second = os.environ["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert Path(first) == clone / "tools" / "lab" and second == "users-own"
    assert os.environ["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


def test_lessons_are_trusted_and_a_broken_one_does_not_stop_the_start(clone, capsys):
    cell = nbformat.v4.new_code_cell("1", id="one")
    cell.outputs = [nbformat.v4.new_output("display_data", data={"text/html": "<b>1</b>"})]
    book = nbformat.v4.new_notebook(cells=[cell])
    nbformat.write(book, clone / "notebooks" / "00_start_here.ipynb")
    (clone / "notebooks" / "01_broken.ipynb").write_text("{")
    lab.trust_lessons(clone)
    assert NotebookNotary().check_signature(book)
    assert "01_broken.ipynb stays untrusted" in capsys.readouterr().err


def test_without_notebooks_it_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="pip install"):
        lab.start([], tmp_path)


def test_settings_ask_no_server(root):
    folder = root / "tools" / "lab"
    config = (folder / "jupyter_lab_config.py").read_text()
    assert "NeverCheckForUpdate" in config and "news_url = None" in config
    settings = json.loads((folder / "labconfig" / "default_setting_overrides.json").read_text())
    assert settings["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
