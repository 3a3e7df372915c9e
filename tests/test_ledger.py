"""The ledger holds every claim, and finds the cells that settle it."""

import json

import nbformat
import pytest
from nbformat import v4

from course_lib import facts
from tools import ledger


@pytest.fixture(scope="module")
def real():
    return ledger.entries()


def lesson(folder, number, *cells):
    path = folder / f"{number}_lesson.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_markdown_cell("# Lesson"), *cells]), path)


def cell(name, tags, *shown, ran=1):
    outputs = [v4.new_output("display_data", {"text/html": box._repr_html_()}) for box in shown]
    return v4.new_code_cell("1", id=name, metadata={"tags": tags}, outputs=outputs,
                            execution_count=ran)  # fmt: skip


def test_every_claim_is_there_once_with_its_verdict(real):
    assert [entry.number for entry in real] == [row["number"] for row in facts.claims()]
    assert len(real) == 166
    for verdict, kinds in ledger.counts(real).items():
        assert kinds.total() == len(facts.claims(verdict=verdict))


def test_what_the_lessons_tag_is_settled_and_nothing_else(real, root):
    tagged = {}
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        for one in nbformat.read(path, as_version=4).cells:
            for tag in one.metadata.get("tags", []):
                if tag.startswith("claim:"):
                    ran = one.cell_type == "markdown" or one.execution_count is not None
                    tagged.setdefault(int(tag[6:]), []).append((path.stem, one.id, ran))
    for entry in real:
        cells = tagged.get(entry.number, [])
        assert [(c.notebook, c.cell, c.kind != "open") for c in entry.cells] == cells
        assert (entry.kind == "open") == (not any(ran for *_, ran in cells))


def test_how_a_claim_is_settled_comes_from_the_saved_outputs(tmp_path):
    both = [facts.show_claim(2, "seen <here>"), facts.show_claim(3)]
    lesson(tmp_path, "01", cell("two", ["claim:2", "claim:3"], *both), cell("fig", ["claim:4"]))
    lesson(tmp_path, "03", cell("later", ["claim:6"], ran=None))
    lesson(tmp_path, "02", cell("again", ["claim:3", "claim:33"], facts.show_claim(3, "more")))
    found = {entry.number: entry for entry in ledger.entries(tmp_path)}
    assert found[2].kind == "computed" and found[2].cells[0].here == "seen <here>"
    assert [c.kind for c in found[3].cells] == ["published", "computed"]
    assert found[3].kind == "computed" and found[3].cells[1].notebook == "02_lesson"
    assert found[4].kind == "shown" and found[33].kind == "shown"
    assert found[5].kind == found[6].kind == "open" and len(found[6].cells) == 1


def test_the_file_holds_the_whole_ledger(real, tmp_path, capsys):
    ledger.main(tmp_path / "deep" / "ledger.json")
    rows = json.loads((tmp_path / "deep" / "ledger.json").read_text("utf-8"))
    assert [row["number"] for row in rows] == list(range(1, 167))
    by_number = {entry.number: entry for entry in real}
    for row in rows:
        entry = by_number[row["number"]]
        assert row["kind"] == entry.kind and len(row["cells"]) == len(entry.cells)
    said = capsys.readouterr().out
    assert "166 claims" in said and said.splitlines()[-1].startswith("open: ")
