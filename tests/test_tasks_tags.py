"""Tagging words: pieces and labels of three tokenizers, windows, entities, scores, paths."""

import itertools

import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value, load_dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB1, IOB2, IOBES
from seqeval.scheme import Entities as SeqevalEntities

from course_lib import tinyworld
from course_lib.tasks.tags import (
    Entity,
    LookUp,
    best_path,
    encode_words,
    entities,
    entity_f1,
    entity_scores,
    fits,
    legal_steps,
    named_tags,
    outcomes,
    tag_names,
    windows,
    word_tags,
)
from course_lib.tokenization import train_byte_bpe, train_unigram, train_wordpiece

NAMES = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"]
SENTENCES = [
    ["Mira", "Marwick", "visits", "Norwick", "."],
    ["unaffable", "Marwick", "&", "Sons", "'s", "office", "in", "São", "Tomé"],
    ["\u200d", "Mira", "", "北京", "😀", "http://t.co/a1", "\ufe0f"],  # some leave no piece
    ["yes"],
]
TAGS = [[1, 2, 0, 5, 0], [0, 3, 4, 4, 0, 0, 0, 5, 6], [0, 1, 0, 5, 0, 0, 0], [0]]
TEXT = ["mira marwick visits norwick .", "the office of marwick in tome", "a un able aff"] * 3


@pytest.fixture(scope="module", params=["wordpiece", "bpe", "unigram"])
def tokenizer(request):
    texts = [*TEXT, *[text.title() for text in TEXT]]
    return {"wordpiece": lambda: train_wordpiece(texts, 90, min_frequency=1),
            "bpe": lambda: train_byte_bpe(texts, 300),
            "unigram": lambda: train_unigram(texts, 60)}[request.param]()


def dataset(tokens=SENTENCES, tags=TAGS, names=NAMES):
    features = Features({"tokens": List(Value("string")),
                         "ner_tags": List(ClassLabel(names=names))})
    return Dataset.from_dict({"tokens": tokens, "ner_tags": tags}, features)


# --- words to pieces -------------------------------------------------------------------------


def test_pieces_are_those_of_the_running_text(tokenizer):
    rows = encode_words(dataset(), tokenizer)
    for words, row in zip(SENTENCES, rows, strict=True):
        text = " ".join(word for word in words if word)
        whole = tokenizer.encode(text)
        if words == SENTENCES[2]:  # blanks that belong to words of which nothing is left
            continue
        assert row["input_ids"] == whole["input_ids"]
        assert row["token_type_ids"] == whole["token_type_ids"]


def test_the_first_piece_of_each_word_has_its_tag(tokenizer):
    rows = encode_words(dataset(), tokenizer)
    for tags, row in zip(TAGS, rows, strict=True):
        assert row["labels"][0] == row["labels"][-1] == -100
        assert row["words"][0] == row["words"][-1] == -1
        seen = set()
        for label, word in zip(row["labels"][1:-1], row["words"][1:-1], strict=True):
            assert label == (-100 if word in seen else tags[word])
            seen.add(word)
    assert any(len(set(row["words"])) < len(row["words"]) - 1 for row in rows)  # several pieces


def test_all_pieces_have_labels_if_asked(tokenizer):
    rows = encode_words(dataset(), tokenizer, pieces="all")
    for tags, row in zip(TAGS, rows, strict=True):
        seen = set()
        for label, word in zip(row["labels"][1:-1], row["words"][1:-1], strict=True):
            begun = NAMES[tags[word]]
            assert NAMES[label] == (begun.replace("B-", "I-") if word in seen else begun)
            seen.add(word)


def test_pieces_of_a_word_decode_to_it(tokenizer):
    words = SENTENCES[0]
    row = encode_words(dataset([words], [TAGS[0]]), tokenizer)[0]
    for n, word in enumerate(words):
        mine = [i for i, w in zip(row["input_ids"], row["words"], strict=True) if w == n]
        assert tokenizer.decode(mine).strip().lower() == word.lower()


def test_byte_level_bpe_gets_a_blank_before_every_word_but_the_first():
    tokenizer = train_byte_bpe(TEXT, 300)
    row = encode_words(dataset([["visits", "visits"]], [[0, 0]]), tokenizer)[0]
    pieces = tokenizer.ids_to_tokens(row["input_ids"])
    starts = [row["words"].index(n) for n in (0, 1)]
    assert not pieces[starts[0]].startswith("Ġ") and pieces[starts[1]].startswith("Ġ")


