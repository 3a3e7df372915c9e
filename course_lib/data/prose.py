"""From a docstring to its prose: tables, code, lists of parameters and markup are left out."""

import re

MIN_WORDS = 12                   # a text shorter than this says too little
MIN_WORDS_IN_PARAGRAPH = 6

_ROLE = re.compile(r":[\w:.+-]+:`~?(?:[\w.]*\.)?([^`<>]+?)(?:\s*<[^`>]*>)?`")  # :class:`a.B` -> B
_LINK = re.compile(r"`([^`<>]+?)\s*<[^`>]*>`_{0,2}|\[([^\]]+)\]\([^)]*\)")  # -> their text
_MARKS = re.compile(r"``?|\*\*|(?<!\w)\*(?=\w)|(?<=\w)\*(?!\w)")
_FIELD = re.compile(r"^\s*(:\w+.*:|@\w+|\.\. |>>>|\.\.\. |[-*+•] |\d+[.)] |#|\||=+|-{3,}|~{3,}|"
                    r"\+--|\w[\w, *\[\].|]*\s*(\([^)]*\)|)\s*:(\s|$))")
_WORD = re.compile(r"[A-Za-z][a-z'’-]*")
_COMMON = frozenset("""the a of to is in and that for this it be with by if as are an or on not from
which when can will at has used all any its only no one you we was have""".split())


def prose(docstring: str) -> str:
    """The paragraphs of English in a docstring, on one line; "" if there is too little."""
    kept = [text for text in map(_clean, _paragraphs(docstring)) if _is_prose(text)]
    text = " ".join(kept)
    return text if len(_WORD.findall(text)) >= MIN_WORDS else ""


def _paragraphs(docstring: str) -> list[str]:
    """Blocks between blank lines that are not set in, nor a field, list, example or title."""
    blocks = re.split(r"\n\s*\n", docstring.expandtabs())
    found = []
    for block in blocks:
        lines = block.strip("\n").split("\n")
        plain = not any(line.startswith("   ") or _FIELD.match(line) for line in lines)
        if plain:
            found.append(" ".join(line.strip() for line in lines))
    return found


def _clean(text: str) -> str:
    text = _ROLE.sub(r"\1", text)
    text = _LINK.sub(lambda match: match[1] or match[2], text)
    return re.sub(r"\s+", " ", _MARKS.sub("", text)).strip().removesuffix("::")


def _is_prose(text: str) -> bool:
    """Enough words, most of the characters in words, some of the commonest English words."""
    words = _WORD.findall(text)
    if len(words) < MIN_WORDS_IN_PARAGRAPH or not text.isascii() or not text[0].isalpha():
        return False
    if text[-1] not in ".!?:" or sum(map(len, words)) < 0.7 * len(text):
        return False
    return sum(word.lower() in _COMMON for word in words) >= 0.15 * len(words)
