"""One HTML file that needs nothing else: slides, theme, reveal.js and KaTeX in one."""

import base64
import re
from html import escape

from course_lib.plots import COLORS
from tools.notebook_files import ROOT

from .deck import Deck, slide_html
from .render import code_css

SLIDES = ROOT / "slides"
VENDOR = SLIDES / "vendor"
FONT = re.compile(r"src:[^;}]*?url\((fonts/([\w-]+)\.woff2)\)[^;}]*")
FONT_FACE = re.compile(r"@font-face\{[^}]*\}")


def page(deck: Deck) -> str:
    """The whole file as text."""
    accent = COLORS.get(deck.accent)
    if accent is None:
        raise ValueError(f"{deck.name}: no color {deck.accent!r}; there are {', '.join(COLORS)}")
    colors = f":root{{--accent:{accent}}}"
    sections = [slide_html(slide) for slide in deck.slides]
    math = any("$" in block for slide in deck.slides for block in (*slide.blocks, slide.title))
    styles = [_css("reveal.js/reveal.css"), code_css(), colors, _theme("deck.css")]
    scripts = [_js("reveal.js/reveal.js"), _js("reveal.js/notes.js")]
    if math:
        styles.insert(0, _katex_css())
        scripts += [_js("katex/katex.min.js"), _js("katex/auto-render.min.js")]
    scripts.append(_theme("deck.js"))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(deck.title)}</title>"
        + "".join(f"<style>{style}</style>" for style in styles)
        + '</head><body class="measuring"><div class="reveal"><div class="slides">\n'
        + "\n".join(sections)
        + "\n</div></div>\n"
        + "".join(f"<script>{script}</script>\n" for script in scripts)
        + "</body></html>\n"
    )


def index(decks: list[Deck]) -> str:
    """A page that lists the decks."""
    rows = "".join(f'<li><a href="{d.name}.html">{escape(d.title)}</a></li>' for d in decks)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Decks</title>'
        "<style>body{font:20px/1.6 system-ui,sans-serif;max-width:42em;margin:3em auto;"
        f"padding:0 1em}}</style></head><body><h1>Decks</h1><ol>{rows}</ol></body></html>\n"
    )


def _theme(name: str) -> str:
    return (SLIDES / "theme" / name).read_text(encoding="utf-8")


def _css(name: str) -> str:
    return (VENDOR / name).read_text(encoding="utf-8")


def _js(name: str) -> str:
    """A script that can stand inside a page: no end of a script within it."""
    text = (VENDOR / name).read_text(encoding="utf-8")
    return text.replace("</script", r"<\/script").replace("<!--", r"<\!--")


def _katex_css() -> str:
    """KaTeX's styles with the fonts that are here inside; faces of other fonts are left out."""

    def face(match):
        font = FONT.search(match[0])
        path = VENDOR / "katex" / font[1]
        if not path.exists():
            return ""
        data = base64.b64encode(path.read_bytes()).decode("ascii")
        source = f'src:url(data:font/woff2;base64,{data}) format("woff2")'
        return match[0].replace(font[0], source)

    return FONT_FACE.sub(face, _css("katex/katex.min.css"))
