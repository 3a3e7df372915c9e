"""Attention views: what is shown is what the model computes, and the page is safe and whole."""

import base64
import html
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from small_families import TEXT, family, small
from twins import randomized

from course_lib import attention_views as views
from course_lib.albert import AlbertModel
from course_lib.attention_views import page as page_maker
from course_lib.attention_views.seen import token_labels
from course_lib.bert import BertForSequenceClassification, BertModel
from course_lib.electra import ElectraModel
from course_lib.tokenization import (
    WordPiece,
    train_byte_bpe,
)

PAIR = "it was an old dog"
SHOWS = {"head": views.heads, "model": views.model, "neuron": views.neurons}
NASTY = ["</script>", "<!--", '"', "'", "&amp;", "\\", "a\u2028b", "😀", "你好", "${x}", "`"]


@pytest.fixture(scope="module", params=["bert", "roberta", "albert", "electra"])
def pair(request):
    return family(request.param)


@pytest.fixture(scope="module")
def bert():
    return family("bert")


def seen_of(tokens, heads=2, layers=2, size=4):
    """Random but lawful tensors for any tokens."""
    generator = torch.Generator().manual_seed(0)
    shape = (layers, heads, len(tokens))
    scores = torch.randn(*shape, len(tokens), generator=generator)
    queries, keys = torch.randn(2, *shape, size, generator=generator)
    return views.Seen(tokens, scores.softmax(-1), queries, keys)


def inner(view):
    """The document inside the frame, as the browser reads it."""
    return html.unescape(re.search(r"srcdoc='([^']*)'", view.html)[1])


def data(view):
    """The data that the page unpacks."""
    return json.loads(re.search(r"<script>const VIEW=(.*?);</script>", inner(view))[1])


def unpacked(vectors):
    """Queries or keys as the page reads them."""
    whole = np.frombuffer(base64.b64decode(vectors["bytes"]), dtype=np.int8)
    return torch.tensor(whole.reshape(vectors["shape"]) * vectors["step"], dtype=torch.float32)


