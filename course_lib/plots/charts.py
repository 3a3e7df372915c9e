"""Heat maps, attention grids, curves and bars, in the house style.

Each function draws on `ax`, or on a new figure if there is none, and returns the Axes
(`attention_grid` the Figure, `heatmaps` and `curve_panels` a list of
Axes). In a notebook, end the line with a semicolon.
"""

import matplotlib.pyplot as plt
import numpy as np

from .style import GRAY, color, new_axes, printable
from .style import caption as add_caption


def as_array(values, dimensions, name):
    """Tensor, list or array as a float array with `dimensions` axes.

    Raises ValueError naming the shape if there are more or fewer.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu().float().numpy()
    array = np.asarray(values, dtype=float)
    if array.ndim != dimensions:
        raise ValueError(
            f"{name} has shape {array.shape}; needed are {dimensions} axes. "
            f"Index the rest away, for example {name}[0]."
        )
    return array


def heatmap(
    matrix, row_labels=None, column_labels=None, title=None, ax=None, *, x_label=None,
    y_label=None, numbers=None, vmin=None, vmax=None, cmap="cividis", bar_label=None,
    bar=True, caption=None, size=None,
):  # fmt: skip
    """One matrix as colored squares; returns the Axes.

    matrix: (rows, columns). Labels: one per row or column. numbers: write each value into its
    square (by default when there are at most 100). bar: draw the color scale.
    Raises ValueError if a list of labels has another length than its side of the matrix.
    """
    matrix = as_array(matrix, 2, "matrix")
    rows, columns = matrix.shape
    size = size or (min(2.6 + 0.5 * columns, 11), min(1.8 + 0.42 * rows, 8))
    ax = new_axes(ax, size, title)
    image = ax.imshow(matrix, cmap=cmap, vmin=vmin, vmax=vmax, aspect="auto")
    _side_labels(ax.xaxis, column_labels, columns, "column_labels")
    _side_labels(ax.yaxis, row_labels, rows, "row_labels")
    if column_labels is not None and max(len(str(c)) for c in column_labels) > 3:
        ax.tick_params(axis="x", rotation=60)
    ax.set(xlabel=x_label or "", ylabel=y_label or "")
    ax.spines[:].set_visible(False)
    if numbers or (numbers is None and matrix.size <= 100):
        _write_numbers(ax, image, matrix)
    if bar:
        ax.figure.colorbar(image, ax=ax, label=bar_label or "", fraction=0.046, pad=0.03)
    add_caption(ax, caption)
    return ax


def _side_labels(axis, labels, length, name):
    if labels is None:
        return
    if len(labels) != length:
        raise ValueError(f"{name} has {len(labels)} entries, the matrix has {length} there.")
    axis.set_ticks(range(length), [printable(label) for label in labels])


def _write_numbers(ax, image, matrix):
    """Each value in its square, dark on bright squares and bright on dark ones."""
    whole = np.all(matrix == np.round(matrix))
    for (row, column), value in np.ndenumerate(matrix):
        r, g, b, _ = image.cmap(image.norm(value))
        ink = "black" if 0.3 * r + 0.59 * g + 0.11 * b > 0.5 else "white"
        text = f"{value:.0f}" if whole else f"{value:.2f}"
        ax.text(column, row, text, ha="center", va="center", color=ink, fontsize=11)


def heatmaps(panels, row_labels=None, column_labels=None, *, across=None, y_label=None,
             numbers=False, bar=False, size=None, caption=None, **options):  # fmt: skip
    """Several heat maps side by side; returns their Axes as a list, left to right, then down.

    panels: {title: matrix} or {title: (matrix, row labels, column labels)}. Row labels given for
    all stand at the left only. across: panels in one row (default: all). bar: one color scale, at
    the last panel, for which `vmin` and `vmax` must be given. options: see `heatmap`.
    """
    if bar and not {"vmin", "vmax"} <= options.keys():
        raise ValueError("one color scale for all panels needs vmin and vmax; give both.")
    across = across or len(panels)
    down = -(-len(panels) // across)
    size = size or (min(3.4 * across, 13), 3.8 * down)
    figure, grid = plt.subplots(down, across, squeeze=False, figsize=size)
    places = list(grid.flat[: len(panels)])
    for number, (ax, (title, panel)) in enumerate(zip(places, panels.items(), strict=True)):
        own = isinstance(panel, tuple)
        matrix, rows, columns = panel if own else (panel, row_labels, column_labels)
        leftmost = number % across == 0
        heatmap(matrix, rows if own or leftmost else None, columns, title, ax, numbers=numbers,
                bar=bar and ax is places[-1], y_label=y_label if leftmost else None,
                **options)  # fmt: skip
        if row_labels is not None and not own and not leftmost:
            ax.set_yticks([])
    add_caption(figure, caption)
    return places


def attention_grid(attentions, tokens=None, title=None, *, layers=None, heads=None,
                   caption=None):  # fmt: skip
    """Small maps of every layer (down) and head (across); returns the Figure.

    attentions: the tuple of L tensors (1, H, T, T) or (H, T, T) that the encoder returns, or one
    (L, H, T, T) tensor. tokens: T labels, written at the left and lower edge if T <= 12.
    layers, heads: which to draw, counted from 0 (all by default).
    """
    maps = [a[0] if getattr(a, "ndim", 3) == 4 else a for a in attentions]
    layers = list(range(len(maps))) if layers is None else list(layers)
    heads = list(range(len(maps[0]))) if heads is None else list(heads)
    cell = 2.2 if len(heads) <= 4 else 1.5
    figure, axes = plt.subplots(
        len(layers), len(heads), squeeze=False,
        figsize=(0.8 + cell * len(heads), 0.8 + cell * len(layers)),
    )  # fmt: skip
    for row, layer in zip(axes, layers, strict=True):
        for ax, head in zip(row, heads, strict=True):
            ax.imshow(as_array(maps[layer][head], 2, "attention"), cmap="cividis", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
            ax.set_title(f"layer {layer + 1}, head {head + 1}", fontsize=10)
    if tokens is not None and len(tokens) <= 12:
        _edge_tokens(axes, [printable(token) for token in tokens])
    if title:
        figure.suptitle(printable(title))
    return add_caption(figure, caption)


def _edge_tokens(axes, tokens):
    places = range(len(tokens))
    for ax in axes[:, 0]:
        ax.set_yticks(places, tokens, fontsize=9)
    for ax in axes[-1]:
        ax.set_xticks(places, tokens, fontsize=9, rotation=90)


def curves(series, x=None, title=None, ax=None, *, x_label="step", y_label="loss", log_x=False,
           log_y=False, level=None, caption=None, size=(8, 4), colors=None, x_ticks=None,
           from_zero=False, legend=True):  # fmt: skip
    """One line per entry of `series`; several seeds as thin lines with their mean in front.

    series: {label: list of y} or {label: list of such lists, one per seed}.
    x: the common x values (default 0, 1, 2, ...) or {label: x values}.
    level: {label: y}: dashed horizontal lines, for a published or chance value.
    x_ticks: write exactly these x values. from_zero: the y axis begins at 0.
    legend: False for none, "outside" for one at the right of the picture.
    """
    ax = new_axes(ax, size, title)
    for position, (label, values) in enumerate(series.items()):
        seeds = np.atleast_2d(np.asarray(values, dtype=float))
        places = x.get(label) if isinstance(x, dict) else x
        places = np.arange(seeds.shape[1]) if places is None else places
        ink = (colors or {}).get(label) or color(label, position)
        if len(seeds) > 1:
            ax.plot(places, seeds.T, color=ink, alpha=0.35, linewidth=1)
            label = f"{label} (mean of {len(seeds)})"
        marker = "o" if seeds.shape[1] <= 12 else None
        ax.plot(places, seeds.mean(axis=0), color=ink, marker=marker, label=printable(label))
    for label, value in (level or {}).items():
        ax.axhline(value, color=GRAY, linestyle="--", linewidth=1.2, label=printable(label))
    ax.set(xlabel=x_label, ylabel=y_label)
    ax.set_xscale("log" if log_x else "linear")
    ax.set_yscale("log" if log_y else "linear")
    _curve_axes(ax, x_ticks, from_zero, legend)
    add_caption(ax, caption)
    return ax


def _curve_axes(ax, x_ticks, from_zero, legend):
    if x_ticks is not None:
        ax.minorticks_off()
        ax.set_xticks(list(x_ticks), [f"{tick:g}" for tick in x_ticks])
    if from_zero:
        ax.set_ylim(0)
    if legend:
        outside = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if legend == "outside" else {}
        ax.legend(**outside)


def curve_panels(panels, x=None, *, each=None, size=None, caption=None, **options):
    """Pictures by `curves` side by side; returns their Axes as a list.

    panels: {title: series}. x: for all panels, or {title: x values}.
    options go to every panel, each[title] to that one alone.
    """
    size = size or (5.5 * len(panels), 4)
    figure, axes = plt.subplots(1, len(panels), squeeze=False, figsize=size)
    options = {"y_label": ""} | options
    for ax, (title, series) in zip(axes[0], panels.items(), strict=True):
        places = x[title] if isinstance(x, dict) else x
        curves(series, places, title, ax, **options | (each or {}).get(title, {}))
    add_caption(figure, caption)
    return list(axes[0])


def stacked(rows, title=None, ax=None, *, share=False, x_label="", legend=True, caption=None,
            size=None):  # fmt: skip
    """Lying bars, one a row, cut into parts; returns the Axes. The first row is at the bottom.

    rows: {row: {part: value}}, every row with the same parts. share: parts as percent of the row.
    legend: True, False, or "above" for one line over the picture.
    Raises ValueError naming a row whose parts differ from those of the first.
    """
    ax = new_axes(ax, size or (8, 1.2 + 0.5 * len(rows)), title)
    parts = list(next(iter(rows.values())))
    inks = plt.get_cmap("cividis")(np.linspace(0.05, 0.98, len(parts)))
    for name, values in rows.items():
        if list(values) != parts:
            raise ValueError(f"row {name!r} has the parts {list(values)}, the first has {parts}.")
        left, whole = 0.0, sum(values.values()) / 100 if share else 1.0
        for part, ink in zip(parts, inks, strict=True):
            ax.barh(printable(name), values[part] / whole, left=left, color=ink)
            left += values[part] / whole
    ax.set_xlabel(x_label)
    if legend:
        handles = [plt.Rectangle((0, 0), 1, 1, color=ink) for ink in inks]
        above = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": len(parts)}
        place = above if legend == "above" else {"loc": "lower right"}
        ax.legend(handles, [printable(part) for part in parts], **place)
    add_caption(ax, caption)
    return ax


def bars(values, published=None, title=None, ax=None, *, y_label="", colors=None, level=None,
         numbers=True, log=False, caption=None, size=None):  # fmt: skip
    """Bars of measured values, with published ones hatched beside them; returns the Axes.

    values: {category: number, or list with one number per seed}, or, for several bars in each
    category, {series: {category: ...}}. A bar of several seeds is their mean; each seed is a dot
    and the black line runs from the smallest to the largest.
    published: {category: number}. level: {label: y}, dashed lines.
    """
    nested = isinstance(next(iter(values.values())), dict)
    series = dict(values) if nested else {"": values}
    categories = list(dict.fromkeys(c for entries in series.values() for c in entries))
    if published:
        series["published"] = published
        categories += [c for c in published if c not in categories]
    ax = new_axes(ax, size or (max(5, 1.5 + 0.55 * len(categories) * (len(series) + 1)), 4), title)
    width = 0.8 / len(series)
    for index, category in enumerate(categories):
        there = [name for name in series if category in series[name]]
        for place, name in enumerate(there):
            x = index + (place - (len(there) - 1) / 2) * width
            ink = color(name if nested else category, list(series).index(name) if nested else index)
            ink = (colors or {}).get(name if nested else category, ink)
            hatched = published is not None and name == "published"
            _bar(ax, x, series[name][category], width * 0.92, ink, hatched, numbers)
    _bar_legend(ax, series, nested, published, colors)
    for label, value in (level or {}).items():
        ax.axhline(value, color=GRAY, linestyle="--", linewidth=1.2)
        ax.annotate(f" {label}", (1, value), xycoords=("axes fraction", "data"), color=GRAY,
                    va="center", fontsize=11)  # fmt: skip
    ax.set_xticks(range(len(categories)), [printable(c).replace(" / ", "\n") for c in categories])
    ax.set(ylabel=y_label, yscale="log" if log else "linear")
    ax.margins(y=0.1)  # room for the numbers above the bars
    add_caption(ax, caption)
    return ax


def _bar(ax, x, value, width, ink, published, numbers):
    seeds = np.atleast_1d(np.asarray(value, dtype=float))
    look = {"facecolor": "white", "hatch": "///"} if published else {"facecolor": ink}
    ax.bar(x, seeds.mean(), width, edgecolor=GRAY if published else ink, **look)
    if len(seeds) > 1:
        ax.plot([x, x], [seeds.min(), seeds.max()], color="black", linewidth=1.5)
        ax.plot([x] * len(seeds), seeds, "o", color="black", markersize=4, markerfacecolor="white")
    if numbers:
        top = seeds.max()
        mean = seeds.mean()
        text = f"{mean:,.0f}" if abs(mean) >= 1000 else f"{mean:.3g}"
        ax.annotate(text, (x, top), (0, 4), textcoords="offset points", ha="center", fontsize=11)


def _bar_legend(ax, series, nested, published, colors):
    names = [n for n in series if n and not (published and n == "published")] if nested else []
    handles = [plt.Rectangle((0, 0), 1, 1, color=(colors or {}).get(n) or color(n, i))
               for i, n in enumerate(names)]  # fmt: skip
    if published:
        handles.append(plt.Rectangle((0, 0), 1, 1, facecolor="white", edgecolor=GRAY, hatch="///"))
        names.append("published")
    if handles:
        ax.legend(handles, [printable(n) for n in names], ncols=3, loc="lower right",
                  bbox_to_anchor=(1, 1))  # fmt: skip
        ax.set_title(ax.get_title("left"), pad=28)  # above the legend
