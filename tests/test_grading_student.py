"""A student's functions, classes, generators and errors, seen by the checks through a sandbox."""

import time

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from course_lib import checks
from course_lib.config import ModelConfig
from course_lib.grading import sandbox
from course_lib.grading.errors import StudentCodeDied, StudentCodeError, StudentCodeTimeout
from course_lib.grading.results import AnswerCell, Limits
from course_lib.grading.sandbox import Sandbox
from course_lib.grading.student import Student

try:
    sandbox.check()
    MISSING = ""
except sandbox.SandboxMissing as missing:
    MISSING = str(missing)
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

LIMITS = Limits(cell_seconds=2, call_seconds=2, total_seconds=20, memory_mb=800, tmp_mb=16)
SETUP = """
import math, torch
from torch import nn
from course_lib.config import ModelConfig
config = ModelConfig(hidden_size=16, num_heads=2)
class Box:
    def __init__(self, size):
        self.size = size
box = Box(3)
"""


@pytest.fixture(scope="module")
def warm():
    made = Sandbox(["torch", "course_lib.config"], LIMITS)
    yield made
    made.close()


@pytest.fixture
def student(warm):
    """start(cell, cell, ...): what the cells define, as a check sees it."""
    started = []

    def start(*cells, names=None, run=True):
        space = {}
        exec(SETUP, space)
        made = Student([AnswerCell(None, cell) for cell in cells], LIMITS, warm, [SETUP],
                       tuple(names or NAMES), space)  # fmt: skip
        made.shared = {id(value): name for name, value in space.items()}
        started.append(made)
        if run:
            check(made, len(cells))
        return made

    yield start
    for one in started:
        one.stop()


NAMES = ("f", "g", "Head", "value", "other", "sample", "walk")


def check(student, count, names=NAMES):
    """What the referee does before a check."""
    student.run_until(count)
    student.new_check()
    student.bind(names)


def get(student, name):
    return student.namespace[name]


# --- functions and values ---


def test_functions_with_all_kinds_of_arguments(student):
    one = student("def f(*args, **kwargs):\n    return args, kwargs")
    given = (None, True, 2**70, 1.5, 2j, "é", b"\0", [1, [2]], (3,), {4}, {"a": 5}, slice(1, 2),
             torch.float16, torch.Size([2]), np.float32(2))  # fmt: skip
    args, kwargs = get(one, "f")(*given, x=torch.arange(3), y=np.arange(3))
    assert args == given and type(args[-1]) is np.float32
    assert torch.equal(kwargs["x"], torch.arange(3)) and (kwargs["y"] == np.arange(3)).all()


def test_global_values_and_names_that_are_missing(student):
    one = student("value = {'a': torch.ones(2)}\nother = 7\nimport math as f")
    assert torch.equal(get(one, "value")["a"], torch.ones(2)) and get(one, "other") == 7
    assert "f" not in one.namespace and "g" not in one.namespace  # a module is no answer


def test_only_the_names_that_a_check_uses_are_fetched(student):
    one = student("value = [0] * 5_000_000\nother = 1", run=False)
    check(one, 1, names=["other"])
    assert get(one, "other") == 1 and "value" not in one.namespace
    with pytest.raises(StudentCodeError):
        check(one, 1, names=["value"])
    check(one, 1, names=["other"])
    assert get(one, "other") == 1


def test_no_other_names_come_from_the_student(student):
    one = student("checks = torch = print = config = 1\nvalue = 2")
    assert one.namespace["torch"] is torch and get(one, "value") == 2
    assert isinstance(one.namespace["config"], ModelConfig) and "checks" not in one.namespace


