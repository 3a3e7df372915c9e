"""What the site adds to Sphinx: addresses of cells, texts for pictures, formulas by KaTeX.

KaTeX is the copy that the slides use (`slides/vendor`), so that formulas need no server.
"""

import json
import re
import shutil
from html import escape, unescape
from pathlib import Path

import nbformat
from docutils import nodes

from course_lib.plots import COLORS
from tools.notebook_files import ROOT
from tools.slides.automatic import ACCENTS
from tools.slides.page import FONT, FONT_FACE

KATEX = ROOT / "slides" / "vendor" / "katex"
TEXTS = "search_texts.js"
TAGS = re.compile(r"<(style|script|iframe)\b.*?</\1>|<[^>]+>", re.S)
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")


def setup(app):
    app.connect("doctree-read", name_cells)
    app.connect("html-page-context", color_page)
    app.connect("builder-inited", bring_katex)
    app.connect("build-finished", write_texts)
    app.add_html_math_renderer("katex", (inline, None), (block, None))
    app.add_css_file("katex/katex.min.css")
    app.add_js_file("katex/katex.min.js", defer="defer", priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def bring_katex(app) -> None:
    """KaTeX beside the pages, with its license; its styles name only the fonts that are here."""
    target = Path(app.outdir) / "_static" / "katex"
    shutil.copytree(KATEX, target, dirs_exist_ok=True)

    def face(match):
        font = FONT.search(match[0])
        source = f'src:url({font[1]}) format("woff2")'
        return match[0].replace(font[0], source) if (KATEX / font[1]).exists() else ""

    styles = FONT_FACE.sub(face, (KATEX / "katex.min.css").read_text("utf-8"))
    (target / "katex.min.css").write_text(styles, encoding="utf-8")


def inline(translator, node) -> None:
    formula(translator, node, "span")


def block(translator, node) -> None:
    formula(translator, node, "div")


def formula(translator, node, tag: str) -> None:
    """The source of a formula; `course.js` puts KaTeX's drawing in its place."""
    translator.body.append(f'<{tag} class="formula">{escape(node.astext())}</{tag}>')
    raise nodes.SkipNode


def name_cells(app, doctree) -> None:
    """Each code cell gets the id `cell-...`, each picture the text for those who do not see it."""
    path = Path(app.env.doc2path(app.env.docname))
    if path.suffix != ".ipynb":
        return
    cells = nbformat.read(path, as_version=4).cells
    for node in doctree.findall(nodes.container):
        if node.get("nb_element") == "cell_code":
            cell = cells[node["cell_index"]]
            node["ids"].append(f"cell-{cell.id}")
            describe(node, cell)


def describe(node, cell) -> None:
    """Alternative texts, from the metadata of the outputs."""
    data = [output for output in cell.outputs if "data" in output]
    drawn = [output for output in data if any(kind in output.data for kind in PICTURES)]
    for image, output in zip(node.findall(nodes.image), drawn, strict=False):
        texts = (output.metadata.get(kind, {}).get("alt") for kind in PICTURES)
        image["alt"] = next(filter(None, texts), "Picture")


def color_page(app, pagename, templatename, context, doctree) -> None:
    """The color of a lesson's model, as on its slides; the texts for the page of results."""
    folder, _, name = pagename.partition("/")
    family = ACCENTS.get(name[:2], "bert") if folder in ("notebooks", "exercises") else "bert"
    style = f"<style>:root{{--accent:{COLORS[family]}}}</style>"
    context["metatags"] = context.get("metatags", "") + style
    if pagename == "search":
        app.add_js_file(TEXTS, defer="defer", priority=450)


def write_texts(app, exception) -> None:
    """The prose of each section, by page and anchor, for the excerpts of a search."""
    if exception is None:
        texts = {name: sections(app.env.get_doctree(name)) for name in sorted(app.env.found_docs)}
        path = Path(app.outdir) / "_static" / TEXTS
        source = json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
        path.write_text(f"window.SEARCH_TEXTS={source};\n", encoding="utf-8")


def sections(doctree) -> dict[str, list[str]]:
    """By anchor: title and text of each section, without the sections in it, and without code."""
    found = {}
    for section in doctree.findall(nodes.section):
        parts = [text for child in section.children for text in prose(child)]
        title = section.next_node(nodes.title).astext()
        anchor = section["ids"][0] if found else ""  # of the first one: the top of the page
        found[anchor] = [title, " ".join("".join(parts).split())]
    return found


def prose(node) -> list[str]:
    """The text of a node, pieces of HTML without their tags."""
    if isinstance(node, (nodes.section, nodes.literal_block, nodes.title)):
        return []
    if isinstance(node, nodes.raw):
        return [unescape(TAGS.sub(" ", node.astext()))]
    if isinstance(node, nodes.Text):
        return [node.astext()]
    return [text for child in node.children for text in prose(child)] + [" "]