class Tags(HTMLParser):
    """Opens and closes every tag; keeps addresses that would be fetched."""

    VOID = {"meta", "img", "br", "input", "link"}

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.problems, self.tags = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.addresses += [v for n, v in attributes if n in ("src", "href", "xlink:href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(tag)


def test_weights_are_the_models_own(pair):
    model, tokenizer = pair
    seen = views.trace(model, tokenizer, TEXT, PAIR, max_tokens=48)
    body = getattr(model, "bert", None) or model.discriminator.bert
    encoding = tokenizer.pad([tokenizer.encode(TEXT, PAIR)])
    output = body(**encoding, need_weights=True)
    torch.testing.assert_close(seen.attentions, torch.cat(output.attentions).detach())
    assert len(seen.tokens) == encoding["input_ids"].shape[1]
    assert "mat" in "".join(seen.tokens[: seen.second]) and seen.second > 5
    assert "dog" in "".join(seen.tokens[seen.second :])


def test_weights_follow_from_queries_and_keys(pair):
    model, tokenizer = pair
    seen = views.trace(model, tokenizer, TEXT)
    scores = seen.queries @ seen.keys.mT / math.sqrt(seen.queries.shape[-1])
    torch.testing.assert_close(scores.softmax(-1), seen.attentions)
    assert (seen.queries[0] != seen.queries[1]).any(), "one layer stands for all"


@pytest.mark.parametrize("kind", SHOWS)
def test_the_page_holds_the_weights_in_short_numbers(pair, kind):
    model, tokenizer = pair
    seen = views.trace(model, tokenizer, TEXT)
    shown = data(SHOWS[kind](model, tokenizer, TEXT, layers=[2, 0], heads=[1]))
    weights = torch.tensor(shown["attn"]) / 1000
    torch.testing.assert_close(weights, seen.attentions[[2, 0]][:, [1]], rtol=0, atol=5.1e-4)
    assert shown["tokens"] == seen.tokens and shown["heads"] == [2]
    if kind == "neuron":
        queries, keys = unpacked(shown["queries"]), unpacked(shown["keys"])
        scores = queries @ keys.mT / math.sqrt(queries.shape[-1])
        torch.testing.assert_close(scores.softmax(-1), weights, rtol=0, atol=0.05)


@pytest.mark.parametrize("kind", SHOWS)
def test_the_page_is_well_formed_and_asks_nobody(bert, kind):
    view = SHOWS[kind](*bert, TEXT, PAIR)
    outer, page = Tags(view.html), Tags(inner(view))
    for found in (outer, page):
        assert not found.open and not found.problems
    assert all(address.startswith("data:image/png;base64,") for address in outer.addresses)
    assert page.addresses == []
    urls = set(re.findall(r"(?:https?:)?//[\w.]+\.\w+/\S{0,12}", inner(view)))
    allowed = ("http://www.w3.org/", "https://d3js.org/d3-sele")  # name spaces, d3's own header
    assert all(url.startswith(allowed) for url in urls), urls
    frame = next(attributes for tag, attributes in outer.tags if tag == "iframe")
    image = next(attributes for tag, attributes in outer.tags if tag == "img")
    assert "cat" in frame["title"] and "looks at" in image["alt"]
    assert base64.b64decode(image["src"].partition(",")[2]).startswith(b"\x89PNG")
    assert "Trust Notebook" in view.html
    assert dict(page.tags)["html"]["lang"] == "en"
    selects = sum(tag == "select" for tag, _ in page.tags)
    assert selects == {"head": 2, "model": 1, "neuron": 3}[kind]
    assert selects == sum(tag == "label" for tag, _ in page.tags)


@pytest.mark.parametrize("kind", SHOWS)
def test_outputs_are_the_same_at_every_run(bert, kind):
    first, second = (SHOWS[kind](*bert, TEXT) for _ in range(2))
    assert first == second
    assert first._repr_mimebundle_() == {"text/html": first.html, "text/plain": first.text}


@pytest.mark.parametrize("kind", SHOWS)
def test_no_token_breaks_out(kind):
    view = views.show(kind, seen_of(NASTY))
    assert data(view)["tokens"] == NASTY
    page = Tags(inner(view))
    assert not page.open and not page.problems
    assert sum(tag == "script" for tag, _ in page.tags) == inner(view).count("</script>") == 5
    assert "".join(NASTY[:1]) not in view.html.partition("srcdoc=")[0]


def test_js_text_holds_nothing_that_html_reads():
    text = page_maker.as_js(NASTY)
    assert not set("<>&'\u2028") & set(text)
    assert json.loads(text) == NASTY


def test_byte_level_pieces_can_be_read():
    tokenizer = train_byte_bpe(["你好你好 hello hello"] * 9, 270)
    ids = tokenizer.encode("hello 你好 😀")["input_ids"]
    labels = token_labels(tokenizer, ids)
    assert labels[0] == "<s>" and labels[-1] == "</s>"
    assert "好" in "".join(labels) and "ä" not in "".join(labels)
    assert "\\xf0" in labels, "a part of a character is shown as its bytes"
    assert all(label.isprintable() for label in labels)


def test_the_model_is_left_as_it_was(bert):
    model, tokenizer = bert
    model.train()
    model.bert.encoder.layers[0].eval()
    before = [part.training for part in model.modules()]
    views.trace(model, tokenizer, TEXT)
    assert [part.training for part in model.modules()] == before
    assert not any(part._forward_hooks for part in model.modules())
    model.eval()


@pytest.mark.parametrize("make", [BertModel, AlbertModel, ElectraModel])
def test_a_body_alone_is_enough(bert, make):
    tokenizer = bert[1]
    seen = views.trace(make(small(vocab_size=tokenizer.vocab_size)), tokenizer, TEXT)
    assert seen.attentions.shape[:2] == (3, 2)


def test_a_task_model_can_be_seen(bert):
    model = BertForSequenceClassification(small(vocab_size=bert[1].vocab_size), num_labels=3)
    assert views.trace(model, bert[1], TEXT).second == 0


def test_shared_parts_are_heard_once_for_each_layer(bert):
    for shared in ("attention", "feed_forward", "nothing"):
        config = small(vocab_size=bert[1].vocab_size, embedding_size=8, shared=shared)
        seen = views.trace(randomized(AlbertModel(config)), bert[1], TEXT)
        scores = seen.queries @ seen.keys.mT / math.sqrt(seen.queries.shape[-1])
        torch.testing.assert_close(scores.softmax(-1), seen.attentions)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(layers=[7]), "7 is not there; the model has 3"),
        (dict(heads=[-1]), "-1 is not there; the model has 2"),
        (dict(layers=[]), "is empty"),
        (dict(layers=[1, 1]), "repeats"),
        (dict(theme="blue"), "'blue'.*auto, light, dark"),
        (dict(max_tokens=5), r"tokens with the special ones; 5 are allowed.*max_tokens=\d"),
    ],
)
def test_bad_choices_are_named_with_the_way_out(bert, options, words):
    with pytest.raises(ValueError, match=words):
        views.heads(*bert, TEXT, **options)


