"""Is this a sentence of tinyworld? The grammar of `tinyworld.grammar`, read backwards.

    is_sentence("on monday anna is oiling the red clock at the mill .".split())   # True
    has_form("on monday anna are oiling the red bread at the mill .".split())     # True: form alone
"""

import re
from functools import cache
from itertools import product

from course_lib.tinyworld import words as w


def _any(*groups) -> str:
    """A pattern for one word of these lists."""
    return "(?:" + "|".join(sorted({word.lower() for group in groups for word in group})) + ")"


DAY, COLOR, SURNAME = f"on {_any(w.DAYS)}", _any(w.COLORS), _any(w.SURNAMES)
TOWN = f"(?:{_any(w.AMBIGUOUS)}|(?:{_any(w.TOWN_PREFIXES)} )?{_any(w.TOWNS)})"
FIRM = f"(?:{_any(w.AMBIGUOUS)}|{SURNAME} {_any(w.FIRM_KINDS)})"
PERSONS = {"she": _any(w.WOMEN, w.AMBIGUOUS_WOMEN), "he": _any(w.MEN, w.AMBIGUOUS_MEN)}


def _sentences(actor, pronoun, be, things, places, verbs, adjectives) -> str:
    """All sentences about one kind of actor, each part a pattern. things: with their own form of
    `to be`; adjectives: pairs (of this mood, of the other)."""
    the = f"the (?:{COLOR} )?"
    nouns = "(?:" + "|".join(noun for noun, _ in things) + ")"
    at, who = f"at the {places}", f"(?:{actor}|{pronoun})"
    adverbs, opinions = _any(*w.ADVERBS.values()), _any(*w.OPINION_VERBS.values())
    deed = (f"(?:{opinions} {the}{nouns}|(?:{adverbs} )?{verbs} {the}{nouns}(?: for {FIRM})?)")
    kinds = [
        f"(?:{DAY} )?{who} {be} {deed} {at}",
        f"while {pronoun} {be} {at} , {actor} {be} {deed}(?: {DAY})?",
        f"(?:{DAY} )?{actor} {be} {deed} while {pronoun} {be} {at}",
        f"(?:{DAY} )?{who} {be} {_any(w.MOVING)} {the}{nouns} from the {places} to the {places}",
        *(f"(?:{DAY} )?{the}{noun} {own} (?:not {other}|{mood} and {mood})"
          for (noun, own), (mood, other) in product(things, adjectives)),
    ]
    return "|".join(kinds)


@cache
def _exact() -> tuple[re.Pattern, ...]:
    """One pattern for each kind of actor, tense and topic."""
    made = []
    for (one, many), topic in product(w.AUXILIARIES.values(), w.TOPICS.values()):
        things = [(_any(topic.singular), one), (_any(topic.plural), many)]
        praise, blame = _any(topic.praise), _any(topic.blame)
        fixed = (things, _any(topic.places), _any(topic.verbs), [(praise, blame), (blame, praise)])
        for pronoun, names in PERSONS.items():
            made.append(_sentences(f"{names}(?: {SURNAME})?", pronoun, one, *fixed))
        made.append(_sentences(f"the {topic.workers}", "they", many, *fixed))
    for one, _ in w.AUXILIARIES.values():
        made.append(f"(?:{DAY} )?(?:{FIRM} {one} {_any(w.FIRM_VERBS)} workers in {TOWN}"
                    f"|{TOWN} {one} {_any(w.TOWN_VERBS)} {_any(w.WEATHER)})")
    return tuple(re.compile(f"(?:{pattern}) \\.") for pattern in made)


@cache
def _form() -> re.Pattern:
    """The same with all topics, genders, numbers and tenses mixed."""
    topics, be = list(w.TOPICS.values()), "(?:is|are|was|were)"
    adjective = _any(*(t.praise + t.blame for t in topics))
    actor = f"(?:{_any(*PERSONS_ALL)}(?: {SURNAME})?|the {_any([t.workers for t in topics])})"
    made = [_sentences(
        actor, "(?:she|he|they)", be, [(_any(*(t.objects for t in topics)), be)],
        _any(*(t.places for t in topics)), _any(*(t.verbs for t in topics)),
        [(adjective, adjective)])]
    made.append(f"(?:{DAY} )?(?:{FIRM} {be} {_any(w.FIRM_VERBS)} workers in {TOWN}"
                f"|{TOWN} {be} {_any(w.TOWN_VERBS)} {_any(w.WEATHER)})")
    return re.compile(f"(?:{'|'.join(made)}) \\.")


PERSONS_ALL = (w.WOMEN, w.MEN, w.AMBIGUOUS)


def is_sentence(words: list[str]) -> bool:
    """Whether the lower-case words are a sentence that tinyworld could write: form, agreement,
    pronoun, tense, and one topic."""
    return any(pattern.fullmatch(" ".join(words)) for pattern in _exact())


def has_form(words: list[str]) -> bool:
    """Whether the kinds of words stand in a right order, whatever goes together with what."""
    return bool(_form().fullmatch(" ".join(words)))
