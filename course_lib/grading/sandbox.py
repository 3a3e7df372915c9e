"""Starts the process that runs students' code: in bubblewrap, under limits, watched.

Inside there is a read-only view of Python, the environment's packages and `course_lib`, and
nothing else: no network, no home, no solutions, no other processes.
"""

import io
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import psutil

import course_lib
from course_lib.grading.isolate import SCRATCH
from course_lib.grading.results import Limits

SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin")
ETC = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/localtime", "/etc/alternatives")
ENVIRONMENT = {
    "HOME": "/scratch", "TMPDIR": "/scratch", "USER": "student", "LANG": "C.UTF-8",
    "MPLBACKEND": "Agg", "MPLCONFIGDIR": "/scratch/matplotlib", "IPYTHONDIR": "/scratch/ipython",
    "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "COURSE_BUDGET": "smoke",
    "PYTHONDONTWRITEBYTECODE": "1", "CUDA_VISIBLE_DEVICES": "",
}  # fmt: skip


MAX_BUSY = max(16, os.cpu_count() or 1)  # threads: more would leave others nothing of the machine


class SandboxMissing(RuntimeError):
    """bubblewrap is not there, or cannot work here; the message says what to do."""


WAY_OUT = (
    "Students' code is not run without it. On Debian or Ubuntu: apt install bubblewrap; on "
    "Fedora: dnf install bubblewrap. On macOS or Windows, or where containers forbid it, grade in "
    "a Linux machine or image that has it. For code that you trust: --no-sandbox."
)


