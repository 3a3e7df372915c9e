"""A function watched while it runs, line by line."""

import inspect
import sys
import time


def walk(function, *inputs):
    """Run `function(*inputs)`; for each line that ran: code, comment, what it made, time.

    Returns a list of {"line", "meaning", "made": {name: value}, "seconds"}, in the order of the
    file; a line that ran several times has its times summed. Seconds are those of this thread.
    An error of the function is passed on. The source must be at hand (a file or a notebook cell).
    """
    source, first = inspect.getsourcelines(function)
    seen = _run(function, inputs, first)
    lines = {}
    for (place, before, start), (_, after, end) in zip(seen[:-1], seen[1:], strict=True):
        code, _, comment = source[place].strip().partition("#")
        line = lines.setdefault(
            place, {"line": code.strip(), "meaning": comment.strip(), "made": {}, "seconds": 0.0}
        )
        line["made"] |= {name: x for name, x in after.items() if before.get(name) is not x}
        line["seconds"] += end - start
    return [lines[place] for place in sorted(lines)]


def _run(function, inputs, first):
    """[(line, local names before it, seconds)] of a run, and of its return."""
    seen, outer = [], sys.gettrace()

    def look(frame, event, _value):
        if frame.f_code is not function.__code__:
            return None
        if event in ("line", "return"):
            seen.append((frame.f_lineno - first, dict(frame.f_locals), time.thread_time()))
        return look

    sys.settrace(look)
    try:
        function(*inputs)
    finally:
        sys.settrace(outer)
    return seen
