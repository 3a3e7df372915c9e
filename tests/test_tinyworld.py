"""tinyworld: the same everywhere, balanced, and every label true of the text."""

import math
import os
import subprocess
import sys
from collections import Counter
from itertools import islice

import pytest

from course_lib import tinyworld
from course_lib.tinyworld import words as words

N = 3000


@pytest.fixture(scope="module")
def docs():
    return list(tinyworld.documents(N, seed=0))


def test_document_depends_on_seed_and_index_alone():
    first = [doc.text for doc in tinyworld.documents(5, seed=3)]
    assert [tinyworld.document(3, i).text for i in range(5)] == first
    assert [doc.text for doc in tinyworld.documents(2, seed=3, start=3)] == first[3:]
    assert [doc.text for doc in tinyworld.documents(5, seed=4)] != first


def test_documents_never_change():
    """The literal texts: a change of the grammar, of Python or of the machine shows here."""
    assert tinyworld.document(0, 0).text == (
        "While he was at the cellar, Hugo Moss was cooking the blue soup for Morgan on Wednesday. "
        "On Thursday he was tasting the blue soup at the cellar. On Friday Morgan was insuring "
        "workers in Jordan. On Saturday the blue soup was not stale.")


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_documents_do_not_depend_on_the_hash_seed(hash_seed):
    program = ("from course_lib.tinyworld.grammar import document\n"
               "print([t.__dict__ for i in range(20) for t in document(1, i).tokens])")
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                             check=True, env={**os.environ, "PYTHONHASHSEED": hash_seed})
    here = [t.__dict__ for doc in tinyworld.documents(20, seed=1) for t in doc.tokens]
    assert printed.stdout.strip() == str(here)


def test_documents_are_endless_and_lazy():
    assert len(list(islice(tinyworld.documents(seed=5), 3))) == 3
    with pytest.raises(ValueError, match="below 0"):
        tinyworld.documents(-1)


def test_shares(docs):
    """Topics, sentiments and lengths as the module promises."""
    topics = Counter(doc.topic for doc in docs)
    expected = N / len(words.TOPICS)
    assert all(abs(count - expected) < 5 * math.sqrt(expected) for count in topics.values())
    praised = sum(doc.sentiment == "praise" for doc in docs)
    assert abs(praised - N / 2) < 4 * math.sqrt(N / 4)
    lengths = [len(doc.tokens) for doc in docs]
    assert 42 < sum(lengths) / N < 52 and max(lengths) <= 90
    used = {token.text.lower() for doc in docs for token in doc.tokens}
    assert 250 < len(used) < 350
    assert used == set(words.vocabulary()) - set(words.QUESTION_WORDS)


def test_train_and_validation_share_no_document(docs):
    train = {doc.text for doc in docs}
    held_out = [doc.text for doc in tinyworld.documents(1000, seed=tinyworld.SEEDS["validation"])]
    assert len(train) > 0.999 * N
    assert sum(text in train for text in held_out) <= 1
    known = {sentence for doc in docs for sentence in doc.sentences}
    sentences = [s for doc in tinyworld.documents(300, seed=1) for s in doc.sentences]
    assert sum(sentence in known for sentence in sentences) < 0.1 * len(sentences)


def test_tokens_and_ids_go_together():
    tokenizer = tinyworld.tokenizer()
    fast = tokenizer.fast()
    for doc in tinyworld.documents(200, seed=2):
        lower = [token.text.lower() for token in doc.tokens]
        assert tokenizer.tokenize(doc.text) == lower
        encoded = tokenizer.encode(doc.text)["input_ids"]
        assert encoded == fast.encode(doc.text).ids
        assert tokenizer.ids_to_tokens(encoded)[1:-1] == lower
        assert all(doc.text.startswith(token.text, start)
                   for token, start in zip(doc.tokens, doc.offsets, strict=True))


# --- the labels, worked out again from the words alone ----------------------------------------


def test_agreement(docs):
    """An auxiliary has the number of its subject and the tense of the document."""
    plurals = {noun for topic in words.TOPICS.values() for noun in (topic.workers, *topic.plural)}
    for doc in docs:
        for token in doc.tokens:
            if token.role == "agreement":
                subject = doc.tokens[token.link].text.lower()
                plural = subject == "they" or subject in plurals
                assert token.text == words.AUXILIARIES[doc.tense][plural]
                assert doc.tokens[token.link].sentence == token.sentence


