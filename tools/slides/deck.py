"""A deck is a list of slides; a slide holds blocks of HTML and notes for the speaker."""

from dataclasses import dataclass, field
from html import escape

from .render import markdown


@dataclass
class Slide:
    title: str = ""
    blocks: list[str] = field(default_factory=list)
    notes: str = ""
    kicker: str = ""  # small line above the title: where we are
    source: str = ""  # the cell shown, for going on live in the notebook
    kind: str = "content"  # or "title", "chapter"
    place: tuple = ()  # (chapter, section) in the lecture's own words
    shows: tuple = ()  # the cells shown


@dataclass
class Deck:
    name: str
    title: str
    accent: str
    slides: list[Slide]
    missing: list[str] = field(default_factory=list)  # items that no lesson draws yet
    not_run: list[str] = field(default_factory=list)  # cells saved without their output


def slide_html(slide: Slide) -> str:
    """One <section>."""
    head = f'<p class="kicker">{escape(slide.kicker)}</p>' if slide.kicker else ""
    if slide.title:
        level = "h1" if slide.kind == "title" else "h2"
        head += f"<{level}>{inline(slide.title)}</{level}>"
    foot = f'<p class="source">{escape(slide.source)}</p>' if slide.source else ""
    tall = " tall" if len(slide.blocks) == 1 and "picture tall" in slide.blocks[0] else ""
    notes = f'<aside class="notes">{markdown(slide.notes)}</aside>' if slide.notes else ""
    return (
        f'<section><div class="frame {slide.kind}{tall}"><header>{head}</header>'
        f'<div class="body">{"".join(slide.blocks)}</div>{foot}</div>{notes}</section>'
    )


def inline(text: str) -> str:
    """A title with its code and emphasis, without the paragraph around it."""
    html = markdown(text)
    return html.partition("<p>")[2].rpartition("</p>")[0] or escape(text)
