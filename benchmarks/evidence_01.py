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
from pathlib import Path

import torch
import typer

from course_lib import budget, tinyworld
from tools.notebook_files import read, tags

ROOT = Path(__file__).resolve().parent.parent
LESSON = ROOT / "notebooks" / "01_language_models.ipynb"
RECORDS = ROOT / "notebooks" / "records"
STEPS = 1000
WATCHED = (25, 50, 100, 200, 400, 600, 800, 1000)
CHECKPOINTS = (0, 100, 200, 400, 700, 1000)
LABELS = (8, 16, 32, 64, 128, 256, 512)
FEW = 300  # unlabeled sentences of the small corpus


def lesson_names() -> dict:
    """The names that the lesson's cells tagged `lab` define."""
    os.environ["COURSE_BUDGET"] = "cpu"
    names = {}
    for cell in read(LESSON).cells:
        if "lab" in tags(cell):
            exec(compile(cell.source, f"{LESSON.name}:{cell.id}", "exec"), names)
    return names


def objectives(lab: dict, seeds: list[int]) -> tuple[dict, list]:
    """Both tasks over the seeds; returns the record and the masked models."""
    watched_text = lab["test_text"][:60]
    tasks = {"masked (BERT)": (lab["masked_loss"], False),
             "left-to-right (GPT)": (lab["left_to_right_loss"], True)}  # fmt: skip
    accuracy, by_step = {name: [] for name in tasks}, {name: [] for name in tasks}
    losses, masked = {name: [] for name in tasks}, []
    for name, (loss_of, one_way) in tasks.items():
        for seed in seeds:
            seen = []

            def watch(step, model, one_way=one_way, seen=seen):
                if step in WATCHED:
                    seen.append(lab["accuracy_by_role"](model, watched_text, one_way))

            model, loss = lab["train"](loss_of, lab["train_ids"], STEPS, seed, watch)
            accuracy[name].append(lab["accuracy_by_role"](model, lab["test_text"], one_way))
            by_step[name].append(seen)
            losses[name].append(sum(loss[-50:]) / 50)
            masked += [] if one_way else [model]
            typer.echo(f"{name}, seed {seed}: {accuracy[name][-1]}")
    record = {"accuracy": accuracy, "by_step": by_step, "steps_watched": WATCHED,
              "last_50_losses": losses}  # fmt: skip
    return record, masked


def labels(lab: dict, seeds: list[int], masked: list) -> dict:
    """Label curves of three ways of learning, little text against much, and transfer by step."""
    new, number = lab["Classifier"], len(seeds)
    arms = {"supervised, from scratch": lambda m: new(),
            "pre-trained, fine-tuned": lambda m: new(m.bert),
            "pre-trained, frozen": lambda m: new(m.bert, frozen=True)}  # fmt: skip
    curve = {
        name: [[learn(lab, make(masked[s]), seeds[s], size) for size in LABELS]
               for s in range(number)]
        for name, make in arms.items()
    }  # fmt: skip
    few = [lab["train"](lab["masked_loss"], lab["train_ids"][:FEW], STEPS, s)[0] for s in seeds]
    unlabeled = {
        "0": [runs[LABELS.index(32)] for runs in curve["supervised, from scratch"]],
        str(FEW): [learn(lab, new(m.bert), s, 32) for m, s in zip(few, seeds, strict=True)],
        str(len(lab["train_ids"])): [r[LABELS.index(32)] for r in curve["pre-trained, fine-tuned"]],
    }
    return {"label_counts": LABELS, "label_curve": curve, "unlabeled": unlabeled,
            "checkpoints": CHECKPOINTS, "transfer": transfer(lab, seeds)}  # fmt: skip


def learn(lab: dict, classifier, seed: int, size: int) -> float:
    """Topic accuracy with `size` labels, a different set for each seed."""
    torch.manual_seed(seed)
    start = 1000 * seed
    return lab["learn_labels"](classifier, lab["train_text"][start : start + size],
                               lab["test_text"])  # fmt: skip


def transfer(lab: dict, seeds: list[int]) -> dict:
    """Gaps filled and topics right (32 labels) at checkpoints of one pre-training per seed."""
    gaps, topics = [], []
    for seed in seeds:
        torch.manual_seed(seed)
        untrained = lab["BertForPreTraining"](lab["small"])
        found = [score(lab, untrained, seed)]

        def watch(step, model, found=found, seed=seed):
            if step in CHECKPOINTS:
                with torch.random.fork_rng():
                    found.append(score(lab, model, seed))

        lab["train"](lab["masked_loss"], lab["train_ids"], STEPS, seed, watch)
        gaps.append([gap for gap, _ in found])
        topics.append([topic for _, topic in found])
    return {"gaps": gaps, "topics": topics}


def score(lab: dict, model, seed: int) -> tuple[float, float]:
    """(share of gaps filled, share of topics right with 32 labels) of a masked model."""
    filled = lab["accuracy_by_role"](model, lab["test_text"][:60], False)["all words"]
    return filled, learn(lab, lab["Classifier"](model.bert), seed, 32)


def save(name: str, what: str, seeds: list[int], result: dict, seconds: float) -> None:
    """Write one record with all that is needed to judge or repeat it."""
    record = {
        "what": what,
        "settings": {"steps": STEPS, "tinyworld_seed": tinyworld.SEEDS["train"],
                     "lesson": LESSON.name},
        "seeds": seeds,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "hardware": f"{budget.cores()} CPU cores, {torch.get_num_threads()} used",
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
    """Run both parts over `seeds` seeds and write the two records."""
    lab, numbers, start = lesson_names(), list(range(seeds)), time.perf_counter()
    record, masked = objectives(lab, numbers)
    save("01_objectives", "masked against left-to-right, same network, text and steps", numbers,
         record, time.perf_counter() - start)  # fmt: skip
    start = time.perf_counter()
    save("01_labels", "topic of a sentence with few labels, with and without pre-training",
         numbers, labels(lab, numbers, masked), time.perf_counter() - start)  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
