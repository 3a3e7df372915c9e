"""See where a model looks: BertViz's head, model and neuron view for the course's own models.

    from course_lib import attention_views
    attention_views.heads(model, tokenizer, "the cat sat on the mat")    # one layer at a time
    attention_views.model(model, tokenizer, "the cat sat on the mat")    # every layer and head
    attention_views.neurons(model, tokenizer, "the cat sat on the mat")  # how a weight comes about

BERT, RoBERTa, ALBERT and ELECTRA, with any head or none. The views need no network. Beside each
stands a heat map, for print, for screen readers, and for notebooks that are not trusted. For other
models: `Seen(tokens, attentions, queries, keys)`, then `show(kind, seen)`.
"""

import operator
from dataclasses import dataclass

from course_lib.attention_views.page import document, framed
from course_lib.attention_views.pictures import picture
from course_lib.attention_views.seen import MAX_TOKENS, Seen, trace

__all__ = ["MAX_TOKENS", "Seen", "View", "heads", "model", "neurons", "show", "trace"]

TITLES = {"head": "Attention by head", "model": "Attention of the whole model",
          "neuron": "Queries and keys behind the attention"}  # fmt: skip
THEMES = ("auto", "light", "dark")


@dataclass(frozen=True)
class View:
    """A view as a notebook shows it: `html`, and `text` where no HTML can be shown."""

    html: str
    text: str

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": self.html, "text/plain": self.text}


def heads(model, tokenizer, text, pair=None, *, max_tokens=MAX_TOKENS, **options) -> View:
    """Lines between the tokens of one layer, one color for each head.

    pair: a second text. max_tokens: with the special ones. options: see `show`.
    """
    return show("head", trace(model, tokenizer, text, pair, max_tokens), **options)


def model(model, tokenizer, text, pair=None, *, max_tokens=MAX_TOKENS, **options) -> View:
    """A small picture for each layer (down) and head (across); a click shows it large.

    Arguments as for `heads`.
    """
    return show("model", trace(model, tokenizer, text, pair, max_tokens), **options)


def neurons(model, tokenizer, text, pair=None, *, max_tokens=MAX_TOKENS, **options) -> View:
    """From a token's query and all keys to its weights: product, sum, softmax.

    Arguments as for `heads`.
    """
    return show("neuron", trace(model, tokenizer, text, pair, max_tokens), **options)


def show(kind: str, seen: Seen, *, layers=None, heads=None, title=None, theme="auto") -> View:
    """A view of tensors. kind: "head", "model" or "neuron" (which needs queries and keys).

    layers, heads: which to show, counted from 0 (default: all); the view opens with the first.
    title: what screen readers call it. theme: "auto" (as the page around it), "light" or "dark".
    Raises ValueError for what is not there, and where the view would be too large to keep.
    """
    one_of("kind", kind, TITLES)
    one_of("theme", theme, THEMES)
    if kind == "neuron" and (seen.queries is None or seen.keys is None):
        raise ValueError("the neuron view needs queries and keys: give Seen(..., queries, keys).")
    layers = chosen("layers", layers, seen.attentions.shape[0])
    heads = chosen("heads", heads, seen.attentions.shape[1])
    title = title or f"{TITLES[kind]}: {' '.join(seen.tokens)}"
    inside = document(kind, seen, layers, heads, title, theme)
    png, alt = picture(kind, seen, layers, heads)
    return View(framed(kind, inside, title, png, alt), f"{title}\n{alt}")


def one_of(name: str, value, allowed) -> None:
    if value not in allowed:
        raise ValueError(f"{name}={value!r} is not known: give one of {', '.join(allowed)}.")


def chosen(name: str, wanted, count: int) -> list[int]:
    """`wanted` as a list of places, all of them by default. Raises ValueError for others."""
    if wanted is None:
        return list(range(count))
    wanted = [wanted] if isinstance(wanted, int) else [operator.index(x) for x in wanted]
    missing = [x for x in wanted if not 0 <= x < count]
    if missing or not wanted or len(set(wanted)) < len(wanted):
        problem = f"{missing[0]} is not there" if missing else f"{wanted} is empty or repeats"
        raise ValueError(
            f"{name}: {problem}; the model has {count}, counted from 0: "
            f"give some of {list(range(count))}, each once."
        )
    return wanted
