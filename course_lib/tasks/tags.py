"""Tagging words: their pieces and labels, the entities that tags spell, and their scores.

A data set for named entities gives each sentence as words and one tag a word. A model of the BERT
family reads pieces. `encode_words` goes from words to pieces, `word_tags` back.

Tags: `O` is outside, `B-PER` the first word of a person's name, `I-PER` a later one (IOB2). IOB1
writes B only where two names of a kind touch; BIOES also marks the last word (E) and single ones
(S). An entity counts as found if its kind, its first and its last word are all right.

Sources: Tjong Kim Sang and De Meulder 2003 (arXiv:cs/0306050) and its script conlleval, which
`seqeval` follows; Devlin et al. 2019 (arXiv:1810.04805), section 5.3: the first piece of a word
stands for the word.

Axes: N rows, T tokens (pieces), C tags.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from datasets import ClassLabel, Dataset, Features, List, Value
from torch import Tensor

from course_lib.objectives import IGNORED
from course_lib.tokenization import ByteLevelBPE, Tokenizer

NO_WORD = -1  # in `words`: a special token, or context that another window answers for
PIECES = ("first", "all")  # which pieces of a word carry a label
LONG = ("windows", "cut")  # what becomes of a sentence that is too long


# --- from words to pieces --------------------------------------------------------------------


def encode_words(
    dataset: Dataset, tokenizer: Tokenizer, tokens: str = "tokens", tags: str | None = "ner_tags",
    max_length: int = 128, *, pieces: str = "first", long: str = "windows",
    names: Sequence[str] | None = None,
) -> Dataset:  # fmt: skip
    """Sentences of words as rows for a tagger, one row a sentence, or several for a long one.

    input_ids, token_type_ids (T,) with the special tokens. labels (T,): the word's tag at its
    first piece (pieces="all": at later pieces its I- tag), -100 elsewhere; left out if there is no
    column `tags`. words (T,): which word a piece belongs to, -1 for special tokens. sentence: the
    number of the sentence in `dataset`; n_words: its words.

    A sentence of more than `max_length` tokens becomes windows that overlap by a quarter, or is
    cut (long="cut"); a line is printed that says how many. A word within the overlap is answered
    by the window that shows more around it; in the other its `words` are -1. Tags are numbers, or
    strings of the list `names`. Raises ValueError or TypeError, naming the row.
    """
    check_choices(dataset, tokens, max_length, pieces, long)
    has_tags = tags is not None and tags in dataset.column_names
    if has_tags and names is None:
        names = tag_names(dataset, tags)
    cut_up, room, rows, n_long, n_lost = WordPieces(tokenizer), max_length - 2, [], 0, 0
    all_tags = dataset[tags] if has_tags else [None] * len(dataset)
    for n, (words, of_words) in enumerate(zip(dataset[tokens], all_tags, strict=True)):
        check_words(words, n)
        ids = [word[:room] for word in cut_up(words)]
        labels = numbered(of_words, names, words, n) if has_tags else None
        parts = list(windows([len(word) for word in ids], room))
        n_long += len(parts) > 1
        if long == "cut":
            n_lost += len(words) - parts[0].end
            parts = [parts[0]._replace(last=parts[0].end)]
        whole = {"sentence": n, "n_words": len(words)}
        rows += [whole | one_row(ids, labels, part, tokenizer, names, pieces) for part in parts]
    if n_long:
        what = f"cut, and {n_lost:,} words are not read" if long == "cut" else "read in windows"
        print(f"{n_long:,} of {len(dataset):,} sentences have more than {max_length} tokens: "
              f"they are {what}")
    columns = {name: kind for name, kind in FEATURES.items() if has_tags or name != "labels"}
    return Dataset.from_dict({name: [row[name] for row in rows] for name in columns},
                             Features(columns))


FEATURES = {
    "input_ids": List(Value("int32")), "token_type_ids": List(Value("int8")),
    "labels": List(Value("int64")), "words": List(Value("int32")),
    "sentence": Value("int32"), "n_words": Value("int32"),
}  # fmt: skip


class WordPieces:
    """Word by word, the ids that the tokenizer gives to the words joined by blanks."""

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer, self.known = tokenizer, {}
        self.blank = " " if isinstance(tokenizer, ByteLevelBPE) else ""

    def __call__(self, words: Sequence[str]) -> list[list[int]]:
        """One list of ids a word; an empty one for a word of which nothing is left (a blank, a
        control character)."""
        # Byte-level BPE takes a blank as part of the word after it; the first word has none.
        return [self.ids(word if i == 0 else self.blank + word) for i, word in enumerate(words)]

    def ids(self, word: str) -> list[int]:
        if word not in self.known:
            cut = self.tokenizer.tokenize(word) if word.strip() else []
            self.known[word] = self.tokenizer.pieces_to_ids(cut)
        return self.known[word]


class Window(NamedTuple):
    """Words start to end are read; those from first to last are answered for."""

    start: int
    end: int
    first: int
    last: int


def windows(lengths: Sequence[int], room: int) -> Iterator[Window]:
    """Windows of whole words with at most `room` pieces. lengths: pieces of each word, none above
    `room`. Neighbors overlap by about a quarter, and each answers for its half of the overlap."""
    start, first = 0, 0
    while True:
        end = fits(lengths, start, room)
        if end == len(lengths):
            yield Window(start, end, first, end)
            return
        following = end
        while (following > start + 1 and sum(lengths[following - 1 : end]) <= room // 4
               and sum(lengths[following - 1 : end + 1]) <= room):  # the next word must fit, too
            following -= 1
        last = max(first, (following + end + 1) // 2)
        yield Window(start, end, first, last)
        start, first = following, last


def fits(lengths: Sequence[int], start: int, room: int) -> int:
    """The end of the longest stretch of words from `start` that has at most `room` pieces."""
    end, used = start, 0
    while end < len(lengths) and used + lengths[end] <= room:
        used += lengths[end]
        end += 1
    return end


def one_row(
    ids: list[list[int]], labels: list[int] | None, part: Window, tokenizer: Tokenizer,
    names: Sequence[str] | None, pieces: str,
) -> dict:  # fmt: skip
    """The pieces of a window's words between special tokens, with labels and word numbers."""
    flat, marks, words = [], [], []
    for n in range(part.start, part.end):
        answered = part.first <= n < part.last
        flat += ids[n]
        words += [n if answered else NO_WORD] * len(ids[n])
        if labels is None or not answered:
            marks += [IGNORED] * len(ids[n])
        elif ids[n]:
            later = inside(labels[n], names) if pieces == "all" else IGNORED
            marks += [labels[n]] + [later] * (len(ids[n]) - 1)
    whole = tokenizer.add_special(flat)
    return {"input_ids": whole["input_ids"], "token_type_ids": whole["token_type_ids"],
            "labels": [IGNORED, *marks, IGNORED], "words": [NO_WORD, *words, NO_WORD]}


