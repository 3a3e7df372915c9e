"""How JupyterLab opens for this course; `course lab` puts this folder on JUPYTER_CONFIG_PATH."""

import os
from pathlib import Path

c = get_config()  # noqa: F821
root = Path(__file__).resolve().parents[2]

c.ServerApp.root_dir = str(root)
c.ServerApp.allow_root = hasattr(os, "geteuid") and os.geteuid() == 0  # as in a container
c.Application.log_level = "WARN"  # the address to open, and what goes wrong
# No news, no update checks, no extension market: nothing asks a server outside this machine.
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None
c.LabApp.extension_manager = "readonly"
# The workspace remembers the layout; it starts with the table of contents open.
c.LabApp.workspaces_dir = str(root / ".lab" / "workspaces")
c.LabApp.default_url = "/lab/workspaces/course/tree/notebooks/00_start_here.ipynb"
# nbgrader is here for `make exercises` alone: its server parts are switched off in
# jupyter_server_config.d, its buttons in labconfig.
