"""Cells as pieces of HTML: Markdown, code, pictures, tables, text. Nothing is run."""

import base64
import re
from html import escape

from nbconvert.filters.markdown_mistune import markdown2html_mistune
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from . import captions
from .lessons import Cell, text_of

STYLE = "default"
CODE_SIZE, SMALLEST_CODE, FULL_SIZE_LETTERS = 23, 18.5, 80  # px, px, letters in a line
ROW = re.compile(r"<tr\b.*?</tr>", re.S)
SHORT_CELL = re.compile(r'<td style="([^"]*">[^<]{1,8}</td>)')
LEXER = PythonLexer(stripnl=False)
COMMENT_COLUMN = re.compile(r" {3,}(?=# )")
FORMATTER = re.compile(r" *# (fmt: skip|noqa).*$")
ENLARGED = 1.9  # times its own size, at most: letters of 12 px are large then, and not yet blurred
TALL = 1.45  # width / height below which a picture stands beside its title, not under it


def code_css() -> str:
    """Colors of the code."""
    return HtmlFormatter(style=STYLE).get_style_defs(".code")


def markdown(source: str) -> str:
    """A text of a lesson. Links to files beside the notebook become plain words."""
    html = markdown2html_mistune(source)
    html = re.sub(r'<a class="anchor-link".*?</a>', "", html)
    html = re.sub(r'<a href="(?!https?:)[^"]*"[^>]*>(.*?)</a>', r"\1", html, flags=re.S)
    return f'<div class="block text">{html}</div>'


def numbers(text, last: int) -> list[int]:
    """`"1-4, 9"` as [1, 2, 3, 4, 9]. ValueError where a line is not among 1 to `last`."""
    found = []
    for part in str(text).split(","):
        first, _, end = part.strip().partition("-")
        if not first.isdigit() or (end and not end.isdigit()):
            raise ValueError(f"lines {text!r}: write them as 1-4, 9")
        found += range(int(first), int(end or first) + 1)
    if not found or min(found) < 1 or max(found) > last:
        raise ValueError(f"lines {text!r}: there are lines 1 to {last}")
    return found


def code(source: str, lines=None, dots=True) -> str:
    """Python as HTML, whole or the named lines; dots stand where lines are left out."""
    plain_rows = [FORMATTER.sub("", COMMENT_COLUMN.sub("  ", row)) for row in source.splitlines()]
    # Colored as a whole: a line in the middle of a long string must know that it is one.
    colored = highlight("\n".join(plain_rows), LEXER, HtmlFormatter(nowrap=True)).split("\n")
    wanted = numbers(lines, len(plain_rows)) if lines else range(1, len(plain_rows) + 1)
    indents = [_indent(plain_rows[n - 1]) for n in wanted if plain_rows[n - 1]]
    margin = min(indents, default=0) if dots else 0
    rows, before = [], 0
    for number in wanted:
        if dots and number > before + 1:
            rows.append(" " * (_indent(plain_rows[number - 1]) - margin) + "...")
        rows.append(_without_margin(colored[number - 1], margin))
        before = number
    if dots and before < len(plain_rows):
        rows.append("...")
    size = size_for([plain_rows[n - 1][margin:] for n in wanted])
    return f'<div class="block code"><pre{size}>{chr(10).join(rows)}</pre></div>'


def _indent(row: str) -> int:
    return len(row) - len(row.lstrip())


def _without_margin(html: str, margin: int) -> str:
    """A colored line without its first `margin` blanks, which may stand inside a tag's text."""
    kept, inside = [], False
    for place, letter in enumerate(html):
        if not margin:
            return "".join(kept) + html[place:]
        inside = (inside or letter == "<") and letter != ">"
        if letter == " " and not inside:
            margin -= 1
        else:
            kept.append(letter)
    return "".join(kept)


def size_for(rows) -> str:
    """A smaller size for lines that would be wider than the slide, down to the smallest."""
    longest = max(map(len, rows), default=0)
    if longest <= FULL_SIZE_LETTERS:
        return ""
    size = max(SMALLEST_CODE, CODE_SIZE * FULL_SIZE_LETTERS / longest)
    return f' style="font-size:{size:.1f}px"'