def inside(tag: int, names: Sequence[str]) -> int:
    """The tag that goes on where this one has begun: B-PER gives I-PER, O stays O."""
    wanted = re.sub("^B", "I", names[tag])
    return names.index(wanted) if wanted in names else tag


# --- and back ----------------------------------------------------------------------------------


def word_tags(
    predictions: Sequence[Tensor | Sequence[int]], rows: Dataset, names: Sequence[str]
) -> list[list[str]]:
    """One tag for every word of every sentence: what the model says at the word's first piece.

    predictions: (T,) tag numbers for each of the rows of `encode_words`, such as
    `predict(model, rows).values`. A word that was cut off, or has no piece, gets "O".
    """
    predictions = getattr(predictions, "values", predictions)
    if len(predictions) != len(rows):
        raise ValueError(f"{len(predictions)} predictions for {len(rows)} rows: give one a row.")
    sentences: dict[int, list[str]] = {}
    for said, row in zip(predictions, rows, strict=True):
        said = said.tolist() if isinstance(said, Tensor) else list(said)
        if len(said) != len(row["words"]):
            raise ValueError(f"a row of {len(row['words'])} tokens has {len(said)} predictions: "
                             "give one for every token, special ones included.")
        tags = sentences.setdefault(row["sentence"], ["O"] * row["n_words"])
        for i in reversed(range(len(said))):  # so that the first piece has the last word
            if row["words"][i] != NO_WORD:
                tags[row["words"][i]] = names[said[i]]
    return [sentences[n] for n in sorted(sentences)]