def test_objects_of_the_teachers_go_by_name(student):
    one = student("def f(x, y):\n    return x.size, y.hidden_size, x is box\n"
                  "def g(c):\n    return c.num_heads")  # fmt: skip
    space = one.namespace
    assert get(one, "f")(space["box"], space["config"]) == (3, 16, True)
    assert get(one, "g")(ModelConfig(hidden_size=8, num_heads=4)) == 4
    assert get(one, "f")(y=space["config"], x=space["box"])[0] == 3
    with pytest.raises(Exception, match="set-up cell"):
        get(one, "g")(lambda: 0)
    boxes = [space["box"]]  # untouched, so it stays the teacher's own
    get(one, "f")(boxes[0], space["config"])
    with pytest.raises(AttributeError):
        get(one, "f")(boxes, boxes)
    assert boxes == [space["box"]]


def test_a_stand_in_goes_home(student):
    one = student("class Box2:\n    n = 4\ndef f():\n    return Box2()\n"
                  "def g(b):\n    return b.n, type(b) is Box2")  # fmt: skip
    made = get(one, "f")()
    assert type(made).__name__ == "Box2" and made.n == 4 and get(one, "g")(made) == (4, True)


def test_objects_are_used_but_never_compared(student):
    one = student("""
class Thing:
    def __init__(self):
        self.items = [1, 2, 3]
    def __len__(self):
        return 3
    def __getitem__(self, key):
        return self.items[key]
    def __eq__(self, other):
        return True
    def __bool__(self):
        return True
    def add(self, n, *, twice=False):
        self.items.append(n * (1 + twice))
        return self.items
value = Thing()
""")
    thing = get(one, "value")
    assert len(thing) == 3 and thing[1] == 2 and thing[:2] == [1, 2]
    assert thing.add(4, twice=True) == [1, 2, 3, 8] == thing.items
    thing.items = [5]
    assert thing[0] == 5
    for use in (lambda: thing == 1, lambda: bool(thing), lambda: thing + 1, lambda: hash(thing)):
        with pytest.raises(TypeError):
            use()
    with pytest.raises(AttributeError):
        thing._hidden  # noqa: B018
    with pytest.raises(AttributeError):
        thing.missing  # noqa: B018
    with pytest.raises(checks.CheckError):
        checks.close(thing, [5])


def test_generators_and_iterators(student):
    one = student("def f(n):\n    for i in range(n):\n        yield torch.full((2,), i)\n"
                  "def g():\n    yield 1\n    raise KeyError('later')\n"
                  "value = {'a': 1}.items()")  # fmt: skip
    found = list(get(one, "f")(3))
    assert [int(x[0]) for x in found] == [0, 1, 2]
    running = get(one, "f")(2)
    assert iter(running) is not None and int(next(running)[0]) == 0
    with pytest.raises(KeyError):
        list(get(one, "g")())
    assert list(get(one, "value")) == [("a", 1)]


def test_a_generator_without_end_ends_with_its_check(student):
    one = student("def f():\n    while True:\n        yield 1\nvalue = 1")
    with pytest.raises(StudentCodeTimeout, match="one check"):
        list(get(one, "f")())
    check(one, 1)
    assert get(one, "value") == 1


# --- modules ---

HEAD = """
class Head(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.linear = nn.Linear(size, 2)
        self.drop = nn.Dropout(0.5)
        self.register_buffer("steps", torch.zeros(1))
    def forward(self, x):
        return self.drop(self.linear(x))
def f(module, x):
    return module(x) + 1
"""


def test_modules(student):
    head = get(one := student(HEAD), "Head")(3)
    assert isinstance(head, nn.Module) and not isinstance(get(one, "f"), nn.Module)
    shapes = {name: tuple(p.shape) for name, p in head.named_parameters()}
    assert shapes == {"linear.weight": (2, 3), "linear.bias": (2,)}
    assert sum(p.numel() for p in head.parameters()) == 8
    state = head.state_dict()
    assert set(state) == {"linear.weight", "linear.bias", "steps"}
    ours = nn.Linear(3, 2)
    head.load_state_dict({**{f"linear.{k}": v for k, v in ours.state_dict().items()},
                          "steps": torch.ones(1)})  # fmt: skip
    head.eval()
    x = torch.randn(4, 3)
    assert torch.allclose(head(x), ours(x)) and torch.allclose(get(one, "f")(head, x), ours(x) + 1)
    assert torch.allclose(head.linear.weight, ours.weight) and head.training is False
    head.linear.load_state_dict(nn.Linear(3, 2).state_dict())
    assert type(head.linear.weight) is torch.Tensor and torch.equal(head.steps, torch.ones(1))


