"""What `course finetune` does, apart from reading its options.

OUT/model          weights, tokenizer, config.json with the labels' names (the hub's layout), and
                   task.json: how texts become rows, for `course predict`
OUT/metrics.json   figures of the test rows with intervals, of the rows that chose, of the training
OUT/predictions.csv, OUT/curve.png, OUT/checkpoints
"""

import csv
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from datasets import Dataset
from torch import nn

from course_lib import data, pretrained
from course_lib.commands import make_folder
from course_lib.finetuning import FinetuneConfig, finetune, write_report
from course_lib.pretraining import count_parts
from course_lib.tasks import catalog, kinds, starts
from course_lib.tasks.catalog import NamedTask, Parts
from course_lib.tasks.texts import KEEP
from course_lib.tokenization import Tokenizer
from course_lib.training import History, make_accelerator


@dataclass(frozen=True)
class Wish:
    """What the command was asked for."""

    task: str
    model: str = "bert"
    out: Path | None = None
    data: Path | None = None
    columns: tuple[str, ...] = ()
    label: str = ""
    max_length: int | None = None
    keep: str = "head"
    rows: int | None = None
    test_rows: int | None = None
    frozen: int = 0
    fresh: bool = False


@dataclass
class Prepared:
    """All that a run needs."""

    task: NamedTask
    parts: Parts
    names: list[str]
    model: nn.Module
    tokenizer: Tokenizer
    what: str  # the line that says what the model was
    max_length: int
    train: Dataset
    dev: Dataset
    test: Dataset


def run(wish: Wish, options: dict) -> None:
    """Prepare, train, judge, save, and say how it went. Ends the process with 130 after an
    interrupt; the test rows are looked at only by a run that has come to its end."""
    task = catalog.find(wish.task, wish.columns, wish.label)
    check_options(task, wish)
    out = wish.out or Path("runs") / task.name.replace("/", "-")
    accelerator = make_accelerator()
    out = make_folder(out, wish.fresh, accelerator)
    say = print if accelerator.is_main_process else (lambda *text: None)
    seed = options.get("seed", 0)
    with accelerator.main_process_first():  # the first process fills the cache, the rest read it
        ready = prepare(task, wish, seed)
    config = FinetuneConfig(**{"learning_rate": rate_for(ready.model, wish.model), **options})
    count_parts(config.plan(len(ready.train)), accelerator)
    say(introduction(ready, config))
    freeze(ready.model, wish.frozen)
    history = finetune(
        ready.model, ready.train, config, held_out=ready.dev,
        metrics=kinds.looks(ready.task, ready.names), out=out, accelerator=accelerator,
        identity={"model": wish.model, "task": asdict(ready.task), "keep": wish.keep,
                  "frozen": wish.frozen})
    if accelerator.is_main_process:
        found = {} if history.stopped_early else judged(ready, out)
        finish(ready, wish, config, history, found, out)
        say(report(ready, history, found, out))
    accelerator.wait_for_everyone()
    if history.stopped_early:
        sys.exit(130)


def check_options(task: NamedTask, wish: Wish) -> None:
    """What can be refused before anything is loaded."""
    if wish.keep not in KEEP:
        raise ValueError(f"--keep {wish.keep!r} is not known; choose one of {', '.join(KEEP)}.")
    if wish.keep != "head" and task.kind in ("spans", "tagging"):
        raise ValueError(f"--keep {wish.keep}: the task {task.name} reads all of a long text, in "
                         "windows; leave --keep out.")
    if len(task.columns) not in (1, 2):
        raise ValueError(f"--columns {','.join(task.columns)}: name one column of texts, or two.")


def prepare(task: NamedTask, wish: Wish, seed: int) -> Prepared:
    """Rows, encoded for the model that learns from them."""
    task, parts = catalog.parts(task, wish.data, wish.rows, wish.test_rows, seed)
    names = catalog.label_names(parts.train, task)
    texts = starts.training_texts(parts.train, task.columns) if wish.model.startswith(
        starts.SCRATCH) else None
    model, tokenizer, what = starts.start(wish.model, task.kind, len(names) or 1, seed, texts)
    max_length = length_for(model, task, wish.max_length)
    encoded = [kinds.encode(rows, tokenizer, task, max_length, wish.keep, names or None)
               for rows in (parts.train, parts.dev, parts.test)]
    return Prepared(task, parts, names, model, tokenizer, what, max_length, *encoded)


def length_for(model: nn.Module, task: NamedTask, asked: int | None) -> int:
    """Tokens of a row: what was asked for, or the task's, as far as the model can read. Raises
    ValueError if more was asked for."""
    longest = model.bert.embeddings.longest
    if asked is not None and asked > longest:
        raise ValueError(f"--max-length {asked}: this model reads at most {longest} tokens.")
    if asked is not None and asked < 8:
        raise ValueError(f"--max-length {asked}: give at least 8 tokens.")
    return min(asked or task.max_length, longest)


