"""A quicker start of the processes that grading needs."""

import sys


def skip_slow_import() -> None:
    """Let `jsonschema`, which nbformat needs, do without its optional check of web addresses: the
    grammar of that check takes 1.5 s to build, and notebooks hold nothing for it to look at."""
    sys.modules.setdefault("rfc3987_syntax", None)
