"""Lesson 13: real questions, answered by a reader and without one.

    python -m benchmarks.question_evidence squad     # SQuAD: needs the data (COURSE_DATA or the
                                                     # hub) and the extra `pretrained`
    python -m benchmarks.question_evidence passages  # the same questions without a model: which
                                                     # passage is found, what word counts answer

The records 13-squad and 13-passages.
"""

import sys

import numpy as np
import torch
from datasets import Dataset

from benchmarks import records
from course_lib import data, pretrained
from course_lib.bert import BertForQuestionAnswering
from course_lib.finetuning import FinetuneConfig, finetune, predict
from course_lib.hub_files import packaged_encoder
from course_lib.tasks.passages import (
    NearestWords,
    Retriever,
    best_sentences,
    similar_sentence,
    with_passages,
    with_sentence,
)
from course_lib.tasks.spans import Answer, answers_of, encode_questions, squad_scores

SQUAD = dict(train=records.BUDGET.pick(smoke=30, cpu=800, gpu=14000),
             test=records.BUDGET.pick(smoke=20, cpu=150, gpu=2000),
             characters=450, max_length=192, stride=64)  # training passages are short ones
SQUAD_TRAIN = FinetuneConfig(epochs=2, batch_size=8, learning_rate=2e-4)


def read(model, dataset: Dataset, tokenizer, max_length: int, stride: int) -> list[Answer]:
    windows = encode_questions(dataset.remove_columns("answers"), tokenizer, max_length, stride)
    return answers_of(predict(model, windows, batch_size=16).scores, windows, dataset)


def rounded(scores: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in scores.items()}


def fresh(folder, seed: int, trained: bool) -> BertForQuestionAnswering:
    """The published encoder with a new head, or the same shape with nothing learned."""
    torch.manual_seed(seed)
    model = pretrained.load(folder, BertForQuestionAnswering, strict_heads=False)
    if trained:
        return model
    torch.manual_seed(seed)
    return BertForQuestionAnswering(model.config)


# --- SQuAD ---------------------------------------------------------------------------------------


def squad_rows() -> tuple[Dataset, Dataset, list[str]]:
    """Training questions about short passages, test questions about any, all test passages."""
    rows = data.load("squad")
    if data.is_stand_in(rows):
        raise SystemExit("the record 13-squad needs the real SQuAD: set COURSE_DATA, or go online.")
    short = [i for i, text in enumerate(rows["train"]["context"])
             if len(text) <= SQUAD["characters"]]
    chosen = np.random.default_rng(0).permutation(short)[: SQUAD["train"]]
    test = rows["validation"].shuffle(seed=0).select(range(SQUAD["test"]))
    return rows["train"].select(chosen), test, rows["validation"]["context"][:]


def squad() -> None:
    folder = packaged_encoder()
    if folder is None:
        raise SystemExit("the record 13-squad needs the extra `pretrained`.")
    train, test, passages = squad_rows()
    found = records.opened(
        "13-squad", "lesson 13: SQuAD 1.1, a published encoder against baselines",
        "question_evidence squad", settings=SQUAD, train=vars(SQUAD_TRAIN),
        encoder="all-MiniLM-L6-v2 (6 layers, hidden 384)")
    tokenizer = pretrained.load_tokenizer(folder)
    how = dict(tokenizer=tokenizer, max_length=SQUAD["max_length"], stride=SQUAD["stride"])
    retriever = Retriever(passages)
    hits = retriever.search(test["question"], 20)
    def run(arm: str, seed: int) -> dict:
        model = fresh(folder, seed, arm == "published")
        rows = encode_questions(train, tokenizer, SQUAD["max_length"], SQUAD["stride"])
        config = FinetuneConfig(**vars(SQUAD_TRAIN) | {"seed": seed})
        finetune(model, rows, config, out=records.scratch(f"13-squad-{arm}-{seed}"))
        answers = read(model, test, **how)
        result = {"all": rounded(squad_scores(answers, test))} | by_kind(answers, test)
        if arm == "published":
            result |= harder(model, answers, test, passages, hits, how)
        return result

    seeds = records.BUDGET.pick(smoke=(0,), cpu=(0,), gpu=(0, 1, 2))
    arms = ("published",) if records.BUDGET.name == "cpu" else ("published", "not pre-trained")
    records.run_missing("13-squad", found, run, arms, seeds)