def check() -> None:
    """Raise SandboxMissing where no sandbox can be made."""
    if sys.platform != "linux" or shutil.which("bwrap") is None:
        raise SandboxMissing(f"bubblewrap (the command bwrap) is not installed. {WAY_OUT}")
    tried = subprocess.run([*_bubblewrap([]), "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        raise SandboxMissing(f"bubblewrap cannot work here: {tried.stderr.strip()}. {WAY_OUT}")


def visible_folders() -> list[Path]:
    """What of this machine students' code can read: Python, its packages, this package."""
    package = Path(course_lib.__file__).resolve().parent
    folders = {Path(sys.prefix), Path(sys.base_prefix).resolve(), Path(sys.base_prefix),
               Path(sysconfig.get_path("purelib")), package}  # fmt: skip
    inside = {f for f in folders if any(other in f.parents for other in folders)}
    return sorted(folders - inside)


def refuse_visible(path: Path) -> None:
    """Raise ValueError for a file or folder in a place that students' code can read."""
    path = path.resolve()
    for folder in [*visible_folders(), *map(Path, SYSTEM)]:
        if folder.resolve() in path.parents:
            raise ValueError(f"{path} lies in {folder}, which students' code can read: "
                             "move it elsewhere.")  # fmt: skip


def _bubblewrap(folders: list[Path]) -> list[str]:
    """The command up to the program. An ordinary user gets a user namespace; root keeps its
    rights for the fork that gives them up (`isolate.give_up_rights`)."""
    command = ["bwrap", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts",
               "--unshare-cgroup-try", "--die-with-parent", "--new-session"]  # fmt: skip
    command += ["--cap-add", "ALL"] if os.getuid() == 0 else ["--unshare-user"]
    for folder in SYSTEM:
        if os.path.islink(folder):
            command += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            command += ["--ro-bind", folder, folder]
    command += ["--perms", "0755", "--dir", "/etc"]
    for path in ETC:
        command += ["--ro-bind-try", path, path]
    command += ["--proc", "/proc", "--dev", "/dev"]
    for folder in SCRATCH:
        command += ["--perms", "1777", "--size", str(64 << 20), "--tmpfs", folder]
    for folder in folders:  # after /tmp, above which they may lie
        for parent in reversed(folder.parents[:-1]):
            command += ["--perms", "0755", "--dir", str(parent)]
        command += ["--ro-bind", str(folder), str(folder)]
    return [*command, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/scratch"]


def worker_command(
    fds: list[int], mode: str, modules: list[str], limits: Limits, sandboxed: bool
) -> list[str]:
    """The whole command of a worker that listens on these sockets."""
    program = [sys.executable, "-P", "-m", "course_lib.grading.worker", ",".join(map(str, fds))]
    program += [mode, ",".join(modules), json.dumps(asdict(limits))]
    return [*_bubblewrap(visible_folders()), *program] if sandboxed else program


class Sandbox:
    """A warm process that has imported what the assignment needs, and forks for each student.

    Where the machine allows no namespaces inside a sandbox, and without one, each student gets a
    new process instead, which takes seconds for its imports.
    """

    def __init__(self, modules: list[str], limits: Limits, sandboxed: bool = True):
        if sandboxed:
            check()
        self.modules, self.limits, self.sandboxed = modules, limits, sandboxed
        self.forks = sandboxed
        self.process: subprocess.Popen | None = None  # that this object has started for itself
        self.control: socket.socket | None = None
        self.said: io.BufferedReader | None = None  # what the process has complained of
        self.pid = 0  # of the process that forks, as seen from here, or of the only one
        self.folder: str | None = None  # home of a process without a sandbox

    @classmethod
    def several(
        cls, modules: list[str], limits: Limits, sandboxed: bool, count: int
    ) -> list["Sandbox"]:
        """Sandboxes that import once for all: each is a fork of one process.

        That process lives as long as the one that calls this, forks of which may use them.
        """
        boxes = [cls(modules, limits, sandboxed) for _ in range(count)]
        if boxes[0].forks:
            boxes[0]._start("forks", boxes)
        boxes[0].process = None
        return boxes

    def new_worker(self) -> socket.socket:
        """A connection to a clean process for a student; the one before is ended.

        Raises SandboxMissing if it does not come up.
        """
        if self.forks:
            try:
                return self._fork()
            except NoNamespaces:
                self.forks = False
        self.close()
        self._start("single" if self.sandboxed else "open", [self])
        self.wait_until_ready()
        sock, self.control = self.control, None
        return sock

    def warm_up(self) -> None:
        """Start importing, so that the first student need not wait for it."""
        if self.forks and not self._alive():
            self._start("forks", [self])

    def _fork(self) -> socket.socket:
        """Raises NoNamespaces, SandboxMissing."""
        for _ in range(2):  # the process may have fallen victim to a lack of memory
            self.warm_up()
            self.wait_until_ready()
            ours, theirs = socket.socketpair()
            try:
                with theirs:
                    socket.send_fds(self.control, [b"next"], [theirs.fileno()])
                answer = self.control.recv(300)
            except OSError as error:
                answer = str(error).encode()
            if answer[:1] == b"+":
                return ours
            ours.close()
            self.close()
            if answer[:1] == b"-":
                raise NoNamespaces(answer[1:].decode("utf-8", "replace"))
        raise SandboxMissing(f"the process for students' code does not go on: {answer.decode()}")

    def _alive(self) -> bool:
        return self.control is not None and (not self.pid or psutil.pid_exists(self.pid))

    def hand_over(self) -> None:
        """Leave it to a fork of this process: the line to it may have one end only."""
        for part in (self.control, self.said):
            if part:
                part.close()
        self.control = self.said = None

    def _start(self, mode: str, boxes: list["Sandbox"]) -> None:
        """Start a process for itself, or for several."""
        self.close()
        environment = ENVIRONMENT | {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
        if not self.sandboxed:
            self.folder = tempfile.mkdtemp(prefix="course-grader-")
            environment = {name: value.replace("/scratch", self.folder)
                           for name, value in environment.items()}  # fmt: skip
            environment["PATH"] = os.environ.get("PATH", "")
        pairs = [socket.socketpair() for _ in boxes]
        if mode == "forks":  # each message says who has sent it
            for ours, _ in pairs:
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        fds, said = [theirs.fileno() for _, theirs in pairs], tempfile.TemporaryFile()
        command = worker_command(fds, mode, self.modules, self.limits, self.sandboxed)
        self.process = subprocess.Popen(
            command, pass_fds=fds, env=environment, cwd=self.folder or "/",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said,
            start_new_session=True)  # fmt: skip
        for box, (ours, theirs) in zip(boxes, pairs, strict=True):
            theirs.close()
            ours.settimeout(self.limits.start_seconds)
            box.control, box.pid, box.said = ours, 0, os.fdopen(os.dup(said.fileno()), "rb")
        said.close()
        if mode != "forks":
            self.pid = self.process.pid

    def wait_until_ready(self) -> None:
        """Until everything is imported. Raises SandboxMissing if that does not come to an end."""
        if self.pid and self.forks or not self.control:
            return
        try:
            ready, self.pid = receive_with_sender(self.control)
        except TimeoutError:
            ready = b""
        if ready != b"+":
            self.said.seek(0)
            said = self.said.read(2000).decode("utf-8", "replace").strip()
            self.close()
            raise SandboxMissing(
                f"the process for students' code did not start: {said or 'it was too slow'}"
            )

    def busy(self) -> bool:
        """Whether the student's processes leave nothing of the machine to others."""
        return busy_below(self.pid) > MAX_BUSY

    def excess(self) -> str:
        """What the student's processes take too much of together, or ""."""
        if self.busy():
            return f"more than {MAX_BUSY} of its processes or threads were busy at once"
        if memory_below(self.pid) > 2 * self.limits.memory_mb << 20:
            return "it needed too much memory"
        return ""

    def close(self) -> None:
        """End everything that was started."""
        self.hand_over()
        if self.process:
            end_group(self.process.pid)
            self.process.wait()
            self.process = None
        elif self.pid:  # one of several; with the first process of a namespace all others go
            for pid in [*descendants(self.pid), self.pid]:
                end_process(pid)
        self.pid = 0
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None


class NoNamespaces(OSError):
    """This machine allows no further namespaces inside a sandbox."""


def receive_with_sender(sock: socket.socket) -> tuple[bytes, int]:
    """One byte, and the process that sent it, by its number on this side. See unix(7)."""
    data, extra, _, _ = sock.recvmsg(1, socket.CMSG_SPACE(12))
    return data, struct.unpack("iii", extra[0][2])[0] if extra else 0


def end_process(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def end_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """All processes that descend from this one."""
    return sorted({int(task.parent.parent.name) for task in threads_below(pid)} - {pid})


def threads_below(pid: int) -> Iterator[Path]:
    """Folders in /proc of all threads of a process and of its descendants."""
    todo = [pid]
    while todo:
        try:
            for task in Path(f"/proc/{todo.pop()}/task").iterdir():
                todo += map(int, (task / "children").read_text().split())
                yield task
        except OSError:  # it has ended meanwhile
            continue


def busy_below(pid: int) -> int:
    """How many threads want a processor at this moment."""
    return sum(read(task / "stat").rpartition(")")[2][1:2] == "R" for task in threads_below(pid))


def memory_below(pid: int) -> int:
    """Bytes that a process and all its descendants occupy; shared pages are shared out."""
    processes = {task.parent.parent for task in threads_below(pid)}
    lines = (line for process in processes for line in read(process / "smaps_rollup").splitlines())
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))


def read(path: Path) -> str:
    """The text of a file of /proc; none if its process has ended."""
    try:
        return path.read_text()
    except OSError:
        return ""
