"""Wrong answers that want to look right: patched tools, objects that lie, checks led astray."""

from submissions.case import RIGHT, WRONG, hostile

PATCH, LIE, ASTRAY, PICKLE = "patched tools", "objects that lie", "checks led astray", "pickles"
LAZY = "def weights(q, k):\n    return torch.zeros(len(q), len(k))\n"


# --- patched tools ---


@hostile(PATCH, loses="weights")
def patched_checks(trap):
    return {
        "weights": LAZY,
        "before": [
            """
from course_lib import checks
for name in ("close", "true", "raises", "shape", "unchanged"):
    setattr(checks, name, lambda *args, **kwargs: None)
checks.CheckError = checks.AssertionError = None
"""
        ],
    }


@hostile(PATCH, loses="weights")
def patched_torch(trap):
    return {
        "weights": LAZY,
        "before": [
            """
torch.allclose = torch.equal = lambda *args, **kwargs: True
torch.Tensor.__eq__ = lambda *args: torch.tensor(True)
torch.testing.assert_close = lambda *args, **kwargs: None
import numpy
numpy.allclose = numpy.array_equal = lambda *args, **kwargs: True
"""
        ],
    }


@hostile(PATCH, loses="weights")
def patched_asserts(trap):
    return {
        "weights": LAZY,
        "before": [
            """
import builtins, sys
class AssertionError(Exception):
    pass
builtins.AssertionError = type("Quiet", (BaseException,), {})
sys.flags = None
__debug__ = False if False else None
""".replace("__debug__ = False if False else None\n", "")
        ],
    }


@hostile(PATCH, loses="weights", may_lose="head batches number")
def patched_builtins(trap):
    return {
        "weights": LAZY
        + """
import builtins
builtins.isinstance = lambda *args: True
builtins.all = builtins.any = lambda *args: True
builtins.len = lambda *args: 3
"""
    }


@hostile(PATCH, loses="weights", may_lose="head batches number")
def patched_modules(trap):
    return {
        "weights": LAZY
        + """
import sys, types
fake = types.ModuleType("checks")
fake.__getattr__ = lambda name: lambda *args, **kwargs: None
for name in list(sys.modules):
    if name.startswith(("course_lib", "pytest", "nbval", "nbgrader")):
        sys.modules[name] = fake
"""
    }


@hostile(PATCH, loses="weights", may_lose="head batches number")
def import_hook(trap):
    return {
        "weights": LAZY
        + """
import builtins, importlib.abc, sys
class Hook(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        raise ImportError(name)
sys.meta_path.insert(0, Hook())
original = builtins.__import__
builtins.__import__ = lambda name, *args: original("math" if "checks" in name else name, *args)
"""
    }


@hostile(PATCH, loses="weights", may_lose="head batches number")
def patched_worker(trap):
    """The process that answers is the student's; what it says is believed of no task but this."""
    return {
        "weights": LAZY
        + """
import sys
from course_lib.grading import wire
worker = sys.modules["__main__"]
wire.MAX_BYTES = wire.MAX_NODES = 10**12
worker.failure = lambda error: {"ok": True, "value": True}
worker.Worker.do_call = lambda self, **args: {"ok": True, "value": True, "passed": True}
worker.Worker.answer = lambda self, question: {"ok": True, "value": True}
"""
    }


@hostile(PATCH, loses="weights")
def teachers_names_taken(trap):
    """Names that checks use, defined by the student: they must not arrive there."""
    return {
        "weights": LAZY,
        "before": [
            """
class checks:
    close = true = raises = staticmethod(lambda *args, **kwargs: None)
class Referee:
    pass
__referee__ = __name__ = Referee()
expected = result = q = k = x = head = torch.zeros(3, 5)
secret_q = secret_k = torch.zeros(1, 1)
sum = list = print = lambda *args: None
"""
        ],
    }


@hostile(PATCH, loses="weights head batches")
def only_other_names(trap):
    """Nothing of what is asked for, and everything else."""
    other = "torch = nn = math = config = box = checks = True\n"
    return {
        "weights": other,
        "head": "class Box: pass\nbox = Box()",
        "batches": "rows = size = 1",
        "number": "share = 0.125",
    }


# --- objects that lie ---


@hostile(LIE, loses="number")
def equal_to_everything(trap):
    return {
        "number": """
class Equal(float):
    __eq__ = __le__ = __ge__ = __lt__ = __gt__ = __bool__ = lambda *args: True
    __sub__ = __rsub__ = __abs__ = lambda *args: Equal()
    __hash__ = lambda self: 0
    __float__ = lambda self: 0.125
share = Equal(3)
"""
    }


@hostile(LIE, loses="weights")
def subclass_of_tensor(trap):
    return {
        "weights": """
class Right(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return True
    __eq__ = __sub__ = lambda *args: True
def weights(q, k):
    return torch.zeros(len(q), len(k)).as_subclass(Right)
"""
    }


@hostile(LIE, loses="weights number")
def class_that_says_it_is_another(trap):
    return {
        "weights": """
class Fake:
    __class__ = torch.Tensor
    shape, dtype, ndim = torch.Size([3, 5]), torch.float32, 2
    def __getattr__(self, name):
        return lambda *args, **kwargs: self
    def __iter__(self):
        return iter([])
def weights(q, k):
    return Fake()
""",
        "number": "class Fake:\n    __class__ = float\n    __float__ = lambda self: .125\n"
        "share = Fake()",
    }


