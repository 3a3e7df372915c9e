"""A JupyterLab on a copy of the lessons, and a Chromium that notes what it is asked to do."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

TOKEN = "course"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Nothing of the browser's own business: no updates, no sync, no first-run pages.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
START = "import sys; from pathlib import Path; from course_lib.lab import start; "
START += "start(sys.argv[2:], Path(sys.argv[1]))"


@pytest.fixture(scope="session")
def screenshots(root) -> Path:
    """The folder that keeps pictures of a run: COURSE_SCREENSHOTS, or build/screenshots."""
    folder = Path(os.environ.get("COURSE_SCREENSHOTS") or root / "build" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def browser():
    """Chromium through Playwright; skips where either is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip("no Chromium on this machine (apt install chromium)")
    with playwright.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=executable, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def lab_root(root, tmp_path_factory) -> Path:
    """A copy of the lessons and of the settings, so that a run leaves the project as it is."""
    copy = tmp_path_factory.mktemp("course")
    for name in ("notebooks", "tools/lab"):
        ignored = shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__")
        shutil.copytree(root / name, copy / name, ignore=ignored)
    return copy


@pytest.fixture(scope="session")
def lab(lab_root, tmp_path_factory):
    """A running JupyterLab, started the way `course lab` does: a function from path to address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("home")
    own = {f"JUPYTER_{n}_DIR": str(home / n.lower()) for n in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"IPYTHONDIR": str(home / "ipython"), "COURSE_BUDGET": "smoke", "HF_HUB_OFFLINE": "1"}
    log = home / "lab.log"
    options = ["--no-browser", f"--port={port}", "--ServerApp.port_retries=0"]
    options += [f"--IdentityProvider.token={TOKEN}", "--LabApp.expose_app_in_browser=True"]
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-c", START, str(lab_root), *options],
            env=os.environ | own,
            cwd=lab_root,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/api?token={TOKEN}", server, log)
        yield lambda path="": f"{address}/{path}?token={TOKEN}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def wait_for(address, server, log, seconds=90):
    """Return when the server answers; fail with its log when it ends or is too slow."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"JupyterLab did not start within {seconds} s:\n{log.read_text()[-3000:]}")


@dataclass
class Watched:
    """A page, and what happened in it."""

    page: object
    screenshots: Path
    left_the_machine: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def note_request(self, url):
        parts = urlsplit(url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.hostname != "127.0.0.1":
            self.left_the_machine.append(url)

    def picture(self, name):
        """Keep a screenshot."""
        self.page.screenshot(path=self.screenshots / f"{name}.png")


@pytest.fixture
def watched(browser, screenshots):
    """A fresh page of 1400 x 900 whose requests and errors are noted."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    seen = Watched(context.new_page(), screenshots)
    seen.page.on("request", lambda request: seen.note_request(request.url))
    seen.page.on("websocket", lambda socket: seen.note_request(socket.url))
    seen.page.on("pageerror", lambda error: seen.errors.append(f"uncaught: {error}"))
    seen.page.on(
        "console",
        lambda message: message.type == "error" and seen.errors.append(message.text),
    )
    yield seen
    context.close()
