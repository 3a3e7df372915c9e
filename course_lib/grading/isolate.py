"""Namespaces, limits and rights of a process that runs a student's code (Linux).

bubblewrap has already taken away the network and everything but a read-only view of Python. Here
each student gets, inside that, processes, scratch space and rights of their own, so that nothing
of one is left for the next. The calls are those of unshare(2), mount(2), prctl(2), capset(2).
"""

import ctypes
import errno
import os
import platform
import resource
from pathlib import Path

from course_lib.grading.results import Limits

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
PR_SET_SECCOMP = 22
CLONE_NEW = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
CLONE3 = 435
# Machine -> its number for seccomp, that of clone, and those of memfd_create, shmget, semget,
# msgget, unshare, setns, mount, ptrace, process_vm_readv, process_vm_writev, add_key,
# request_key, keyctl, userfaultfd, bpf, perf_event_open.
FILTERED = {
    "x86_64": (0xC000003E, 56, (
        319, 29, 64, 68, 272, 308, 165, 101, 310, 311, 248, 249, 250, 323, 321, 298)),
    "aarch64": (0xC00000B7, 220, (
        279, 194, 190, 186, 97, 268, 40, 117, 270, 271, 217, 218, 219, 282, 280, 241)),
}  # fmt: skip
# io_uring_setup, open_tree, move_mount, fsopen, fsmount, mount_setattr, memfd_secret
REFUSED_EVERYWHERE = (425, 428, 429, 430, 432, 442, 447)
NOBODY = 65534  # the user and group that the code runs as where the grader is root
SCRATCH = ("/scratch", "/tmp", "/dev/shm")  # what a student's code may write to

libc = ctypes.CDLL(None, use_errno=True)


def own_namespaces() -> None:
    """Leave for own processes, mounts, network and the rest; the next fork is process number 1."""
    flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET
    if os.getuid() != 0:
        own_user_namespace()
    _check(libc.unshare(flags), "unshare")


def own_user_namespace() -> None:
    """A user namespace in which this user is itself."""
    uid, gid = os.getuid(), os.getgid()
    _check(libc.unshare(CLONE_NEWUSER), "unshare(user)")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {uid} 1")
    _write("/proc/self/gid_map", f"{gid} {gid} 1")


def own_scratch(megabytes: int, visible: list[Path]) -> None:
    """Empty scratch folders of a limited size, and a /proc with own processes only.

    The visible folders, with Python and the course, are put back where the new ones cover them.
    """
    _mount("none", "/", None, MS_REC | MS_PRIVATE)
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    for top in SCRATCH:
        covered = {folder: os.open(folder, os.O_PATH) for folder in visible
                   if Path(top) in folder.parents}  # fmt: skip
        data = f"size={megabytes}m,nr_inodes=10000,mode=1777"
        _mount("tmpfs", top, "tmpfs", flags, data)
        for folder, opened in covered.items():
            folder.mkdir(parents=True)
            _mount(f"/proc/self/fd/{opened}", str(folder), None, MS_BIND | MS_REC)
            os.close(opened)
    try:
        _mount("proc", "/proc", "proc", flags)
    except OSError:  # some kernels and containers refuse; nobody may see the outer one
        _mount("tmpfs", "/proc", "tmpfs", flags, "size=0,nr_inodes=2,mode=555")
    os.chdir("/scratch")


def give_up_rights() -> None:
    """No root, no capabilities, no way to more: neither by set-uid programs nor new namespaces."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # or /proc/self would still belong to root
        own_user_namespace()
    try:  # the limit of this namespace: a further one could mount scratch space without limit
        _write("/proc/sys/user/max_user_namespaces", "0")
    except OSError:
        pass
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    _check(libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")
    filter_calls()


def filter_calls() -> None:
    """Refuse what no exercise needs: memory that belongs to no process and so is not counted,
    namespaces and mounts, parts of the kernel that are often attacked. See seccomp(2)."""
    if platform.machine() not in FILTERED:
        return
    machine, clone, refused = FILTERED[platform.machine()]
    load, equal, at_least, any_bit, end = 0x20, 0x15, 0x35, 0x45, 0x06  # see linux/bpf_common.h
    allow, refuse, unknown = 0x7FFF0000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
    steps = [(load, 0, 0, 4), (equal, 1, 0, machine), (end, 0, 0, refuse)]
    steps += [(load, 0, 0, 0), (at_least, 0, 1, 0x40000000), (end, 0, 0, refuse)]  # x32
    for number in (*refused, *REFUSED_EVERYWHERE):
        steps += [(equal, 0, 1, number), (end, 0, 0, refuse)]
    steps += [(equal, 0, 1, CLONE3), (end, 0, 0, unknown)]  # the C library then takes clone
    steps += [
        (equal, 0, 3, clone),
        (load, 0, 0, 16),
        (any_bit, 0, 1, CLONE_NEW),
        (end, 0, 0, refuse),
    ]
    steps += [(end, 0, 0, allow)]
    code = (Step * len(steps))(*[Step(*step) for step in steps])
    program = Program(len(steps), code)
    libc.prctl(PR_SET_SECCOMP, 2, ctypes.byref(program), 0, 0)  # a kernel without: nothing more


class Step(ctypes.Structure):
    """struct sock_filter: operation, steps to skip if true and if false, number."""

    _fields_ = [("code", ctypes.c_uint16), ("true", ctypes.c_uint8), ("false", ctypes.c_uint8),
                ("number", ctypes.c_uint32)]  # fmt: skip


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_uint16), ("steps", ctypes.POINTER(Step))]


def limit_resources(limits: Limits) -> None:
    """Limits of each process; address space counts from what Python and torch already occupy.

    To be called after `give_up_rights`: processes are counted by user and user namespace, and
    those of another student, who may be the same user, must not count.
    """
    with open("/proc/self/statm") as statm:
        occupied = int(statm.read().split()[0]) * resource.getpagesize()
    most = {
        resource.RLIMIT_AS: occupied + (limits.memory_mb << 20),
        resource.RLIMIT_FSIZE: limits.tmp_mb << 20,
        resource.RLIMIT_NPROC: limits.processes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_CPU: 2 * int(limits.total_seconds) + 10,
        resource.RLIMIT_CORE: 0,
    }
    for name, limit in most.items():
        resource.setrlimit(name, (limit, limit))


def first_to_go() -> None:
    """When the machine runs out of memory, the kernel shall end this process before any other."""
    try:
        _write("/proc/self/oom_score_adj", "1000")
    except OSError:
        pass


def silence() -> None:
    """What is printed goes nowhere."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)


def die_with_parent() -> None:
    libc.prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0)


def _mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    parts = (source.encode(), target.encode(), kind.encode() if kind else None)
    _check(libc.mount(*parts, flags, data.encode()), f"mount {target}")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
