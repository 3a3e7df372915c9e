"""Tables and rows of pieces: HTML in a notebook, text everywhere else."""

from html import escape

_STYLE = "border-collapse:collapse;margin:.5em 0;font-size:90%;font-variant-numeric:tabular-nums"
_CELL = "border-bottom:1px solid #ccc;padding:.25em .7em;vertical-align:top"


class Table:
    """Rows of dicts that show as HTML in a notebook and as aligned text elsewhere."""

    def __init__(self, rows, columns=None, caption=None, highlight=None, formats=None):
        self.rows = [dict(row) for row in rows]
        self.columns = list(columns) if columns else list(dict.fromkeys(k for r in rows for k in r))
        self.caption, self.highlight, self.formats = caption, highlight, formats or {}

    def cells(self):
        """The table as lists of text, one list per row, without the header."""
        return [[self._text(row.get(c), c) for c in self.columns] for row in self.rows]

    def _text(self, value, column):
        if value is None:
            return ""
        form = self.formats.get(column)
        if form is not None:
            return form(value) if callable(form) else format(value, form)
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, int):
            return f"{value:,}"
        if isinstance(value, float):
            return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
        return str(value)

    def _numeric(self, column):
        values = [row.get(column) for row in self.rows if row.get(column) is not None]
        return bool(values) and all(isinstance(v, int | float) for v in values)

    def _marked(self, row):
        return bool(self.highlight and self.highlight(row))

    def _repr_html_(self):
        align = ["right" if self._numeric(c) else "left" for c in self.columns]
        head = "".join(
            f'<th scope="col" style="{_CELL};text-align:{a};border-bottom:2px solid #555">'
            f"{escape(str(c))}</th>"
            for c, a in zip(self.columns, align, strict=True)
        )
        body = "".join(self._html_row(*pair, align) for pair in zip(self.rows, self.cells(),
                                                                    strict=True))  # fmt: skip
        caption = (
            f'<caption style="caption-side:bottom;text-align:left;padding-top:.4em">'
            f"{escape(self.caption)}</caption>"
            if self.caption
            else ""
        )
        return (
            f'<table style="{_STYLE}">{caption}<thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table>"
        )

    def _html_row(self, row, cells, align):
        mark = ' style="background:#FFF3CD;color:#000;font-weight:600"' if self._marked(row) else ""
        tds = "".join(
            f'<td style="{_CELL};text-align:{a}">{escape(text)}</td>'
            for text, a in zip(cells, align, strict=True)
        )
        return f"<tr{mark}>{tds}</tr>"

    def __repr__(self):
        lines = [[str(c) for c in self.columns], *self.cells()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        right = [self._numeric(c) for c in self.columns]
        marks = [" "] + ["*" if self._marked(row) else " " for row in self.rows]
        text = "\n".join(
            (mark + "  ".join(_pad(cell, width, r) for cell, width, r in
                              zip(line, widths, right, strict=True))).rstrip()
            for mark, line in zip(marks, lines, strict=True)
        )  # fmt: skip
        return f"{text}\n{self.caption}" if self.caption else text


def _pad(text, width, right):
    return text.rjust(width) if right else text.ljust(width)


def table(rows, columns=None, caption=None, highlight=None, formats=None):
    """A table to be the last line of a cell.

    rows: list of dicts. columns: which keys, in which order (default: all).
    highlight: function of a row; rows for which it is true are marked.
    formats: {column: format spec such as ".2f" or function of the value}.
    Raises ValueError for an empty list or a column that no row has.
    """
    rows = list(rows)
    if not rows:
        raise ValueError("table() got no rows; check the filter that made them.")
    known = {key for row in rows for key in row}
    unknown = [c for c in columns or [] if c not in known]
    if unknown:
        raise ValueError(f"no row has the columns {unknown}; there are {sorted(map(str, known))}.")
    return Table(rows, columns, caption, highlight, formats)


_BOX = ("display:inline-block;border:1px solid #888;border-radius:3px;padding:0 .3em;margin:1px;"
        "white-space:pre;color:#000;background:")  # fmt: skip
_SHADES = ("#fff", "#dbe9f4")
_HATCHED = "repeating-linear-gradient(45deg,#fff,#fff 4px,#eec 4px,#eec 8px)"


class Pieces:
    """Texts cut into pieces, one box a piece, in a notebook; "a | b | c" elsewhere."""

    def __init__(self, rows, unknown=(), caption=None):
        self.rows, self.unknown, self.caption = dict(rows), set(unknown), caption

    def _box(self, place, piece):
        fill = _HATCHED if piece in self.unknown else _SHADES[place % 2]
        return f'<span style="{_BOX}{fill}">{escape(str(piece))}</span>'

    def _repr_html_(self):
        lines = "".join(
            f'<tr><td style="text-align:left;white-space:nowrap">{escape(str(label))}</td>'
            f'<td style="text-align:left">{"".join(map(self._box, range(len(pieces)), pieces))}'
            "</td></tr>"
            for label, pieces in self.rows.items()
        )
        note = f'<div style="font-size:90%">{escape(self.caption)}</div>' if self.caption else ""
        return f"<table>{lines}</table>{note}"

    def __repr__(self):
        width = max((len(str(label)) for label in self.rows), default=0)
        lines = [f"{label!s:{width}}  {' | '.join(map(str, p))}" for label, p in self.rows.items()]
        return "\n".join(lines + ([self.caption] if self.caption else []))


def pieces(rows, unknown=(), caption=None):
    """Pieces of texts as boxes, one line a row, to be the last line of a cell.

    rows: {label: list of pieces}. unknown: pieces to be hatched. Unlike `token_rows` this is
    text: it needs no font for Chinese characters or emoji, and lines of any length wrap.
    """
    return Pieces(rows, unknown, caption)
