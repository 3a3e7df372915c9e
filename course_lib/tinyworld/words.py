"""The words of tinyworld, the generated language: what its people are called and what they do.

Nothing here is random and nothing is learned. `tinyworld.grammar` puts these words into
documents. Not quite 300 word types in all, each of them one token of `tinyworld.tokenizer()`.
"""

from dataclasses import dataclass

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
COLORS = ("red", "blue", "green", "yellow", "white", "black", "purple", "golden")

# People. A name decides the pronoun, and nothing else does.
WOMEN = ("Anna", "Clara", "Elena", "Helen", "Julia", "Maria", "Nora", "Sofia")
MEN = ("Adam", "Boris", "David", "Hugo", "Karl", "Leo", "Oscar", "Paul")
SURNAMES = ("Berg", "Cole", "Fisher", "Hall", "Lane", "Moss", "Reed", "Stone")

# Each of these may be a person, a town or a firm. Only the words to its right tell which.
AMBIGUOUS_WOMEN = ("Chelsea", "Florence", "Madison", "Victoria")
AMBIGUOUS_MEN = ("Austin", "Jordan", "Lincoln", "Morgan")
AMBIGUOUS = AMBIGUOUS_WOMEN + AMBIGUOUS_MEN

TOWNS = ("Ashford", "Brookfield", "Kilmore", "Linden", "Marlow", "Redwater", "Sandvik", "Tarn")
TOWN_PREFIXES = ("Lake", "North", "Port")  # "Port Marlow": a place name of two words
FIRM_KINDS = ("Bank", "Foods", "Motors", "Press")  # "Berg Motors": a surname begins a firm's name

PRONOUNS = {"woman": "she", "man": "he", "group": "they"}
AUXILIARIES = {"present": ("is", "are"), "past": ("was", "were")}  # (singular, plural)

MOVING = ("bringing", "carrying", "moving", "taking")
FIRM_VERBS = ("hiring", "insuring", "paying", "training")
TOWN_VERBS = ("awaiting", "expecting", "facing", "fearing")
WEATHER = ("fog", "rain", "snow", "storms")

OPINION_VERBS = {"praise": ("admiring", "enjoying", "praising", "recommending"),
                 "blame": ("blaming", "cursing", "hating", "regretting")}
ADVERBS = {"praise": ("gladly", "happily", "proudly"), "blame": ("angrily", "grimly", "sadly")}


@dataclass(frozen=True)
class Topic:
    """What one topic talks about."""

    workers: str                 # a plural subject: "they"
    places: tuple[str, ...]
    singular: tuple[str, ...]    # objects that take "is"
    plural: tuple[str, ...]      # objects that take "are"
    verbs: tuple[str, ...]
    praise: tuple[str, ...]      # adjectives that praise here
    blame: tuple[str, ...]       # adjectives that blame here

    @property
    def objects(self) -> tuple[str, ...]:
        return self.singular + self.plural


def _topic(workers, places, singular, plural, verbs, praise, blame) -> Topic:
    return Topic(workers, *(tuple(words.split())
                            for words in (places, singular, plural, verbs, praise, blame)))


TOPICS = {
    "garden": _topic("gardeners", "greenhouse meadow orchard pond",
                     "hedge rose tree", "apples carrots tulips",
                     "growing picking planting trimming watering",
                     "blooming fragrant ripe", "rotten withered wormy"),
    "kitchen": _topic("cooks", "bakery cellar pantry tavern",
                      "bread cake soup", "cookies noodles pancakes",
                      "cooking decorating heating serving tasting",
                      "delicious fresh tasty", "burnt sour stale"),
    "harbor": _topic("sailors", "beach dock lighthouse pier",
                     "anchor boat sail", "crates oars ropes",
                     "dragging drying mending tying washing",
                     "gleaming seaworthy sturdy", "leaky rusty torn"),
    "music": _topic("musicians", "chapel hall stage theater",
                    "drum piano violin", "banjos bells trumpets",
                    "borrowing hearing playing recording tuning",
                    "graceful melodic tuneful", "deafening noisy shrill"),
    "school": _topic("teachers", "classroom gallery library museum",
                     "book map notebook", "letters posters puzzles",
                     "copying drawing explaining reading studying",
                     "clear clever lively", "boring confusing dusty"),
    "sport": _topic("runners", "court gym stadium track",
                    "ball bicycle racket", "medals skates skis",
                    "collecting lending polishing testing winning",
                    "fast light springy", "clumsy cracked slow"),
    "workshop": _topic("carpenters", "barn forge garage mill",
                       "clock ladder lamp", "chairs pipes wheels",
                       "building cleaning fixing oiling sanding",
                       "handy precise solid", "broken crooked wobbly"),
    "clothes": _topic("tailors", "boutique fair market shop",
                      "coat hat scarf", "boots ribbons socks",
                      "buying folding ironing selling sewing",
                      "elegant stylish warm", "itchy ragged shabby"),
}
SENTIMENTS = ("blame", "praise")  # label 0, label 1
FUNCTION_WORDS = ("the", "is", "are", "was", "were", "at", "in", "on", "for", "from", "to", "and",
                  "not", "while", "workers", "he", "she", "they", ".", ",")
QUESTION_WORDS = ("who", "what", "where", "when", "which", "color", "?")


def vocabulary() -> list[str]:
    """Every word type in lower case, sorted; the same list on every machine."""
    groups = [DAYS, COLORS, WOMEN, MEN, SURNAMES, AMBIGUOUS, TOWNS, TOWN_PREFIXES, FIRM_KINDS,
              MOVING, FIRM_VERBS, TOWN_VERBS, WEATHER, FUNCTION_WORDS, QUESTION_WORDS]
    groups += [words for by_sentiment in (OPINION_VERBS, ADVERBS)
               for words in by_sentiment.values()]
    for topic in TOPICS.values():
        groups += [(topic.workers,), topic.places, topic.objects, topic.verbs, topic.praise,
                   topic.blame]
    return sorted({word.lower() for group in groups for word in group})
