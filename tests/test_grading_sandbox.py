"""What a student's process can see and do: in a fork of the warm process, and in one of its own."""

import os
import socket
import sys
from pathlib import Path

import psutil
import pytest

import course_lib
from course_lib.grading import sandbox
from course_lib.grading.results import AnswerCell, Limits
from course_lib.grading.sandbox import Sandbox, SandboxMissing
from course_lib.grading.student import Student

try:
    sandbox.check()
    MISSING = ""
except SandboxMissing as missing:
    MISSING = str(missing)
needs_sandbox = pytest.mark.skipif(bool(MISSING), reason=MISSING)

LIMITS = Limits(cell_seconds=20, call_seconds=20, total_seconds=120, tmp_mb=8, memory_mb=500,
                processes=20, open_files=64)  # fmt: skip
LOOK = """
import ctypes, os, resource, socket, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
def attempt(function, *args):
    try:
        function(*args)
        return True
    except (OSError, ValueError, MemoryError, subprocess.SubprocessError):
        return False
def write(path, size=1, mode="wb"):
    with open(path, mode) as file:
        file.write(bytes(size))
def tree(top):
    return sorted(os.path.join(folder, name) for folder, _, files in os.walk(top)
                  for name in files)
seen = {}
"""
PARTS = {
    "rights": """
lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
seen["capabilities"] = {int(lines[name], 16) for name in lines if name.startswith("Cap")}
seen["no_new_privileges"], seen["seccomp"] = int(lines["NoNewPrivs"]), int(lines["Seccomp"])
seen["ids"] = [*os.getresuid(), *os.getresgid()]
seen["groups"] = os.getgroups()
seen["setuid"] = [libc.setuid(0), libc.setgid(0), libc.setgroups(0, None), libc.chroot(b"/scratch")]
""",
    "calls": """
seen["unshare"] = [libc.unshare(flag) for flag in
                   (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x8000000)]
seen["clone"] = attempt(subprocess.check_call, ["unshare", "-Ur", "true"])
seen["mount"] = libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)
seen["umount"] = libc.umount2(b"/tmp", 2)
seen["memfd"] = libc.memfd_create(b"x", 0)
seen["segment"] = max(libc.shmget(0, 4096, 0o1600), libc.semget(0, 9, 0o1600),
                      libc.msgget(0, 0o1600))
seen["ptrace"] = libc.ptrace(0, 0, 0, 0)
add_key = {"x86_64": 248, "aarch64": 217}.get(os.uname().machine)
seen["key"] = libc.syscall(add_key, b"user", b"x", b"y", 1, -3) if add_key else -1
""",
    "files": """
seen["root"] = sorted(os.listdir("/"))
seen["etc"] = sorted(os.listdir("/etc"))
seen["empty"] = [tree(top) for top in ("/scratch", "/tmp", "/dev/shm")]
seen["written"] = [place for place in ("/x", "/etc/x", "/usr/x", "/dev/x", "/proc/x", "/bin/x",
                   sys.prefix + "/x", os.path.dirname(os.__file__) + "/x", "/proc/sys/kernel/x",
                   "/proc/sys/user/max_user_namespaces", "/proc/sys/vm/drop_caches")
                   if attempt(write, place)]
seen["scratch"] = [place for place in ("/tmp/x", "/scratch/x", "/dev/shm/x", "x")
                   if attempt(write, place)]
seen["too_large"] = [attempt(write, f"/{place}/large", 9 << 20) for place in ("tmp", "scratch")]
seen["many"] = sum(attempt(write, f"/tmp/{n}", 1 << 20) for n in range(20))
seen["inodes"] = sum(attempt(os.mkdir, f"/dev/shm/{n}") for n in range(12_000))
seen["run"] = attempt(os.chmod, "/tmp/x", 0o777) and attempt(subprocess.check_call, ["/tmp/x"])
seen["open"] = sorted(os.readlink(f"/proc/self/fd/{fd}").split(":")[0]
                      for fd in os.listdir("/proc/self/fd")
                      if os.path.exists(f"/proc/self/fd/{fd}"))
""",
    "processes": """
seen["processes"] = [int(name) for name in os.listdir("/proc") if name.isdigit()]
seen["environment"] = dict(os.environ)
kept = []
while len(kept) < 100 and attempt(lambda: kept.append(subprocess.Popen(["sleep", "9"]))):
    pass
seen["children"] = len(kept)
for one in kept:
    one.kill()
    one.wait()
files = []
while len(files) < 500 and attempt(lambda: files.append(open("/dev/null"))):
    pass
seen["opened"] = len(files)
files.clear()
seen["memory"] = attempt(lambda: bytearray(600 << 20))
seen["raised"] = attempt(resource.setrlimit, resource.RLIMIT_NPROC, (1000, 1000))
""",
    "network": """
seen["interfaces"] = [name for _, name in socket.if_nameindex()]
def call(kind, address):
    with socket.socket(kind) as sock:
        sock.settimeout(2)
        sock.connect(address)
seen["called"] = [attempt(call, socket.AF_INET, ("127.0.0.1", PORT)),
                  attempt(call, socket.AF_INET, ("192.0.2.1", 80)),
                  attempt(call, socket.AF_UNIX, "\\0" + NAME)]
""",
}


