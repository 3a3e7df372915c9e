"""The recorded runs of lesson 01: one way against both ways, and labels saved by pre-training.

    python -m benchmarks.evidence_01

Runs the lesson's own cells (those tagged `lab`), so that the figures belong to the code that is
shown, and writes notebooks/records/01_objectives.json and 01_labels.json with settings, every
seed, versions, date and hardware. One process and one thread; about six minutes a seed. The
records are written anew after each seed, so that a run which is stopped leaves whole seeds.
"""

import datetime
import json
import os
import platform
import time
from pathlib import Path

import torch
import typer

from course_lib import tinyworld
from tools.notebook_files import read, tags

ROOT = Path(__file__).resolve().parent.parent
LESSON = ROOT / "notebooks" / "01_language_models.ipynb"
RECORDS = ROOT / "notebooks" / "records"
STEPS = 900
NAMES = {"masked": "masked (BERT)", "left-to-right": "left-to-right (GPT)"}
WATCHED = (0, 100, 200, 300, 450, 600, 750, 900)
SCORED = (0, 200, 450, 900)  # where the labels are tried as well
LABELS, FEW = (4, 8, 16, 32, 64), 16
TEST_DOCUMENTS, WATCH_DOCUMENTS = 400, 40


def lesson_names() -> dict:
    """The names that the lesson's cells tagged `lab` define."""
    os.environ["COURSE_BUDGET"] = "cpu"
    names = {}
    for cell in read(LESSON).cells:
        if "lab" in tags(cell):
            exec(compile(cell.source, f"{LESSON.name}:{cell.id}", "exec"), names)
    names["test"] = names["short_documents"](TEST_DOCUMENTS, seed=tinyworld.SEEDS["test"])
    return names


def pretraining_run(lab: dict, task: str, seed: int) -> dict:
    """One seed of "masked" or "left-to-right", scored on the way."""
    one_way, points = task == "left-to-right", []
    loss_of = lab["left_to_right_loss"] if one_way else lab["masked_loss"]

    def watch(step, model):
        if step in WATCHED:
            with torch.random.fork_rng():
                points.append(checkpoint(lab, model, seed, task, step))
            typer.echo(f"{task}, seed {seed}, step {step}: {points[-1]}")

    torch.manual_seed(seed)
    watch(0, lab["BertForPreTraining"](lab["small"]))
    start = time.process_time()
    model, loss = lab["train"](loss_of, lab["train_ids"], STEPS, seed, watch)
    found = {"accuracy": lab["accuracy_by_role"](model, lab["test"], one_way), "points": points,
             "loss": [sum(loss[i : i + 50]) / 50 for i in range(0, STEPS, 50)]}  # fmt: skip
    if task == "masked":
        found["labels"] = {name: [learn(lab, make(model), seed, size) for size in LABELS]
                           for name, make in arms(lab).items()}  # fmt: skip
    typer.echo(f"{task}, seed {seed}, {time.process_time() - start:.0f} s: {found['accuracy']}\n")
    return found


def checkpoint(lab: dict, model, seed: int, task: str, step: int) -> dict:
    """Share of words guessed right by role and, where it is wanted, accuracy from few labels."""
    model.eval()
    shares = lab["accuracy_by_role"](model, lab["test"][:WATCH_DOCUMENTS], task != "masked")
    point = {"step": step, "shares": shares}
    if step in SCORED and task == "masked":
        point["labels"] = learn(lab, lab["Classifier"](model.bert), seed, FEW)
    model.train()
    return point


def arms(lab: dict) -> dict:
    """The three ways to learn labels, by name."""
    new = lab["Classifier"]
    return {"supervised, from scratch": lambda model: new(),
            "pre-trained, fine-tuned": lambda model: new(model.bert),
            "pre-trained, frozen": lambda model: new(model.bert, frozen=True)}  # fmt: skip


def learn(lab: dict, classifier, seed: int, size: int) -> float:
    """Accuracy with `size` labels, others for each seed."""
    torch.manual_seed(seed)
    rows = lab["labeled_text"][500 * seed :][:size]
    return lab["learn_labels"](classifier, rows, lab["labeled_test"])


def objectives(runs: dict) -> dict:
    """The record of one way against both ways: {model: [one entry a seed]}."""
    roles = runs["masked"][0]["accuracy"]
    return {
        "accuracy": {NAMES[task]: [run["accuracy"] for run in runs[task]] for task in NAMES},
        "steps_watched": WATCHED,
        "by_step": {role: {NAMES[task]: [[p["shares"][role] for p in run["points"]]
                                         for run in runs[task]] for task in NAMES}
                    for role in roles},
        "loss": {NAMES[task]: [run["loss"] for run in runs[task]] for task in NAMES},
    }  # fmt: skip


def labels(runs: dict) -> dict:
    """The record of what pre-training saves in labels."""
    masked = runs["masked"]
    scored = [[point for point in run["points"] if "labels" in point] for run in masked]
    return {
        "label_counts": LABELS,
        "label_curve": {n: [run["labels"][n] for run in masked] for n in masked[0]["labels"]},
        "few": FEW,
        "checkpoints": SCORED,
        "transfer": {
            "all words": [[point["shares"]["all words"] for point in run] for run in scored],
            "labels": [[point["labels"] for point in run] for run in scored],
        },
    }


def save(name: str, what: str, seeds: list[int], result: dict, seconds: float) -> None:
    """Write one record with all that is needed to judge or repeat it."""
    record = {
        "what": what,
        "settings": {"steps": STEPS, "lesson": LESSON.name, "tinyworld_seeds": tinyworld.SEEDS,
                     "test_documents": TEST_DOCUMENTS, "watch_documents": WATCH_DOCUMENTS},
        "seeds": seeds,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "hardware": f"{platform.machine()} server CPU, 1 thread",
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


def main(seeds: int = 3):
    """Run both tasks over the seeds and write the records after each seed."""
    torch.set_num_threads(1)
    lab, start, runs = lesson_names(), time.perf_counter(), {task: [] for task in NAMES}
    for seed in range(seeds):
        for task in NAMES:
            runs[task].append(pretraining_run(lab, task, seed))
        done, seconds = list(range(seed + 1)), time.perf_counter() - start
        save("01_objectives", "masked against left-to-right: same network, text and steps", done,
             objectives(runs), seconds)  # fmt: skip
        save("01_labels", "whom a sentence is about, from few labels, with and without "
             "pre-training", done, labels(runs), seconds)  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
