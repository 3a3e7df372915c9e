"""What `course predict` does, apart from reading its options: texts in, labels (or answers, or
entities) out, and a word about each text that the model could not read well."""

import csv
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TextIO

from datasets import Dataset, Features, List, Value
from torch import nn

from course_lib import pretrained
from course_lib.hub_files import find_file, read_hub_config
from course_lib.predicting import predict
from course_lib.task_rows import task_of
from course_lib.tasks import kinds, measures, spans, starts, tags
from course_lib.tasks.catalog import NamedTask
from course_lib.tokenization import Tokenizer
from course_lib.tokenization.base import check_text, read_json

HEADS = {"ForSequenceClassification": "classification", "ForTokenClassification": "tagging",
         "ForQuestionAnswering": "spans"}  # the end of `architectures` in config.json
DEFAULT_LENGTH = 256  # tokens, for a model that does not say how it was trained
MANY_UNKNOWN = 0.3  # of a text's tokens: more than that is worth a word
WORDS = re.compile(r"\w+(?:['’]\w+)?|[^\w\s]")  # for tagging: words and marks
FORMATS = (".csv", ".jsonl", ".txt")


@dataclass
class Reader:
    """A fine-tuned model and how texts become its rows."""

    model: nn.Module
    tokenizer: Tokenizer
    task: NamedTask
    labels: list[str]
    max_length: int
    keep: str = "head"
    temperature: float = 1.0

    @cached_property
    def fast(self):
        """The tokenizer's quick twin."""
        return self.tokenizer.fast()


@dataclass
class Found:
    """What the model says of one text."""

    texts: tuple[str, ...]
    answer: dict  # label and probability, or value, or answer, or entities
    notes: list[str] = field(default_factory=list)

    def line(self) -> str:
        """For people: the answer first, then the beginning of the text."""
        said = "  ".join(shown(name, value) for name, value in self.answer.items())
        text = " | ".join(self.texts)
        return f"{said}\t{text[:70]}{'...' if len(text) > 70 else ''}"


def run(model: str, texts: list[str], file: str, pair: str, columns: tuple[str, ...],
        out: Path | None) -> None:
    """Read, predict, print or write."""
    if out is not None and out.suffix not in (".csv", ".jsonl"):
        raise ValueError(f"--out {out}: name a file that ends in .csv or .jsonl.")
    if bool(texts) == bool(file):
        raise ValueError("give the texts themselves, or --file in.csv (- for standard input); "
                         "one of the two.")
    reader = open_model(model)
    wanted = columns or reader.task.columns
    if columns and len(columns) != len(reader.task.columns):
        raise ValueError(f"--columns {','.join(columns)}: this model reads "
                         f"{len(reader.task.columns)}, as {', '.join(reader.task.columns)}.")
    given = from_file(file, wanted) if file else from_arguments(texts, pair, reader.task)
    if not given:
        raise ValueError(f"{file} holds no text.")
    found = answer(reader, given)
    for number, one in enumerate(found, start=1):
        for note in one.notes:
            print(f"text {number}: {note}", file=sys.stderr)
    if out is None:
        print("\n".join(one.line() for one in found))
        return
    write(out, found, wanted)
    print(f"{len(found):,} answers are in {out}")


# --- the model ------------------------------------------------------------------------------------


def open_model(name: str) -> Reader:
    """A model of `course finetune`, or another fine-tuned one in the hub's layout. Raises
    ValueError for a model that no task was learned by."""
    folder, _ = starts.place_of(name)
    hub = read_hub_config(folder)
    architecture = (hub.get("architectures") or ["?"])[0]
    kind = next((k for end, k in HEADS.items() if architecture.endswith(end)), None)
    if kind is None:
        raise ValueError(f"{name} is a {architecture}, which has learned no task yet: run "
                         f"`course finetune --task TASK --model {name}` first, or name its --out.")
    found = find_file(folder, "task.json")
    said = read_json(found) if found else {}
    cls = starts.class_for(hub.get("model_type", "bert"), kind, folder)
    model, tokenizer = pretrained.load(folder, cls), pretrained.load_tokenizer(folder)
    kind = task_of(model).kind
    labels = [hub["id2label"][str(i)] for i in range(len(hub.get("id2label", {})))]
    columns = {"spans": ("question", "context"), "tagging": ("tokens",)}.get(kind, ("text",))
    task = NamedTask(said.get("task", name), "", kind, tuple(said.get("columns", columns)))
    longest = model.bert.embeddings.longest
    return Reader(model, tokenizer, task, said.get("labels") or labels,
                  min(said.get("max_length", DEFAULT_LENGTH), longest), said.get("keep", "head"),
                  said.get("temperature", 1.0))