FIRST_WORDS = ("what", "who", "when", "where", "how", "which", "why")


def by_kind(answers: list[Answer], test: Dataset) -> dict:
    """F1 by the question word, and how long the answers are."""
    kinds = [next((w for w in question.lower().split() if w in FIRST_WORDS), "other")
             for question in test["question"]]
    found = {}
    for kind in (*FIRST_WORDS, "other"):
        chosen = [i for i, k in enumerate(kinds) if k == kind]
        if chosen:
            scores = squad_scores([answers[i] for i in chosen], test.select(chosen))
            found[kind] = rounded(scores) | {"questions": len(chosen)}
    return {"by_question_word": found}


def harder(model, answers, test, passages, hits, how) -> dict:
    """The first found passage read instead of the gold one, and a similar sentence added."""
    opened = with_passages(test, [best[0] for best in hits])
    from_found = read(model, opened, **how)
    by_title: dict[str, list[str]] = {}
    for row in test:
        by_title.setdefault(row["title"], [])
    for row in data.load("squad", split="validation"):
        if row["title"] in by_title and row["context"] not in by_title[row["title"]]:
            by_title[row["title"]].append(row["context"])
    added = [similar_sentence(row, by_title[row["title"]]) for row in test]
    led_astray = read(model, with_sentence(test, added), **how)
    taken = [a.start >= len(row["context"]) for a, row in zip(led_astray, test, strict=True)]
    examples = [{"question": row["question"], "gold": row["answers"]["text"], "said": a.text,
                 "probability": round(max((c.probability for c in a.candidates), default=0), 3)}
                for a, row in list(zip(answers, test, strict=True))[:40]]
    return {"retrieved": rounded(squad_scores(from_found, test)),
            "similar_sentence": rounded(squad_scores(led_astray, test)) | {
                "taken_from_it": round(float(np.mean(taken)), 4)},
            "examples": examples}


# --- without a model -----------------------------------------------------------------------------

PASSAGES = dict(questions=records.BUDGET.pick(smoke=10, cpu=300, gpu=2000), fit_on=300)


def passages() -> None:
    """Several draws of test questions: what is found, and what rules without learning answer."""
    rows = data.load("squad")
    if data.is_stand_in(rows):
        raise SystemExit("the record 13-passages needs the real SQuAD: set COURSE_DATA, or go "
                         "online.")
    every, train = rows["validation"]["context"][:], rows["train"]
    retriever, fit_on = Retriever(every), train.shuffle(seed=0).select(range(PASSAGES["fit_on"]))
    nearest = NearestWords([*every, *fit_on["context"]]).fit(fit_on)
    found = records.opened(
        "13-passages", "lesson 13: SQuAD 1.1 without a model", "question_evidence passages",
        settings=PASSAGES | {"passages": len(retriever.passages), "nearest_words": nearest.length})

    def run(arm: str, seed: int) -> dict:
        test = rows["validation"].shuffle(seed=seed).select(range(PASSAGES["questions"]))
        hits = retriever.search(test["question"], 20)
        pairs = list(zip(test["context"], hits, strict=True))
        return {"nearest words": rounded(squad_scores(nearest.answer(test), test)),
                "best sentence": rounded(squad_scores(best_sentences(test), test)),
                "whole passage": rounded(squad_scores(test["context"][:], test)),
                "found": {str(k): round(float(np.mean([c in h[:k] for c, h in pairs])), 4)
                          for k in (1, 3, 5, 20)}}

    records.run_missing("13-passages", found, run, ("without a model",))


PARTS = {"squad": squad, "passages": passages}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