def test_without_tags_there_are_no_labels(tokenizer):
    rows = encode_words(Dataset.from_dict({"words": SENTENCES}), tokenizer, tokens="words")
    assert "labels" not in rows.column_names
    assert rows["words"] == encode_words(dataset(), tokenizer)["words"]


def test_tags_as_strings(tokenizer):
    named = Dataset.from_dict({"tokens": SENTENCES, "t": [[NAMES[t] for t in row] for row in TAGS]})
    rows = encode_words(named, tokenizer, tags="t", names=NAMES)
    assert rows["labels"] == encode_words(dataset(), tokenizer)["labels"]


def test_there_and_back(tokenizer):
    """A model that says the label at each first piece, and nonsense elsewhere, gives the tags."""
    rows = encode_words(dataset(), tokenizer)
    said = [torch.tensor([3 if label == -100 else label for label in row["labels"]])
            for row in rows]
    wanted = [[NAMES[t] for t in row] for row in TAGS]
    assert word_tags(said, rows, NAMES) == wanted == named_tags(dataset())


def test_names_of_the_tags():
    assert tag_names(dataset()) == NAMES
    assert tag_names(tinyworld.ner_dataset(2)) == list(tinyworld.NER_TAGS)


def test_no_words_and_one_endless_word(tokenizer):
    rows = encode_words(dataset([[], ["a" * 10_000]], [[], [1]]), tokenizer, max_length=20)
    assert len(rows[0]["input_ids"]) == 2 and len(rows[1]["input_ids"]) <= 20
    assert word_tags([[0] * len(row["words"]) for row in rows], rows, NAMES) == [[], ["O"]]


# --- long sentences --------------------------------------------------------------------------


def test_long_sentences_are_read_in_windows_and_every_word_is_answered_once(tokenizer, capsys):
    words = [word for words in SENTENCES[:2] * 12 for word in words]
    tags = [tag for tags in TAGS[:2] * 12 for tag in tags]
    rows = encode_words(dataset([words, ["yes"]], [tags, [0]]), tokenizer, max_length=40)
    assert "1 of 2 sentences have more than 40 tokens: they are read in windows" in (
        capsys.readouterr().out)
    assert max(map(len, rows["input_ids"])) <= 40 and len(rows) > 5
    answered = [set(row["words"]) - {-1} for row in rows if row["sentence"] == 0]
    assert sorted(itertools.chain(*answered)) == list(range(len(words)))  # each once
    asked = sum(label != -100 for row in rows for label in row["labels"])
    assert asked == len(words) + 1
    overlap = sum(map(len, rows["input_ids"])) - 2 * len(rows)
    assert overlap > sum(len(row["words"]) for row in encode_words(
        dataset([words], [tags]), tokenizer, max_length=5000)) * 1.1
    said = [[0 if label == -100 else label for label in row["labels"]] for row in rows]
    assert word_tags(said, rows, NAMES)[0] == [NAMES[t] for t in tags]


def test_long_sentences_can_be_cut(tokenizer, capsys):
    words, tags = SENTENCES[1] * 9, TAGS[1] * 9
    rows = encode_words(dataset([words], [tags]), tokenizer, max_length=24, long="cut")
    assert len(rows) == 1 and len(rows[0]["input_ids"]) <= 24
    kept = max(rows[0]["words"]) + 1
    assert f"cut, and {len(words) - kept} words are not read" in capsys.readouterr().out
    said = [[1] * len(rows[0]["words"])]
    assert word_tags(said, rows, NAMES)[0] == ["B-PER"] * kept + ["O"] * (len(words) - kept)


@given(st.lists(st.integers(0, 7), max_size=60), st.integers(7, 30))
@settings(deadline=None, max_examples=150)
def test_windows_fit_overlap_and_answer_once(lengths, room):
    found = list(windows(lengths, room))
    assert all(sum(lengths[w.start : w.end]) <= room for w in found)
    assert [n for w in found for n in range(w.first, w.last)] == list(range(len(lengths)))
    assert all(w.start <= w.first <= w.last <= w.end for w in found)
    assert len(found) == 1 or fits(lengths, 0, room) < len(lengths)
    for one, other in itertools.pairwise(found):
        assert other.start > one.start and other.end > one.end
        assert sum(lengths[other.start : one.end]) <= room // 4


# --- entities --------------------------------------------------------------------------------


