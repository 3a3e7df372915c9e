"""Around a reader: what is found, what answers without a model, what cannot be answered."""

import pytest
from datasets import Dataset

from course_lib import tinyworld
from course_lib.tasks.passages import (
    NearestWords,
    Retriever,
    best_sentences,
    cannot_answer,
    misleading,
    similar_sentence,
    with_passages,
    with_sentence,
    with_unanswerable,
    words_of,
)
from course_lib.tasks.spans import encode_questions, squad_scores

QUESTIONS = tinyworld.qa_dataset(30, seed=2)


def test_the_retriever_finds_passages_by_rare_words():
    passages = ["The mill is old.", "The barn is old.", "The lighthouse is new."]
    retriever = Retriever([*passages, passages[0]])
    assert retriever.passages == passages  # each once
    found = retriever.search(["Is the lighthouse old?", "the barn"], k=2)
    assert [best[0] for best in found] == [passages[2], passages[1]]
    assert all(len(best) == 2 for best in found)
    assert retriever.search(["xyz"], k=9)[0] == passages


def test_questions_with_found_passages_are_for_answering():
    other = with_passages(QUESTIONS, ["some text"] * len(QUESTIONS))
    assert other["question"][:] == QUESTIONS["question"][:]
    golds = [answer["text"] for answer in other["answers"]]
    assert golds == [answer["text"] for answer in QUESTIONS["answers"]]
    with pytest.raises(ValueError, match="leave the column out"):
        encode_questions(other, tinyworld.tokenizer())


def test_nearest_words_by_hand():
    context = "Anna oiling. Later Karl cleaning."
    rows = Dataset.from_list([
        {"question": "Who is oiling?", "answers": {"text": ["Anna"]}, "context": context},
        {"question": "Who is cleaning?", "answers": {"text": ["Karl"]}, "context": context}])
    reader = NearestWords([context, "Nobody was there."])
    assert reader.answer(rows) == ["Anna", "Karl"]
    assert reader.fit(rows, lengths=(3, 1)).length == 1
    reader.length = 2
    assert all(len(words_of(text)) == 2 for text in reader.answer(rows))
    empty = Dataset.from_list([{"question": "Who?", "context": ""}])
    assert reader.answer(empty) == [""] and best_sentences(empty) == [""]


def test_the_best_sentence_shares_most_words():
    rows = Dataset.from_list([{"question": "Where is the big mill?",
                               "context": "The barn is red. The mill is big. Nobody is in."}])
    assert best_sentences(rows) == ["The mill is big."]


def test_baselines_lie_between_nothing_and_everything():
    for said in (NearestWords(QUESTIONS["context"]).fit(QUESTIONS).answer(QUESTIONS),
                 best_sentences(QUESTIONS)):
        assert 0.05 < squad_scores(said, QUESTIONS)["f1"] < 0.5


def test_moved_questions_have_no_answer_and_others_stay():
    rows = tinyworld.qa_dataset(80, seed=0)
    mixed = with_unanswerable(rows, share=0.4, seed=1)
    moved = [i for i, gold in enumerate(mixed["answers"]) if not gold["text"]]
    assert 0.3 < len(moved) / len(rows) < 0.5
    for i in moved:
        new, old = mixed[i], rows[i]
        assert (new["question"], new["title"]) == (old["question"], old["title"])
        assert cannot_answer(new["context"], old) and new["context"] in rows["context"]
    assert all(mixed[i] == rows[i] for i in range(len(rows)) if i not in set(moved))
    assert with_unanswerable(rows, 0.4, seed=1)[:] == mixed[:]
    assert with_unanswerable(rows, 0.0)[:] == rows[:]


def test_misleading_sentences_resemble_the_question_and_do_not_answer_it():
    for row in QUESTIONS:
        sentence = misleading(row)
        asked, said = set(words_of(row["question"])), set(words_of(sentence))
        assert len(asked & said) >= 2 and not asked - {"who", "what", "where", "when"} <= said
        assert row["answers"]["text"][0].lower() not in sentence.lower()
        assert misleading(row) == sentence
    with pytest.raises(ValueError, match="not one of tinyworld's"):
        misleading(QUESTIONS[0] | {"question": "Why?"})


def test_a_sentence_at_the_end_moves_no_answer():
    longer = with_sentence(QUESTIONS, ["Nora is here."] * len(QUESTIONS))
    assert all(text.endswith(" Nora is here.") for text in longer["context"])
    assert longer["answers"][:] == QUESTIONS["answers"][:]
    encode_questions(longer, tinyworld.tokenizer(), 128)  # raises if an answer had moved


def test_a_similar_sentence_comes_from_elsewhere_and_holds_no_answer():
    row = {"question": "Where is the mill?", "context": "The mill is in Tarn.",
           "answers": {"text": ["Tarn"]}}
    others = [row["context"], "The old mill is in Tarn. The mill is old. Rain fell."]
    assert similar_sentence(row, others) == "The mill is old."
    assert similar_sentence(row, [row["context"]]) == ""