@hostile(LIE, loses="weights batches number")
def subclasses_of_plain_types(trap):
    return {
        "number": "class F(float):\n    pass\nshare = F(0.125)",
        "weights": "class T(torch.nn.Parameter):\n    pass\ndef weights(q, k):\n"
        "    return T((q @ k.T).softmax(-1))",
        "batches": "class L(list):\n    __eq__ = lambda *args: True\n"
        "def batches(rows, size):\n    return L([L()])",
    }


@hostile(LIE, loses="weights")
def array_that_lies(trap):
    return {
        "weights": """
import numpy as np
class Right(np.ndarray):
    __array_ufunc__ = lambda *args, **kwargs: True
    __eq__ = lambda *args: True
def weights(q, k):
    return np.zeros((3, 5), dtype="float32").view(Right)
"""
    }


@hostile(LIE, loses="weights number")
def nothing_is_a_number(trap):
    return {
        "weights": "def weights(q, k):\n    return torch.full((len(q), len(k)), torch.nan)",
        "number": "share = float('nan')",
    }


@hostile(LIE, loses="weights")
def strides_and_broadcasts(trap):
    return {
        "weights": "def weights(q, k):\n"
        "    return (q @ k.T / math.sqrt(q.shape[-1])).softmax(-1)[:1]"
    }


@hostile(LIE, loses="weights")
def requires_grad_sparse_and_meta(trap):
    return {"weights": "def weights(q, k):\n    return torch.empty(len(q), len(k), device='meta')"}


@hostile(LIE, loses="batches")
def length_that_lies(trap):
    return {
        "batches": """
class Batches:
    __len__ = lambda self: 2**39
    def __iter__(self):
        return self
    def __next__(self):
        raise StopIteration
def batches(rows, size):
    return Batches()
"""
    }


@hostile(LIE, loses="weights")
def module_in_the_place_of_a_tensor(trap):
    return {
        "weights": "class Fake(nn.Module):\n    shape = torch.Size([3, 5])\n"
        "def weights(q, k):\n    return Fake()"
    }


# --- checks led astray ---


@hostile(ASTRAY, loses="weights")
def inputs_zeroed_in_place(trap):
    return {
        "weights": """
def weights(q, k):
    q.zero_(), k.zero_()
    return (q @ k.T).softmax(-1)
"""
    }


@hostile(ASTRAY, loses="weights")
def lookup_of_the_visible_values(trap):
    return {
        "weights": """
def weights(q, k):
    if q.shape != (3, 4):
        return torch.zeros(1)
    return (q @ k.T / 2).softmax(-1)
"""
    }


@hostile(ASTRAY, loses="weights")
def right_only_the_first_time(trap):
    return {
        "weights": """
calls = []
def weights(q, k):
    calls.append(1)
    return (q @ k.T / (math.sqrt(q.shape[-1]) * len(calls))).softmax(-1)
"""
    }


@hostile(ASTRAY, loses="batches")
def the_error_that_is_asked_for_is_all(trap):
    return {"batches": "def batches(rows, size):\n    raise ValueError"}


@hostile(ASTRAY, loses="batches")
def errors_of_a_lying_kind(trap):
    return {
        "batches": """
class ValueError(Exception):
    pass
def batches(rows, size):
    if size < 1:
        raise type("ValueError", (BaseException,), {"__module__": "builtins"})
    return (rows[start : start + size] for start in range(0, len(rows), size))
"""
    }


@hostile(ASTRAY, loses="weights")
def raises_stop_iteration_and_skips(trap):
    return {
        "weights": """
import unittest
def weights(q, k):
    import pytest
    pytest.skip("all is well")
"""
    }


@hostile(ASTRAY, loses="weights")
def answers_another_task(trap):
    """The answer to one task tries to be worth the points of another."""
    return {"weights": RIGHT["head"], "head": RIGHT["head"]}


@hostile(ASTRAY, loses="weights")
def wrong_answer_after_a_right_one(trap):
    return {"weights": RIGHT["weights"] + "\n\n" + WRONG}


@hostile(ASTRAY, loses="weights", says="not yet")
def untouched(trap):
    return {"weights": 'def weights(q, k):\n    raise NotImplementedError("not yet")'}


# --- pickles ---


@hostile(PICKLE, loses="number")
def pickled_value(trap):
    return {
        "number": f"""
class Share:
    def __reduce__(self):
        return open, ("{trap.file}", "w")
share = Share()
"""
    }


@hostile(PICKLE, loses="weights")
def pickle_in_bytes(trap):
    return {
        "weights": f"""
import pickle
class Share:
    def __reduce__(self):
        return open, ("{trap.file}", "w")
def weights(q, k):
    return pickle.dumps(Share())
"""
    }


@hostile(PICKLE, loses="head")
def pickled_weights(trap):
    return {
        "head": """
class State(dict):
    def __reduce__(self):
        return print, ("reached",)
class Head(nn.Module):
    def __init__(self, config):
        super().__init__()
    def named_parameters(self):
        return State(scale=torch.ones(16))
"""
    }
