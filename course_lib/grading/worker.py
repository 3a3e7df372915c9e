"""The process that runs students' code. Everything in it may end up in a student's hands.

Started inside the sandbox as `python -m course_lib.grading.worker FDS MODE IMPORTS LIMITS`. It
imports once what the assignment imports, torch above all. Then it serves: in the mode "forks" one
student after the other at each of the sockets, each student from a fork; in the mode "single" one,
and ends. The mode "open" is "single" without a sandbox: only the limits hold.
"""

import builtins
import importlib
import inspect
import os
import socket
import sys
import traceback

import torch
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from course_lib.grading import isolate, wire
from course_lib.grading.results import Limits, read_json
from course_lib.grading.sandbox import visible_folders


class Worker:
    """Answers the questions of the trusted kernel, one message at a time."""

    def __init__(self, shell: InteractiveShell, sock: socket.socket):
        self.shell, self.names, self.sock = shell, shell.user_ns, sock
        self.handles: dict[int, object] = {}
        self.given: dict[int, tuple[object, dict]] = {}  # what came for one call, and as what

    def serve(self) -> None:
        """Until the other side closes."""
        while True:
            try:
                question = wire.parse(wire.receive(self.sock))
            except EOFError:
                os._exit(0)
            answer = self.answer(question)
            answer["n"] = question["n"]
            try:
                wire.send(self.sock, answer)
            except wire.WireError as error:
                wire.send(self.sock, {**failure(error), "n": question["n"]})

    def answer(self, question: dict) -> dict:
        try:
            return getattr(self, f"do_{question['op']}")(**question["args"])
        except BaseException as error:  # a student's code may raise what it likes
            return failure(error)

    def do_cell(self, source: str) -> dict:
        """Run a cell as a notebook would, magics included."""
        result = self.shell.run_cell(source, store_history=False)
        error = result.error_before_exec or result.error_in_exec
        return failure(error) if error else {"ok": True}

    def do_get(self, name: str) -> dict:
        """What a global name stands for, if there is one."""
        if name not in self.names or inspect.ismodule(self.names[name]):
            return {"ok": True, "missing": True}
        return {"ok": True, "value": self.encode(self.names[name])}

    def do_call(self, target: dict, args: list, kwargs: dict) -> dict:
        """Call a function; tell which arguments it has changed in place."""
        self.given.clear()
        positional = [self.decode(a) for a in args]
        named = {name: self.decode(a) for name, a in kwargs.items()}
        value = self.decode(target)(*positional, **named)
        parts = [*zip(range(len(args)), args, positional, strict=True),
                 *((name, kwargs[name], named[name]) for name in kwargs)]  # fmt: skip
        changed = [[place, after] for place, before, x in parts if isinstance(x, wire.MUTABLE)
                   for after in [wire.encode(x, self.as_given)] if after != before]  # fmt: skip
        return {"ok": True, "value": self.encode(value), "changed": changed}

    def do_gradients(self, target: dict, args: list) -> dict:
        """d(sum of all outputs) / d(each argument that is a float tensor)."""
        inputs = [self.decode(a) for a in args]
        floats = [x for x in inputs if isinstance(x, torch.Tensor) and x.is_floating_point()]
        for x in floats:
            x.requires_grad_()
        output = self.decode(target)(*inputs)
        parts = output if isinstance(output, list | tuple) else [output]
        sum(part.sum() for part in parts).backward()
        grads = tuple(torch.zeros_like(x) if x.grad is None else x.grad for x in floats)
        return {"ok": True, "value": self.encode(grads)}

    def do_attribute(self, target: dict, name: str) -> dict:
        return {"ok": True, "value": self.encode(getattr(self.decode(target), name))}

    def do_set(self, target: dict, name: str, value) -> dict:
        setattr(self.decode(target), name, self.decode(value))
        return {"ok": True, "value": None}

    def do_item(self, target: dict, key) -> dict:
        return {"ok": True, "value": self.encode(self.decode(target)[self.decode(key)])}

    def do_length(self, target: dict) -> dict:
        return {"ok": True, "value": len(self.decode(target))}

    def do_iterate(self, target: dict) -> dict:
        return {"ok": True, "value": self.encode(iter(self.decode(target)))}

    def do_next(self, target: dict) -> dict:
        try:
            return {"ok": True, "value": self.encode(next(self.decode(target)))}
        except StopIteration:
            return {"ok": True, "stop": True}

    def encode(self, value):
        return wire.encode(value, self.by_handle)

    def as_given(self, value) -> dict:
        """The form in which an object came, so that an untouched argument looks untouched."""
        return self.given[id(value)][1] if id(value) in self.given else self.by_handle(value)

    def by_handle(self, value) -> dict:
        """What is no plain value stays here; the other side gets its number and what it is."""
        self.handles[id(value)] = value
        kind = "module" if isinstance(value, torch.nn.Module) else "object"
        return {"handle": [id(value), kind, type(value).__name__]}

    def decode(self, parts):
        return wire.decode(parts, self.resolve)

    def resolve(self, name: str, content):
        """The kinds that only the trusted side sends: none of them has to be distrusted here."""
        value = self.resolved(name, content)
        self.given[id(value)] = value, {name: content}
        return value

    def resolved(self, name: str, content):
        if name == "handle":
            return self.handles[content]
        if name == "name":  # an object that a set-up cell made, on both sides
            return self.names[content]
        if name == "reference":  # something that both sides can import
            return find(*content)
        if name == "record":
            module, qualname, fields = content
            return find(module, qualname)(**{k: self.decode(v) for k, v in fields.items()})
        raise wire.WireError(f"unknown kind {name}")


