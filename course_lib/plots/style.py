"""House style of every picture in the course: fonts, colors, captions, alternative text.

One color per model through the whole course (`COLORS`), from the eight colors of Okabe and Ito
(https://jfly.uni-koeln.de/color), which people with the common forms of color blindness can
tell apart. Heat maps use cividis, which keeps its order in gray print.
"""

import base64
import io
import re
import textwrap
import unicodedata
from functools import cache

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

OKABE_ITO = {
    "black": "#000000", "orange": "#E69F00", "sky": "#56B4E9", "green": "#009E73",
    "yellow": "#F0E442", "blue": "#0072B2", "vermillion": "#D55E00", "purple": "#CC79A7",
}  # fmt: skip
GRAY = "#767676"

COLORS = {
    "bert": OKABE_ITO["blue"],
    "roberta": OKABE_ITO["vermillion"],
    "albert": OKABE_ITO["orange"],
    "electra": OKABE_ITO["green"],
    "gpt": OKABE_ITO["purple"],
    "elmo": OKABE_ITO["sky"],
    "lstm": OKABE_ITO["sky"],
    "transformer": OKABE_ITO["black"],
    "word2vec": "#8F7F00",  # Okabe-Ito yellow, darkened until it can be read on white
    "xlnet": "#8C510A",
    "ngram": GRAY,
    "scratch": GRAY,
    "baseline": GRAY,
}
_FALLBACK = [OKABE_ITO[c] for c in ("blue", "orange", "green", "purple", "vermillion", "sky")]
_CJK_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei", "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei",
    "Arial Unicode MS", "Droid Sans Fallback",
)  # fmt: skip


def color(label, position=0):
    """The course's color for a model's name, or the `position`-th neutral one.

    A label may say more than the name: "RoBERTa, 3 seeds" and "bert-base" are both known. The
    longest name wins, so that "roberta" is not taken for "bert".
    """
    text = str(label).lower().replace("left-to-right", "gpt")
    text = re.sub(r"\w+-gram", "ngram", text)
    for name in sorted(COLORS, key=len, reverse=True):
        if name in text:
            return COLORS[name]
    return _FALLBACK[position % len(_FALLBACK)]


@cache
def cjk_font():
    """The name of an installed font with Chinese characters, or None."""
    installed = set(matplotlib.font_manager.get_font_names())
    return next((name for name in _CJK_FONTS if name in installed), None)


def printable(text):
    """`text` as it can be drawn here: characters that no font has become their code points."""
    text = str(text).replace("$", r"\$")
    if cjk_font():
        return text
    return "".join(c if _drawable(c) else f"U+{ord(c):X} " for c in text).strip()


def _drawable(char):
    return ord(char) < 0x2E80 and unicodedata.category(char) not in ("Cn", "Co", "Cs")


def use_style():
    """Set the house style for all later figures and add captions as alternative text.

    Fonts are sized to be read from the last row when a figure fills a slide. In a notebook each
    figure's caption also becomes the image's alternative text, for screen readers.
    """
    families = ["DejaVu Sans"] + ([cjk_font()] if cjk_font() else [])
    plt.rcParams.update({
        "figure.figsize": (8, 4), "figure.dpi": 80, "savefig.dpi": 80, "savefig.bbox": "tight",
        "figure.facecolor": "white", "figure.constrained_layout.use": True,
        "axes.titlelocation": "left",
        "font.family": families, "font.size": 13, "axes.titlesize": 14, "axes.labelsize": 13,
        "xtick.labelsize": 12, "ytick.labelsize": 12, "legend.fontsize": 12,
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": False,
        "axes.prop_cycle": plt.cycler(color=_FALLBACK), "lines.linewidth": 2,
        "legend.frameon": False, "image.cmap": "cividis", "hatch.linewidth": 0.8,
    })  # fmt: skip
    _register_alt_text()


def caption(figure, text, width=None):
    """Print `text` under `figure` (a Figure or an Axes) and keep it as alternative text."""
    figure = figure if isinstance(figure, Figure) else figure.get_figure()
    if text:
        width = width or int(figure.get_figwidth() * 13)
        figure._course_caption = text
        wrapped = textwrap.fill(printable(text), width)
        figure.supxlabel(wrapped, x=0.01, ha="left", fontsize=11, color="#333333")
    return figure


def png_with_alt(figure):
    """(PNG as base64 text, metadata with the alternative text) of a figure.

    256 colors are enough for the eye and take a third of the room in a saved notebook.
    """
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", bbox_inches="tight", dpi=figure.dpi)
    few = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    few.save(small, format="png", optimize=True)
    text = getattr(figure, "_course_caption", None) or _describe(figure)
    return base64.b64encode(small.getvalue()).decode("ascii"), {"alt": text}


def _describe(figure):
    """Titles and axis labels as one sentence, for a figure without a caption."""
    parts = []
    for ax in figure.axes:
        parts += [t for t in (ax.get_title("left"), ax.get_xlabel(), ax.get_ylabel()) if t]
    return "Figure: " + "; ".join(parts) if parts else "Figure"


def _register_alt_text():
    """Make IPython show figures through `png_with_alt`; outside a notebook, do nothing."""
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is not None and hasattr(shell, "kernel"):
        from matplotlib_inline.backend_inline import configure_inline_support

        configure_inline_support(shell, plt.get_backend())  # first, or it would undo ours later
        shell.display_formatter.formatters["image/png"].for_type(Figure, png_with_alt)


def new_axes(ax, size, title):
    """`ax`, or the axes of a new figure of `size` inches, with its title set."""
    if ax is None:
        _, ax = plt.subplots(figsize=size)
    if title:
        ax.set_title(printable(title))
    return ax
