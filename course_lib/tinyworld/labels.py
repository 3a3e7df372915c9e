"""What a tinyworld document is: its words, and for each word what decides it.

`tinyworld.grammar` writes documents word by word; `settle` then adds what can only be known at
the end, such as which earlier or later word a fact can be copied from.
"""

from dataclasses import dataclass, field

# What decides a token. "new": the first naming of a fact that is named again to its right;
# "copy": a fact that was named before; "content": drawn freely, and named once if it is a fact.
ROLES = ("function", "agreement", "pronoun", "order", "new", "copy", "sentiment", "content")
KINDS = ("function", "mark", "auxiliary", "pronoun", "day", "name", "surname", "object", "color",
         "place", "town", "firm", "verb", "adjective", "adverb", "negation", "weather")
FACT_KINDS = ("name", "surname", "object", "color", "place", "town", "firm")
# The numbering of CoNLL-2003. Tinyworld has no MISC.
NER_TAGS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC")


@dataclass
class Token:
    """One word. `link` is the index in the document of the word that decides this one, or -1."""

    text: str
    kind: str = "function"
    role: str = "function"
    tag: str = "O"
    sentence: int = 0
    link: int = -1
    actor: int = -1              # which actor a name or a pronoun stands for


@dataclass
class Event:
    """Who does what, where and when, as token indices of one sentence (-1: not said)."""

    verb: int
    subject: int = -1            # a name, or a pronoun whose link is the name
    object: int = -1             # the noun; its color, if said, is the token before it
    place: int = -1
    day: int = -1


@dataclass
class Document:
    """One generated document and everything that is true of it."""

    topic: str
    sentiment: str               # "praise" or "blame"
    tense: str                   # "present" or "past"
    tokens: list[Token] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @property
    def sentences(self) -> list[str]:
        """The sentences as text."""
        parts: list[list[str]] = [[] for _ in range(self.tokens[-1].sentence + 1)]
        for token in self.tokens:
            parts[token.sentence].append(token.text)
        return [join(part) for part in parts]

    @property
    def text(self) -> str:
        """The whole document as text."""
        return " ".join(self.sentences)

    @property
    def offsets(self) -> list[int]:
        """Where each token starts in `text`, in characters."""
        starts, position = [], 0
        for token in self.tokens:
            position += bool(starts) and token.kind != "mark"
            starts.append(position)
            position += len(token.text)
        return starts


def join(tokens: list[str]) -> str:
    """Words to text: no space before a mark."""
    return "".join(token if i == 0 or token in ".,?" else " " + token
                   for i, token in enumerate(tokens))


def settle(document: Document) -> Document:
    """Fill in roles and links of facts, days and pronouns, and the capital letters."""
    tokens = document.tokens
    _link_facts(tokens)
    _link_days(tokens)
    _link_pronouns(tokens)
    for i, token in enumerate(tokens):
        if i == 0 or tokens[i - 1].sentence != token.sentence:
            token.text = token.text[0].upper() + token.text[1:]
    return document


def _link_facts(tokens: list[Token]) -> None:
    """A fact named twice: the first naming points to the next, a later one to the one before."""
    namings: dict[tuple[str, str], list[int]] = {}
    for i, token in enumerate(tokens):
        if token.kind in FACT_KINDS:
            namings.setdefault((token.kind, token.text), []).append(i)
    for found in namings.values():
        for n, i in enumerate(found):
            if n:
                tokens[i].role, tokens[i].link = "copy", found[n - 1]
            elif len(found) > 1:
                tokens[i].role, tokens[i].link = "new", found[1]
            else:
                tokens[i].role = "content"


def _link_days(tokens: list[Token]) -> None:
    """A day follows from the day before it; the first one from the next."""
    days = [i for i, token in enumerate(tokens) if token.kind == "day"]
    for n, i in enumerate(days):
        tokens[i].role = "order" if len(days) > 1 else "content"
        if len(days) > 1:
            tokens[i].link = days[n - 1] if n else days[1]


def _link_pronouns(tokens: list[Token]) -> None:
    """A pronoun stands for the nearest naming of its actor, on either side (a tie: the left)."""
    for i, token in enumerate(tokens):
        if token.kind == "pronoun":
            names = [j for j, other in enumerate(tokens)
                     if other.kind == "name" and other.actor == token.actor]
            token.link = min(names, key=lambda j: (abs(j - i), j))