@pytest.mark.parametrize("tags, lenient, strict", [
    ("B-PER I-PER O B-LOC", [("PER", 0, 2), ("LOC", 3, 4)], [("PER", 0, 2), ("LOC", 3, 4)]),
    ("O I-PER I-PER", [("PER", 1, 3)], []),
    ("B-PER B-PER I-PER", [("PER", 0, 1), ("PER", 1, 3)], [("PER", 0, 1), ("PER", 1, 3)]),
    ("B-PER I-LOC", [("PER", 0, 1), ("LOC", 1, 2)], [("PER", 0, 1)]),
    ("B-PER I-LOC I-PER", [("PER", 0, 1), ("LOC", 1, 2), ("PER", 2, 3)], [("PER", 0, 1)]),
    ("B-PER O I-PER", [("PER", 0, 1), ("PER", 2, 3)], [("PER", 0, 1)]),
    ("O O", [], []),
    ("", [], []),
])
def test_entities_of_iob2(tags, lenient, strict):
    assert entities(tags.split()) == [Entity(*e) for e in lenient]
    assert entities(tags.split(), strict=True) == [Entity(*e) for e in strict]


@pytest.mark.parametrize("tags, lenient, strict", [
    ("I-PER I-PER B-PER O I-LOC", [("PER", 0, 2), ("PER", 2, 3), ("LOC", 4, 5)],
     [("PER", 0, 2), ("PER", 2, 3), ("LOC", 4, 5)]),
    ("B-PER I-PER", [("PER", 0, 2)], []),
    ("I-PER I-LOC B-PER", [("PER", 0, 1), ("LOC", 1, 2), ("PER", 2, 3)],
     [("PER", 0, 1), ("LOC", 1, 2)]),
])
def test_entities_of_iob1(tags, lenient, strict):
    assert entities(tags.split(), "IOB1") == [Entity(*e) for e in lenient]
    assert entities(tags.split(), "IOB1", strict=True) == [Entity(*e) for e in strict]


@pytest.mark.parametrize("tags, lenient, strict", [
    ("S-PER O B-LOC I-LOC E-LOC", [("PER", 0, 1), ("LOC", 2, 5)], [("PER", 0, 1), ("LOC", 2, 5)]),
    ("S-PER S-PER", [("PER", 0, 1), ("PER", 1, 2)], [("PER", 0, 1), ("PER", 1, 2)]),
    ("B-LOC I-LOC O", [("LOC", 0, 2)], []),
    ("B-LOC E-LOC I-LOC", [("LOC", 0, 2), ("LOC", 2, 3)], [("LOC", 0, 2)]),
])
def test_entities_of_bioes(tags, lenient, strict):
    assert entities(tags.split(), "BIOES") == [Entity(*e) for e in lenient]
    assert entities(tags.split(), "BIOES", strict=True) == [Entity(*e) for e in strict]


MARKS = {"IOB2": ("BI", IOB2), "IOB1": ("BI", IOB1), "BIOES": ("BIES", IOBES)}


@pytest.mark.parametrize("scheme", MARKS)
@given(data=st.data())
@settings(deadline=None, max_examples=300)
def test_entities_agree_with_seqeval(scheme, data):
    marks, theirs = MARKS[scheme]
    all_tags = ["O", *(f"{mark}-{kind}" for mark in marks for kind in ("X", "Y"))]
    tags = data.draw(st.lists(st.sampled_from(all_tags), max_size=9))
    lenient = [Entity(kind, start, end + 1) for kind, start, end in get_entities(tags)]
    assert entities(tags, scheme) == lenient
    if scheme != "IOB1" and tags:  # seqeval reads B at a change of kind otherwise
        (found,) = SeqevalEntities([tags], theirs).entities
        assert entities(tags, scheme, True) == [Entity(e.tag, e.start, e.end) for e in found]


@pytest.mark.parametrize("tag", ["PER", "X-PER", "", "B", "O-PER", 3, None])
def test_what_is_no_tag(tag):
    with pytest.raises(ValueError, match="is no tag"):
        entities(["O", tag])


# --- scores ----------------------------------------------------------------------------------


