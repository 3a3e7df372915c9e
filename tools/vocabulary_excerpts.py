"""Keep the rows of the published vocabularies that the texts of the lessons can touch.

Writes course_lib/facts/vocabularies.csv (a line a vocabulary) and vocabulary_rows.csv. After a
change of `TEXTS` in course_lib/vocabularies.py run

    python tools/vocabulary_excerpts.py FOLDER

FOLDER holds bert-base-uncased, roberta-base, ... with their files as published on the hub.
"""

import csv
import sys
from pathlib import Path
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from course_lib.facts import FOLDER as FACTS  # noqa: E402
from course_lib.tokenization import bytelevel_bpe, load, unigram, wordpiece  # noqa: E402
from course_lib.vocabularies import TEXTS  # noqa: E402

SOURCES = {
    "bert-base-uncased": ("google-bert/bert-base-uncased", "Apache 2.0"),
    "bert-base-cased": ("google-bert/bert-base-cased", "Apache 2.0"),
    "bert-base-chinese": ("google-bert/bert-base-chinese", "Apache 2.0"),
    "roberta-base": ("FacebookAI/roberta-base", "MIT"),
    "albert-base-v2": ("albert/albert-base-v2", "Apache 2.0"),
}


def words(tokenizer, text) -> list[str]:
    """The words within which a tokenizer looks for pieces."""
    kind = type(tokenizer).__name__
    if kind == "WordPiece":
        return wordpiece.basic_words(text, tokenizer.lower_case)
    if kind == "ByteLevelBPE":
        return [bytelevel_bpe.to_byte_chars(word) for word in bytelevel_bpe.WORDS.findall(text)]
    return unigram.split_marked(unigram.mark_blanks(unigram.simplify(text)))


def touched(tokenizer) -> dict[str, int]:
    """{piece: id} of all pieces that are part of a word of TEXTS, and of the special tokens."""
    all_words = {word for text in TEXTS for word in words(tokenizer, text)}
    parts = {w[i:j] for w in all_words for i in range(len(w)) for j in range(i + 1, len(w) + 1)}
    parts |= set(tokenizer.special.values())
    if hasattr(tokenizer, "scores"):  # the rarest piece prices the unknown
        parts.add(min(tokenizer.scores, key=tokenizer.scores.get))
    mark = "##" if isinstance(tokenizer, wordpiece.WordPiece) else ""
    return {p: i for p, i in tokenizer.vocab.items() if p.removeprefix(mark) in parts}


def rows(name: str, tokenizer):
    """One dict a piece: its id, and its score (unigram) or how it was merged (BPE)."""
    scores = getattr(tokenizer, "scores", {})
    merges = {a + b: (rank, a) for rank, (a, b) in enumerate(getattr(tokenizer, "merges", []))}
    for piece, index in touched(tokenizer).items():
        rank, left = merges.get(piece, ("", ""))
        score = scores.get(piece, 0.0) if scores else ""
        yield {"vocabulary": name, "piece": piece, "id": index, "score": score, "rank": rank,
               "left": left}  # fmt: skip


def line(name: str, tokenizer) -> dict:
    """What an excerpt cannot show: counts over the whole file, and where it is from."""
    source, license_name = SOURCES[name]
    special = set(tokenizer.special.values())
    chinese = [[c for c in p if wordpiece.is_cjk(c)] for p in tokenizer.vocab if p not in special]
    lower_case = "yes" if getattr(tokenizer, "lower_case", False) else "no"
    return {
        "name": name, "kind": type(tokenizer).__name__, "lower_case": lower_case,
        "entries": tokenizer.vocab_size,
        "chinese_characters": len({char for chars in chinese for char in chars}),
        "entries_with_several_chinese_characters": sum(len(chars) > 1 for chars in chinese),
        "source": f"huggingface.co/{source}", "license": license_name,
    }  # fmt: skip


def write(path: Path, lines: list[dict]) -> None:
    """A CSV file with a header."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    print(f"{path.name}: {len(lines)} lines, {path.stat().st_size / 1000:.0f} KB")


def main(folder: Annotated[Path, typer.Argument(help="Folder of published vocabularies.")]):
    """Write both files."""
    tokenizers = {name: load(folder / name) for name in SOURCES}
    write(FACTS / "vocabularies.csv", [line(name, t) for name, t in tokenizers.items()])
    kept = [row for name, tokenizer in tokenizers.items() for row in rows(name, tokenizer)]
    write(FACTS / "vocabulary_rows.csv", kept)


if __name__ == "__main__":
    typer.run(main)