def test_pronouns(docs):
    """A pronoun fits its name, and most of them stand before it."""
    gender = {name: "she" for name in words.WOMEN + words.AMBIGUOUS_WOMEN}
    gender |= {name: "he" for name in words.MEN + words.AMBIGUOUS_MEN}
    right = []
    for doc in docs:
        for i, token in enumerate(doc.tokens):
            if token.kind == "pronoun":
                assert token.text.lower() == gender.get(doc.tokens[token.link].text, "they")
                right.append(token.link > i)
    assert 0.6 < sum(right) / len(right) < 0.85


def test_facts_can_be_copied(docs):
    """`new` is named again to the right, `copy` was named to the left, `content` is alone."""
    for doc in docs:
        facts = [(t.kind, t.text.lower()) if t.kind in ("name", "surname", "object", "color",
                                                        "place", "town", "firm") else None
                 for t in doc.tokens]
        for i, token in enumerate(doc.tokens):
            if facts[i]:
                before, after = facts[i] in facts[:i], facts[i] in facts[i + 1:]
                expected = "copy" if before else "new" if after else "content"
                assert token.role == expected
                assert (token.link >= 0) == (expected != "content")
                assert token.link < 0 or facts[token.link] == facts[i]


def test_objects_keep_their_color(docs):
    for doc in docs:
        colors = {}
        for i, token in enumerate(doc.tokens):
            if token.kind == "color":
                assert colors.setdefault(doc.tokens[i + 1].text, token.text) == token.text


def test_days_follow_one_another(docs):
    for doc in docs:
        days = [(t.sentence, words.DAYS.index(t.text)) for t in doc.tokens if t.kind == "day"]
        assert len({(day - sentence) % 7 for sentence, day in days}) <= 1
        assert len(days) == len({sentence for sentence, _ in days})


def test_things_are_moved_from_where_they_are(docs):
    """A thing stays where it is until it is moved, and is moved from there."""
    moves = 0
    for doc in docs:
        places = {}
        for event in doc.events:
            thing, text = doc.tokens[event.object].text, [t.text for t in doc.tokens]
            here = places.get(thing)
            if text[event.verb] in words.MOVING:
                start = text.index("from", event.verb) + 2
                assert here in (None, text[start]) and text[start] != text[event.place]
                moves += 1
            elif event.place >= 0:
                assert here in (None, text[event.place])
            places[thing] = text[event.place] if event.place >= 0 else here
    assert moves > N / 4


def test_sentiment_is_in_the_words(docs):
    """Every document shows its sentiment, and no word contradicts it unless after "not"."""
    polarity = {word: name for lexicon in (words.OPINION_VERBS, words.ADVERBS)
                for name, group in lexicon.items() for word in group}
    for topic in words.TOPICS.values():
        polarity |= dict.fromkeys(topic.praise, "praise") | dict.fromkeys(topic.blame, "blame")
    negated = 0
    for doc in docs:
        text = [token.text.lower() for token in doc.tokens]
        shown = [(polarity[w] == "praise") != (text[i - 1] == "not")
                 for i, w in enumerate(text) if w in polarity]
        negated += "not" in text
        assert set(shown) == {doc.sentiment == "praise"}
    assert N / 10 < negated < N / 3


def test_entities(docs):
    """The verb to the right tells what an entity is; some names are all three."""
    kinds_of = Counter()
    for doc in docs:
        text = [token.text for token in doc.tokens]
        for i, token in enumerate(doc.tokens):
            if token.text in words.AMBIGUOUS:
                kinds_of[token.text, token.tag] += 1
            assert (token.tag != "O") == (token.kind in ("surname", "town", "firm") or
                                          (token.kind == "name" and token.text[0].isupper()))
            if token.tag.startswith("I-"):
                assert doc.tokens[i - 1].tag == "B" + token.tag[1:]
            if text[i] in words.FIRM_VERBS:
                assert doc.tokens[i - 2].tag.endswith("ORG")
            if text[i] in words.TOWN_VERBS:
                assert doc.tokens[i - 2].tag.endswith("LOC")
    for name in words.AMBIGUOUS:
        assert all(kinds_of[name, tag] > 5 for tag in ("B-PER", "B-ORG", "B-LOC"))


