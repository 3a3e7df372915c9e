"""One attention view as HTML: a frame that holds BertViz and its data, and a heat map beside it.

The frame is a document of its own (`<iframe srcdoc>`), so nothing around it can disturb it, and it
asks no server for anything. BertViz (Vig 2019, arXiv:1906.05714) draws; `js/` holds what it needs.
"""

import base64
import html
import json
import re
from functools import cache
from importlib import metadata, resources

import torch

from course_lib.attention_views.seen import Seen

BERTVIZ = "1.4.1"
PER_WEIGHT = 1000  # weights are kept in thousandths
MOST_NUMBERS = 150_000  # about half a megabyte in the saved notebook
# What is changed in BertViz's files: (old, new).
NETWORK = (r"(?s)require\.config\(.*?\}\);", "")
DATA = (r"const params = PYTHON_PARAMS; // HACK[^\n]*", "const params = window.bertviz_params;")
BLACK = ("'background': 'black'", "'background': '#111111'")  # JupyterLab's dark
CHANGES = {
    "head": [NETWORK, DATA, (r'console.log\("d3 version", d3.version\)', "")],
    "model": [NETWORK, DATA, BLACK, (r'console.log\("x", x, y\)', "")],
    "neuron": [
        NETWORK,
        BLACK,
        (r"layerSelect.append(.*)\.text\(i\)", r"layerSelect.append\1.text(params.layer_names[i])"),
        (r"headSelect.append(.*)\.text\(i\)", r"headSelect.append\1.text(params.head_names[i])"),
    ],
}
HELP = {
    "head": "Point at a token (or Tab to it) to see its links alone. A colored square is a head: "
    "a click (Enter) turns it on or off, a double click (Shift+Enter) shows it alone.",
    "model": "Click a small map (or Tab to it and press Enter) to see it large.",
    "neuron": "Point at a token on the left (or Tab to it) to see where it looks. Its plus sign "
    "(Enter) opens the computation, its minus sign closes it.",
}
SELECT = '<label>{} <select id="{}">{}</select></label> '
PARTS = ("all", "A looks at A", "B looks at B", "A looks at B", "B looks at A")
NOTE = (
    "The interactive view is not shown: run this cell, or choose Trust Notebook in the command "
    "palette (Ctrl+Shift+C). The heat maps hold the same weights."
)
STYLE = (
    "body{margin:4px;font:14px 'Helvetica Neue',Helvetica,Arial,sans-serif;background:#fff;"
    "color:#202020;user-select:none}p{margin:4px 0;font-size:12px}"
    "svg{width:100%;height:auto;display:block}"
    "label{margin-right:8px}:focus{outline:none}:focus-visible,g:focus-visible rect{outline:2px "
    "solid #E69F00}.dark{color-scheme:dark}.dark body{background:#111;color:#ddd}"
    ".dark svg text{fill:#ddd}.dark rect.background{fill:#555}"
    ".dark #attention{filter:brightness(1.6)}"
)
POLICY = "default-src 'none';script-src 'unsafe-inline';style-src 'unsafe-inline'"


def document(kind: str, seen: Seen, layers, heads, title: str, theme: str) -> str:
    """The whole document inside the frame."""
    scripts = [js("d3-selection.min.js"), js("stand_ins.js"), bertviz(kind)]
    scripts += [f"const VIEW={as_js(contents(kind, seen, layers, heads, theme))};", js("frame.js")]
    body = "".join(f"<script>{script}</script>" for script in scripts)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><style>{STYLE}</style>'
        f'<main><div id="view">{selects(kind, seen)}<div id="vis"></div></div>'
        f"<p>{HELP[kind]}</p></main>{body}</html>"
    )


def contents(kind: str, seen: Seen, layers, heads, theme: str) -> dict:
    """What `frame.js` unpacks. Names of layers and heads count from 1."""
    weights = seen.attentions[layers][:, heads]  # (layers, heads, T, T)
    view = dict(kind=kind, theme=theme, tokens=seen.tokens, second=seen.second)
    numbers = weights.numel()
    if kind == "neuron":
        vectors = {n: getattr(seen, n)[layers][:, heads] for n in ("queries", "keys")}
        numbers += sum(vector.numel() for vector in vectors.values())
        view |= {name: packed(vector) for name, vector in vectors.items()}
    check_size(numbers, layers, heads)
    view["attn"] = (weights.double() * PER_WEIGHT).round().long().tolist()
    view["heads"] = [head + 1 for head in heads]
    view["width"] = {"head": max(345, 20 * len(heads)), "model": 970, "neuron": 1000}[kind]
    view["options"] = bertviz_options(kind, [layer + 1 for layer in layers], view["heads"])
    return view