def test_what_the_model_cannot_read_is_refused(bert):
    model, tokenizer = bert
    with pytest.raises(ValueError, match="48 are allowed: shorten the text"):
        views.heads(model, tokenizer, "cat " * 60, max_tokens=100)
    with pytest.raises(ValueError, match="no word"):
        views.heads(model, tokenizer, "")
    with pytest.raises(TypeError, match="Linear has no encoder"):
        views.heads(torch.nn.Linear(2, 2), tokenizer, TEXT)
    with pytest.raises(ValueError, match="another vocabulary"):
        wide = WordPiece([*tokenizer.vocab, *(f"more{n}" for n in range(9))])
        views.heads(model, wide, "more7 cat")


def test_tensors_that_do_not_fit_are_refused():
    good = seen_of(["a", "b"])
    with pytest.raises(ValueError, match="3 tokens need"):
        views.Seen(["a", "b", "c"], good.attentions)
    with pytest.raises(ValueError, match="after the softmax"):
        views.Seen(["a", "b"], good.attentions * 3)
    with pytest.raises(ValueError, match="NaN"):
        views.Seen(["a", "b"], good.attentions * float("nan"))
    with pytest.raises(ValueError, match="queries have shape"):
        views.Seen(["a", "b"], good.attentions, good.queries[:1], good.keys)
    with pytest.raises(ValueError, match="needs queries and keys"):
        views.show("neuron", views.Seen(["a", "b"], good.attentions))
    with pytest.raises(ValueError, match="'circle'.*head, model, neuron"):
        views.show("circle", good)
    with pytest.raises(ValueError, match="second=2"):
        views.Seen(["a", "b"], good.attentions, second=2)


def test_a_view_too_large_to_keep_is_refused():
    large = seen_of(["x"] * 40, heads=12, layers=12)
    with pytest.raises(ValueError, match=r"230,400 numbers.*layers=\[0, 1\]"):
        views.show("head", large)
    assert views.show("head", large, layers=[3], heads=range(4))


def test_saved_views_are_small():
    """12 tokens, 4 layers, 3 heads of 64: what the course's own model has."""
    seen = seen_of("[CLS] the cat that sat on the mat was very old [SEP]".split(), 3, 4, 64)
    for kind, kilobytes in {"head": 80, "model": 80, "neuron": 110}.items():
        assert len(views.show(kind, seen).html) < 1024 * kilobytes


def test_another_bertviz_is_named(monkeypatch):
    monkeypatch.setitem(page_maker.CHANGES, "head", [("not in the file", "")])
    page_maker.bertviz.cache_clear()
    with pytest.raises(RuntimeError, match="pip install bertviz=="):
        page_maker.bertviz("head")
    page_maker.bertviz.cache_clear()


def test_scripts_and_licenses_come_with_the_package(root):
    folder = root / "course_lib" / "attention_views" / "js"
    assert "Copyright" in (folder / "d3-selection.LICENSE").read_text()
    assert "attention_views/js/*" in (root / "pyproject.toml").read_text()
