"""Captions inside pictures, as text of the slide: there they are large enough for the last row.

`course_lib.plots.caption` draws a caption at the foot of its picture and keeps it as alternative
text. Here the lines are found again in the picture and cut off.
"""

import base64
import io
import textwrap
from functools import cache

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageFont

from course_lib.plots import printable

SIZE, PITCH, LETTER = 11 * 80 / 72, 15.5, 13  # px: of the font, from line to line, of a line
DARK, FEWEST, NEAR = 150, 25, 0.035  # gray value of letters; letters in a line; share of its width
MOST = 0.5  # of a picture's height


@cache
def cut(png: str, caption: str) -> tuple[str, str]:
    """(the picture without its caption, the caption), or (the picture as it is, "").

    png: base64. The second comes when the caption's lines are not found at the picture's foot.
    """
    image = Image.open(io.BytesIO(base64.b64decode(png)))
    dark = np.asarray(image.convert("L")) < DARK  # (height, width)
    top = _top(dark, printable(caption).strip())
    if top is None:
        return png, ""
    rows = np.flatnonzero(np.asarray(image.convert("L"))[:top].min(1) < 250)
    kept, smaller = image.crop((0, 0, image.width, int(rows[-1]) + 6)), io.BytesIO()
    kept.save(smaller, format="png")
    return base64.b64encode(smaller.getvalue()).decode("ascii"), caption


def _top(dark: np.ndarray, text: str) -> int | None:
    """The row at which the caption begins: its lines, wrapped as one of the ways to wrap them, must
    end where the ink at the foot of the picture ends, line for line."""
    if not text or not dark.any():
        return None
    foot = int(np.flatnonzero(dark.any(1))[-1])
    likely, tried = dark.shape[1] / 80 * 13, set()  # letters in a line, as `plots.caption` counts
    for width in sorted(range(FEWEST, len(text) + FEWEST), key=lambda n: abs(n - likely)):
        lines = tuple(textwrap.wrap(text, width))
        if lines in tried or len(lines) * PITCH > MOST * len(dark):
            continue
        tried.add(lines)
        top = _fits(dark, foot, lines)
        if top is not None:
            return top
    return None


def _fits(dark: np.ndarray, foot: int, lines: tuple[str, ...]) -> int | None:
    """The first row of these lines, if they end at row `foot`; None if they do not."""
    low = foot + 1 if set(lines[-1]) & set("gjpqy,;()[]{}|/@Q_") else foot + 4
    for number, line in enumerate(reversed(lines)):
        end = low - round(PITCH * number)
        columns = np.flatnonzero(dark[max(0, end - LETTER + 1) : max(0, end - 3)].any(0))
        wide = _font().getlength(line)
        if not len(columns) or abs(np.ptp(columns) - wide) > max(14, NEAR * wide):
            return None
    return low - round(PITCH * len(lines))


@cache
def _font():
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), SIZE)