def test_gradients(student):
    one = student("def f(x, y):\n    return (x * y).sum(), x ** 2\n"
                  "def g(x):\n    return x.detach() * torch.ones(2, requires_grad=True)\n"
                  "def walk(x):\n    return torch.zeros(2)")  # fmt: skip
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    for function in (get(one, "f"), lambda x, y: ((x * y).sum(), x**2)):
        found = checks.gradients(function, x, y)
        assert torch.equal(found[0], y + 2 * x) and torch.equal(found[1], x)
    assert torch.equal(checks.gradients(get(one, "g"), x)[0], torch.zeros(2))
    with pytest.raises(Exception, match="grad"):
        checks.gradients(get(one, "walk"), x)


# --- what a call changes ---


def test_arguments_changed_in_place(student):
    one = student("""
def f(x, items, table, array):
    x.add_(1); items.append(3); table["b"] = 2; array[0] = 9
def g(x):
    x += 1
    return x.sum()
""")
    x, items, table, array = torch.zeros(2), [1], {"a": 1}, np.zeros(2)
    get(one, "f")(x, items, table, array=array)
    assert torch.equal(x, torch.ones(2)) and items == [1, 3] and table == {"a": 1, "b": 2}
    assert array[0] == 9
    with pytest.raises(checks.CheckError):
        checks.unchanged(torch.zeros(2), x)
    view = torch.zeros(3, 2)
    get(one, "g")(view[1])
    assert view.sum() == 2 and torch.equal(view[1], torch.ones(2))


def test_changes_are_undone_before_the_next_check(student):
    one = student("def f(x):\n    x.zero_()\ndef g(items):\n    items.clear()")
    x, items = torch.ones(2), [1, [2]]
    inner = items[1]
    get(one, "f")(x), get(one, "g")(items)
    assert x.sum() == 0 and items == []
    one.new_check()
    assert x.sum() == 2 and items == [1, [2]] and items[1] is inner


def test_a_change_that_cannot_be_taken_over(student):
    one = student("def f(x):\n    x.unsqueeze_(0)\ndef g(x):\n    x.data = torch.ones(7)")
    for name in ("f", "g"):
        with pytest.raises(StudentCodeError, match="changed"):
            get(one, name)(torch.zeros(2))


def test_sources_of_chance(student):
    one = student("def f(generator):\n    return torch.rand(3, generator=generator)\n"
                  "def g(rng):\n    return rng.random(2)")  # fmt: skip
    ours, theirs = (torch.Generator().manual_seed(5) for _ in range(2))
    for _ in range(2):  # the second draw goes on where the first one stopped
        assert torch.equal(get(one, "f")(theirs), torch.rand(3, generator=ours))
    ours, theirs = (np.random.default_rng(5) for _ in range(2))
    for _ in range(2):
        assert (get(one, "g")(rng=theirs) == ours.random(2)).all()


# --- exceptions ---


BUILT_IN = (ValueError, TypeError, KeyError, IndexError, RuntimeError, NotImplementedError,
            ZeroDivisionError, AssertionError, FileNotFoundError, UnicodeError)  # fmt: skip


@pytest.mark.parametrize("kind", BUILT_IN)
def test_built_in_exceptions_cross(student, kind):
    one = student(f"def f():\n    raise {kind.__name__}('because')\n"
                  f"class Own({kind.__name__}):\n    pass\ndef g():\n    raise Own(3)")  # fmt: skip
    for name in ("f", "g"):
        with pytest.raises(kind) as caught:
            get(one, name)()
        assert isinstance(caught.value, StudentCodeError)
        checks.raises(kind, get(one, name))
    assert "Own" in str(caught.value)


