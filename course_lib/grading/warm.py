"""Kernels that start at once: forks of one process that has already imported torch.

What grading waits for at first is imports: those of the trusted kernel, and those of the process
for students' code. A run starts both while it still reads what was handed in. With several jobs
the imports of the kernels are paid once.

    the run         starts the warm process (`main`), which starts the sandboxes of all jobs
    nbval           starts as its kernel `join`, which asks the warm process for one
    warm process    forks: the fork is the kernel, with one of the sandboxes
"""

import importlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from course_lib.grading.results import Limits, from_plain
from course_lib.grading.sandbox import Sandbox, end_group

KERNEL = "course-grading"  # its name for nbval
MODULES = ("ipykernel.kernelapp", "course_lib.grading.referee")  # of the kernel itself

sandbox: Sandbox | None = None  # in a kernel: the one that it was given


class Warm:
    """The warm process of one run, seen from outside; to be closed."""

    def __init__(self, modules: list[str], limits: Limits, sandboxed: bool, jobs: int = 1):
        self.sandboxed = sandboxed
        self.folder = Path(tempfile.mkdtemp(prefix="course-grading-"))
        kernel = self.folder / "kernels" / KERNEL / "kernel.json"
        socket_file = self.folder / "socket"
        kernel.parent.mkdir(parents=True)
        join = [sys.executable, "-m", "course_lib.grading.join", str(socket_file)]
        kernel.write_text(json.dumps({
            "argv": [*join, "{connection_file}"], "display_name": "grading", "language": "python",
            "interrupt_mode": "message"}))  # fmt: skip
        options = {"modules": modules, "limits": asdict(limits), "sandboxed": sandboxed,
                   "jobs": jobs}  # fmt: skip
        command = [sys.executable, "-m", "course_lib.grading.warm", str(socket_file),
                   json.dumps(options)]  # fmt: skip
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg",
                                    "IPYTHONDIR": str(self.folder / "ipython")}  # fmt: skip
        with open(self.folder / "log.txt", "w") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log,
                start_new_session=True)  # fmt: skip

    def __enter__(self) -> "Warm":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def complaint(self) -> str:
        """The last that the warm process has said, if it is gone."""
        if self.process.poll() is None:
            return ""
        return (self.folder / "log.txt").read_text(errors="replace").strip()[-500:]

    def close(self) -> None:
        """End it, and the sandboxes that no kernel took."""
        self.process.stdin.close()
        end_group(self.process.pid)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def main(path: str, options: str) -> None:
    """The warm process: one kernel for each connection, until the run is over."""
    options = json.loads(options)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()  # who comes before everything is imported waits
        limits = from_plain(Limits, options["limits"])
        sandboxes = Sandbox.several(
            options["modules"], limits, options["sandboxed"], options["jobs"])
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the kernels
        for module in (*MODULES, *options["modules"]):
            with suppress(ImportError):  # `from torch import Tensor` lists it, and it is none
                importlib.import_module(module)
        while sys.stdin not in (ready := select.select([listener, sys.stdin], [], [])[0]):
            if listener in ready:
                start_kernel(listener, sandboxes)


def start_kernel(listener: socket.socket, sandboxes: list[Sandbox]) -> None:
    """Fork, and be a kernel there, with the first of the sandboxes."""
    connection, _ = listener.accept()
    with connection:
        wanted = json.loads(connection.makefile().readline())
        if os.fork() == 0:
            listener.close()
            try:
                for other in sandboxes[1:]:
                    other.hand_over()
                be_kernel(connection, sandboxes[0] if sandboxes else None, **wanted)
            finally:
                os._exit(1)
    if sandboxes:
        sandboxes.pop(0).hand_over()


def be_kernel(
    connection: socket.socket, own: Sandbox | None, connection_file: str, folder: str
) -> None:
    """In the fork. The kernel ends when `join`, at the other end of the connection, does."""
    from ipykernel.kernelapp import IPKernelApp

    from course_lib.grading import warm  # this file again, which runs as __main__ here

    os.setsid()
    os.chdir(folder)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    threading.Thread(target=end_with, args=[connection], daemon=True).start()
    warm.sandbox = own
    IPKernelApp.launch_instance(argv=["-f", connection_file])
    os._exit(0)


def end_with(connection: socket.socket) -> None:
    connection.recv(1)
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
