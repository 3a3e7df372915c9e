"""The recorded runs of lesson 01: one way against both ways, and labels saved by pre-training.

    python -m benchmarks.evidence_01

Runs the lesson's own cells (those tagged `lab`; on the CPU at every budget), so that the figures
belong to the code that is shown, and writes notebooks/records/01_objectives.json and 01_labels.json
with settings, every seed, versions, date and hardware. One process and one thread; about six
minutes a seed. The records are written anew after each seed; a run which is stopped goes on with
the model that it was at.
"""

import json
import os
import time

import torch
import typer

from benchmarks import records
from course_lib import tinyworld
from tools.notebook_files import read, tags

LESSON = records.ROOT / "notebooks" / "01_language_models.ipynb"
STEPS = records.times(900)
NAMES = {"masked": "masked (BERT)", "left-to-right": "left-to-right (GPT)"}
WATCHED = tuple(STEPS * step // 900 for step in (0, 100, 200, 300, 450, 600, 750, 900))
SCORED = tuple(STEPS * step // 900 for step in (0, 200, 450, 900))  # labels tried, too
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


RESULTS = {
    "01_objectives": ("masked against left-to-right: same network, text and steps", objectives),
    "01_labels": ("whom a sentence is about, from few labels, with and without pre-training",
                  labels),
}


def save(seeds: list[int], runs: dict, seconds: float) -> None:
    """Write both records with all that is needed to judge or repeat them."""
    for name, (what, result) in RESULTS.items():
        records.save(name, rounded({
            "what": what, "command": "python -m benchmarks.evidence_01",
            "settings": {"steps": STEPS, "lesson": LESSON.name, "tinyworld_seeds": tinyworld.SEEDS,
                         "test_documents": TEST_DOCUMENTS, "watch_documents": WATCH_DOCUMENTS},
            "seeds": seeds, **records.provenance(), "seconds": round(seconds),
            "complete": len(seeds) == len(records.SEEDS), **result(runs),
        }))  # fmt: skip


def rounded(value):
    """The same structure with floats to four places."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    return [rounded(entry) for entry in value] if isinstance(value, list | tuple) else value


def main():
    """Run both tasks over the seeds and write the records after each seed."""
    records.check_device()
    if all(records.complete(records.read(name) or {}) for name in RESULTS):
        return
    torch.set_num_threads(1)
    path, lab = records.scratch("01_runs.json"), lesson_names()
    found = json.loads(path.read_text()) if path.exists() else {"seconds": 0.0, "masked": [],
                                                                "left-to-right": []}  # fmt: skip
    for seed in records.SEEDS:
        for task in NAMES:
            if len(found[task]) == seed:
                start = time.perf_counter()
                found[task].append(pretraining_run(lab, task, seed))
                found["seconds"] += time.perf_counter() - start
                records.write(path, found)
        if len(found["masked"]) == len(found["left-to-right"]):
            save(list(range(len(found["masked"]))), found, found["seconds"])
    records.forget(path)


if __name__ == "__main__":
    main()
