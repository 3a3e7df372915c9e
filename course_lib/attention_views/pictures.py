"""The heat maps beside a view, and their text for those who cannot see them."""

import matplotlib.pyplot as plt

from course_lib import plots
from course_lib.attention_views.seen import Seen
from course_lib.plots.style import png_with_alt

MAPS_TOLD = 12  # maps whose strongest links the alternative text names
CAPTION = "Row: the token that looks. Column: the token looked at. Bright: a large weight."


def picture(kind: str, seen: Seen, layers, heads) -> tuple[str, str]:
    """(PNG as base64 text, alternative text). The neuron view has the map it opens with; the
    other two have every map that they hold."""
    if kind == "neuron":
        layers, heads = layers[:1], heads[:1]
    with plt.rc_context():
        plots.use_style()
        if kind == "neuron":
            figure = one_map(seen, layers[0], heads[0])
        else:
            figure = all_maps(seen, layers, heads)
        png, _ = png_with_alt(figure)
        plt.close(figure)
    return png, describe(seen, layers, heads)


def one_map(seen: Seen, layer: int, head: int):
    """One large map with the tokens at both sides."""
    ax = plots.heatmap(
        seen.attentions[layer, head], seen.tokens, seen.tokens,
        f"layer {layer + 1}, head {head + 1}", vmin=0, vmax=1, numbers=False, bar_label="weight",
        x_label="looked at", y_label="looks",
    )  # fmt: skip
    return ax.figure


def all_maps(seen: Seen, layers, heads):
    """A small map for each layer (down) and head (across)."""
    return plots.attention_grid(
        seen.attentions, seen.tokens, layers=layers, heads=heads, caption=CAPTION
    )


def describe(seen: Seen, layers, heads) -> str:
    """What the maps show, in words: the tokens, and the strongest link of each map."""
    maps = [(layer, head) for layer in layers for head in heads]
    told = [strongest(seen, layer, head) for layer, head in maps[:MAPS_TOLD]]
    left = len(maps) - len(told)
    rest = f" {left} more maps follow." if left else ""
    what = "Heat maps" if len(maps) > 1 else "Heat map"
    return (
        f"{what} of attention weights between the {len(seen.tokens)} tokens "
        f"{' '.join(seen.tokens)}. Largest weight in each: {'; '.join(told)}.{rest}"
    )


def strongest(seen: Seen, layer: int, head: int) -> str:
    """ "layer 1, head 2: cat looks at sat, 0.41"."""
    weights = seen.attentions[layer, head]
    row, column = divmod(int(weights.argmax()), len(seen.tokens))
    return (
        f"layer {layer + 1}, head {head + 1}: {seen.tokens[row]} looks at {seen.tokens[column]}, "
        f"{weights[row, column]:.2f}"
    )
