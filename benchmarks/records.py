"""Records of runs too long for a lesson: where they lie, what stands in them, how they go on.

A record is one JSON file: settings, the values of every seed, versions, date, hardware in general
words. It is written after each run, so that what was cut off goes on where it was. COURSE_BUDGET
chooses the size and the place of the records:

    cpu    notebooks/records, which the lessons read (also without a choice)
    gpu    notebooks/records/gpu: four times the steps, five seeds; needs a CUDA device
    smoke  runs/records-smoke: does the code run? The figures mean nothing

COURSE_RECORDS names another folder, for runs that shall not touch these.
"""

import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path

from course_lib import budget

ROOT = Path(__file__).resolve().parent.parent
VARIABLE = "COURSE_RECORDS"
BUDGET = budget.Budget(os.environ.get(budget.VARIABLE, "").strip() or "cpu")
SEEDS = BUDGET.pick(smoke=(0,), cpu=(0, 1, 2), gpu=(0, 1, 2, 3, 4))


def times(number: int) -> int:
    """A number of steps or of rows of text, as many as the budget allows."""
    return BUDGET.pick(smoke=max(1, number // 5), cpu=number, gpu=4 * number)


# --- files ----------------------------------------------------------------------------------------


def folder() -> Path:
    """Where the records of this budget lie."""
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    lessons = ROOT / "notebooks" / "records"
    return BUDGET.pick(smoke=ROOT / "runs" / "records-smoke", cpu=lessons, gpu=lessons / "gpu")


def scratch(name: str) -> Path:
    """Where a run keeps what it needs to go on: in runs/, or beside records in another folder."""
    own = folder() if os.environ.get(VARIABLE) else ROOT / "runs" / f"records-{BUDGET.name}"
    return own / "unfinished" / name


def read(name: str) -> dict | None:
    """A record by name, or None."""
    path = folder() / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def save(name: str, found: dict) -> None:
    """Write a record, whole or not at all."""
    write(folder() / f"{name}.json", found)


def write(path: Path, found: dict) -> None:
    text = json.dumps(found, indent=1) + "\n"
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) == json.loads(text):
        return  # nothing new
    path.parent.mkdir(parents=True, exist_ok=True)
    half_done = path.with_suffix(f".{os.getpid()}.tmp")
    half_done.write_text(text, encoding="utf-8")
    half_done.replace(path)


def forget(path: Path) -> None:
    """Remove what a finished run has left behind."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# --- what every record says -----------------------------------------------------------------------


def provenance() -> dict:
    """Date, hardware and versions, as they are now."""
    return {"date": date.today().isoformat(), "hardware": hardware(), "versions": versions()}


def versions() -> dict:
    import torch

    return {"python": platform.python_version(), "torch": torch.__version__}


def hardware() -> str:
    """In general words: what kind of machine this is."""
    import torch

    threads = torch.get_num_threads()
    cpu = f"{platform.machine()} CPU, {threads} thread{'s' if threads > 1 else ''}"
    return f"{budget.gpu_name()}, {cpu}" if BUDGET.name == "gpu" else cpu


def opened(name: str, what: str, command: str, **settings) -> dict:
    """The record as it is, or a new one without runs. Ends the program if the budget is `gpu` and
    there is no CUDA device."""
    check_device()
    return read(name) or {"what": what, "command": f"python -m benchmarks.{command}", **settings,
                          **provenance(), "complete": False, "runs": {}}  # fmt: skip


def check_device() -> None:
    if BUDGET.name == "gpu" and not budget.gpu_name():
        raise SystemExit(
            "the budget is gpu, but no CUDA device is usable here (`course doctor` says why): "
            f"set {budget.VARIABLE}=cpu, or run it on a machine with a GPU."
        )


def run_missing(
    name: str, found: dict, run: Callable[[str, int], dict], arms: Iterable[str],
    seeds: Iterable[int] = SEEDS, once: tuple[str, ...] = (),
) -> None:  # fmt: skip
    """Add `run(arm, seed)` to found["runs"][arm][seed] where it is missing, and save after each.

    Seed by seed, so that a half-finished record compares all arms. once: arms that need no second
    seed. The record ends with complete = true.
    """
    arms, seeds = list(arms), list(seeds)
    wanted = [(arm, seed) for seed in seeds for arm in arms if seed == seeds[0] or arm not in once]
    for arm, seed in wanted:
        if str(seed) in found["runs"].setdefault(arm, {}):
            continue
        started = time.perf_counter()
        found["complete"] = False
        found["runs"][arm][str(seed)] = run(arm, seed)
        seconds = time.perf_counter() - started
        found.setdefault("run_seconds", {}).setdefault(arm, {})[str(seed)] = round(seconds, 1)
        save(name, found)
        print(f"{name}: {arm}, seed {seed}: {seconds:.0f} s", flush=True)
    if not found.get("complete", True):
        found["complete"] = True
        save(name, found)


# --- reading any record, also older ones ----------------------------------------------------------


def runs_of(record: dict) -> dict[str, dict]:
    """{arm: {seed: run}}, also of arms within arms and of lists; empty for another form."""
    return dict(pair for arm, found in record.get("runs", {}).items() for pair in arms(arm, found))


def arms(name: str, found: dict | list) -> Iterator[tuple[str, dict]]:
    """An arm with its runs by seed, or the arms that it holds."""
    if isinstance(found, list):
        found = {str(run["seed"]): run for run in found}
    if all(key.isdigit() for key in found):
        yield name, found
        return
    for inner, value in found.items():
        if isinstance(value, dict | list):
            yield from arms(f"{name}, {inner}", value)


def seeds_of(record: dict) -> list[int]:
    if "seeds" in record:
        return record["seeds"]
    found = {int(seed) for by_seed in runs_of(record).values() for seed in by_seed}
    alone = record.get("settings", {}).get("seed")
    return sorted(found) or ([] if alone is None else [alone])


def versions_of(record: dict) -> dict:
    return record.get("versions") or {k: record[k] for k in ("python", "torch") if k in record}


def settings_of(record: dict) -> dict:
    return record.get("settings") or {k: record[k] for k in ("shape", "train") if k in record}


def complete(record: dict) -> bool:
    """What the record says, or else whether all of its arms have the same seeds, or one."""
    if "complete" in record:
        return record["complete"]
    seeds = {str(seed) for seed in seeds_of(record)}
    return bool(seeds) and all(len(by_seed) == 1 or set(by_seed) == seeds
                               for by_seed in runs_of(record).values())  # fmt: skip


def seconds_of(record: dict) -> float | None:
    """What the runs took together, or None where it was not noted."""
    if "seconds" in record:
        return record["seconds"]
    noted, total = record.get("run_seconds", {}), 0.0
    for arm, by_seed in runs_of(record).items():
        for seed, run in by_seed.items():
            seconds = noted.get(arm, {}).get(seed, run.get("seconds"))
            if seconds is None:
                return None
            total += seconds
    return total
