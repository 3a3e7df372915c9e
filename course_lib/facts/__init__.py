"""Published figures with their sources, and the claims of the lectures with our verdicts.

Each table is a CSV file beside this module. `verified_against` and `status` say which source a
number was compared with, and which numbers could not be compared.

    models.csv      published models: shapes, sizes, data, training
    results.csv     scores printed in the papers, by table
    glossary.csv    English terms and the usual Chinese ones
    claims.csv      the 166 claims of the lecture outlines, each with a verdict and evidence
    items.csv       the numbered figures and tables of the outlines, with the tags of their cells
    timeline.csv    dates of the models, by first publication
    references.csv  the papers
"""

import csv
import difflib
import re
from functools import cache
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent
_WHOLE = {"layers", "hidden", "heads", "ffn", "embedding_size", "vocab_size", "max_positions",
          "params_computed_encoder", "params_computed_with_mlm_head", "number"}  # fmt: skip
_REAL = {"value", "params_millions"}
VERDICT_COLORS = {
    "right": "#00795A", "imprecise": "#8A6000", "wrong": "#B84A00", "unverified": "#767676",
}  # fmt: skip


@cache
def _read(name):
    with open(FOLDER / f"{name}.csv", newline="", encoding="utf-8") as file:
        return tuple({k: _parse(k, v) for k, v in row.items()} for row in csv.DictReader(file))


def _parse(column, text):
    """A number where the column holds numbers and this one is clean; else the text, or None."""
    plain = text.replace(",", "")
    if not text:
        return None
    if column in _WHOLE and re.fullmatch(r"-?\d+", plain):
        return int(plain)
    if column in _REAL and re.fullmatch(r"-?\d+(\.\d+)?", plain):
        return float(plain)
    return text


def _select(name, **filters):
    """Rows of a table for which every filter that is not None equals the column's value.

    Raises ValueError naming the value and the closest options if a filter fits no row.
    """
    rows = [dict(row) for row in _read(name)]
    for column, wanted in filters.items():
        if wanted is None:
            continue
        kept = [row for row in rows if _same(row[column], wanted)]
        if not kept:
            options = list(dict.fromkeys(str(row[column]) for row in rows if row[column]))
            close = difflib.get_close_matches(str(wanted), options, n=5, cutoff=0.3)
            close = options if len(options) <= 12 else close
            raise ValueError(
                f"{name}.csv has no row with {column} = {wanted!r} here; "
                f"there is {', '.join(map(repr, close or options[:12]))}."
            )
        rows = kept
    return rows


def _same(value, wanted):
    return str(value).casefold() == str(wanted).casefold()


def models(family=None, model=None):
    """Published models as dicts, all or one family ("BERT", "RoBERTa", "ALBERT", "ELECTRA").

    Raises ValueError naming the options for a family or model that is not in models.csv.
    """
    return _select("models", family=family, model=model)


def results(paper=None, table=None, model=None, task=None, metric=None, split=None):
    """Published scores as dicts; `value` is a number where the paper prints a plain one.

    `results("BERT", "Table 5")` gives the rows of Table 5 of the BERT paper. Filters apply in
    order; ValueError names the options for one that fits no row.
    """
    return _select("results", paper=paper, table=table, model=model, task=task, metric=metric,
                   split=split)  # fmt: skip


def glossary(category=None):
    """English terms, abbreviations and Chinese terms as dicts."""
    return _select("glossary", category=category)


def chinese(term):
    """The usual Chinese term for an English one, or for its abbreviation.

    Raises ValueError naming close terms if the glossary has neither.
    """
    for row in _read("glossary"):
        if _same(row["english"], term) or _same(row["abbreviation"], term):
            return row["chinese"]
    return _select("glossary", english=term)[0]["chinese"]  # raises, with suggestions


def claims(verdict=None, group=None):
    """Claims of the lecture outlines as dicts, all or those with one verdict."""
    return _select("claims", verdict=verdict, group=group)


def claim(number):
    """The claim with this number. Raises ValueError for a number that there is not."""
    rows = _read("claims")
    if number not in range(1, len(rows) + 1):
        raise ValueError(f"there is no claim {number!r}; they are numbered 1 to {len(rows)}.")
    return dict(rows[number - 1])


def items(outline=None, kind=None):
    """Numbered figures and tables of the outlines as dicts, with the tag of the cell for each."""
    return _select("items", outline=outline, kind=kind)


def timeline():
    """Dates of first publication as dicts, in order."""
    return _select("timeline")


def cite(key):
    """One line that names a paper, for example `cite("BERT")`. ValueError for an unknown key."""
    row = _select("references", key=key)[0]
    arxiv = f"arXiv:{row['arxiv']}" if row["arxiv"] else None
    tail = ". ".join(part for part in (row["venue"], arxiv) if part)
    return f"{row['authors']} ({row['year']}). {row['title']}. {tail}."


def millions(text):
    """The first size in a text such as "235M (Table 1)", in millions; None if there is none."""
    found = re.search(r"([\d.]+)\s*([MB])\b", str(text or ""))
    return float(found[1]) * (1000 if found[2] == "B" else 1) if found else None


class ShownClaim:
    """A claim with its verdict and evidence: a box in a notebook, plain lines elsewhere."""

    def __init__(self, row, seen):
        self.row, self.seen = row, seen

    def _repr_html_(self):
        ink = VERDICT_COLORS[self.row["verdict"]]
        seen = f"<div><b>Here:</b> {escape(self.seen)}</div>" if self.seen else ""
        return (
            f'<div style="border-left:6px solid {ink};padding:.4em .9em;margin:.5em 0">'
            f"<div>Claim {self.row['number']}: <i>{escape(self.row['claim'])}</i></div>"
            f'<div><b style="color:{ink}">{escape(self.verdict())}.</b></div>{seen}'
            f"<div><b>Published:</b> {escape(self.row['evidence'])}</div></div>"
        )

    def verdict(self):
        """The verdict as a phrase, "Right for Base/Large, imprecise as a description"."""
        text = re.sub(r"RIGHT|IMPRECISE|WRONG|UNVERIFIED", lambda m: m[0].lower(),
                      self.row["verdict_text"])  # fmt: skip
        return text[0].upper() + text[1:]

    def __repr__(self):
        lines = [f"Claim {self.row['number']}: {self.row['claim']}", f"  {self.verdict()}."]
        lines += [f"  Here: {self.seen}"] if self.seen else []
        return "\n".join([*lines, f"  Published: {self.row['evidence']}"])


def show_claim(number, seen=""):
    """A claim of the lectures with its verdict, as the last line of a cell tagged `claim:N`.

    seen: one sentence on what the cells above measured.
    """
    return ShownClaim(claim(number), seen)