def indent_of(row: str) -> str:
    return row[: len(row) - len(row.lstrip())]


def outputs(cell: Cell, only=None, rows=None) -> list[str]:
    """One block for each output of a cell, or for those whose places (from 0) `only` names."""
    shown = [block for output in cell.outputs if (block := one_output(output, rows))]
    if only is None:
        return shown
    if max(only) >= len(shown):
        raise ValueError(f"outputs {only}: {cell.address} has {len(shown)} output(s), from 0")
    return [shown[place] for place in only]


def one_output(output, rows=None) -> str:
    """The richest form that works without a kernel: HTML, SVG, a picture, text."""
    if output["output_type"] == "stream":
        # What libraries say on stderr (progress, warnings) is not for a slide.
        return "" if output["name"] == "stderr" else plain(text_of(output["text"]))
    data = output.get("data", {})
    alternative = output.get("metadata", {}).get("image/png", {}).get("alt", "")
    if "text/html" in data:
        return own_html(text_of(data["text/html"]), rows)
    if "image/svg+xml" in data:
        return f'<div class="block picture">{text_of(data["image/svg+xml"])}</div>'
    for kind in ("image/png", "image/jpeg"):
        if kind in data:
            image = text_of(data[kind]).replace("\n", "")
            return picture(kind, image, alternative)
    return plain(text_of(data["text/plain"])) if "text/plain" in data else ""


def picture(kind: str, image: str, alternative: str) -> str:
    """A picture, with its caption as text below it (beside it, if it is tall)."""
    png = kind == "image/png"
    image, caption = captions.cut(image, alternative) if png else (image, "")
    below = f'<p class="caption">{escape(caption)}</p>' if caption else ""
    alt = escape(alternative or "Figure", quote=True)
    most = f' style="max-width:{ENLARGED * size_of(image)[0]:.0f}px"' if png else ""
    return (
        f'<div class="block picture{" tall" if png and is_tall(image) else ""}">'
        f'<img alt="{alt}"{most} src="data:{kind};base64,{image}">{below}</div>'
    )


def size_of(png: str) -> tuple[int, int]:
    """Width and height in pixels, from the file's header."""
    header = base64.b64decode(png[:32])
    return int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")


def is_tall(png: str) -> bool:
    """Is the picture too high for its width to lie well under a title?"""
    width, height = size_of(png)
    return width / height < TALL


def plain(text: str) -> str:
    """What a cell printed."""
    text = text.rstrip()
    size = size_for(text.split("\n"))
    return f'<div class="block plain"><pre{size}>{escape(text)}</pre></div>'


def own_html(html: str, rows=None) -> str:
    """A table, a claim's box, or a live view (an iframe, kept as it is)."""
    if "<iframe" in html:
        return f'<div class="block view">{html}</div>'
    if rows is not None:
        html = some_rows(html, rows)
    html = SHORT_CELL.sub(r'<td style="white-space:nowrap;\1', html)  # "+0.1 %" is not cut in two
    return f'<div class="block {"table" if "<table" in html else "box"}">{html}</div>'


def some_rows(html: str, rows) -> str:
    """A table with the named body rows only (`"1-6"`)."""
    head, mark, rest = html.partition("<tbody>")
    if not mark:
        raise ValueError(f"rows {rows!r}: this output is no table with a body")
    body, _, tail = rest.partition("</tbody>")
    every = ROW.findall(body)
    kept = "".join(every[number - 1] for number in numbers(rows, len(every)))
    return f"{head}<tbody>{kept}</tbody>{tail}"


def count_rows(block: str) -> int:
    """Body rows of a table block; 0 for other blocks."""
    return len(ROW.findall(block.partition("<tbody>")[2]))


def pages_of_table(block: str, limit: int) -> list[str]:
    """A long table as several, each with the header, of at most `limit` rows and evenly filled."""
    count = count_rows(block)
    if count <= limit:
        return [block]
    parts = -(-count // limit)
    size = -(-count // parts)
    return [
        some_rows(block, f"{first + 1}-{min(first + size, count)}")
        for first in range(0, count, size)
    ]
