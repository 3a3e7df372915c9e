"""Honest work, untidy as it is: all of it earns all points."""

from submissions.case import RIGHT, WRONG, cell, find, handed_in, honest, id_of

KIND = "honest"


@honest(KIND)
def the_solution(trap):
    return {}


@honest(KIND)
def helpers_in_cells_of_their_own(trap):
    return {
        "before": ["def scaled(q, k):\n    return q @ k.T / math.sqrt(q.shape[-1])"],
        "weights": "def weights(q, k):\n    return scaled(q, k).softmax(-1)",
    }


@honest(KIND)
def scratch_cells_that_raise(trap):
    return {"before": ["1 / 0", "undefined_name", "def half(:"], "after": ["raise KeyError(3)"]}


@honest(KIND)
def prints_and_pictures(trap):
    return {
        "weights": "print('start')\n"
        + RIGHT["weights"].replace("    return", "    print(q.shape)\n    return"),
        "before": [
            "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
            "from IPython.display import display\ndisplay(config)",
            "for i in range(1000):\n    print(i, end='\\r')",
        ],
    }


@honest(KIND)
def magics(trap):
    return {
        "before": [
            "%matplotlib inline\n%load_ext autoreload\n%autoreload 2",
            "%config InlineBackend.figure_format = 'retina'",
            "%%time\nx = 1",
            "!ls",
            "%timeit -n 1 -r 1 sum([1])",
            "%pip --version",
            "print??",
        ],
        "weights": "%matplotlib inline\n" + RIGHT["weights"],
        "number": "%precision 3\nshare = 1 / 8",
    }


@honest(KIND)
def names_in_other_scripts(trap):
    return {
        "weights": "def weights(q, k):\n    größe, 大小, π = math.sqrt(q.shape[-1]), 1, 3\n"
        "    return (q @ k.T / größe).softmax(-1)  # ✓ 🙂",
        "number": "# 共有\nshare = 1 / 8  # ½ of ¼",
    }


@honest(KIND)
def slow_but_right(trap):
    slow = "import time\ntime.sleep(0.6)\n"
    body = "    time.sleep(0.4)\n    return (q @"
    return {"weights": slow + RIGHT["weights"].replace("    return (q @", body)}


@honest(KIND)
def cells_in_another_order(trap):
    """Tasks from the last to the first, the set-up at the end."""
    made = handed_in()
    made["cells"] = [*made["cells"][2:][::-1], *made["cells"][:2]]
    return made


@honest(KIND)
def answers_below_all_checks(trap):
    made = handed_in()
    made["cells"].sort(key=lambda one: id_of(one) in RIGHT)
    return made


@honest(KIND)
def answer_given_twice(trap):
    """The last one counts, even where the first one hangs or raises."""
    made = handed_in({"weights": WRONG, "number": "raise ValueError('first try')"})
    for task in ("weights", "number"):
        first = find(made, task)
        place = made["cells"].index(first)
        made["cells"].insert(place + 1, first | {"source": RIGHT[task]})
    return made


@honest(KIND)
def check_deleted_by_accident(trap):
    made = handed_in()
    made["cells"].remove(find(made, "check-head"))
    return made


@honest(KIND)
def check_edited_to_try_something(trap):
    made = handed_in()
    find(made, "check-weights")["source"] = "print(weights(torch.ones(2, 3), torch.ones(2, 3)))"
    return made


@honest(KIND)
def check_copied_into_a_scratch_cell(trap):
    made = handed_in()
    copied = "".join(find(made, "check-weights")["source"])
    made["cells"].append(cell(copied + "\nassert False, 'a note to myself'"))
    return made


@honest(KIND)
def name_used_again_below_the_check(trap):
    """After the check of `weights` the student calls something else by that name."""
    made = handed_in()
    place = made["cells"].index(find(made, "check-weights"))
    made["cells"].insert(place + 1, cell("weights = [0.1, 0.2]\nshare = None"))
    return made


@honest(KIND)
def own_imports_and_annotations(trap):
    return {
        "weights": "from __future__ import annotations\nimport torch as t, math as m\n"
        "import torch.nn.functional as F\nfrom typing import Optional\n"
        "def weights(q: t.Tensor, k: Optional[t.Tensor]) -> t.Tensor:\n"
        "    return F.softmax(t.einsum('ik,jk->ij', q, k)\n"
        "                     / m.sqrt(q.size(-1)), dim=-1)"
    }