def bertviz_options(kind: str, layers: list[int], heads: list[int]) -> dict:
    """The settings that BertViz reads beside the data."""
    if kind == "head":
        return dict(include_layers=layers, layer=layers[0], heads=None)
    if kind == "model":  # at least 8 columns: few heads leave room for the large map beside them
        return dict(include_layers=layers, include_heads=heads, total_heads=max(8, len(heads)))
    return dict(layer_names=layers, head_names=heads, bidirectional=True)


def packed(vectors) -> dict:
    """Queries or keys (layers, heads, T, K) in a byte each: whole steps from -127 to 127."""
    step = max(float(vectors.abs().max()), 1e-9) / 127
    whole = (vectors / step).round().to(torch.int8).numpy()
    text = base64.b64encode(whole.tobytes()).decode("ascii")
    return dict(bytes=text, step=float(f"{step:.4g}"), shape=list(vectors.shape))


def check_size(numbers: int, layers, heads) -> None:
    if numbers > MOST_NUMBERS:
        raise ValueError(
            f"the view of {len(layers)} layers with {len(heads)} heads would hold {numbers:,} "
            f"numbers; {MOST_NUMBERS:,} are allowed, so that the notebook stays small: show fewer "
            "with layers=[0, 1] and heads=[0, 1], or shorten the text."
        )


def selects(kind: str, seen: Seen) -> str:
    """The choices above the picture; BertViz fills layers and heads."""
    found = ""
    if kind != "model":
        found += SELECT.format("Layer", "layer", "")
    if kind == "neuron":
        found += SELECT.format("Head", "att_head", "")
    if seen.second:
        options = "".join(f'<option value="{i}">{part}</option>' for i, part in enumerate(PARTS))
        found += SELECT.format("Part", "filter", options)
    return found


def framed(kind: str, inside: str, title: str, picture: str, alt: str) -> str:
    """The frame and, beside or under it, its heat map and the note for untrusted notebooks."""
    source = inside.replace("&", "&amp;").replace("'", "&#39;")
    title, alt = html.escape(title), html.escape(alt)
    width, most = ("22em", "32em") if kind == "head" else ("100%", "100%")
    return (
        '<div style="display:flex;flex-wrap:wrap;align-items:flex-start;gap:12px">'
        f'<div style="flex:1 1 {width};min-width:0;max-width:{most}">'
        f'<iframe title="{title}" style="width:100%;height:420px;border:0" '
        f"srcdoc='{source}'></iframe>"
        f'<p class="course-view-note">{NOTE}</p></div>'
        f'<img style="flex:0 1 auto;max-width:100%" alt="{alt}" '
        f'src="data:image/png;base64,{picture}"></div>'
    )


@cache
def js(name: str) -> str:
    """One of the scripts in `js/`."""
    text = resources.files(__package__).joinpath("js", name).read_text(encoding="utf-8")
    return text if name.endswith(".min.js") else squeezed(text)


@cache
def bertviz(kind: str) -> str:
    """One of BertViz's scripts, changed where it must be."""
    script = resources.files("bertviz").joinpath(f"{kind}_view.js").read_text(encoding="utf-8")
    for old, new in CHANGES[kind]:
        script, count = re.subn(old, new, script)
        if not count:
            raise RuntimeError(
                f"BertViz {metadata.version('bertviz')} is installed, the views are made for "
                f"{BERTVIZ}: pip install bertviz=={BERTVIZ}"
            )
    return f"// BertViz {BERTVIZ}, Jesse Vig, Apache License 2.0\n{squeezed(script)}"


def squeezed(script: str) -> str:
    """Without indents and lines that are comments: two thirds of the size."""
    lines = (line.strip() for line in re.sub(r"(?s)/\*\*.*?\*/", "", script).splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def as_js(value) -> str:
    """JSON that may stand inside <script>: no token can end the script or begin a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&'\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text
