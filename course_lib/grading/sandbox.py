"""Starts the process that runs students' code: in bubblewrap, under limits, watched.

Inside there is a read-only view of Python, the environment's packages and `course_lib`, and
nothing else: no network, no home, no solutions, no other processes.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import course_lib
from course_lib.grading.isolate import SCRATCH
from course_lib.grading.results import Limits, from_plain

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
    fd: int, mode: str, modules: list[str], limits: Limits, sandboxed: bool
) -> list[str]:
    """The whole command of a worker that listens on the socket `fd`."""
    program = [sys.executable, "-P", "-m", "course_lib.grading.worker"]
    program += [str(fd), mode, ",".join(modules), json.dumps(asdict(limits))]
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
        self.process: subprocess.Popen | None = None
        self.control: socket.socket | None = None
        self.folder: str | None = None  # home of a process without a sandbox
        self.ready = False  # whether the process has imported everything

    @classmethod
    def of_plan(cls, plan_file: str) -> "Sandbox":
        """As the plan of a session says, already importing."""
        plan = json.loads(Path(plan_file).read_text(encoding="utf-8"))
        made = cls(plan["modules"], from_plain(Limits, plan["limits"]), plan["sandboxed"])
        made.warm_up()
        return made

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
        self._start("single" if self.sandboxed else "open")
        self._wait_until_ready()
        sock, self.control = self.control, None
        return sock

    def warm_up(self) -> None:
        """Start importing, so that the first student need not wait for it."""
        if self.forks:
            self._start("forks")

    def _fork(self) -> socket.socket:
        """Raises NoNamespaces, SandboxMissing."""
        for _ in range(2):  # the process may have fallen victim to a lack of memory
            if self.process is None or self.process.poll() is not None:
                self._start("forks")
            self._wait_until_ready()
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

    def _start(self, mode: str) -> None:
        """Start the process."""
        self.close()
        ours, theirs = socket.socketpair()
        environment = ENVIRONMENT | {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
        if not self.sandboxed:
            self.folder = tempfile.mkdtemp(prefix="course-grader-")
            environment = {name: value.replace("/scratch", self.folder)
                           for name, value in environment.items()}  # fmt: skip
            environment["PATH"] = os.environ.get("PATH", "")
        with theirs:
            command = worker_command(
                theirs.fileno(), mode, self.modules, self.limits, self.sandboxed
            )
            self.process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], env=environment, cwd=self.folder or "/",
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                start_new_session=True)  # fmt: skip
        self.control, self.ready = ours, False
        ours.settimeout(self.limits.start_seconds)

    def _wait_until_ready(self) -> None:
        """Until everything is imported. Raises SandboxMissing if that does not come to an end."""
        if self.ready:
            return
        try:
            self.ready = self.control.recv(1) == b"+"
        except TimeoutError:
            pass
        if not self.ready:
            self.process.kill()
            said = self.process.stderr.read(2000).decode("utf-8", "replace").strip()
            self.close()
            raise SandboxMissing(
                f"the process for students' code did not start: {said or 'it was too slow'}"
            )

    def busy(self) -> bool:
        """Whether the student's processes leave nothing of the machine to others."""
        return busy_below(self.process.pid) > MAX_BUSY

    def excess(self) -> str:
        """What the student's processes take too much of together, or ""."""
        if self.busy():
            return f"more than {MAX_BUSY} of its processes or threads were busy at once"
        if memory_below(self.process.pid) > 2 * self.limits.memory_mb << 20:
            return "it needed too much memory"
        return ""

    def close(self) -> None:
        """End everything that was started."""
        if self.control:
            self.control.close()
            self.control = None
        if self.process:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
            self.process.stderr.close()
            self.process = None
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None


class NoNamespaces(OSError):
    """This machine allows no further namespaces inside a sandbox."""


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
