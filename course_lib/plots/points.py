"""Named points: models by what they cost and what they reach, each with its name beside it."""

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from .style import GRAY, color, new_axes, printable
from .style import caption as add_caption

# Where a name may stand, in points from its mark, tried in this order: offset x, y, and alignment.
_PLACES = [(8, 5, "left"), (8, -14, "left"), (-8, 5, "right"), (-8, -14, "right"),
           (0, 10, "center"), (0, -20, "center"), (10, -5, "left"), (-10, -5, "right"),
           (8, 18, "left"), (-8, 18, "right"), (8, -28, "left"), (-8, -28, "right"),
           (0, 24, "center"), (0, -34, "center"), (-8, 32, "right"), (8, 32, "left"),
           (-8, -42, "right"), (8, -42, "left"), (0, 38, "center")]  # fmt: skip


def points(values, title=None, ax=None, *, x_label="", y_label="", log_x=False, log_y=False,
           colors=None, hollow=(), names=None, lines=None, slope=None, caption=None,
           size=(8, 4.5)):  # fmt: skip
    """Points with names, one color a model; returns the Axes.

    values: {name: (x, y)}. hollow: names whose mark is drawn empty. names: those to write
    (default all); a name is put where it covers no mark and no other name, as far as there is room.
    lines: {label: list of (x, y)}, a model at several stages, joined. slope: {label: factor},
    lines y = factor * x.
    Raises ValueError for a value that is not positive on a logarithmic axis.
    """
    for name, (x, y) in values.items():
        if (log_x and x <= 0) or (log_y and y <= 0):
            raise ValueError(f"{name!r} is at ({x}, {y}): a logarithmic axis has no place for it.")
    ax = new_axes(ax, size, title)
    ax.set(xscale="log" if log_x else "linear", yscale="log" if log_y else "linear",
           xlabel=x_label, ylabel=y_label)  # fmt: skip
    for number, (label, stages) in enumerate((lines or {}).items()):
        ink = (colors or {}).get(label) or color(label, number)
        ax.plot(*zip(*stages, strict=True), "-", color=ink, linewidth=1.5, zorder=1)
    for number, (name, (x, y)) in enumerate(values.items()):
        ink = (colors or {}).get(name) or color(name, number)
        fill = "white" if name in hollow else ink
        ax.plot(x, y, "o", color=ink, markerfacecolor=fill, markersize=8, zorder=2)
    ax.margins(0.12)
    _draw_slopes(ax, slope or {})
    for axis in [ax.xaxis] * log_x + [ax.yaxis] * log_y:
        _log_ticks(axis)
    add_caption(ax, caption)  # first, as it takes room
    _write_names(ax, values, values if names is None else names)
    return ax


def _draw_slopes(ax, slope):
    """y = factor * x over the width of the picture, named at its end."""
    limits, ends = (ax.get_xlim(), ax.get_ylim()), np.array(ax.get_xlim())
    for label, factor in slope.items():
        ax.plot(ends, factor * ends, "--", color=GRAY, linewidth=1.2, zorder=0, label=label)
    ax.set(xlim=limits[0], ylim=limits[1])
    if slope:
        ax.legend(loc="lower right")


def _log_ticks(axis):
    """Powers of ten; over a short way also twice and five times each."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 60 else (1,), numticks=12))
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))


def _short(value):
    """5000 as 5,000, and 2e9 as 2 times a power of ten."""
    if 0.01 <= value < 1e5:
        return f"{value:,g}"
    digits, power = f"{value:.0e}".split("e")
    times = "" if digits == "1" else f"{digits}\\cdot"
    return f"${times}10^{{{int(power)}}}$"


def _write_names(ax, values, names):
    """Each name at the first place where it covers nothing; else where it covers least."""
    ax.figure.canvas.draw()  # so that sizes on the page are known
    renderer = ax.figure.canvas.get_renderer()
    marks = ax.transData.transform(np.array(list(values.values()), dtype=float))
    unit, frame, taken = ax.figure.dpi / 72, ax.get_window_extent(renderer), []
    for name in names:
        best = None
        for x, y, side in _PLACES:
            text = ax.annotate(printable(name), values[name], (x, y), ha=side, fontsize=11,
                               textcoords="offset points")  # fmt: skip
            box = text.get_window_extent(renderer)
            text.remove()
            near = (marks > [box.x0 - 4 * unit, box.y0 - 4 * unit]) & (
                marks < [box.x1 + 4 * unit, box.y1 + 4 * unit])
            covers = near.all(axis=1).sum() + 2 * sum(box.overlaps(other) for other in taken)
            covers += 3 * (box.x0 < frame.x0 or box.x1 > frame.x1 or box.y0 < frame.y0)
            covers += 0.01 * (abs(x) + abs(y))
            if best is None or covers < best[0]:
                best = (covers, box, (x, y), side)
        _, box, place, side = best
        taken.append(box)
        ax.annotate(printable(name), values[name], place, textcoords="offset points", ha=side,
                    fontsize=11)  # fmt: skip
