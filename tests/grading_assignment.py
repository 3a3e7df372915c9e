"""A small assignment for the tests of the grader: a function, a module, a generator, a number."""

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

SETUP = """
import math
import torch
from torch import nn
from course_lib import checks
from course_lib.config import ModelConfig

torch.manual_seed(0)
config = ModelConfig(hidden_size=16, num_heads=2)


class Box:  # an object of the teacher's, made on both sides
    def __init__(self, size):
        self.size = size


box = Box(3)
"""

WEIGHTS = '''
def weights(q, k):
    """Attention weights (T, S) of queries q (T, K) and keys k (S, K)."""
    ### BEGIN SOLUTION
    return (q @ k.T / math.sqrt(q.shape[-1])).softmax(-1)
    ### END SOLUTION
'''

CHECK_WEIGHTS = """
q, k = torch.randn(3, 4), torch.randn(5, 4)
expected = (q @ k.T / 2).softmax(-1)
before = q.clone()
result = weights(q, k)
checks.close(result, expected, "weights", hints={"shape": "queries are rows"})
checks.true(torch.equal(q, before), "q was changed", "q is as before")
### BEGIN HIDDEN TESTS
secret_q, secret_k = torch.randn(7, 9), torch.randn(2, 9)
expected = (secret_q @ secret_k.T / 3).softmax(-1)
checks.close(weights(secret_q, secret_k), expected, "SECRET-CHECK")
### END HIDDEN TESTS
"""

HEAD = '''
class Head(nn.Module):
    """Scale the input by a learned number."""

    def __init__(self, config):
        ### BEGIN SOLUTION
        super().__init__()
        self.scale = nn.Parameter(torch.ones(config.hidden_size))
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        return x * self.scale
        ### END SOLUTION
'''

CHECK_HEAD = """
head = Head(config)
checks.true(isinstance(head, nn.Module), "Head is no nn.Module", "Head is a module")
names = {name: tuple(p.shape) for name, p in head.named_parameters()}
checks.close(names, {"scale": (16,)}, "parameters")
head.load_state_dict({"scale": torch.arange(16.0)})
x = torch.randn(2, 16)
expected = x * torch.arange(16.0)
checks.close(head(x), expected, "head(x)")
### BEGIN HIDDEN TESTS
small = Head(config.replace(hidden_size=4, num_heads=1))
x = torch.randn(3, 4)
expected = x.clone()
checks.close(small(x), expected, "SECRET small head")
checks.close(head.scale, torch.arange(16.0), "SECRET scale")
### END HIDDEN TESTS
"""

BATCHES = '''
def batches(rows, size):
    """Yield lists of `size` rows; raise ValueError for a size below 1."""
    ### BEGIN SOLUTION
    if size < 1:
        raise ValueError(f"size is {size}")
    return (rows[start : start + size] for start in range(0, len(rows), size))
    ### END SOLUTION
'''

CHECK_BATCHES = """
checks.close(list(batches([1, 2, 3, 4, 5], 2)), [[1, 2], [3, 4], [5]], "batches")
checks.raises(ValueError, batches, [1], 0, name="batches of 0")
### BEGIN HIDDEN TESTS
checks.close(list(batches(list(range(7)), 3)), [[0, 1, 2], [3, 4, 5], [6]], "SECRET")
checks.raises(ValueError, batches, [1, 2], -4, name="SECRET -4")
### END HIDDEN TESTS
"""

NUMBER = """
share = ...  # of the weight that a softmax over 8 equal scores gives to each
### BEGIN SOLUTION
share = 1 / 8
### END SOLUTION
"""

CHECK_NUMBER = """
checks.true(type(share) is float, "a plain number is needed", "share is a number")
### BEGIN HIDDEN TESTS
checks.close(share, 0.125, "SECRET share")
### END HIDDEN TESTS
"""

TASKS = {
    "weights": (WEIGHTS, CHECK_WEIGHTS, 3),
    "head": (HEAD, CHECK_HEAD, 4),
    "batches": (BATCHES, CHECK_BATCHES, 2),
    "number": (NUMBER, CHECK_NUMBER, 1),
}


def marks(grade_id, **flags):
    """nbgrader's metadata of a cell."""
    base = dict(grade=False, solution=False, locked=False, task=False, schema_version=3)
    return {"nbgrader": base | flags | {"grade_id": grade_id}}


def assignment() -> nbformat.NotebookNode:
    """The teacher's notebook."""
    cells = [
        new_markdown_cell("# Exercise", id="title"),
        new_code_cell(SETUP.strip(), id="setup", metadata=marks("setup", locked=True)),
    ]
    for number, (name, (answer, check, points)) in enumerate(TASKS.items(), start=1):
        text = f"## Task {number}: {name}\n*difficulty ●○○ · {points} points · about 5 minutes*"
        cells += [
            new_markdown_cell(text, id=f"text-{name}"),
            new_code_cell(answer.strip(), id=name, metadata=marks(name, solution=True)),
            new_code_cell(check.strip(), id=f"check-{name}", metadata=marks(
                f"check-{name}", grade=True, locked=True, points=points)),
        ]  # fmt: skip
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})