def tag_names(dataset: Dataset, tags: str = "ner_tags") -> list[str]:
    """The names of the tags, by number. Raises ValueError where the data set does not say them."""
    if tags not in dataset.column_names:
        raise ValueError(f"there is no column {tags!r}, only {', '.join(dataset.column_names)}.")
    feature = getattr(dataset.features[tags], "feature", None)
    if not isinstance(feature, ClassLabel):
        raise ValueError(f"the data set does not name the tags of its column {tags!r}: pass their "
                         "names as a list, names=['O', 'B-PER', 'I-PER', ...].")
    return feature.names


def named_tags(
    dataset: Dataset, tags: str = "ner_tags", names: Sequence[str] | None = None
) -> list[list[str]]:
    """The tags of a data set as strings, one list a sentence."""
    if names is None:
        names = tag_names(dataset, tags)
    return [[tag if isinstance(tag, str) else names[tag] for tag in row] for row in dataset[tags]]


# --- entities ----------------------------------------------------------------------------------


class Entity(NamedTuple):
    """Words start to end - 1 are one name of this kind."""

    kind: str
    start: int
    end: int


# How an entity is written, by scheme, as its marks.
WELL_FORMED = {"IOB2": "BI*", "IOB1": "[BI]I*", "BIOES": "S|BI*E"}


def entities(tags: Sequence[str], scheme: str = "IOB2", strict: bool = False) -> list[Entity]:
    """The entities that tags spell. An entity opens at B or S, after O, E or S, and where the kind
    changes, and lasts as long as none of these and no O comes: the rules of the CoNLL script, by
    which an I- after O opens one, too. strict: entities that the scheme would not write are left
    out. Raises ValueError for a tag of another form, or an unknown scheme."""
    if scheme not in WELL_FORMED:
        raise ValueError(f"the scheme is {scheme!r}; choose one of {', '.join(WELL_FORMED)}.")
    found, marks, previous = [], [], ("O", "")
    for i, tag in enumerate(tags):
        mark, kind = split_tag(tag)
        if mark in "BS" or (mark != "O" and (previous[0] in "OES" or kind != previous[1])):
            alone = mark == "B" and kind != previous[1]  # no B in IOB1
            found.append(Entity(kind, i, i + 1))
            marks.append("-" if scheme == "IOB1" and alone else mark)
        elif mark != "O":
            found[-1] = found[-1]._replace(end=i + 1)
            marks[-1] += mark
        previous = (mark, kind)
    return [entity for entity, spelled in zip(found, marks, strict=True)
            if not strict or re.fullmatch(WELL_FORMED[scheme], spelled)]


def split_tag(tag: str) -> tuple[str, str]:
    """"B-PER" -> ("B", "PER"); "O" -> ("O", "")."""
    mark, _, kind = tag.partition("-") if isinstance(tag, str) else ("", "", "")
    if mark not in ("B", "I", "E", "S", "O") or (mark == "O") != (kind == ""):
        raise ValueError(f"{tag!r} is no tag: write O, or one of B, I, E, S with a kind, as B-PER.")
    return mark, kind


