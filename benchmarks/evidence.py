"""All recorded comparisons of the course: what there is, and how to make it again.

    python -m benchmarks.evidence --list          # the table alone
    python -m benchmarks.evidence                 # run what is missing, then the table
    python -m benchmarks.evidence 08-masks        # one record, by its name, or one script
    python -m benchmarks.evidence --budget gpu    # larger: real text, longer, more seeds
    python -m benchmarks.evidence --into runs/again   # all from the beginning, in another folder

A record that is complete is left alone. What was cut off goes on where it was. Records, budgets and
their folders: `benchmarks.records`.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

BUDGETS = ("smoke", "cpu", "gpu")


class Script(NamedTuple):
    """A program of `benchmarks` that makes records."""

    module: str
    records: dict[str, str]  # name of a record -> the part to ask the script for
    budgets: tuple[str, ...] = BUDGETS


SCRIPTS = (
    Script("evidence_01", {"01_objectives": "", "01_labels": ""}),
    Script("encoder_ablation", {"03_encoder_ablation": ""}),
    Script("pretraining_evidence", {
        "06_masks": "masks", "06_techniques": "techniques", "06_phases": "phases",
        "06_real_text": "real_text"}),
    Script("attention_evidence", {"07-tinyworld": "tinyworld", "07-encoders": "encoders"}),
    Script("roberta_evidence", {
        "08-masks": "masks", "08-formats": "formats", "08-batch": "batch", "08-data": "data",
        "08-longer": "longer"}),
    Script("albert_evidence", {"09_pairs": "pairs", "09_sharing": "sharing"}),
    Script("electra_evidence", {
        "10-arms": "arms", "10-compute": "compute", "10-genres": "genres"}, ("cpu",)),
    Script("family_evidence", {"11-family": ""}, ("cpu",)),
    Script("classification_evidence", {
        "12-words": "words", "12-frozen": "frozen", "12-reviews": "reviews"}, ("cpu",)),
    Script("question_evidence", {"13-squad": "squad", "13-passages": "passages"}, ("cpu",)),
    Script("entities_evidence", {
        "14-tinyworld": "tinyworld", "14-wnut": "wnut", "14-tuned": "tuned"}, ("smoke", "cpu")),
    Script("uses_evidence", {"14-uses": "uses"}, ("smoke", "cpu")),
    Script("limits_evidence", {
        f"15-{part}": part for part in (
            "data", "writing", "bias", "secrets", "students", "segments", "pictures")},
        ("smoke", "cpu")),
    Script("family_real_text", {"11_real_text_small": "small"}, ("smoke", "gpu")),
    Script("family_real_text", {"11_real_text_large": "large"}, ("gpu",)),
    Script("tasks_evidence", {"12-sst2": "sst2", "12-imdb": "imdb"}),
)  # fmt: skip


class Entry(NamedTuple):
    """One record, there or not."""

    name: str
    script: Script
    part: str
    record: dict | None


def entries(budget: str) -> list[Entry]:
    """All records that the budget has or should have. Those that no script above names are claimed
    by the command that stands in them."""
    from benchmarks import records

    found = [Entry(name, script, part, records.read(name)) for script in SCRIPTS
             if budget in script.budgets for name, part in script.records.items()]  # fmt: skip
    named = {entry.name for entry in found}
    for path in sorted(records.folder().glob("*.json")):
        if path.stem not in named:
            record = records.read(path.stem)
            found.append(Entry(path.stem, *claimed(record), record))
    return sorted(found, key=lambda entry: entry.name)


def claimed(record: dict) -> tuple[Script, str]:
    """Script and part by the record's own command. Raises LookupError where it names none."""
    said = re.fullmatch(r"python -m benchmarks\.(\w+) ?(\S*)", record.get("command", ""))
    for script in SCRIPTS:
        if said and script.module == said[1]:
            return script, said[2]
    raise LookupError(f"no script is known for a record with the command {record.get('command')!r}")


def table(found: list[Entry]) -> str:
    """Record, script, date, seeds, seconds, complete or not."""
    from benchmarks import records

    rows = [("record", "script", "date", "seeds", "seconds", "complete")]
    for entry in found:
        call, record = f"{entry.script.module} {entry.part}".strip(), entry.record
        if record is None:
            rows.append((entry.name, call, "-", "-", "-", "not run"))
            continue
        seconds = records.seconds_of(record)
        rows.append((
            entry.name, call, record.get("date", "?"),
            " ".join(map(str, records.seeds_of(record))),
            "not noted" if seconds is None else f"{seconds:,.0f}",
            "yes" if records.complete(record) else "no",
        ))  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
                     .rstrip() for row in rows)  # fmt: skip


def chosen(found: list[Entry], only: list[str]) -> list[Entry]:
    """The entries that were asked for, by record or script. Raises SystemExit for another name."""
    names = {name for entry in found for name in (entry.name, entry.script.module)}
    for name in only:
        if name not in names:
            raise SystemExit(f"no record or script of this budget is called {name!r}; there are "
                             f"{', '.join(sorted(names))}.")  # fmt: skip
    return [entry for entry in found if not only or {entry.name, entry.script.module} & set(only)]


def run(entry: Entry) -> None:
    """Call the script for this record. Ends the program with its status if it fails."""
    call = [sys.executable, "-m", f"benchmarks.{entry.script.module}", *entry.part.split()]
    print(f"--- {entry.name}: {' '.join(call[1:])}", flush=True)
    root = Path(__file__).resolve().parent.parent
    status = subprocess.run(call, cwd=root).returncode
    if status:
        raise SystemExit(status)


def main(
    only: Annotated[list[str] | None, typer.Argument(help="records or scripts; else all")] = None,
    list_only: Annotated[bool, typer.Option("--list", help="print the table, run nothing")] = False,
    budget: Annotated[str, typer.Option(help=", ".join(BUDGETS))] = "cpu",
    into: Annotated[Path | None, typer.Option(help="another folder, to begin anew in")] = None,
) -> None:
    """Run what is missing of the recorded comparisons, and print which there are."""
    if budget not in BUDGETS:
        raise SystemExit(f"--budget is {budget!r}; choose one of {', '.join(BUDGETS)}.")
    os.environ["COURSE_BUDGET"] = budget
    if into:
        os.environ["COURSE_RECORDS"] = str(into.resolve())
    from benchmarks import records  # reads these two

    if not list_only:
        records.check_device()
        for name in [entry.name for entry in chosen(entries(budget), only or [])]:
            # looked at again: a script may make two records at once
            entry = next(e for e in entries(budget) if e.name == name)
            if entry.record is None or not records.complete(entry.record):
                run(entry)
    print(table(chosen(entries(budget), only or [])))


if __name__ == "__main__":
    typer.run(main)
