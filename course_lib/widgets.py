"""Controls beside a picture: an attention explorer and a playground for masked words.

    from course_lib import widgets
    widgets.explorer(model, tokenizer, "the cat sat on the mat")
    widgets.playground({"BERT": (bert, its_tokenizer), "ALBERT": (albert, its_tokenizer)},
                       "the cat ___ on the mat")

The picture is an output of its own: it stays in the saved notebook when the controls, which need a
running kernel, are gone. All controls can be used by keyboard.
"""

import html
from collections.abc import Callable
from dataclasses import dataclass, field

import ipywidgets
import torch
from IPython.display import display
from torch import Tensor, nn

from course_lib import plots
from course_lib.attention_views import MAX_TOKENS, Seen, View, trace
from course_lib.attention_views.pictures import picture
from course_lib.attention_views.seen import token_labels
from course_lib.electra import ElectraForPreTraining

BLANK = "___"
LINKS = 5  # strongest links that the explorer lists
WIDGET = "application/vnd.jupyter.widget-view+json"
GONE = "Controls: run this cell to use them."


@dataclass
class Panel:
    """Controls, and a picture that is drawn again whenever one of them changes."""

    controls: dict[str, ipywidgets.Widget]  # argument of `draw` -> control that sets it
    draw: Callable[..., View]
    _handle: object = field(default=None, repr=False)

    def __post_init__(self):
        for control in self.controls.values():
            control.observe(self._refresh, names="value")

    def picture(self) -> View:
        """What the controls ask for; a wrong wish gives its message, not an error."""
        try:
            return self.draw(**{name: control.value for name, control in self.controls.items()})
        except (TypeError, ValueError) as error:
            return View(f"<p role='status'>{html.escape(str(error))}</p>", str(error))

    def _refresh(self, change) -> None:
        if self._handle is not None:
            self._handle.update(self.picture())

    def _ipython_display_(self) -> None:
        box = ipywidgets.VBox(list(self.controls.values()))
        bundle = box._repr_mimebundle_() or {}
        display({WIDGET: bundle[WIDGET], "text/plain": GONE}, raw=True)
        self._handle = display(self.picture(), display_id=True)


def explorer(model, tokenizer, text: str, max_tokens: int = MAX_TOKENS) -> Panel:
    """Type a sentence, choose layer and head, and see the map and its strongest links.

    Raises ValueError or TypeError for what the model cannot read: see `attention_views.trace`.
    """
    last = {text: trace(model, tokenizer, text, max_tokens=max_tokens)}
    layers, heads = last[text].attentions.shape[:2]

    def draw(text: str, layer: int, head: int) -> View:
        if text not in last:
            seen = trace(model, tokenizer, text, max_tokens=max_tokens)
            last.clear()
            last[text] = seen
        return map_and_links(last[text], layer - 1, head - 1)

    controls = dict(text=text_box(text), layer=slider("Layer", layers), head=slider("Head", heads))
    return Panel(controls, draw)


def playground(models: dict[str, tuple], text: str, top: int = 5) -> Panel:
    """Type a sentence with a blank (___), and see the words that each model would put there.

    models: {name: (model, tokenizer)}; a model needs a head for masked words (of ELECTRA's two
    the generator has one). top: words to list.
    Raises ValueError for no model, TypeError for a model that predicts no words.
    """
    if not models:
        raise ValueError("models is empty: give {name: (model, tokenizer)} with at least one.")
    for name, (model, _) in models.items():
        word_model(model, name)

    def draw(text: str) -> View:
        found = {name: fill(*pair, text, top) for name, pair in models.items()}
        rows = [
            {"": place + 1} | {name: "{} {:.2f}".format(*found[name][place]) for name in found}
            for place in range(top)
        ]
        shown = plots.table(rows, caption=f"Likeliest words for the blank in: {text}")
        return View(shown._repr_html_(), repr(shown))

    draw(text)  # a wrong first text is an error at once
    return Panel(dict(text=text_box(text)), draw)


def text_box(text: str) -> ipywidgets.Text:
    """One line of text, read when Enter is pressed or the box is left."""
    wide = ipywidgets.Layout(width="95%")
    return ipywidgets.Text(text, description="Text", continuous_update=False, layout=wide)


def slider(name: str, count: int) -> ipywidgets.IntSlider:
    """1 to `count`; arrow keys move it."""
    return ipywidgets.IntSlider(1, 1, count, description=name, continuous_update=False)


def map_and_links(seen: Seen, layer: int, head: int) -> View:
    """The heat map of one head, and its strongest links as a list."""
    png, alt = picture("neuron", seen, [layer], [head])
    links = strongest_links(seen, layer, head)
    items = "".join(f"<li>{html.escape(link)}</li>" for link in links)
    shown = (
        '<div style="display:flex;flex-wrap:wrap;gap:16px;align-items:flex-start">'
        f'<img style="max-width:100%" alt="{html.escape(alt)}" src="data:image/png;base64,{png}">'
        f"<div><b>Strongest links</b><ol>{items}</ol></div></div>"
    )
    return View(shown, alt + "\nStrongest links: " + "; ".join(links))


def strongest_links(seen: Seen, layer: int, head: int, count: int = LINKS) -> list[str]:
    """ "cat looks at sat, 0.41", the largest weights first."""
    weights = seen.attentions[layer, head].flatten()
    found = []
    for place in weights.argsort(descending=True, stable=True)[:count].tolist():
        row, column = divmod(place, len(seen.tokens))
        found.append(f"{seen.tokens[row]} looks at {seen.tokens[column]}, {weights[place]:.2f}")
    return found


@torch.no_grad()
def fill(model: nn.Module, tokenizer, text: str, top: int = 5) -> list[tuple[str, float]]:
    """The `top` likeliest pieces for the blank in `text`, with their probabilities.

    Raises ValueError unless there is one blank, ___ or the tokenizer's own mask token.
    """
    mask = tokenizer.special["mask"]
    encoding = tokenizer.encode(text.replace(BLANK, mask))
    ids = encoding["input_ids"]
    if ids.count(tokenizer.mask_id) != 1:
        raise ValueError(
            f"the text has {ids.count(tokenizer.mask_id)} blanks; write one, as {BLANK} or {mask}."
        )
    model = word_model(model)
    device, was_training = next(model.parameters()).device, model.training
    inputs = {name: torch.tensor([row], device=device) for name, row in encoding.items()}
    output = model.eval()(**inputs)
    model.train(was_training)
    scores = output if isinstance(output, Tensor) else output.mlm_logits  # (1, T, V)
    chances = scores[0, ids.index(tokenizer.mask_id)].float().softmax(-1)  # (V,)
    best = chances.topk(min(top, tokenizer.vocab_size))
    return list(zip(token_labels(tokenizer, best.indices), best.values.tolist(), strict=True))


def word_model(model: nn.Module, name: str = "the model") -> nn.Module:
    """The part that predicts masked words. Raises TypeError if there is none."""
    if isinstance(model, ElectraForPreTraining):
        return model.generator
    if not hasattr(model, "mlm"):
        raise TypeError(
            f"{name} is a {type(model).__name__}, which predicts no words: give one with a head "
            "for masked words, such as BertForPreTraining."
        )
    return model