def entity_scores(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], scheme: str = "IOB2",
    strict: bool = False,
) -> dict:  # fmt: skip
    """Precision, recall and F1 of entities, counted by `seqeval`: kind and ends must be right.

    Returns precision, recall, f1 (over all entities: micro), macro_precision, macro_recall,
    macro_f1 (the mean over kinds), right, true, said (how many entities) and kinds: {kind: the
    same without macro}. strict as in `entities`, for both sides. 0 where nothing can be counted.
    """
    from seqeval import scheme as schemes
    from seqeval.metrics import classification_report

    check_pairs(gold, predicted)
    lists = list(map(list, gold)), list(map(list, predicted))
    there, said = (counts(side, scheme, strict) for side in lists)
    kinds, how, report = sorted({*there, *said}), {}, {}
    if strict:
        how = {"mode": "strict", "scheme": getattr(schemes, SEQEVAL[scheme])}
    if kinds:
        report = classification_report(*lists, output_dict=True, zero_division=0, **how)
    macro, micro = report.get("macro avg", NOTHING), report.get("micro avg", NOTHING)
    return {
        **figures(micro, sum(there.values()), sum(said.values())),
        **{f"macro_{ours}": float(macro[theirs]) for ours, theirs in PRF.items()},
        "kinds": {kind: figures(report[kind], there.get(kind, 0), said.get(kind, 0))
                  for kind in kinds},
    }


PRF = {"precision": "precision", "recall": "recall", "f1": "f1-score"}  # our names and seqeval's
NOTHING = dict.fromkeys(PRF.values(), 0.0)


def figures(found: dict, true: int, said: int) -> dict:
    """Precision, recall and F1 with the numbers behind them."""
    shares = {ours: float(found[theirs]) for ours, theirs in PRF.items()}
    return shares | {"right": round(shares["recall"] * true), "true": true, "said": said}


SEQEVAL = {"IOB2": "IOB2", "IOB1": "IOB1", "BIOES": "IOBES"}


def counts(tags: Sequence[Sequence[str]], scheme: str, strict: bool) -> Counter[str]:
    """How many entities of each kind."""
    return Counter(entity.kind for row in tags for entity in entities(row, scheme, strict))


def entity_f1(names: Sequence[str]) -> Callable[[list[Tensor], list[Tensor]], float]:
    """A metric for `finetune`: F1 of the entities that the labeled pieces spell."""
    def metric(predictions: list[Tensor], labels: list[Tensor]) -> float:
        gold, said = ([[names[tag] for tag in row.tolist()] for row in side]
                      for side in (labels, predictions))
        return entity_scores(gold, said)["f1"]

    return metric


# What became of an entity that is there; "invented": one that is said where none is.
OUTCOMES = ("right", "other kind", "other ends", "missed", "invented")


def outcomes(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
) -> Counter[tuple[str, str]]:  # fmt: skip
    """How often (kind, outcome) came about. "other ends": something that overlaps was said, with
    another first or last word; the kind is then not asked."""
    check_pairs(gold, predicted)
    found = Counter()
    for tags, said_tags in zip(gold, predicted, strict=True):
        there, said = entities(tags), entities(said_tags)
        for one in there:
            near = [other for other in said if other.start < one.end and one.start < other.end]
            same = [other for other in near if other[1:] == one[1:]]
            what = "other ends" if near else "missed"
            if same:
                what = "right" if same == [one] else "other kind"
            found[one.kind, what] += 1
        for other in said:
            if not any(other.start < one.end and one.start < other.end for one in there):
                found[other.kind, "invented"] += 1
    return found


# --- a baseline --------------------------------------------------------------------------------


