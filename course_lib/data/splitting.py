"""Splitting text into sentences by rules, for English and Chinese.

BERT's next-sentence task and the packing of whole sentences need sentence ends. A mark ends a
sentence unless one of the rules below says that it belongs to a word (Mr., U.S., 3.5, J. Smith)
or that the sentence goes on ("Stop!" he said). Rules are quick, the same everywhere, and wrong
now and then; nothing of the text is lost but the white space between sentences.
"""

import re

# Before a name or a number: never the end of a sentence.
TITLES = frozenset("""mr mrs ms mx dr prof st mt ft rev fr gen col lt capt sgt cpl maj adm gov sen
rep hon pres messrs mme mlle vs cf viz ca approx esp e.g i.e""".split())
# Before a number only: "No. 5", "Fig. 3", "Jan. 5".
BEFORE_NUMBERS = frozenset("""no nos fig figs eq eqs sec ch chap vol vols pp p art par op jan feb
mar apr jun jul aug sep sept oct nov dec""".split())
# Also at the end of a sentence, which then shows in the next word.
ENDINGS = frozenset("""etc inc ltd co corp jr sr bros al dept univ est ave blvd rd a.m p.m
a.d b.c ph.d m.d b.a m.a u.s u.k u.n e.u d.c""".split())
# Words that begin a sentence more often than a name.
STARTERS = frozenset("""the a an this that these those it its he she they we you i there here his
her their our my in on at as if when while after before for from with but and or so yet however
although though since because by to one some many most all no not what who how why where then thus
also""".split())

_CHINESE_END = r"[!?]*[。！？][。！？!?]*[”’」』】）〕》\"']*"
_ENGLISH_END = r"[.!?…]+[\"'”’)\]»]*(?=\s)"
_END = re.compile(f"(?P<chinese>{_CHINESE_END})|(?P<english>{_ENGLISH_END})")
_NEXT = re.compile(r"\s+[\"'“‘(\[«—–-]*(?P<word>\w+)?")
_LAST_WORD = re.compile(r"[\w.&-]*$")
_ACRONYM = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_INITIAL = re.compile(r"[A-Z]")


def sentences(text: str) -> list[str]:
    """The sentences of `text` in order, without white space around them; [] for a blank text.

    A new line always ends a sentence. Raises TypeError if `text` is no string.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a string, not {type(text).__name__}: {text!r:.60}")
    return [sentence for line in text.splitlines() for sentence in _split_line(line)]


def _split_line(line: str) -> list[str]:
    found, start = [], 0
    for end in _END.finditer(line):
        if end["chinese"] or _ends_here(line, start, end):
            found.append(line[start:end.end()].strip())
            start = end.end()
    rest = line[start:].strip()
    return [sentence for sentence in found if sentence] + ([rest] if rest else [])


def _ends_here(line: str, start: int, end: re.Match) -> bool:
    """Does the mark `end` close the sentence that began at `start`?"""
    following = _NEXT.match(line, end.end())
    word = following["word"] if following else None
    if not word:  # a mark such as "-" or nothing at all comes next
        return following is None or not line[end.end():].strip()
    if word[0].islower():
        return False
    if end["english"][0] != "." or end["english"].startswith(".."):
        return True
    before = _LAST_WORD.search(line, start, end.start())[0].lstrip("-&.")
    return _dot_ends(before, word, is_first=line[start:end.start()].strip() == before)


def _dot_ends(before: str, word: str, is_first: bool) -> bool:
    """Does a single dot between `before` and `word` end the sentence?"""
    lower = before.lower()
    if lower in TITLES or (lower in BEFORE_NUMBERS and word[0].isdigit()):
        return False
    if is_first and (before.isdigit() or len(before) == 1):  # "1. The first", "A. Smith"
        return False
    if lower in ENDINGS or _ACRONYM.fullmatch(before):
        return word.lower() in STARTERS
    if _INITIAL.fullmatch(before) and before != "I":  # "J. Smith"; but "vitamin C. The"
        return word.lower() in STARTERS
    return True