def test_scores_by_hand():
    gold = ["B-PER I-PER O B-LOC O B-ORG".split(), "B-LOC O O".split()]
    said = ["B-PER I-PER O B-ORG O B-ORG".split(), "B-LOC I-LOC O".split()]
    found = entity_scores(gold, said)  # right: the person and the last firm
    assert (found["right"], found["true"], found["said"]) == (2, 4, 4)
    assert found["precision"] == found["recall"] == found["f1"] == 0.5
    each = {kind: (round(of["precision"], 3), round(of["recall"], 3), of["right"], of["true"],
                   of["said"]) for kind, of in found["kinds"].items()}
    assert each == {"PER": (1, 1, 1, 1, 1), "LOC": (0, 0, 0, 2, 1), "ORG": (0.5, 1, 1, 1, 2)}
    assert found["macro_f1"] == pytest.approx((1 + 0 + 2 / 3) / 3)


def test_counting_rules_of_the_conll_script():
    """An I- after O opens an entity; half a name, or the wrong kind, is wrong twice."""
    gold = ["B-PER I-PER O O B-LOC".split()]
    assert entity_scores(gold, ["I-PER I-PER O O I-LOC".split()])["f1"] == 1
    strict = entity_scores(gold, ["I-PER I-PER O O I-LOC".split()], strict=True)
    assert (strict["f1"], strict["said"], strict["true"]) == (0, 0, 2)
    half = entity_scores(gold, ["B-PER O O O B-LOC".split()])
    assert (half["right"], half["said"], half["true"], half["f1"]) == (1, 2, 2, 0.5)
    broken = entity_scores(gold, ["B-PER B-PER O O B-LOC".split()])
    assert (broken["right"], broken["said"]) == (1, 3) and broken["f1"] == pytest.approx(0.4)


TAG = st.sampled_from(NAMES)
PAIR = st.integers(0, 8).flatmap(lambda n: st.tuples(st.lists(TAG, min_size=n, max_size=n),
                                                     st.lists(TAG, min_size=n, max_size=n)))


@given(st.lists(PAIR, max_size=5), st.booleans())
@settings(deadline=None, max_examples=200)
def test_scores_agree_with_counting(pairs, strict):
    """A plain count with sets, beside seqeval's."""
    gold, said = [p[0] for p in pairs], [p[1] for p in pairs]
    sides = [{(n, *e) for n, row in enumerate(side) for e in entities(row, strict=strict)}
             for side in (gold, said)]
    right, total = len(sides[0] & sides[1]), len(sides[0]) + len(sides[1])
    found = entity_scores(gold, said, strict=strict)
    assert (found["right"], found["true"], found["said"]) == (right, *map(len, sides))
    assert found["f1"] == pytest.approx(2 * right / total if total else 0)
    assert found["precision"] == pytest.approx(right / len(sides[1]) if sides[1] else 0)
    each = [of["f1"] for of in found["kinds"].values()]
    assert found["macro_f1"] == pytest.approx(sum(each) / len(each) if each else 0)


def test_a_metric_for_finetune():
    metric = entity_f1(NAMES)
    labels = [torch.tensor([1, 2, 0]), torch.tensor([5])]
    assert metric(labels, labels) == 1
    assert metric([torch.tensor([1, 0, 0]), torch.tensor([5])], labels) == 0.5


def test_what_became_of_each_entity():
    gold = ["B-PER I-PER O B-LOC O B-ORG I-ORG O B-LOC O".split()]
    said = ["B-PER I-PER O B-ORG O B-LOC O O O B-PER".split()]
    assert outcomes(gold, said) == {
        ("PER", "right"): 1, ("LOC", "other kind"): 1, ("ORG", "other ends"): 1,
        ("LOC", "missed"): 1, ("PER", "invented"): 1}
    scores = entity_scores(gold, said)
    assert scores["right"] == 1 and scores["true"] == 4 and scores["said"] == 4


# --- the baseline ----------------------------------------------------------------------------


def test_a_look_up_finds_what_it_was_shown():
    words = [["Mira", "Marwick", "sees", "Norwick"], ["Mira", "May", "sees", "may", "bugs"],
             ["may", "Norwick", "rest"]]
    tags = [["B-PER", "I-PER", "O", "B-LOC"], ["B-PER", "I-PER", "O", "O", "O"],
            ["O", "B-LOC", "O"]]
    look_up = LookUp(words, tags)
    assert look_up(["norwick", "and", "MIRA", "Marwick"]) == ["B-LOC", "O", "B-PER", "I-PER"]
    assert look_up(["Mira", "Norwick", "may"]) == ["O", "B-LOC", "O"]  # Mira alone: never a name
    assert LookUp([], [])(["Mira"]) == ["O"]
    twice = LookUp([["may"], ["may"], ["may"]], [["B-PER"], ["O"], ["O"]])
    assert twice(["may"]) == ["O"]  # seldom a name
    assert LookUp([["may"], ["may"]], [["B-PER"], ["B-LOC"]])(["may"]) in (["B-PER"], ["B-LOC"])


