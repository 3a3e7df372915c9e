"""The published figures load, are whole, and filters name what there is."""

import re
from pathlib import Path

import nbformat
import pytest

from course_lib import facts


def test_tables_have_their_rows():
    assert len(facts.models()) == 60
    assert len(facts.results()) == 1656
    assert len(facts.items()) == 84
    assert [claim["number"] for claim in facts.claims()] == list(range(1, 167))


def test_verdicts_of_all_claims():
    counts = {v: len(facts.claims(verdict=v)) for v in facts.VERDICT_COLORS}
    assert counts == {"right": 86, "imprecise": 41, "wrong": 37, "unverified": 2}


def test_numbers_are_numbers_and_identifiers_stay_text():
    base = facts.models(model="BERT-Base, uncased")[0]
    assert base["params_computed_encoder"] == 109_482_240 and base["layers"] == 12
    row = facts.results("BERT", "Table 5", model="BERT-Base", task="MNLI-m")[0]
    assert row["value"] == 84.4 and row["arxiv"] == "1810.04805"
    assert facts.results("computed") and facts.models("reference (not BERT family)")


def test_families_by_name_in_any_case():
    assert len(facts.models("albert")) == len(facts.models("ALBERT")) == 8


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: facts.models("Bart"), "'Bart'.*'BERT'"),
        (lambda: facts.results("BERT", "Tabel 5"), "'Tabel 5'.*'Table 5'"),
        (lambda: facts.results("BERT", "Table 5", task="SQUAT"), "'SQUAT'.*'SQuAD"),
        (lambda: facts.claim(167), "167.*1 to 166"),
        (lambda: facts.claim("77"), "'77'"),
        (lambda: facts.cite("Bert et al"), "'Bert et al'"),
        (lambda: facts.chinese("maskd language model"), "'masked language model'"),
    ],
)
def test_unknown_filters_name_value_and_options(call, named):
    with pytest.raises(ValueError, match=named):
        call()


def test_rows_are_copies():
    facts.claim(1)["claim"] = "changed"
    facts.models()[0]["layers"] = 0
    assert facts.claim(1)["claim"] != "changed" and facts.models()[0]["layers"] == 12


def test_every_item_has_its_own_tag():
    tags = [item["tag"] for item in facts.items()]
    assert len(set(tags)) == len(tags)
    assert {"fig:000-F1", "tab:000-T1", "fig:001-F1", "tab:001-T15", "fig:004-U11"} <= set(tags)
    assert all(re.fullmatch(r"(fig|tab):00\d-([FTU]\d+|meta)", tag) for tag in tags)


def test_timeline_refers_to_known_papers_in_order():
    dates = [event["date"] for event in facts.timeline()]
    assert dates == sorted(dates)
    for event in facts.timeline():
        arxiv = re.search(r"arXiv:(\d\d)(\d\d)\.", facts.cite(event["reference"]))
        if arxiv:  # the arXiv number holds year and month of the first version
            assert event["date"] == f"20{arxiv[1]}-{arxiv[2]}", event["name"]


def test_sizes_in_words():
    assert facts.millions("235M (Table 1); 233M in the text") == 235
    assert facts.millions("1.5B") == 1500 and facts.millions(None) is None


def test_a_claim_shows_as_html_and_as_text():
    shown = facts.show_claim(8, "the first matrix is 768 x 3072 <wide>")
    assert "Wrong" in repr(shown) and "768 x 3072 <wide>" in repr(shown)
    assert "&lt;wide&gt;" in shown._repr_html_() and "Claim 8" in shown._repr_html_()
    assert "Right for Base/Large, imprecise" in repr(facts.show_claim(4))


def test_chinese_terms_by_name_and_abbreviation():
    assert facts.chinese("MLM") == facts.chinese("masked language model")


LESSONS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_tags_in_lessons_name_claims_and_items_that_there_are(path):
    cells = nbformat.read(path, as_version=4).cells
    tags = {tag for cell in cells for tag in cell.metadata.get("tags", [])}
    named = {tag for tag in tags if tag.startswith(("fig:", "tab:"))}
    assert named <= {item["tag"] for item in facts.items()}
    assert {tag for tag in tags if tag.startswith("claim:")} <= {
        f"claim:{claim['number']}" for claim in facts.claims()
    }