def test_tracebacks_show_the_students_lines_only(student):
    one = student("def helper(x):\n    return 1 / x\ndef f(x):\n    return helper(x)")
    with pytest.raises(ZeroDivisionError) as caught:
        get(one, "f")(0)
    text = caught.value.traceback
    assert "return helper(x)" in text and "return 1 / x" in text and "your notebook" in text
    assert "course_lib" not in text and "/" not in text.replace("1 / x", "")


OTHERS = ("SystemExit(0)", "KeyboardInterrupt", "GeneratorExit", "BaseException('x')",
          "StopIteration", "Warning('x')")  # fmt: skip


@pytest.mark.parametrize("raised", OTHERS)
def test_other_exceptions_are_the_students(student, raised):
    one = student(f"def f():\n    raise {raised}\nvalue = 1")
    with pytest.raises(StudentCodeError):
        get(one, "f")()
    check(one, 1)
    assert get(one, "value") == 1


def test_exceptions_that_lie_or_misbehave(student):
    one = student("""
class Meta(type):
    __name__ = property(lambda cls: 3)
class Odd(Exception):
    def __str__(self):
        raise self
class Named(Exception, metaclass=Meta):
    pass
def f():
    raise Odd
def g():
    raise Named
def walk():
    raise type("ValueError", (BaseException,), {"__module__": "builtins"})
def sample():
    raise ValueError("\\ud800" * 5000)
""")
    for name in ("f", "g", "walk"):
        with pytest.raises(StudentCodeError) as caught:
            get(one, name)()
        assert not isinstance(caught.value, ValueError)
        check(one, 1)
    with pytest.raises(ValueError) as caught:
        get(one, "sample")()
    assert len(str(caught.value)) < 2100 and "\ud800" not in str(caught.value)


def test_what_went_wrong_in_a_cell_is_kept(student):
    one = student("1 / 0", "def f(:", "value = 1")
    assert get(one, "value") == 1
    assert "ZeroDivisionError" in str(one.problem_of(0)) and "1 / 0" in one.problem_of(0).traceback
    assert "SyntaxError" in str(one.problem_of(1)) and one.problem_of(2) is None


# --- hangs, deaths, floods ---


def test_a_cell_that_hangs_is_left_out(student):
    one = student("value = 1", "while True:\n    pass", "other = value + 1")
    assert get(one, "value") == 1 and get(one, "other") == 2
    assert "left out" in str(one.problem_of(1)) and one.generation == 2


def test_a_cell_that_dies_is_left_out(student):
    one = student("value = 1", "import os\nos._exit(1)", "import ctypes\nctypes.string_at(0)",
                  "other = 2")  # fmt: skip
    assert get(one, "value") == 1 and get(one, "other") == 2 and one.generation == 3


def test_a_call_that_hangs_costs_only_itself(student):
    one = student("import time\nstart = time.time()", "def f():\n    while True:\n        pass",
                  "def g():\n    return 2")  # fmt: skip
    f, g = get(one, "f"), get(one, "g")
    with pytest.raises(StudentCodeTimeout):
        f()
    with pytest.raises(StudentCodeDied, match="ended"):
        g()
    check(one, 3)  # a new process, in which all cells run again
    with pytest.raises(StudentCodeDied, match="gone"):
        g()  # a stand-in for something of the old process
    assert get(one, "g")() == 2


def test_an_innocent_cell_is_not_blamed_for_a_late_death(student):
    one = student("import os, threading\ndef f():\n"
                  "    threading.Timer(0.1, os._exit, [0]).start()\n    return 1",
                  "import time\ntime.sleep(0.5)\nvalue = 2", run=False)  # fmt: skip
    check(one, 1)
    assert get(one, "f")() == 1
    check(one, 2)
    assert get(one, "value") == 2 and one.problem_of(1) is None


