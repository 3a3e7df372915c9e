"""Text from students made harmless for pages, tables and terminals.

It may hold escape sequences that move a terminal's cursor, marks that turn the reading direction
around, NUL, half characters, or a hundred megabytes. Escaping for HTML or XML comes afterwards;
it would not touch any of these.
"""

import re
import unicodedata

MAX_TEXT = 12_000  # characters of one message or traceback that are kept
ESCAPE_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colors, cursor
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # window titles, links
    r"|\x1b[ -/]*[0-~]?"  # all others
)
JOINERS = "\u200c\u200d"  # harmless, and needed by some scripts and by emoji


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """`text` as plain characters, lines and tabs, valid in XML 1.0, at most `limit` long.

    What acts on its surroundings is dropped (escape sequences) or shown by number (U+202E).
    """
    text = shorten(text, 4 * limit)
    text = ESCAPE_SEQUENCE.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return shorten("".join(map(harmless, text)), limit)


def shorten(text: str, limit: int) -> str:
    """The beginning and the end: a traceback's last lines say most."""
    if len(text) <= limit:
        return text
    half = max(1, (limit - 40) // 2)
    return f"{text[:half]}\n... {len(text) - 2 * half:,} characters ...\n{text[-half:]}"


def harmless(char: str) -> str:
    if char in "\n\t" or char in JOINERS:
        return char
    kind = unicodedata.category(char)
    if kind in ("Cf", "Zl", "Zp"):  # direction marks, invisible characters, line separators
        return f"<U+{ord(char):04X}>"
    return "\ufffd" if kind in ("Cc", "Cs", "Cn", "Co") else char


def one_line(text: str, limit: int = 300) -> str:
    """The same on one line, for tables and terminals."""
    return " ".join(clean(text, limit).split())
