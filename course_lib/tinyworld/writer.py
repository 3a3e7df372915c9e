"""Putting tinyworld's words on paper: seeded choices, actors, and one word at a time.

`tinyworld.grammar` decides which sentences a document has; here they get their words, and each
word the truth that is known when it is written (`tinyworld.labels.settle` adds the rest).
"""

import random
from dataclasses import dataclass

from course_lib.tinyworld import words as words
from course_lib.tinyworld.labels import Document, Token


class Dice:
    """Seeded choices, built on `random()` alone so that they never change."""

    def __init__(self, seed: int, index: int):
        self.random = random.Random(f"tinyworld/{seed}/{index}").random

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def pick(self, items):
        return items[int(self.random() * len(items))]

    def sample(self, items, count: int) -> list:
        return sorted(items, key=lambda _: self.random())[:count]


@dataclass
class Actor:
    """A person or a group, and the facts about it that persist."""

    number: int
    gender: str                  # "woman", "man" or "group": decides the pronoun
    name: str
    surname: str
    object: str
    color: str
    place: str                   # changes when the object is moved

    @property
    def plural(self) -> bool:
        return self.gender == "group"


class Writer:
    """Writes one document; `self.document` grows by a token at a time."""

    def __init__(self, dice: Dice, document: Document):
        self.dice, self.document, self.sentence = dice, document, 0

    def add(self, text: str, kind: str = "function", role: str | None = None, **truth) -> int:
        """Append a word, return its index."""
        role = role or ("content" if kind in ("verb", "weather") else "function")
        self.document.tokens.append(Token(text, kind, role, sentence=self.sentence, **truth))
        return len(self.document.tokens) - 1

    def say(self, text: str) -> None:
        for word in text.split():
            self.add(word, "mark" if word in ".," else "function")

    def auxiliary(self, subject: int, plural: bool) -> None:
        self.add(words.AUXILIARIES[self.document.tense][plural], "auxiliary", "agreement",
                 link=subject)

    def entity(self, parts: list[str], kind: str, tag: str) -> int:
        """A town or a firm of one or two words; returns its first word."""
        indices = [self.add(part, kind, tag=f"{'I' if i else 'B'}-{tag}")
                   for i, part in enumerate(parts)]
        return indices[0]

    def named(self, actor: Actor) -> int:
        """Name the actor; one person in seven with a surname."""
        if actor.plural:
            self.say("the")
            return self.add(actor.name, "name", actor=actor.number)
        head = self.add(actor.name, "name", tag="B-PER", actor=actor.number)
        if self.dice.chance(0.15):
            self.add(actor.surname, "surname", tag="I-PER", actor=actor.number)
        return head

    def pronoun(self, actor: Actor) -> int:
        return self.add(words.PRONOUNS[actor.gender], "pronoun", "pronoun", actor=actor.number)

    def thing(self, actor: Actor) -> int:
        """The actor's object with its color; one time in ten without."""
        self.say("the")
        if self.dice.chance(0.9):
            self.add(actor.color, "color")
        return self.add(actor.object, "object")

    def at(self, place: str, preposition: str = "at") -> int:
        self.say(f"{preposition} the")
        return self.add(place, "place")