def test_it_is_given_up_in_the_end(student):
    one = student(*["import os\nos._exit(0)"] * 10, run=False)
    with pytest.raises(StudentCodeDied, match="given up"):
        check(one, 10)


def test_the_time_for_all(student):
    one = student(*["import time\ntime.sleep(30)"] * 15, run=False)
    started = time.monotonic()
    with pytest.raises((StudentCodeTimeout, StudentCodeDied)):
        check(one, 15)
    assert time.monotonic() - started < 2 * LIMITS.total_seconds


FLOODS = {
    "memory": "x = []\nwhile True:\n    x.append(bytes(1 << 24))",
    "memory of processes": "import os, time\nfor _ in range(20):\n    if os.fork() == 0:\n"
    "        x = b'x' * (500 << 20)\n        time.sleep(60)\ntime.sleep(60)",
    "processes": "import os\nwhile True:\n    try:\n        os.fork()\n"
    "    except OSError:\n        pass",
    "threads": "import threading, time\nwhile True:\n"
    "    threading.Thread(target=time.sleep, args=[60]).start()",
    "busy processes": "import os\nfor _ in range(30):\n    if os.fork() == 0:\n"
    "        break\nwhile True:\n    pass",
    "disk": "n = 0\nwhile True:\n    n += 1\n    open(f'/tmp/{n}', 'wb').write(bytes(1 << 22))",
}


@pytest.mark.parametrize("flood", FLOODS)
def test_floods_end_and_leave_nothing(student, warm, flood):
    started = time.monotonic()
    one = student(FLOODS[flood], "import os\nvalue = os.listdir('/tmp')", "other = 3", run=False)
    check(one, 3)
    assert time.monotonic() - started < 20 and one.problem_of(0) is not None
    assert get(one, "other") == 3
    one.stop()
    warm.new_worker().close()  # the next student's process takes the place
    children = psutil.Process(warm.process.pid).children(recursive=True)
    # bubblewrap's first, the warm one, its fork that serves, a guard, the student's
    assert len(children) <= 5, children


def test_what_calls_leave_running_is_ended(student):
    one = student("""
import os, time
value = 1
def f():
    for _ in range(20):
        if os.fork() == 0:
            time.sleep(1.5)
            while True:
                pass
    return 2
""")
    assert get(one, "f")() == 2
    for _ in range(100):
        time.sleep(0.05)
        check(one, 1)
        if one.generation == 2:
            break
    assert get(one, "value") == 1 and one.generation == 2


def test_the_next_student_finds_nothing_of_the_last(student):
    student("import os, builtins, torch, sys\nopen('/scratch/x', 'w').write('1')\n"
            "open('/tmp/x', 'w').write('1')\nopen('/dev/shm/x', 'w').write('1')\n"
            "builtins.trace = torch.trace_left = sys.trace_left = os.environ['LEFT'] = '1'\n"
            "torch.manual_seed(5); torch.set_default_dtype(torch.float64)")  # fmt: skip
    one = student("""
import builtins, os, sys
value = [*os.listdir('/scratch'), *os.listdir('/tmp'), *os.listdir('/dev/shm')]
other = [hasattr(builtins, 'trace'), hasattr(torch, 'trace_left'), hasattr(sys, 'trace_left'),
         'LEFT' in os.environ, torch.get_default_dtype()]
""")
    course = {folder.parts[2] for folder in sandbox.visible_folders()
              if folder.parts[1] == "tmp"}  # fmt: skip
    assert set(get(one, "value")) <= course and get(one, "other") == [False] * 4 + [torch.float32]


def test_many_calls_take_little_time(student):
    f = get(student("def f(x):\n    return x + 1"), "f")
    used = time.process_time()
    for _ in range(300):
        f(torch.zeros(8))
    assert time.process_time() - used < 1.9
