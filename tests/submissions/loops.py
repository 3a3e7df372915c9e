"""Code that does not end, takes everything, dies, or stays."""

from submissions.case import RIGHT, hostile

LOOP, FLOOD, DEATH, LEFT = "endless loops", "floods", "deaths", "processes that stay"
# For a process that is to be found again if it survives.
NAP = "import subprocess\nsubprocess.Popen(['sleep', '{}'], start_new_session=True)\n"


# --- endless loops ---


@hostile(LOOP, loses="number", says="left out")
def loop_in_a_cell(trap):
    return {"number": "while True:\n    pass\nshare = 1 / 8"}


@hostile(LOOP, loses="weights", says="no answer within")
def loop_in_a_call(trap):
    return {"weights": "def weights(q, k):\n    while True:\n        pass"}


@hostile(LOOP, loses="weights", says="left out")
def loop_in_an_import(trap):
    return {
        "weights": "open('slow.py', 'w').write('while True: pass')\nimport sys\n"
        "sys.path.insert(0, '.')\nimport slow\n" + RIGHT["weights"]
    }


@hostile(LOOP, loses="weights", says="left out")
def loop_in_a_signal_handler(trap):
    return {
        "weights": """
import os, signal
def again(*_):
    while True:
        pass
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
    signal.signal(number, again)
signal.alarm(1)
os.kill(os.getpid(), signal.SIGINT)
def weights(q, k):
    return q
"""
    }


@hostile(LOOP, loses="weights", says="no answer within")
def loop_in_the_text_of_an_exception(trap):
    return {
        "weights": """
class Endless(Exception):
    def __str__(self):
        while True:
            pass
def weights(q, k):
    raise Endless
"""
    }


@hostile(LOOP, loses="number", says="no answer within")
def loop_in_the_name_of_a_class(trap):
    return {
        "number": """
class Meta(type):
    @property
    def __name__(cls):
        while True:
            pass
class Share(metaclass=Meta):
    pass
share = Share()
"""
    }


@hostile(LOOP, loses="batches", says="for one check are used up")
def generator_without_end(trap):
    return {"batches": "def batches(rows, size):\n    while True:\n        yield rows[:size]"}


@hostile(LOOP, loses="head", says="no answer within")
def loop_in_a_constructor(trap):
    return {
        "head": """
class Head(nn.Module):
    def __init__(self, config):
        super().__init__()
        while True:
            pass
"""
    }


@hostile(LOOP, loses="weights")
def loop_in_C_that_no_signal_ends(trap):
    return {"weights": "def weights(q, k):\n    return 9 ** 9 ** 9"}


@hostile(LOOP, loses="weights")
def waits_for_a_lock_with_all_signals_blocked(trap):
    return {
        "weights": """
import signal, threading
def weights(q, k):
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()
"""
    }


@hostile(LOOP, loses="weights")
def catches_everything_and_goes_on(trap):
    return {
        "weights": """
def weights(q, k):
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue
"""
    }


@hostile(LOOP, loses="weights")
def thread_that_burns_after_a_wrong_answer(trap):
    return {
        "weights": """
import threading
def burn():
    while True:
        pass
def weights(q, k):
    threading.Thread(target=burn, daemon=True).start()
    return q @ k.T
"""
    }


@hostile(LOOP, loses="weights")
def stops_itself(trap):
    return {
        "weights": """
import os, signal
def weights(q, k):
    if os.fork() == 0:
        os.kill(os.getppid(), signal.SIGSTOP)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGSTOP)
    signal.pause()
"""
    }


# --- floods ---


@hostile(FLOOD, loses="weights")
def memory_in_one_piece(trap):
    return {"weights": "def weights(q, k):\n    return bytearray(60 << 30)"}


@hostile(FLOOD, loses="weights")
def memory_in_small_pieces(trap):
    return {
        "weights": "def weights(q, k):\n    kept = []\n    while True:\n"
        "        kept.append(bytes(50 << 20))"
    }


@hostile(FLOOD, loses="weights")
def memory_of_many_processes(trap):
    return {
        "weights": """
import os, time
def weights(q, k):
    for _ in range(40):
        if os.fork() == 0:
            kept = b"x" * (500 << 20)
            time.sleep(60)
    time.sleep(60)
"""
    }


@hostile(FLOOD, loses="weights")
def memory_of_no_process(trap):
    """Files in memory and System V segments, which no limit of a process counts."""
    return {
        "weights": """
import ctypes, os
def weights(q, k):
    libc, taken = ctypes.CDLL(None), 0
    for _ in range(100):
        try:
            os.write(os.memfd_create("x"), bytes(10 << 20))
            taken += 1
        except OSError:
            pass
        taken += libc.shmget(0, 10 << 20, 0o1600) >= 0 or libc.semget(0, 32000, 0o1600) >= 0
    if taken == 0:
        raise RuntimeError("refused")
    return (q @ k.T / math.sqrt(q.shape[-1])).softmax(-1)
"""
    }


@hostile(FLOOD, loses="weights", says="No space left")
def disk(trap):
    return {
        "weights": """
def weights(q, k):
    number = 0
    while True:
        number += 1
        with open(f"/tmp/{number}", "wb") as file:
            file.write(bytes(8 << 20))
"""
    }


@hostile(FLOOD, loses="weights", says="No space left")
def inodes(trap):
    return {
        "weights": """
import os
def weights(q, k):
    for number in range(10**6):
        os.mkdir(f"/dev/shm/{number}")
"""
    }


@hostile(FLOOD, loses="weights", says="Too many open files")
def open_files(trap):
    return {
        "weights": "def weights(q, k):\n    kept = []\n    while True:\n"
        "        kept.append(open('/dev/zero'))"
    }