@pytest.fixture(scope="module")
def server():
    """Sockets that listen outside: (port, abstract name, whether anybody has called)."""
    tcp, unix = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
    name = f"sandbox-test-{os.getpid()}"
    unix.bind("\0" + name)
    unix.listen()
    for sock in (tcp, unix):
        sock.setblocking(False)

    def called():
        for sock in (tcp, unix):
            try:
                sock.accept()
                return True
            except BlockingIOError:
                pass
        return False

    yield tcp.getsockname()[1], name, called
    tcp.close()
    unix.close()


@pytest.fixture(scope="module", params=["forks", "single"])
def seen(request, server):
    """What the code above reports from inside."""
    box = Sandbox(["torch"], LIMITS)
    box.forks = request.param == "forks"
    port, name, _ = server
    cells = [LOOK, f"PORT, NAME = {port}, {name!r}", *PARTS.values(),
             "parts = [(key, repr(value)) for key, value in seen.items()]\n"]  # fmt: skip
    one = Student([AnswerCell(None, cell) for cell in cells], LIMITS, box, [], ("seen",), {})
    one.run_until(len(cells))
    assert not one.bad and not one.failed, (one.bad, one.failed)
    one.bind(["seen"])
    yield one.namespace["seen"]
    one.stop()
    process = psutil.Process(box.process.pid)
    box.close()
    assert not process.is_running()


@needs_sandbox
def test_no_rights(seen):
    assert seen["capabilities"] == {0} and seen["no_new_privileges"] == 1
    assert 0 not in seen["ids"] and len(set(seen["ids"])) <= 2 and 0 not in seen["groups"]
    assert seen["setuid"] == [-1] * 4


@needs_sandbox
def test_no_namespaces_no_mounts_no_hidden_memory(seen):
    assert seen["unshare"] == [-1] * 5 and not seen["clone"]
    assert seen["mount"] == seen["umount"] == -1
    if seen["seccomp"]:
        assert seen["memfd"] == seen["segment"] == seen["ptrace"] == seen["key"] == -1


@needs_sandbox
def test_little_is_visible(seen):
    tops = {folder.parts[1] for folder in sandbox.visible_folders()}
    system = {"usr", "bin", "sbin", "lib", "lib32", "lib64", "etc", "proc", "dev", "tmp", "scratch"}
    assert set(seen["root"]) <= tops | system
    assert set(seen["etc"]) <= {Path(path).name for path in sandbox.ETC}
    left = [path for folder in seen["empty"] for path in folder if not belongs(path)]
    assert all(path.startswith("/scratch/ipython/") for path in left)


def belongs(path: str) -> bool:
    """Whether this is Python or the course, where that lies under /tmp; or on the way there."""
    return any(folder in Path(path, "x").parents or Path(path) in folder.parents
               for folder in sandbox.visible_folders())  # fmt: skip


@needs_sandbox
def test_nothing_is_written_but_scratch(seen):
    assert seen["written"] == [] and len(seen["scratch"]) == 4


