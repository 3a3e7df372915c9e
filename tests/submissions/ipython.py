"""Attacks through IPython: hooks, magics, input transformers, exception handlers."""

from submissions.case import hostile

KIND = "IPython"
LAZY = "def weights(q, k):\n    return torch.zeros(len(q), len(k))\n"


@hostile(KIND, loses="weights")
def hooks_around_cells(trap):
    return {
        "weights": LAZY
        + """
def always(*args, **kwargs):
    globals()["result"] = globals()["expected"] = torch.zeros(3, 5)
for event in ("pre_execute", "post_execute", "pre_run_cell", "post_run_cell"):
    get_ipython().events.register(event, always)
"""
    }


@hostile(KIND, loses="weights", may_lose="head batches number")
def input_transformer(trap):
    return {
        "weights": LAZY
        + """
def empty(lines):
    return ["pass"]
get_ipython().input_transformers_cleanup.append(empty)
get_ipython().input_transformers_post.append(empty)
"""
    }


@hostile(KIND, loses="weights", may_lose="batches")
def syntax_tree_transformer(trap):
    return {
        "weights": LAZY
        + """
import ast
class NoAsserts(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
    def visit_Raise(self, node):
        return ast.Pass()
get_ipython().ast_transformers.append(NoAsserts())
"""
    }


@hostile(KIND, loses="weights")
def exception_handler(trap):
    return {
        "weights": LAZY
        + """
get_ipython().set_custom_exc((BaseException,), lambda *args, **kwargs: None)
get_ipython().showtraceback = lambda *args, **kwargs: None
import sys
sys.excepthook = lambda *args: None
"""
    }


@hostile(KIND, loses="weights", may_lose="head batches number")
def another_run_cell(trap):
    return {
        "weights": LAZY
        + """
import types
done = types.SimpleNamespace(error_before_exec=None, error_in_exec=None, success=True)
get_ipython().run_cell = lambda *args, **kwargs: done
"""
    }


@hostile(KIND, loses="weights", may_lose="head batches number")
def namespace_that_answers(trap):
    return {
        "weights": LAZY
        + """
class Everything(dict):
    def __contains__(self, name):
        return True
    def __missing__(self, name):
        return 0.125
get_ipython().user_ns = Everything(get_ipython().user_ns)
"""
    }


@hostile(KIND, loses="weights", may_lose="head batches")
def magic_commands(trap):
    return {
        "weights": f"""
ip = get_ipython()
ip.run_line_magic("cd", "/")
ip.run_line_magic("env", "COURSE_GRADER_PLAN=/tmp/plan.json")
open("/tmp/evil.py", "w").write("share = 1")
ip.run_line_magic("run", "/tmp/evil.py")
ip.system("sleep {trap.nap} & kill -9 1; cat {trap.solution}; echo x > {trap.file}")
ip.run_line_magic("load_ext", "autoreload")
ip.run_line_magic("reset", "-f")
"""
        + LAZY
    }


@hostile(KIND, loses="weights")
def shell_lines(trap):
    return {
        "weights": f"!kill -9 1\n!kill -9 -1\n!cat {trap.solution} > /tmp/found\n"
        f"!rm -rf / --no-preserve-root\n!echo reached > {trap.file}\n"
        f"!nohup sleep {trap.nap} &\n%killbgscripts\n" + LAZY
    }


@hostile(KIND, loses="weights number", says="left out")
def endless_shell_line(trap):
    return {"number": f"!sleep {trap.nap}\nshare = 1 / 8", "weights": "%%bash\nexit 1"}


@hostile(KIND, loses="weights")
def comm_and_kernel(trap):
    return {
        "weights": """
from ipykernel.comm import Comm
from IPython.display import Javascript, display
display(Javascript("IPython.notebook.kernel.restart()"))
try:
    Comm(target_name="grader").send({"passed": True})
    get_ipython().kernel.do_shutdown(False)
except Exception:
    pass
"""
        + LAZY
    }
