"""Ladders: a value that changes rung by rung, each change with its size."""

import numpy as np

from .style import COLORS, GRAY, new_axes, printable
from .style import caption as add_caption


def ladder(levels, title=None, ax=None, *, y_label="", unit="", color=None, decimals=1,
           caption=None, size=None):  # fmt: skip
    """A value after each of several steps, and what each step added; returns the Axes.

    levels: {label: value}, in order; the first is the start. The bar of a step runs from the level
    before it to its own: filled where the value rises, hatched where it falls. The axis need not
    begin at 0, as no bar stands for a whole value.
    Raises ValueError with fewer than two levels.
    """
    labels, values = list(levels), np.array(list(levels.values()), dtype=float)
    if len(values) < 2:
        raise ValueError(f"a ladder needs at least 2 levels, there are {len(values)}.")
    ax = new_axes(ax, size or (1.5 + 1.6 * len(values), 4.2), title)
    ink = color or COLORS["roberta"]
    span = np.ptp(values) or 1.0
    for place, (now, before) in enumerate(zip(values, [values[0], *values[:-1]], strict=True)):
        look = {"facecolor": ink} if now >= before else {"facecolor": "white", "hatch": "///"}
        ax.bar(place, now - before, 0.6, before, edgecolor=ink, **look)
        end = min(place + 1, len(values) - 1)
        ax.plot([place - 0.3, end + 0.3], [now, now], color=GRAY, linewidth=1)
        text = f"{now:.{decimals}f}{unit}"
        text = f"{now - before:+.{decimals}f}\n({text})" if place else text
        ax.text(place, max(now, before) + 0.03 * span, text, ha="center", va="bottom", fontsize=11)
    ax.set_ylim(values.min() - 0.12 * span, values.max() + 0.28 * span)
    ax.set_xticks(range(len(values)), [printable(label) for label in labels])
    ax.set_ylabel(y_label)
    add_caption(ax, caption)
    return ax