def test_one_sentence_does_not_tell_its_position():
    """Naive Bayes on words and word pairs of one sentence cannot tell the first of two
    neighbours from the second; the two days together can."""
    def features(sentence):
        text = sentence.lower().replace(".", " .").replace(",", " ,").split()
        return set(text) | set(zip(text, text[1:], strict=False))

    def pairs(n, seed):
        return [pair for doc in tinyworld.documents(n, seed)
                for pair in zip(doc.sentences, doc.sentences[1:], strict=False)]

    counts = [Counter(), Counter()]
    for pair in pairs(3000, 0):
        for counter, sentence in zip(counts, pair, strict=True):
            counter.update(features(sentence))
    right = total = day_right = day_total = 0
    for pair in pairs(700, 1):
        scores = [sum(math.log((counts[0][f] + 3) / (counts[1][f] + 3)) for f in features(s))
                  for s in pair]
        for score, is_first in zip(scores, (True, False), strict=True):
            right += (score > 0) == is_first
            total += 1
        days = [next((i for i, day in enumerate(words.DAYS) if day in s), None) for s in pair]
        if None not in days:
            day_total += 1
            day_right += (days[1] - days[0]) % 7 == 1
    assert abs(right / total - 0.5) < 0.04, right / total
    assert day_total > 0.6 * total / 2 and day_right == day_total


# --- data sets --------------------------------------------------------------------------------


def test_dataset_columns_and_truth():
    rows = tinyworld.dataset(50, seed=7)
    doc, row = tinyworld.document(7, 4), rows[4]
    assert rows.column_names == ["text", "sentences", "topic", "sentiment", "tokens", "roles",
                                 "kinds", "ner_tags", "links", "sentence_ids"]
    assert row["text"] == doc.text == " ".join(row["sentences"])
    assert rows.features["sentiment"].int2str(row["sentiment"]) == doc.sentiment
    assert rows.features["topic"].int2str(row["topic"]) == doc.topic
    assert {len(row[name]) for name in ("tokens", "roles", "kinds", "ner_tags", "links",
                                        "sentence_ids")} == {len(doc.tokens)}
    assert set(row["roles"]) <= set(tinyworld.ROLES) and set(row["kinds"]) <= set(tinyworld.KINDS)
    assert tinyworld.dataset(5, truth=False).column_names == ["text", "sentences", "topic",
                                                              "sentiment"]


def test_splits_come_from_different_seeds():
    rows = tinyworld.splits(n_train=20, n_other=10)
    assert {name: len(split) for name, split in rows.items()} == {"train": 20, "validation": 10}
    assert not set(rows["train"]["text"]) & set(rows["validation"]["text"])


def test_sentiment_task():
    rows = tinyworld.sentiment_dataset(200)
    assert rows.features["label"].names == ["neg", "pos"]
    assert 0.35 < sum(rows["label"]) / 200 < 0.65
    assert rows["label"][0] == (tinyworld.document(0, 0).sentiment == "praise")


def test_entity_task():
    rows = tinyworld.ner_dataset(50)
    assert rows.features["ner_tags"].feature.names == list(tinyworld.NER_TAGS)
    assert all(len(r["tokens"]) == len(r["ner_tags"]) for r in rows)
    assert rows[0]["ner_tags"][7:10] == [1, 2, 0]  # Hugo Moss was


def test_questions_have_one_exact_answer():
    rows = tinyworld.qa_dataset(200)
    tokenizer = tinyworld.tokenizer()
    fast, kinds = tokenizer.fast(), Counter()
    for row in rows:
        (answer,), (start,) = row["answers"]["text"], row["answers"]["answer_start"]
        assert row["context"][start:start + len(answer)] == answer
        assert tokenizer.unk_id not in fast.encode(row["question"], row["context"]).ids
        verb = next(w for w in row["question"].rstrip("?").split() if w.endswith("ing"))
        assert row["context"].count(f" {verb} ") == 1
        kinds[row["question"].split()[0]] += 1
    assert set(kinds) == {"Who", "What", "Where", "When"} and min(kinds.values()) > 100
    assert len(set(rows["id"])) == len(rows)