@honest(KIND)
def lambdas_closures_and_decorators(trap):
    return {
        "weights": """
from functools import lru_cache, wraps
def logged(function):
    @wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)
    return inner
root = lru_cache(lambda n: n ** 0.5)
weights = logged(lambda q, k: torch.softmax(q @ k.T / root(q.shape[-1]), dim=1))
"""
    }


@honest(KIND)
def object_in_the_place_of_a_function(trap):
    return {
        "weights": "class Weights:\n    def __call__(self, q, k):\n"
        "        return (q @ k.T / q.shape[1] ** .5).softmax(-1)\n"
        "weights = Weights()",
        "batches": """
class batches:
    def __init__(self, rows, size):
        if size < 1:
            raise ValueError("too small")
        self.rows, self.size, self.start = rows, size, 0
    def __iter__(self):
        return self
    def __next__(self):
        part = self.rows[self.start : self.start + self.size]
        self.start += self.size
        if not part:
            raise StopIteration
        return part
""",
    }


@honest(KIND)
def generator_and_own_exception(trap):
    return {
        "batches": """
class TooSmall(ValueError):
    pass
def batches(rows, size):
    if size < 1:
        raise TooSmall(f"{size} < 1")
    def parts():
        for start in range(0, len(rows), size):
            yield rows[start : start + size]
    return parts()
"""
    }


@honest(KIND)
def a_list_of_all_batches(trap):
    return {
        "batches": "def batches(rows, size):\n    if size < 1:\n        raise ValueError\n"
        "    return [rows[i:i + size] for i in range(0, len(rows), size)]"
    }


@honest(KIND)
def subclass_of_an_own_module(trap):
    return {
        "before": [
            "class Base(nn.Module):\n    def __init__(self, n):\n"
            "        super().__init__()\n"
            "        self.scale = nn.Parameter(torch.ones(n))"
        ],
        "head": "class Head(Base):\n    def __init__(self, config):\n"
        "        super().__init__(config.hidden_size)\n"
        "    def forward(self, x):\n        return self.scale * x",
    }


@honest(KIND)
def without_gradients(trap):
    return {"weights": "torch.set_grad_enabled(False)\n@torch.no_grad()\n" + RIGHT["weights"]}


@honest(KIND)
def other_seeds_and_settings(trap):
    return {
        "before": [
            "import random, numpy as np, warnings\ntorch.manual_seed(7)\n"
            "random.seed(7)\nnp.random.seed(7)\nwarnings.simplefilter('ignore')\n"
            "torch.set_printoptions(precision=2)\ntorch.set_num_threads(2)"
        ]
    }


@honest(KIND)
def processes_and_threads_of_its_own(trap):
    return {
        "weights": "from concurrent.futures import ThreadPoolExecutor\nimport subprocess\n"
        "subprocess.run(['true'])\ndef weights(q, k):\n"
        "    with ThreadPoolExecutor(4) as pool:\n"
        "        rows = pool.map(lambda row: row @ k.T, q)\n"
        "    return (torch.stack([*rows]) / q.shape[1] ** .5).softmax(-1)"
    }


@honest(KIND)
def files_of_its_own(trap):
    return {
        "before": [
            "open('notes.txt', 'w').write('mine')\nimport os\nos.makedirs('data')\n"
            "torch.save({'x': torch.ones(3)}, '/tmp/x.pt')",
            "import json\njson.dump([1], open('a', 'w'))",
        ],
        "weights": "assert open('notes.txt').read() == 'mine'\n" + RIGHT["weights"],
    }


@honest(KIND)
def await_at_top_level(trap):
    return {
        "before": ["import asyncio\nawait asyncio.sleep(0)\nvalue = 3"],
        "number": "assert value == 3\nshare = 1 / 8",
    }


@honest(KIND)
def exit_and_interrupt_in_scratch_cells(trap):
    return {
        "before": [
            "exit()",
            "quit",
            "raise SystemExit",
            "raise KeyboardInterrupt",
            "import sys\nsys.exit(3)",
        ]
    }


@honest(KIND)
def asks_for_input(trap):
    return {"before": ["name = input('Your name? ')", "%debug", "breakpoint = None"]}


@honest(KIND)
def a_loop_that_was_interrupted(trap):
    """A scratch cell that never ends: it is left out, and all others still count."""
    return {"after": ["while True:\n    pass"], "before": ["import time\ntime.sleep(1000)"]}


@honest(KIND)
def too_large_a_variable_of_its_own(trap):
    return {"before": ["big = torch.zeros(30_000_000)\nlong = list(range(2_000_000))"]}


@honest(KIND)
def numbers_of_numpy(trap):
    return {
        "batches": "import numpy as np\n" + RIGHT["batches"].replace("size < 1", "np.less(size, 1)")
    }