@needs_sandbox
def test_scratch_is_small(seen):
    assert seen["too_large"] == [False, False]
    assert not seen["run"]


@needs_sandbox
def test_scratch_of_a_fork_is_limited_in_all(seen, request):
    if "single" in request.node.name:
        assert seen["many"] <= 20  # there bubblewrap's own limit, 64 MiB a folder
    else:
        assert seen["many"] < 8 and seen["inodes"] < 10_000


@needs_sandbox
def test_no_other_processes_and_no_secrets(seen):
    assert len(seen["processes"]) <= 3  # its own, and bubblewrap's where it has one of its own
    allowed = {*sandbox.ENVIRONMENT, "PATH", "PWD", "LC_CTYPE", "OMP_NUM_THREADS"}
    assert set(seen["environment"]) <= allowed | {"KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK"}
    assert set(seen["open"]) <= {"/dev/null", "socket"} and seen["open"].count("socket") == 1


@needs_sandbox
def test_limits_of_a_process(seen):
    assert seen["children"] < LIMITS.processes and seen["opened"] < LIMITS.open_files
    assert not seen["memory"] and not seen["raised"]


@needs_sandbox
def test_no_network(seen, server):
    assert set(seen["interfaces"]) <= {"lo"} and seen["called"] == [False] * 3
    assert not server[2]()


@needs_sandbox
def test_another_students_processes_do_not_count():
    """Two graders at once: a flood in one leaves the other its threads."""
    boxes = [Sandbox(["math"], LIMITS) for _ in range(2)]
    flood = "import subprocess\nkept = []\ntry:\n    while True:\n" \
            "        kept.append(subprocess.Popen(['sleep', '60']))\n" \
            "except OSError:\n    seen = len(kept)"  # fmt: skip
    threads = "import threading, time\nseen = 0\nfor _ in range(12):\n" \
              "    threading.Thread(target=time.sleep, args=[5], daemon=True).start()\n" \
              "    seen += 1"  # fmt: skip
    try:
        counts = []
        students = []
        for box, cell in zip(boxes, (flood, threads), strict=True):
            one = Student([AnswerCell(None, cell)], LIMITS, box, [], ("seen",), {})
            students.append(one)
            one.run_until(1)
            one.bind(["seen"])
            counts.append(one.namespace["seen"])
        assert counts[0] < LIMITS.processes and counts[1] == 12
    finally:
        for one in students:
            one.stop()
        for box in boxes:
            box.close()


@needs_sandbox
def test_the_warm_process_is_started_again_if_it_is_gone():
    box = Sandbox(["math"], LIMITS)
    try:
        box.new_worker().close()
        first = box.process.pid
        for child in psutil.Process(first).children(recursive=True):
            child.kill()
        one = Student([AnswerCell(None, "seen = 1")], LIMITS, box, [], ("seen",), {})
        one.run_until(1)
        one.bind(["seen"])
        assert one.namespace["seen"] == 1 and box.process.pid != first and box.forks
        one.stop()
    finally:
        box.close()


def test_solutions_may_not_lie_where_students_can_read(tmp_path):
    package = Path(course_lib.__file__).parent
    for path in (package / "solution.ipynb", Path(sys.prefix) / "x.ipynb", Path("/usr/share/x")):
        with pytest.raises(ValueError, match="students' code can read"):
            sandbox.refuse_visible(path)
    if not any(folder in tmp_path.parents for folder in sandbox.visible_folders()):
        sandbox.refuse_visible(tmp_path / "x.ipynb")
        (tmp_path / "link").symlink_to(package)
        with pytest.raises(ValueError):
            sandbox.refuse_visible(tmp_path / "link" / "x.ipynb")


def test_without_bubblewrap_the_message_says_what_to_do(monkeypatch):
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    with pytest.raises(SandboxMissing, match="apt install bubblewrap.*--no-sandbox"):
        Sandbox(["math"], LIMITS)


def test_where_bubblewrap_cannot_work_the_message_says_why(monkeypatch, tmp_path):
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxMissing, match="No permissions"):
        Sandbox(["math"], LIMITS)
