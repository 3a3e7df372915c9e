"""Towers: what a model stores beside what it computes, all drawn to the same two scales."""

from matplotlib.patches import Rectangle

from .diagrams import FILLS
from .style import caption as add_caption
from .style import new_axes, printable


def towers(models, title=None, ax=None, *, stored_label="stored", run_label="run", caption=None,
           size=None):  # fmt: skip
    """Two towers a model, side by side: stored and run; returns the Axes.

    models: {name: [(part, kind, stored, run, times), ...]}, from the bottom up: `stored` numbers
    are kept once, `run` is the work of one of its `times` runs; a part that is run several times
    but stored once shows what sharing does. `kind` gives the color, as for `blocks`. All left
    towers have one scale, all right towers another, so that the tallest of each is as high.
    Raises ValueError for a negative amount.
    """
    ax = new_axes(ax, size or (3.2 * len(models), 5), title)
    totals = {name: (sum(part[2] for part in parts), sum(part[3] * part[4] for part in parts))
              for name, parts in models.items()}  # fmt: skip
    tallest = [max(total[side] for total in totals.values()) for side in (0, 1)]
    for place, (name, parts) in enumerate(models.items()):
        for side, label in enumerate((stored_label, run_label)):
            left = 2.6 * place + 1.15 * side
            top = _tower(ax, parts, side, left, tallest[side])
            amount = totals[name][side]
            ax.text(left + 0.5, top + 0.02, f"{amount:.3g}", ha="center", va="bottom", fontsize=11)
            ax.text(left + 0.5, -0.02, label, ha="center", va="top", fontsize=10)
        ax.text(2.6 * place + 1.08, -0.12, printable(name), ha="center", va="top",
                fontweight="bold")  # fmt: skip
    used = {part[1]: part[0] for parts in reversed(models.values()) for part in parts}
    handles = [Rectangle((0, 0), 1, 1, facecolor=FILLS[kind], edgecolor="#555") for kind in used]
    ax.legend(handles, used.values(), loc="upper left", bbox_to_anchor=(1, 1))
    ax.set(xlim=(-0.3, 2.6 * len(models) - 0.1), ylim=(-0.2, 1.12))
    ax.axis("off")
    add_caption(ax, caption)
    return ax


def _tower(ax, parts, side, left, tallest):
    """Draw one tower and return its height, 1 for the tallest."""
    top = 0.0
    for part, kind, stored, run, times in parts:
        if min(stored, run, times) < 0:
            raise ValueError(f"{part!r} has a negative amount: {stored}, {run}, {times}.")
        heights = [stored] if side == 0 else [run] * times
        for height in (h / tallest for h in heights if h):
            ax.add_patch(Rectangle((left, top), 1, height, facecolor=FILLS[kind],
                                   edgecolor="#555", linewidth=0.6))  # fmt: skip
            top += height
    return top