class LookUp:
    """Finds the names that it was shown, and no others: the longest stretch of words that was a
    name more often than not, with its most frequent kind. Case is not looked at. (The baseline of
    CoNLL-2003 works like this.)"""

    def __init__(self, sentences: Sequence[Sequence[str]], tags: Sequence[Sequence[str]]):
        kinds: dict[tuple[str, ...], Counter] = {}
        lowered = [tuple(word.lower() for word in words) for words in sentences]
        for words, row in zip(lowered, tags, strict=True):
            for kind, start, end in entities(row):
                kinds.setdefault(words[start:end], Counter())[kind] += 1
        self.longest = max(map(len, kinds), default=0)
        seen = Counter(stretch for words in lowered for stretch in self.stretches(words)
                       if stretch in kinds)
        self.kinds = {name: found.most_common(1)[0][0] for name, found in kinds.items()
                      if 2 * found.total() > seen[name]}

    def stretches(self, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        """All stretches of up to `longest` words."""
        for start in range(len(words)):
            for end in range(start + 1, min(start + self.longest, len(words)) + 1):
                yield words[start:end]

    def __call__(self, words: Sequence[str]) -> list[str]:
        """One tag a word."""
        lowered, tags, start = tuple(word.lower() for word in words), ["O"] * len(words), 0
        while start < len(words):
            ends = range(min(start + self.longest, len(words)), start, -1)
            end = next((end for end in ends if lowered[start:end] in self.kinds), None)
            if end:
                kind = self.kinds[lowered[start:end]]
                tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
            start = end or start + 1
        return tags


# --- legal paths -------------------------------------------------------------------------------


def legal_steps(names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Which tags may open a sentence (C,), and which may follow which (C, C; row: before, column:
    after) in IOB2: I-PER stands only after B-PER or I-PER. True = legal."""
    marks = [split_tag(name) for name in names]
    opens = torch.tensor([mark != "I" for mark, _ in marks])
    after = [[mark != "I" or (kind == before_kind and before in "BI") for mark, kind in marks]
             for before, before_kind in marks]
    return opens, torch.tensor(after)


def best_path(scores: Tensor, opens: Tensor, follows: Tensor) -> Tensor:
    """The legal sequence of tags whose scores (T, C) have the largest sum (Viterbi): (T,).

    opens (C,) and follows (C, C) are True where legal. Raises ValueError for no tokens.
    """
    if scores.ndim != 2 or len(scores) == 0:
        raise ValueError(f"scores have the shape {tuple(scores.shape)}; give (T, C) with T > 0.")
    blocked = torch.zeros(follows.shape).masked_fill(~follows, -torch.inf)
    best, came_from = scores[0].masked_fill(~opens, -torch.inf), []
    for now in scores[1:]:
        total = best[:, None] + blocked  # (C, C): row = tag before, column = tag now
        best, where = total.max(0)
        best = best + now
        came_from.append(where)
    path = [int(best.argmax())]
    for where in reversed(came_from):
        path.append(int(where[path[-1]]))
    return torch.tensor(path[::-1])


# --- checks ------------------------------------------------------------------------------------


def check_choices(dataset, tokens: str, max_length: int, pieces: str, long: str) -> None:
    if not isinstance(dataset, Dataset):
        raise TypeError(f"the sentences are a {type(dataset).__name__}; pass one datasets.Dataset, "
                        "for example one split: rows['train'].")
    if tokens not in dataset.column_names:
        raise ValueError(f"there is no column {tokens!r}, only {', '.join(dataset.column_names)}: "
                         "name the column that holds the words, tokens=...")
    if max_length < 3:
        raise ValueError(f"max_length={max_length} leaves no room for a piece between the two "
                         "special tokens: give at least 3.")
    for name, value, known in (("pieces", pieces, PIECES), ("long", long, LONG)):
        if value not in known:
            raise ValueError(f"{name}={value!r}; choose one of {', '.join(known)}.")


def check_words(words, n: int) -> None:
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise TypeError(f"sentence {n} is {words!r:.60}; a sentence is a list of words: split the "
                        "text first, for example text.split().")


def numbered(tags: Sequence, names: Sequence[str], words: Sequence[str], n: int) -> list[int]:
    """The tags of a sentence as numbers."""
    if len(tags) != len(words):
        raise ValueError(f"sentence {n} has {len(words)} words and {len(tags)} tags: give one a "
                         "word.")
    found = [names.index(tag) if tag in names else tag for tag in tags]
    for tag in found:
        if isinstance(tag, str) or not 0 <= tag < len(names):
            raise ValueError(f"sentence {n} has the tag {tag!r}; known are "
                             f"{', '.join(names)} (0 to {len(names) - 1}).")
    return found


def check_pairs(gold: Sequence, predicted: Sequence) -> None:
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} sentences have gold tags, {len(predicted)} predicted ones: "
                         "give both for each sentence.")
    for n, (one, other) in enumerate(zip(gold, predicted, strict=True)):
        if len(one) != len(other):
            raise ValueError(f"sentence {n} has {len(one)} gold tags and {len(other)} predicted "
                             "ones: give both for each word.")