# --- texts ----------------------------------------------------------------------------------------


def from_arguments(texts: list[str], pair: str | None, task: NamedTask) -> list[tuple[str, ...]]:
    """Each text alone, or each with the same second one. Raises ValueError if the model wants it
    the other way."""
    if task.pair and pair is None:
        raise ValueError(f"this model reads pairs ({', '.join(task.columns)}): give the second "
                         "text with --pair, or both in columns of a --file.")
    if pair is not None and not task.pair:
        raise ValueError(f"--pair: this model reads one text at a time ({task.columns[0]}).")
    return [(text, pair) if task.pair else (text,) for text in texts]


def from_file(name: str, columns: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The texts of a file: .txt one a line, .csv or .jsonl by column; "-": lines of standard input.
    Raises ValueError naming the line that cannot be used."""
    if name == "-":
        return from_lines(sys.stdin, columns, "standard input")
    path = Path(name).expanduser()
    if not path.is_file():
        raise ValueError(f"--file {name} is not a file here.")
    if path.suffix not in FORMATS:
        raise ValueError(f"--file {name}: the name must end in one of {', '.join(FORMATS)}.")
    read = {".csv": from_csv, ".jsonl": from_jsonl, ".txt": from_lines}[path.suffix]
    try:
        with path.open(encoding="utf-8-sig", newline="" if path.suffix == ".csv" else None) as file:
            return read(file, columns, name)
    except UnicodeDecodeError as problem:
        raise ValueError(f"--file {name} is not UTF-8 (byte {problem.start}): save it as UTF-8, or "
                         f"iconv -f GB18030 -t UTF-8 {path.name} > utf8{path.suffix}.") from problem


def from_lines(file: TextIO, columns: tuple[str, ...], name: str) -> list[tuple[str, ...]]:
    if len(columns) == 2:
        raise ValueError(f"this model reads pairs ({', '.join(columns)}): {name} has one text a "
                         "line; give a .csv or .jsonl with both columns.")
    return [(line.rstrip("\r\n"),) for line in file]


def from_csv(file: TextIO, columns: tuple[str, ...], name: str) -> list[tuple[str, ...]]:
    rows = csv.DictReader(file)
    check_names(rows.fieldnames or [], columns, name)
    return [texts_of(row, columns, f"{name}, line {rows.line_num}") for row in rows]


def from_jsonl(file: TextIO, columns: tuple[str, ...], name: str) -> list[tuple[str, ...]]:
    found = []
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as problem:
            raise ValueError(f"{name}, line {number} is not JSON: {problem}.") from problem
        if not isinstance(row, dict):
            example = json.dumps(dict.fromkeys(columns, "..."))
            raise ValueError(f"{name}, line {number} is no object such as {example}.")
        check_names(list(row), columns, f"{name}, line {number}")
        found.append(texts_of(row, columns, f"{name}, line {number}"))
    return found


def check_names(there: list[str], columns: tuple[str, ...], name: str) -> None:
    for column in columns:
        if column not in there:
            raise ValueError(f"{name} has no column {column!r}, only {', '.join(there) or 'none'}: "
                             f"name the right one with --columns {','.join(columns)}.")


def texts_of(row: dict, columns: tuple[str, ...], where: str) -> tuple[str, ...]:
    """The texts of a row; a missing one is empty. A list of words (tagging) stays one text."""
    found = []
    for column in columns:
        value = row[column]
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            value = " ".join(value)
        if not isinstance(value, str | None):
            raise ValueError(f"{where}: {column} is {value!r:.40}, not a text.")
        found.append(value or "")
    return tuple(found)


# --- answers --------------------------------------------------------------------------------------


def answer(reader: Reader, given: list[tuple[str, ...]]) -> list[Found]:
    """What the model says of each text, with notes on what it could not read."""
    for number, texts in enumerate(given, start=1):
        for text in texts:
            check_text(text, f"text {number}")
    answers = ANSWERS[reader.task.kind](reader, given)
    return [Found(texts, said, notes_on(texts, reader))
            for texts, said in zip(given, answers, strict=True)]


def encoded(reader: Reader, given: list[tuple[str, ...]]) -> tuple[Dataset, Dataset]:
    """(the texts as a data set, their rows)."""
    columns = zip(reader.task.columns, zip(*given, strict=True), strict=True)
    rows = Dataset.from_dict({name: list(texts) for name, texts in columns})
    return rows, kinds.encode(rows, reader.tokenizer, reader.task, reader.max_length, reader.keep,
                              label=None)


def classes_of(reader: Reader, given: list) -> Iterator[dict]:
    said = predict(reader.model, encoded(reader, given)[1])
    for p in measures.temper(said.scores, reader.temperature):
        yield {"label": reader.labels[p.argmax()], "probability": float(p.max())}


def numbers_of(reader: Reader, given: list) -> Iterator[dict]:
    said = predict(reader.model, encoded(reader, given)[1])
    yield from ({"value": float(value)} for value in said.values)


def answers_to(reader: Reader, given: list) -> Iterator[dict]:
    """Answers out of the passages; "" for a passage without a word."""
    reader = replace(reader, task=replace(reader.task, columns=spans.COLUMNS))
    rows, windows = encoded(reader, given)
    for found in spans.answers_of(predict(reader.model, windows).scores, windows, rows):
        sure = found.candidates[0].probability if found.candidates else 0.0
        yield {"answer": found.text, "probability": sure, "start": found.start, "end": found.end}


def entities_of(reader: Reader, given: list) -> Iterator[dict]:
    words = [WORDS.findall(text) for (text,) in given]
    rows = Dataset.from_dict({"tokens": words}, Features({"tokens": List(Value("string"))}))
    task = NamedTask(reader.task.name, "", "tagging", ("tokens",))
    windows = kinds.encode(rows, reader.tokenizer, task, reader.max_length, label=None)
    said = tags.word_tags(predict(reader.model, windows).values, windows, reader.labels)
    for sentence, marks in zip(words, said, strict=True):
        yield {"entities": [{"kind": e.kind, "text": " ".join(sentence[e.start : e.end])}
                            for e in tags.entities(marks)]}


ANSWERS = {"classification": classes_of, "regression": numbers_of, "spans": answers_to,
           "tagging": entities_of}


def notes_on(texts: tuple[str, ...], reader: Reader) -> list[str]:
    """What the model could not read of a text, or nothing."""
    notes = []
    ids = [reader.fast.encode(text, add_special_tokens=False).ids for text in texts]
    for name, text, of_text in zip(reader.task.columns, texts, ids, strict=True):
        which = f" ({name})" if len(texts) > 1 else ""
        unknown = of_text.count(reader.tokenizer.unk_id)
        if not of_text:
            notes.append(f"no word in it{which}; the answer says only what the model guesses "
                         "without a text")
        elif unknown > MANY_UNKNOWN * len(of_text):
            notes.append(f"{unknown} of its {len(of_text)} tokens{which} are "
                         f"{reader.tokenizer.special['unk']}: the model's vocabulary does not have "
                         f"what stands there ({text[:20]!r}), so the answer means little")
    room = reader.max_length - len(reader.tokenizer.add_special([], [] if len(ids) > 1 else None)[
        "input_ids"])
    total = sum(map(len, ids))
    if total > room and reader.task.kind in ("classification", "regression"):
        what = {"head": "the first", "tail": "the last", "head+tail": "the first and last"}
        notes.append(f"{total:,} tokens; the model read {what[reader.keep]} {room} of them")
    return notes


# --- output ---------------------------------------------------------------------------------------


def shown(name: str, value) -> str:
    """A part of an answer, for people."""
    if name == "entities":
        return ", ".join(f"{e['text']} ({e['kind']})" for e in value) or "no entity"
    if isinstance(value, float):
        return f"{value:.3f}"
    return "" if name in ("start", "end") else str(value) or "(no answer)"


def write(out: Path, found: list[Found], columns: tuple[str, ...]) -> None:
    """All of it as .jsonl or .csv (entities there as JSON in one column)."""
    rows = [{**dict(zip(columns, one.texts, strict=True)), **one.answer,
             "notes": "; ".join(one.notes)} for one in found]
    if out.suffix == ".jsonl":
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        out.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return
    with out.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows({k: v if isinstance(v, str | int | float) else json.dumps(
            v, ensure_ascii=False) for k, v in row.items()} for row in rows)