def find(module: str, qualname: str):
    """An object of an importable module."""
    value = importlib.import_module(module)
    for part in qualname.split("."):
        value = getattr(value, part)
    return value


def failure(error: BaseException) -> dict:
    """What the other side may know of an exception: all of it plain text, and short."""
    bases = [c.__name__ for c in type(error).__mro__ if vars(builtins).get(c.__name__) is c]
    try:
        text = str(error)
    except BaseException:
        text = "(an error without a message)"
    return {"ok": False, "error": type(error).__name__[:80], "bases": bases[:8],
            "message": text[:2000], "traceback": student_frames(error)[:4000]}  # fmt: skip


def student_frames(error: BaseException) -> str:
    """The part of the traceback that lies in the student's cells and below."""
    try:
        if isinstance(error, SyntaxError):
            return "".join(traceback.format_exception_only(error))
        frames = traceback.extract_tb(error.__traceback__)
        first = next((i for i, f in enumerate(frames) if is_cell(f.filename)), None)
        if first is None:
            return ""
        lines = traceback.format_list([tidy(f) for f in frames[first:][:12]])
        return "".join(lines + traceback.format_exception_only(error))
    except BaseException:
        return ""


def is_cell(filename: str) -> bool:
    return filename.startswith("<ipython-input") or "ipykernel" in filename


def tidy(frame: traceback.FrameSummary) -> traceback.FrameSummary:
    """File names as a student knows them."""
    name = "your notebook" if is_cell(frame.filename) else os.path.basename(frame.filename)
    return traceback.FrameSummary(name, frame.lineno, frame.name, line=frame.line)


class Shell(InteractiveShell):
    """IPython without a screen: what would open windows or end a notebook does nothing."""

    def enable_matplotlib(self, gui=None):
        """%matplotlib inline, widget ...: pictures go nowhere."""
        return None, "agg"

    def ask_exit(self) -> None:
        """exit and quit."""