# --- paths -----------------------------------------------------------------------------------


def test_legal_steps():
    opens, follows = legal_steps(NAMES)
    assert [name for name, yes in zip(NAMES, opens, strict=True) if not yes] == [
        "I-PER", "I-ORG", "I-LOC"]
    before = {NAMES[b] for b in range(len(NAMES)) if follows[b, NAMES.index("I-ORG")]}
    assert before == {"B-ORG", "I-ORG"} and follows[:, 0].all()


@pytest.mark.parametrize("seed", range(5))
def test_best_path_is_the_best_of_all_legal_ones(seed):
    opens, follows = legal_steps(NAMES)
    scores = torch.randn(4, len(NAMES), generator=torch.Generator().manual_seed(seed))

    def legal(path):
        return opens[path[0]] and all(follows[a, b] for a, b in itertools.pairwise(path))

    paths = [p for p in itertools.product(range(len(NAMES)), repeat=4) if legal(p)]
    best = max(paths, key=lambda p: scores[range(4), p].sum())
    assert best_path(scores, opens, follows).tolist() == list(best)
    tags = [NAMES[t] for t in best]
    assert entities(tags) == entities(tags, strict=True)


# --- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize("change, error, says", [
    (dict(tokens="words"), ValueError, "no column 'words'"),
    (dict(max_length=2), ValueError, "max_length=2"),
    (dict(pieces="some"), ValueError, "first, all"),
    (dict(long="drop"), ValueError, "windows, cut"),
])
def test_choices_that_do_not_exist(change, error, says, tokenizer):
    with pytest.raises(error, match=says):
        encode_words(dataset(), tokenizer, **change)


@pytest.mark.parametrize("columns, options, error, says", [
    (dict(tokens=["one text"]), {}, TypeError, "list of words"),
    (dict(tokens=[["a"], None]), {}, TypeError, "sentence 1 is None"),
    (dict(tokens=[["a", "b"]], ner_tags=[[0]]), dict(names=NAMES), ValueError, "1 tags"),
    (dict(tokens=[["a"]], ner_tags=[[9]]), dict(names=NAMES), ValueError, "the tag 9"),
    (dict(tokens=[["a"]], ner_tags=[["B-FOO"]]), dict(names=NAMES), ValueError, "'B-FOO'"),
    (dict(tokens=[["a"]], ner_tags=[[0]]), {}, ValueError, "names="),
])
def test_columns_that_do_not_fit(columns, options, error, says, tokenizer):
    with pytest.raises(error, match=says):
        encode_words(Dataset.from_dict(columns), tokenizer, **options)


def test_other_errors(tokenizer):
    with pytest.raises(TypeError, match="one split"):
        encode_words([["a"]], tokenizer)
    rows = encode_words(dataset(), tokenizer)
    with pytest.raises(ValueError, match="1 predictions for 4 rows"):
        word_tags([[0]], rows, NAMES)
    with pytest.raises(ValueError, match="one for every token"):
        word_tags([[0]] * 4, rows, NAMES)
    with pytest.raises(ValueError, match="2 gold tags and 1 predicted"):
        entity_scores([["O", "O"]], [["O"]])
    with pytest.raises(ValueError, match="1 sentences have gold tags, 0"):
        entity_scores([["O"]], [])
    with pytest.raises(ValueError, match="scheme is 'IO'"):
        entities(["O"], "IO")
    with pytest.raises(ValueError, match="T > 0"):
        best_path(torch.zeros(0, 7), *legal_steps(NAMES))


@pytest.mark.parametrize("split", ["train", "validation"])
def test_on_wnut(split, course_data, tokenizer):
    rows = Dataset.from_dict(load_dataset(str(course_data / "wnut_17"), split=split)[:300])
    names = ["O"] + [f"{m}-{k}" for k in ("corporation", "creative-work", "group", "location",
                                          "person", "product") for m in "BI"]
    coded = encode_words(rows, tokenizer, names=names, max_length=32)
    said = [[0 if label == -100 else label for label in row["labels"]] for row in coded]
    assert word_tags(said, coded, names) == named_tags(rows, names=names)
