"""The controls, without a browser: what they ask for is what is shown."""

import pytest
import torch
from small_families import TEXT, family, small

from course_lib import attention_views, widgets
from course_lib.bert import BertModel
from course_lib.electra import Discriminator

FAMILIES = ["bert", "roberta", "albert", "electra"]


@pytest.fixture(scope="module")
def models():
    return {name: family(name) for name in FAMILIES}


class Handle:
    """Stands for the display that a panel keeps up to date."""

    def __init__(self):
        self.shown = []

    def update(self, view):
        self.shown.append(view)


def test_explorer_follows_its_controls(models):
    model, tokenizer = models["bert"]
    panel = widgets.explorer(model, tokenizer, TEXT)
    panel._handle = handle = Handle()
    panel.controls["layer"].value = 3
    panel.controls["head"].value = 2
    panel.controls["text"].value = "an old dog"
    assert len(handle.shown) == 3
    seen = attention_views.trace(model, tokenizer, "an old dog")
    assert handle.shown[-1] == widgets.map_and_links(seen, 2, 1)
    assert "layer 3, head 2" in handle.shown[-1].text and "dog" in handle.shown[-1].text
    assert panel.controls["layer"].max == 3 and panel.controls["head"].max == 2


def test_a_wrong_wish_is_answered_in_words(models):
    panel = widgets.explorer(*models["bert"], TEXT)
    panel.controls["text"].value = "cat " * 60
    assert "40 are allowed" in panel.picture().text and "<img" not in panel.picture().html
    panel.controls["text"].value = TEXT
    assert "<img" in panel.picture().html


def test_strongest_links_are_the_largest_weights():
    weights = torch.tensor([[[[0.1, 0.9], [0.7, 0.3]]]])
    seen = attention_views.Seen(["<b>", "cat"], weights)
    assert widgets.strongest_links(seen, 0, 0, 2) == [
        "<b> looks at cat, 0.90",
        "cat looks at <b>, 0.70",
    ]
    assert "<li><b>" not in widgets.map_and_links(seen, 0, 0).html


@pytest.mark.parametrize("name", FAMILIES)
def test_fill_gives_the_models_own_chances(models, name):
    model, tokenizer = models[name]
    found = widgets.fill(model, tokenizer, "the cat ___ on the mat", 3)
    ids = tokenizer.encode(f"the cat {tokenizer.special['mask']} on the mat")["input_ids"]
    part = getattr(model, "generator", model)
    output = part(torch.tensor([ids]))
    scores = getattr(output, "mlm_logits", output)[0, ids.index(tokenizer.mask_id)]
    chances, places = scores.softmax(-1).topk(3)
    assert [chance for _, chance in found] == pytest.approx(chances.tolist(), abs=1e-5)
    pieces = attention_views.seen.token_labels(tokenizer, places)
    assert [word for word, _ in found] == pieces


def test_playground_puts_models_side_by_side(models):
    panel = widgets.playground(models, "the cat ___ on the mat", top=2)
    view = panel.picture()
    assert all(name in view.html for name in FAMILIES)
    panel.controls["text"].value = "no gap here"
    assert "0 blanks; write one" in panel.picture().text


def test_what_predicts_no_words_is_refused(models):
    tokenizer = models["bert"][1]
    config = small(vocab_size=tokenizer.vocab_size)
    for model in (BertModel(config), Discriminator(config)):
        with pytest.raises(TypeError, match="odd is a .* predicts no words"):
            widgets.playground({"odd": (model, tokenizer)}, "a ___")
    with pytest.raises(ValueError, match="at least one"):
        widgets.playground({}, "a ___")
    with pytest.raises(ValueError, match="2 blanks"):
        widgets.playground({"bert": models["bert"]}, "a ___ and ___")


def test_displayed_as_controls_and_a_picture_that_stays(models, monkeypatch):
    shown = []

    def display(what, **options):
        shown.append((what, options))
        return Handle()

    monkeypatch.setattr(widgets, "display", display)
    panel = widgets.explorer(*models["bert"], TEXT)
    panel._ipython_display_()
    (controls, _), (view, options) = shown
    assert widgets.WIDGET in controls and controls["text/plain"] == widgets.GONE
    assert "<img" in view.html and options == {"display_id": True}