@hostile(FLOOD, loses="weights")
def processes(trap):
    return {
        "weights": """
import os
def weights(q, k):
    while True:
        try:
            os.fork()
        except OSError:
            pass
"""
    }


@hostile(FLOOD, loses="weights")
def threads(trap):
    return {
        "weights": "import threading, time\ndef weights(q, k):\n    while True:\n"
        "        threading.Thread(target=time.sleep, args=(60,)).start()"
    }


@hostile(FLOOD, loses="number")
def output(trap):
    return {
        "number": "import os\nwhile True:\n    print('x' * 10**6)\n"
        "    os.write(2, b'y' * 10**6)\nshare = 1 / 8"
    }


@hostile(FLOOD, loses="weights")
def a_message_of_100_megabytes(trap):
    return {"weights": "def weights(q, k):\n    raise ValueError('x' * 10**8)"}


@hostile(FLOOD, loses="weights", says="too large")
def a_result_of_100_megabytes(trap):
    return {"weights": "def weights(q, k):\n    return torch.zeros(25_000_000)"}


@hostile(FLOOD, loses="number")
def a_list_of_ten_million(trap):
    return {"number": "share = [0] * 10_000_000"}


@hostile(FLOOD, loses="batches")
def large_parts_without_end(trap):
    return {
        "batches": "def batches(rows, size):\n    while True:\n        yield torch.zeros(3_000_000)"
    }


@hostile(FLOOD, loses="batches", says="a range that is too long")
def a_range_that_fills_the_memory_when_listed(trap):
    return {"batches": "def batches(rows, size):\n    return range(2**31)"}


@hostile(FLOOD, loses="weights")
def recursion_without_end(trap):
    return {"weights": "def weights(q, k):\n    return weights(q, k)"}


@hostile(FLOOD, loses="weights")
def recursion_with_a_raised_limit(trap):
    return {
        "weights": "import sys\ndef weights(q, k):\n    sys.setrecursionlimit(10**9)\n"
        "    return weights(k, q)"
    }


# --- deaths ---


@hostile(DEATH, loses="weights", says="left out")
def exit_in_a_cell(trap):
    return {"weights": "import os\nos._exit(0)\n" + RIGHT["weights"]}


@hostile(DEATH, loses="weights", says="the process ended")
def exit_in_a_call(trap):
    return {"weights": "import os\ndef weights(q, k):\n    os._exit(0)"}


@hostile(DEATH, loses="weights")
def sys_exit_in_a_call(trap):
    return {"weights": "import sys\ndef weights(q, k):\n    sys.exit(0)"}


@hostile(DEATH, loses="head", says="the process ended")
def segmentation_fault(trap):
    return {
        "head": "import ctypes\nclass Head(nn.Module):\n    def __init__(self, config):\n"
        "        ctypes.string_at(0)"
    }


@hostile(DEATH, loses="weights")
def abort(trap):
    return {"weights": "import os\ndef weights(q, k):\n    os.abort()"}


@hostile(DEATH, loses="weights")
def kills_parents_and_all_others(trap):
    return {
        "weights": """
import os, signal
def weights(q, k):
    for pid in (os.getppid(), 1, 0, -1, *range(2, 3000)):
        for number in (signal.SIGKILL, signal.SIGTERM):
            try:
                os.kill(pid, number)
            except OSError:
                pass
    return q
"""
    }


@hostile(DEATH, loses="weights")
def kills_from_the_shell(trap):
    return {
        "weights": "def weights(q, k):\n    get_ipython().system('kill -9 1; kill -9 -1; "
        "pkill -9 python; killall5 -9')\n    return q"
    }


@hostile(DEATH, loses="weights")
def closes_all_its_files(trap):
    return {"weights": "import os\ndef weights(q, k):\n    os.closerange(0, 256)\n    return q"}


@hostile(DEATH, loses="weights")
def dies_some_time_after_its_answer(trap):
    return {
        "weights": """
import os, threading
def weights(q, k):
    threading.Timer(0.02, os._exit, [0]).start()
    return q @ k.T
"""
    }


@hostile(DEATH, loses="weights")
def exception_whose_text_ends_the_process(trap):
    return {
        "weights": """
import os
class Last(Exception):
    def __str__(self):
        os._exit(1)
def weights(q, k):
    raise Last
"""
    }


# --- processes that stay ---


@hostile(LEFT, loses="weights")
def sleeps_in_a_session_of_its_own(trap):
    return {"weights": NAP.format(trap.nap) + "def weights(q, k):\n    return q"}


@hostile(LEFT, loses="weights")
def daemon_that_ignores_all_signals(trap):
    return {
        "weights": f"""
import os, signal
def weights(q, k):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
            os.execvp("sleep", ["sleep", "{trap.nap}"])
        os._exit(0)
    return q
"""
    }


@hostile(LEFT, loses="weights")
def bomb_at_exit(trap):
    return {
        "weights": f"""
import atexit, os, sys
def bomb(*_):
    os.system("sleep {trap.nap} &")
    open("{trap.file}", "w").write("reached")
    while True:
        pass
atexit.register(bomb)
sys.excepthook = sys.unraisablehook = bomb
class Late:
    __del__ = bomb
late = Late()
def weights(q, k):
    return q
"""
    }


@hostile(LEFT, loses="weights", may_lose="head batches number")
def the_child_goes_on_answering(trap):
    """The process forks; parent and child both have the socket."""
    return {"weights": "import os\ndef weights(q, k):\n    os.fork()\n    return q"}


@hostile(LEFT, loses="weights", may_lose="head batches number")
def the_child_answers_while_the_parent_waits(trap):
    return {
        "weights": "import os, time\nif os.fork():\n    time.sleep(60)\n"
        "def weights(q, k):\n    return q"
    }
