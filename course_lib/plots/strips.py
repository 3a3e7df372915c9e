"""The timeline of models, and sentences as rows of colored boxes."""

import matplotlib.pyplot as plt

from .style import caption as add_caption
from .style import color, new_axes, printable


def timeline(events, title=None, ax=None, *, caption=None, size=(11, 5)):
    """Events along a line of time, marker area by number of parameters; returns the Axes.

    events: dicts with `date` ("2018-10" or "2018-10-11"), `name`, and optionally `family`
    (its color) and `params` (millions).
    """
    ax = new_axes(ax, size, title)
    events = sorted(events, key=lambda event: event["date"])
    heights = [3, -2.2, 1.4, -3.6, 4.4, -1.2, 2.2, -4.6]
    for index, event in enumerate(events):
        x, height = _year(event["date"]), heights[index % len(heights)]
        ink = color(event.get("family") or event["name"], 0)
        ax.plot([x, x], [0, height], color=ink, linewidth=1, zorder=1)
        area = 30 + 3 * (event.get("params") or 0) ** 0.8
        ax.scatter([x], [0], s=area, color=ink, alpha=0.75, zorder=2, edgecolor="white")
        text = printable(event["name"])
        if event.get("params"):
            text += f"\n{event['params']:.0f}M"
        ax.text(x, height, text, ha="center", va="bottom" if height > 0 else "top", fontsize=11)
    ax.axhline(0, color="black", linewidth=1, zorder=0)
    ax.set_ylim(-6.2, 6.2)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("year of first publication")
    add_caption(ax, caption)
    return ax


def _year(date):
    year, month, day = (list(map(int, str(date).split("-"))) + [1, 1])[:3]
    return year + (month - 1) / 12 + (day - 1) / 365


TOKEN_FILLS = {
    "": "#FFFFFF", "special": "#E4E4E4", "masked": "#F7C9A9", "random": "#F3D9E8",
    "kept": "#FBE6C0", "target": "#CDEBDD", "other": "#CFE8F7",
}  # fmt: skip


def token_rows(rows, title=None, ax=None, *, caption=None, width=1.0, size=None):
    """Sentences as rows of colored boxes, one box a token; returns the Axes.

    rows: list of (label, tokens, kinds), kinds being "" or a key of TOKEN_FILLS per token, or one
    for the whole row. An empty token leaves its place free.
    width: inches per token. Raises ValueError if tokens and kinds differ in number.
    """
    longest = max(len(tokens) for _, tokens, _ in rows)
    ax = new_axes(ax, size or (min(1.8 + width * longest, 14), 0.5 * len(rows) + 0.6), title)
    for y, (label, tokens, kinds) in enumerate(rows):
        kinds = [kinds] * len(tokens) if isinstance(kinds, str) else kinds
        if len(kinds) != len(tokens):
            raise ValueError(f"row {label!r} has {len(tokens)} tokens and {len(kinds)} kinds.")
        ax.text(-0.15, -y, printable(label), ha="right", va="center", fontsize=11)
        for x, (token, kind) in enumerate(zip(tokens, kinds, strict=True)):
            if str(token):
                box = plt.Rectangle((x + 0.04, -y - 0.36), 0.92, 0.72, edgecolor="#777777",
                                    facecolor=TOKEN_FILLS[kind])  # fmt: skip
                ax.add_patch(box)
                ax.text(x + 0.5, -y, printable(token), ha="center", va="center", fontsize=10)
    ax.set_xlim(-0.1, longest + 0.1)
    ax.set_ylim(-len(rows) + 0.5, 0.5)
    ax.axis("off")
    add_caption(ax, caption)
    return ax
