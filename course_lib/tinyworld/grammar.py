"""How a tinyworld document comes about: a small grammar with seeded choices.

A document follows one or two actors of one topic from day to day, one sentence a day. What a
reader (or a model) can find out about it:

* agreement - `is` or `are`, `was` or `were` go with the subject, the tense with the document
* pronouns  - "While she is at the mill, Anna is oiling the clock.": what decides `she` often
              stands to its right
* facts     - an actor's object, its color and its place stay the same (a place: until the object
              is moved), so a word can be copied from another sentence, to the left or the right
* order     - each day is the day after, and things are moved away from where they were. All days
              begin a document equally often: one sentence alone does not tell its position
* sentiment - words of praise or of blame, each topic with its own, agree within a document, and
              "not" turns an adjective round
* entities  - people, towns and firms; a name such as Austin may be any of the three

Document `index` of a seed depends on these two numbers alone: not on the machine, the Python
version or PYTHONHASHSEED. (All choices come from `random.Random(text).random()`, which Python
promises to keep stable.)
"""

from collections.abc import Callable

from course_lib.tinyworld import words as words
from course_lib.tinyworld.labels import Document, Event, settle
from course_lib.tinyworld.writer import Actor, Dice, Writer


class Story(Writer):
    """One document: who is in it, what stays true, and its sentences."""

    def __init__(self, dice: Dice):
        topic = dice.pick(tuple(words.TOPICS))
        super().__init__(dice, Document(topic, dice.pick(words.SENTIMENTS),
                                        dice.pick(tuple(words.AUXILIARIES))))
        self.topic = words.TOPICS[topic]
        self.day = int(dice.random() * len(words.DAYS))
        self.actors = self._actors(2 if dice.chance(0.3) else 1)
        # drawn without repetition, so that a verb names one event of the document
        self.verbs = dice.sample(self.topic.verbs, 5)
        self.moving = dice.sample(words.MOVING, 4)
        self.opinions = dice.sample(words.OPINION_VERBS[self.document.sentiment], 4)
        self.town, self.firm = self._town_and_firm()

    # --- who and where -------------------------------------------------------------------

    def _actors(self, count: int) -> list[Actor]:
        """Actors with different pronouns, objects, colors and places."""
        dice, topic = self.dice, self.topic
        genders = dice.sample(("woman", "man", "group"), count)
        objects, colors = dice.sample(topic.objects, count), dice.sample(words.COLORS, count)
        places, surnames = dice.sample(topic.places, count), dice.sample(words.SURNAMES, count)
        return [Actor(i, genders[i], self._name(genders[i]), surnames[i], objects[i], colors[i],
                      places[i]) for i in range(count)]

    def _name(self, gender: str) -> str:
        if gender == "group":
            return self.topic.workers
        known = {"woman": (words.WOMEN, words.AMBIGUOUS_WOMEN),
                 "man": (words.MEN, words.AMBIGUOUS_MEN)}[gender]
        return self.dice.pick(known[self.dice.chance(0.25)])

    def _town_and_firm(self) -> tuple[list[str], list[str]]:
        """One town and one firm a document; three in ten bear a name that may be a person's."""
        dice = self.dice
        free = [name for name in words.AMBIGUOUS if name not in {a.name for a in self.actors}]
        odd_town, odd_firm = dice.sample(free, 2)
        town = [dice.pick(words.TOWNS)]
        if dice.chance(0.3):
            town = [odd_town]
        elif dice.chance(0.3):
            town = [dice.pick(words.TOWN_PREFIXES), *town]
        firm = [dice.pick(words.SURNAMES), dice.pick(words.FIRM_KINDS)]
        return town, ([odd_firm] if dice.chance(0.3) else firm)

    # --- sentences -----------------------------------------------------------------------

    def dated(self, write: Callable[[], Event | None], front: bool = True) -> None:
        """A sentence with its day, at the front or at the end; one in seven leaves it out."""
        shown = self.dice.chance(0.85)
        day = self._on_day() if shown and front else -1
        event = write()
        if shown and not front:
            day = self._on_day()
        self.say(".")
        if event is not None:
            event.day = day
            self.document.events.append(event)
        self.day = (self.day + 1) % len(words.DAYS)
        self.sentence += 1

    def _on_day(self) -> int:
        self.say("on")
        return self.add(words.DAYS[self.day], "day")

    def action(self, actor: Actor, form: str, opinion: bool) -> Event:
        """`form` says where the actor's name stands: "name", "pronoun" (nowhere), and
        "before" or "after": a pronoun before, or after, the name in the same sentence."""
        place = -1
        if form == "before":
            self.say("while")
            place = self._being_there(actor)
            self.say(",")
        subject = self.pronoun(actor) if form == "pronoun" else self.named(actor)
        self.auxiliary(subject, actor.plural)
        event = self._predicate(actor, opinion)
        if form == "after":
            self.say("while")
            place = self._being_there(actor)
        elif form != "before":
            place = self.at(actor.place)
        event.subject, event.place = subject, place
        return event

    def _being_there(self, actor: Actor) -> int:
        self.auxiliary(self.pronoun(actor), actor.plural)
        return self.at(actor.place)

    def _predicate(self, actor: Actor, opinion: bool) -> Event:
        if opinion:
            verb = self.add(self.opinions.pop(), "verb", "sentiment")
            return Event(verb, object=self.thing(actor))
        if self.dice.chance(0.15):
            self.add(self.dice.pick(words.ADVERBS[self.document.sentiment]), "adverb",
                     "sentiment")
        event = Event(self.add(self.verbs.pop(), "verb"), object=self.thing(actor))
        if self.dice.chance(0.15):
            self.say("for")
            self.entity(self.firm, "firm", "ORG")
        return event

    def move(self, actor: Actor, form: str) -> Event:
        """The object changes its place, and everything after it happens there."""
        subject = self.pronoun(actor) if form == "pronoun" else self.named(actor)
        self.auxiliary(subject, actor.plural)
        event = Event(self.add(self.moving.pop(), "verb"), subject, self.thing(actor))
        self.at(actor.place, "from")
        actor.place = self.dice.pick([p for p in self.topic.places if p != actor.place])
        event.place = self.at(actor.place, "to")
        return event

    def judgement(self, actor: Actor) -> None:
        """Adjectives about the object: two that agree, or one of the other kind after "not"."""
        thing = self.thing(actor)
        self.auxiliary(thing, actor.object in self.topic.plural)
        good = self.document.sentiment == "praise"
        if self.dice.chance(0.3):
            self.add("not", "negation", "sentiment")
            self.add(self.dice.pick(self.topic.blame if good else self.topic.praise),
                     "adjective", "sentiment")
            return
        first, second = self.dice.sample(self.topic.praise if good else self.topic.blame, 2)
        self.add(first, "adjective", "sentiment")
        self.say("and")
        self.add(second, "adjective", "sentiment")

    def news(self) -> None:
        """A firm or a town as the subject: only the verb to its right tells which it is."""
        if self.dice.chance(0.5):
            subject = self.entity(self.firm, "firm", "ORG")
            self.auxiliary(subject, False)
            self.add(self.dice.pick(words.FIRM_VERBS), "verb")
            self.say("workers in")
            self.entity(self.town, "town", "LOC")
        else:
            subject = self.entity(self.town, "town", "LOC")
            self.auxiliary(subject, False)
            self.add(self.dice.pick(words.TOWN_VERBS), "verb")
            self.add(self.dice.pick(words.WEATHER), "weather")

    # --- the whole -----------------------------------------------------------------------

    def write(self) -> Document:
        """Two sentences for each of two actors or three for one, in any order, and some news."""
        dice, alone = self.dice, len(self.actors) == 1
        plan = dice.sample([a for a in self.actors for _ in range(3 if alone else 2)], 9)
        judged, named = dice.sample(range(len(plan)), 2)  # where opinion and (alone) name stand
        news_at = int(dice.random() * (len(plan) + 1)) if dice.chance(0.25) else -1
        for position, actor in enumerate(plan):
            if position == news_at:
                self.dated(self.news)
            form = self._form(alone, position == named)
            self._sentence(actor, form, position == judged)
        if news_at == len(plan):
            self.dated(self.news)
        return settle(self.document)

    def _form(self, alone: bool, must_name: bool) -> str:
        """Where a lone actor's name stands is drawn evenly over the document."""
        if alone and not must_name and self.dice.chance(0.7):
            return "pronoun"
        return self.dice.pick(("name", "before", "before", "before", "before", "after"))

    def _sentence(self, actor: Actor, form: str, judged: bool) -> None:
        """One sentence of an actor: a judgement, a move or an action."""
        if judged and self.dice.chance(0.6):
            self.dated(lambda: self.judgement(actor))
        elif not judged and self.dice.chance(0.25):
            self.dated(lambda: self.move(actor, form))
        else:
            self.dated(lambda: self.action(actor, form, judged), form != "before")


def document(seed: int, index: int) -> Document:
    """Document `index` of the endless sequence that `seed` names."""
    return Story(Dice(seed, index)).write()
