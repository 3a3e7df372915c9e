"""Start JupyterLab as the course wants it: lesson 00, contents panel, no pop-ups.

The settings lie in `tools/lab`; they stand beside the user's own and change none of them.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def start(arguments: list[str], root: Path = ROOT) -> None:
    """Run JupyterLab until it is stopped; `arguments` go to `jupyter lab` as they are.

    Raises FileNotFoundError when the package was installed without the folder of the course.
    """
    if not (root / "notebooks").is_dir():
        raise FileNotFoundError(
            "the notebooks are not beside the package: clone the course and install it with "
            "`pip install -c constraints.txt -e .`"
        )
    prepare_environment(root)
    first_workspace(root)
    trust_lessons(root)

    from jupyterlab.labapp import LabApp

    LabApp.launch_instance(arguments)


def prepare_environment(root: Path) -> None:
    """Our settings, this environment's kernel, and its commands (`!course ...`) in every cell."""

    def put_first(name, folder):
        os.environ[name] = os.pathsep.join(filter(None, [str(folder), os.environ.get(name)]))

    put_first("JUPYTER_CONFIG_PATH", root / "tools" / "lab")
    put_first("PATH", Path(sys.executable).parent)
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"


def first_workspace(root: Path) -> None:
    """The layout for a first visit; later visits find their own."""
    from jupyterlab_server.workspaces_handler import WorkspacesManager

    manager = WorkspacesManager(str(root / ".lab" / "workspaces"))
    if not manager.load("course")["data"]:
        layout = root / "tools" / "lab" / "course.jupyterlab-workspace"
        manager.save("course", layout.read_text(encoding="utf-8"))


def trust_lessons(root: Path) -> None:
    """Sign the lessons of this clone, so that their saved pictures show before they are run."""
    import nbformat
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        try:
            notary.sign(nbformat.read(path, as_version=4))
        except (OSError, ValueError) as error:
            print(f"{path.name} stays untrusted: {error}", file=sys.stderr)