def rate_for(model: nn.Module, name: str) -> float:
    """A peak that suits the width: 5e-5 for BERT-Base, more for narrower models, most for one that
    starts from nothing."""
    rate = 5e-5 * 768 / model.config.hidden_size
    return min(1e-3, 4 * rate if name.startswith(starts.SCRATCH) else rate)


def freeze(model: nn.Module, layers: int) -> None:
    """Leave the embeddings and the first layers as they are: less to compute, less to forget."""
    have = len(model.bert.encoder.layers)
    if not 0 <= layers <= have:
        raise ValueError(f"--frozen {layers}: this model has {have} layers.")
    if layers:
        if model.config.shared != "nothing":
            raise ValueError("--frozen: the layers of this model share their weights; all or none "
                             "of them can be left as they are.")
        for part in (model.bert.embeddings, *model.bert.encoder.layers[:layers]):
            part.requires_grad_(False)


# --- the end of a run -----------------------------------------------------------------------------


def judged(ready: Prepared, out: Path) -> dict:
    """Figures of the test rows, looked at once; their predictions go to OUT/predictions.csv."""
    temperature = kinds.temperature_of(ready.model, ready.dev, ready.task)
    found = kinds.judge(ready.model, ready.test, ready.parts.test, ready.task, ready.names,
                        temperature)
    write_table(out / "predictions.csv", found.table)
    return {
        "test": {name: figure._asdict() for name, figure in found.figures.items()},
        "test_most_frequent_class": kinds.baseline(ready.parts.train, ready.parts.test, ready.task),
        **kinds.calibration(found, ready.parts.test, ready.task, temperature),
    }


def finish(ready: Prepared, wish: Wish, config: FinetuneConfig, history: History, found: dict,
           out: Path) -> None:
    """Write the model, its task, the figures and the curve."""
    pretrained.save(ready.model, out / "model", ready.tokenizer, labels=ready.names or None)
    write_json(out / "model" / "task.json", {
        "task": ready.task.name, "kind": ready.task.kind, "columns": ready.task.columns,
        "labels": ready.names, "max_length": ready.max_length, "keep": wish.keep,
        "temperature": found.get("temperature", 1.0), "data": ready.parts.note})
    write_report(history, out)
    write_json(out / "metrics.json", {
        "task": ready.task.name, "data": data.origin(ready.parts.train),
        "parts": ready.parts.note, "model": ready.what, "max_length": ready.max_length,
        "keep": wish.keep, "settings": asdict(config), "finished": not history.stopped_early,
        **found, **asdict(history)})


def write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_table(path: Path, table: list[dict]) -> None:
    """A table as CSV that spreadsheets open (UTF-8 with its mark)."""
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, table[0].keys())
        writer.writeheader()
        writer.writerows(table)


def introduction(ready: Prepared, config: FinetuneConfig) -> str:
    """What will be done, in a few lines."""
    cut = {"spans": "read in windows", "tagging": "read in windows"}.get(ready.task.kind, "cut")
    parameters = sum(p.numel() for p in ready.model.parameters())
    return "\n".join([
        f"{ready.task.name}: {ready.parts.note}",
        f"model: {ready.what}, {parameters:,} parameters",
        f"{config.epochs} epoch{'s' * (config.epochs > 1)}, batches of {config.batch_size}, "
        f"rate {config.learning_rate:.1e}; texts of more than {ready.max_length} tokens are {cut}",
    ])


def report(ready: Prepared, history: History, found: dict, out: Path) -> str:
    """A few lines for people."""
    lines = [f"{history.steps} steps, {history.tokens:,} tokens, {history.seconds:.0f} s"]
    chosen = [look for look in history.evaluations if look["step"] == history.best_step]
    for look in chosen:
        figures = ", ".join(f"{k} {v:.3f}" for k, v in look.items() if k != "step")
        lines.append(f"chosen at step {look['step']}: {figures}")
    for name, figure in found.get("test", {}).items():
        frequent = found["test_most_frequent_class"].get(name)
        beside = "" if frequent is None else f"; the most frequent class alone {frequent:.3f}"
        lines.append(f"test {name} {figure['value']:.3f} (95 %: {figure['low']:.3f} to "
                     f"{figure['high']:.3f}){beside}")
    if data.is_stand_in(ready.parts.train):
        lines.append("these are figures of a built-in stand-in, not of the real data set")
    if history.stopped_early:
        lines.append("stopped early, the test rows were not looked at; the same command goes on "
                     "from here")
    lines.append(f"model, metrics.json, curve.png{', predictions.csv' if found else ''} are in "
                 f"{out}; try: course predict --model {out}")
    return "\n".join(lines)