def new_shell() -> InteractiveShell:
    """IPython without history, colors or a terminal."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    shell = Shell.instance(config=config)
    shell.user_ns["get_ipython"] = lambda: shell
    return shell


def import_all(modules: list[str]) -> None:
    """What the assignment imports, so that each student finds it ready. What fails, fails later."""
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception:
            pass


def serve_forks(control: socket.socket, shell: InteractiveShell, limits: Limits) -> None:
    """One fork for each socket that comes; the one before is ended first, with all it started."""
    init = guard = None
    while True:
        message, fds, _, _ = socket.recv_fds(control, 4096, 1)
        if init:
            end(init, guard)
            init = guard = None
        if not message:
            os._exit(0)
        try:
            init, guard = start_student(limits, fds[0], control, shell)
            control.sendall(b"+")
        except OSError as error:
            control.sendall(b"-" + str(error).encode()[:200])
        os.close(fds[0])


def start_student(limits: Limits, fd: int, control: socket.socket, shell) -> tuple[int, int]:
    """Fork twice: a guard, which leaves for new namespaces, and in them the student's process.

    Returns their process numbers as seen from here: the student's first.
    """
    read_end, write_end = os.pipe()
    guard = os.fork()
    if guard == 0:
        os.close(read_end)
        guard_student(limits, fd, control, shell, write_end)
    os.close(write_end)
    with os.fdopen(read_end) as report:
        lines = report.read().splitlines()
    if "ready" not in lines:
        os.waitpid(guard, 0)
        raise OSError("; ".join(lines) or "the student's process did not start")
    return int(next(line for line in lines if line.isdigit())), guard


def guard_student(limits: Limits, fd: int, control: socket.socket, shell, report: int) -> None:
    """In the first fork: make the namespaces, start the student's process in them, wait."""
    try:
        isolate.die_with_parent()
        isolate.own_namespaces()
        pid = os.fork()
        if pid == 0:
            confined_student(limits, fd, control, shell, report)
        os.write(report, f"{pid}\n".encode())
        os.close(report)
        os.close(fd)
        os.waitpid(pid, 0)
    except BaseException as error:
        os.write(report, f"{error}\n".encode())
    os._exit(0)


def confined_student(limits: Limits, fd: int, control: socket.socket, shell, report: int) -> None:
    """In the second fork: give up everything, then serve."""
    try:
        control.close()
        isolate.first_to_go()
        isolate.own_scratch(limits.tmp_mb, visible_folders())
        isolate.give_up_rights()
        isolate.limit_resources(limits)
        os.write(report, b"ready\n")
    except BaseException as error:
        os.write(report, f"{error}\n".encode())
        os._exit(1)
    os.close(report)
    isolate.silence()
    Worker(shell, socket.socket(fileno=fd)).serve()


def end(init: int, guard: int) -> None:
    """Kill the first process of a namespace; the kernel kills all others in it."""
    try:
        os.kill(init, 9)
    except ProcessLookupError:
        pass
    os.waitpid(guard, 0)


def serve_all(controls: list[socket.socket], shell: InteractiveShell, limits: Limits) -> None:
    """A fork for each of the sockets, with students of its own; until all are closed."""
    for control in controls:
        if os.fork() == 0:
            for other in controls:
                if other is not control:
                    other.close()
            control.sendall(b"+")  # ready
            serve_forks(control, shell, limits)
    for control in controls:
        control.close()
    for _ in controls:
        os.wait()


def main(fds: str, mode: str, modules: str, limits: str) -> None:
    limits = read_json(Limits, limits)
    torch.set_num_threads(1)  # a fork has no use for the threads of its parent
    import_all(modules.split(","))
    shell, socks = new_shell(), [socket.socket(fileno=int(fd)) for fd in fds.split(",")]
    if mode == "forks":
        serve_all(socks, shell, limits)
        return
    socks[0].sendall(b"+")  # ready
    isolate.silence()
    if mode == "single":
        isolate.give_up_rights()
    isolate.limit_resources(limits)
    Worker(shell, socks[0]).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
