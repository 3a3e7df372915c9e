"""The recorded runs of lesson 01: one way against both ways, and labels saved by pre-training.

    python -m benchmarks.evidence_01

Runs the lesson's own cells (those tagged `lab`), so that the figures belong to the code that is
shown, and writes notebooks/records/01_objectives.json and 01_labels.json with settings, every
seed, versions, date and hardware. About ten minutes on two quiet cores.
"""

import datetime
import json
import os
import platform
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch
import typer

from course_lib import budget, tinyworld
from tools.notebook_files import read, tags

ROOT = Path(__file__).resolve().parent.parent
LESSON = ROOT / "notebooks" / "01_language_models.ipynb"
RECORDS = ROOT / "notebooks" / "records"
STEPS = 1000
TASKS = ("masked", "left-to-right")
WATCHED = (0, 100, 200, 400, 700, 1000)
SCORED = (0, 200, 400, 1000)  # where the labels are tried as well
LABELS = (8, 16, 32, 64, 128)


def lesson_names() -> dict:
    """The names that the lesson's cells tagged `lab` define."""
    os.environ["COURSE_BUDGET"] = "cpu"
    names = {}
    for cell in read(LESSON).cells:
        if "lab" in tags(cell):
            exec(compile(cell.source, f"{LESSON.name}:{cell.id}", "exec"), names)
    return names


def pretraining_run(task: str, seed: int) -> dict:
    """One seed of "masked" or "left-to-right", scored on the way."""
    torch.set_num_threads(1)
    lab, one_way, points = lesson_names(), task == "left-to-right", []
    loss_of = lab["left_to_right_loss"] if one_way else lab["masked_loss"]

    def watch(step, model):
        if step in WATCHED:
            with torch.random.fork_rng():
                points.append(checkpoint(lab, model, seed, task, step))

    torch.manual_seed(seed)
    watch(0, lab["BertForPreTraining"](lab["small"]))
    model, loss = lab["train"](loss_of, lab["train_ids"], STEPS, seed, watch)
    found = {"accuracy": lab["accuracy_by_role"](model, lab["test_text"], one_way),
             "points": points, "last_50_losses": sum(loss[-50:]) / 50}  # fmt: skip
    found["sentences"] = len(lab["train_ids"])
    if task == "masked":
        found["labels"] = {name: [learn(lab, make(model), seed, size) for size in LABELS]
                           for name, make in arms(lab).items()}  # fmt: skip
        found["topic"] = {
            name: learn(lab, lab["Classifier"](encoder, classes=8), seed, 32, topic=True)
            for name, encoder in (("from scratch", None), ("pre-trained", model.bert))
        }
    typer.echo(f"{task}, seed {seed}: {found}")
    return found


def checkpoint(lab: dict, model, seed: int, task: str, step: int) -> dict:
    """Share of words guessed right and, where it is wanted, accuracy with 32 labels."""
    one_way = task == "left-to-right"
    point = {"words": lab["accuracy_by_role"](model, lab["test_text"][:60], one_way)["all words"]}
    if step in SCORED and task == "masked":
        point["labels"] = learn(lab, lab["Classifier"](model.bert), seed, 32)
    return point


def arms(lab: dict) -> dict:
    """The three ways to learn topics, by name."""
    new = lab["Classifier"]
    return {"supervised, from scratch": lambda model: new(),
            "pre-trained, fine-tuned": lambda model: new(model.bert),
            "pre-trained, frozen": lambda model: new(model.bert, frozen=True)}  # fmt: skip


def learn(lab: dict, classifier, seed: int, size: int, topic: bool = False) -> float:
    """Accuracy with `size` labels (whom it is about, or the topic), others for each seed."""
    torch.manual_seed(seed)
    text, test = lab["labeled_text"][600 * seed :], lab["labeled_test"]
    if not topic:
        return lab["learn_labels"](classifier, text[:size], test)
    topics = sorted({sentence.topic for sentence in text})
    return lab["learn_labels"](classifier, text[:size], test,
                               label_of=lambda sentence: topics.index(sentence.topic))  # fmt: skip


def objectives(runs: dict) -> dict:
    """The record of one way against both ways."""
    names = {"masked (BERT)": runs["masked"], "left-to-right (GPT)": runs["left-to-right"]}
    return {
        "accuracy": {name: [run["accuracy"] for run in found] for name, found in names.items()},
        "steps_watched": WATCHED,
        "by_step": {name: [[point["words"] for point in run["points"]] for run in found]
                    for name, found in names.items()},
        "last_50_losses": {n: [run["last_50_losses"] for run in f] for n, f in names.items()},
    }  # fmt: skip


def labels(runs: dict) -> dict:
    """The record of what pre-training saves in labels."""
    masked, column = runs["masked"], LABELS.index(32)
    curve = {name: [run["labels"][name] for run in masked] for name in masked[0]["labels"]}
    return {
        "label_counts": LABELS,
        "label_curve": curve,
        "unlabeled": {
            "0": [run[column] for run in curve["supervised, from scratch"]],
            str(masked[0]["sentences"]): [run[column] for run in curve["pre-trained, fine-tuned"]],
        },
        "topic": {name: [run["topic"][name] for run in masked] for name in masked[0]["topic"]},
        "checkpoints": SCORED,
        "transfer": {name: [[p[key] for p in run["points"] if "labels" in p] for run in masked]
                     for name, key in (("gaps", "words"), ("labels", "labels"))},
    }  # fmt: skip


def save(name: str, what: str, seeds: list[int], result: dict, seconds: float) -> None:
    """Write one record with all that is needed to judge or repeat it."""
    record = {
        "what": what,
        "settings": {"steps": STEPS, "tinyworld_seed": tinyworld.SEEDS["train"],
                     "lesson": LESSON.name},
        "seeds": seeds,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "hardware": f"{budget.cores()} CPU cores",
        "date": datetime.date.today().isoformat(),
        "seconds": round(seconds),
        **result,
    }  # fmt: skip
    RECORDS.mkdir(exist_ok=True)
    text = json.dumps(rounded(record), indent=1)
    (RECORDS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def rounded(value):
    """The same structure with floats to four places."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    return [rounded(entry) for entry in value] if isinstance(value, list | tuple) else value


def main(seeds: int = 3, processes: int = 2):
    """Run every task over the seeds, some processes of one thread at a time; write the records."""
    numbers, start = list(range(seeds)), time.perf_counter()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting = {task: [pool.submit(pretraining_run, task, seed) for seed in numbers]
                   for task in TASKS}  # fmt: skip
        runs = {task: [run.result() for run in found] for task, found in waiting.items()}
    seconds = time.perf_counter() - start
    save("01_objectives", "masked against left-to-right: same network, text and steps", numbers,
         objectives(runs), seconds)  # fmt: skip
    save("01_labels", "whom a sentence is about, from few labels, with and without pre-training",
         numbers, labels(runs), seconds)  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
