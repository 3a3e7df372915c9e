"""Block diagrams drawn from live modules: what runs, the shapes that leave it, its parameters."""

from dataclasses import dataclass, field

from matplotlib.patches import FancyBboxPatch

from .style import OKABE_ITO, new_axes, printable
from .style import caption as add_caption

FILLS = {
    "input": "#EEEEEE", "embedding": "#FBE6C0", "attention": "#CFE8F7", "feedforward": "#CDEBDD",
    "norm": "#F6F3C8", "head": "#F3D9E8", "layer": "#DCE6EE", "output": "#EEEEEE",
    "changed": "#FAD0B6",
}  # fmt: skip


@dataclass
class Block:
    """One box: its name, a smaller note (a shape, a count) and a kind, which gives the color.

    children: boxes drawn inside a frame instead of one box; times: the frame's "x12".
    """

    name: str
    note: str = ""
    kind: str = "layer"
    times: int | None = None
    children: list = field(default_factory=list)


def blocks(stack, title=None, ax=None, *, caption=None, size=None, width=4.0):
    """Stacks of boxes, first at the bottom, arrows upwards; returns the Axes.

    stack: list of Block, or {heading: list of Block} for several stacks side by side. A tuple of
    lists inside a stack is a fork: those lists stand side by side on the box below.
    """
    stacks = stack if isinstance(stack, dict) else {"": stack}
    tallest = max(sum(map(_height, column)) for column in stacks.values())
    size = size or (max(4.6, 4.3 * len(stacks)), min(0.62 * tallest + 0.9, 11))
    ax = new_axes(ax, size, title)
    forked = any(isinstance(block, tuple) for column in stacks.values() for block in column)
    spread = 0.3 * width if forked else 0.0  # how far a fork stands out on each side
    step = width + 1.6 + 2 * spread
    for number, (heading, column) in enumerate(stacks.items()):
        left = number * step
        top = _draw(ax, column, left, 0.0, width)
        ax.text(left + width / 2, top + 0.15, printable(heading), ha="center", va="bottom",
                fontweight="bold")  # fmt: skip
    ax.set_xlim(-0.5 - spread, len(stacks) * step - 0.5 - spread)
    ax.set_ylim(-0.2, tallest + 0.7)
    ax.axis("off")
    add_caption(ax, caption)
    return ax


def _height(block):
    if isinstance(block, tuple):
        return max(sum(map(_height, branch)) for branch in block)
    if not block.children:
        return 1.4
    return sum(map(_height, block.children)) + 0.6


def _draw(ax, column, left, bottom, width):
    """Draw blocks from `bottom` up; returns the height reached."""
    for place, block in enumerate(column):
        if isinstance(block, tuple):
            bottom = _draw_fork(ax, block, left + width / 2, bottom, 0.75 * width)
            continue
        if place:
            ax.annotate("", (left + width / 2, bottom + 0.02), (left + width / 2, bottom - 0.38),
                        arrowprops={"arrowstyle": "-|>", "color": "#444444"})  # fmt: skip
        if block.children:
            bottom = _draw_frame(ax, block, left, bottom, width)
        else:
            _draw_box(ax, block, left, bottom, width)
            bottom += 1.4
    return bottom


def _draw_box(ax, block, left, bottom, width):
    fill = FILLS.get(block.kind, FILLS["layer"])
    ax.add_patch(FancyBboxPatch((left, bottom), width, 1.0, boxstyle="round,pad=0,rounding_size=.1",
                                facecolor=fill, edgecolor="#444444"))  # fmt: skip
    middle = left + width / 2
    ax.text(middle, bottom + (0.66 if block.note else 0.5), printable(block.name), ha="center",
            va="center", fontsize=12)  # fmt: skip
    if block.note:
        ax.text(middle, bottom + 0.27, printable(block.note), ha="center", va="center",
                fontsize=10, color="#333333")  # fmt: skip


def _draw_fork(ax, branches, middle, bottom, width):
    """Draw stacks side by side around `middle`, each with an arrow from the box below."""
    gap, top = 0.15, bottom
    left = middle - (len(branches) * (width + gap) - gap) / 2
    for number, branch in enumerate(branches):
        start = left + number * (width + gap)
        ax.annotate("", (start + width / 2, bottom + 0.02), (middle, bottom - 0.38),
                    arrowprops={"arrowstyle": "-|>", "color": "#444444"})  # fmt: skip
        top = max(top, _draw(ax, branch, start, bottom, width))
    return top


def _draw_frame(ax, block, left, bottom, width):
    inner = _draw(ax, block.children, left + 0.2, bottom + 0.3, width - 0.4)
    edge = OKABE_ITO["vermillion"] if block.kind == "changed" else "#888888"
    height = inner - 0.1 - bottom
    ax.add_patch(FancyBboxPatch((left, bottom), width, height, facecolor="none", edgecolor=edge,
                                boxstyle="round,pad=0,rounding_size=.1", ls="--"))  # fmt: skip
    sign = f"\u00d7{block.times}" if block.times else ""
    ax.text(left + width + 0.1, bottom + height / 2, f"{sign}\n{printable(block.note)}".strip(),
            va="center", ha="left", fontsize=14 if sign else 10)  # fmt: skip
    return bottom + height + 0.4


def trace(model, *args, **kwargs):
    """Run `model` once and list its submodules in the order in which they finished.

    Returns dicts with path ("encoder.layers.0.attention"), type, shape of the first tensor that
    came out (None if no tensor did) and parameters (its own and its children's).
    The model is left as it was; nothing is learned.
    """
    import torch

    seen, handles = [], []
    for path, module in model.named_modules():
        if path:
            handles.append(module.register_forward_hook(_recorder(seen, path)))
    was_training = model.training
    try:
        with torch.no_grad():
            model.eval()(*args, **kwargs)
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()
    return seen


def _recorder(seen, path):
    def record(module, _inputs, output):
        seen.append({
            "path": path, "type": type(module).__name__, "shape": _first_shape(output),
            "parameters": sum(p.numel() for p in module.parameters()),
        })  # fmt: skip

    return record


def _first_shape(output):
    """Shape of the first tensor in a module's output, a tensor, tuple, dict or dataclass."""
    if hasattr(output, "shape"):
        return tuple(output.shape)
    if hasattr(output, "__dataclass_fields__"):
        output = [getattr(output, name) for name in output.__dataclass_fields__]
    if isinstance(output, dict):
        output = output.values()
    if isinstance(output, list | tuple) or hasattr(output, "__iter__"):
        return next((s for s in map(_first_shape, output) if s), None)
    return None


def kind_of(path):
    """The kind of box (its color) for a module's path."""
    last = ".".join(path.lower().rsplit(".", 2)[-2:])  # with its parent: feed_forward.expand
    for kind, words in {
        "norm": ("norm",), "embedding": ("embed",), "attention": ("attention", "attn"),
        "feedforward": ("feed", "ffn", "mlp_block"), "head": ("head", "pool", "mlm", "nsp", "cls"),
    }.items():  # fmt: skip
        if any(word in last for word in words):
            return kind
    return "layer"


def module_blocks(traced, paths, names=None):
    """Blocks for the modules at `paths`, in that order, from what `trace` saw.

    paths: list of paths; a list inside it, ["encoder.layers.0", 12, path, ...], is a frame of the
    paths after the number, repeated that many times; a tuple of lists is a fork (see `blocks`).
    names: {path: text for the box}.
    Raises KeyError naming the path and what there is.
    """
    found = {row["path"]: row for row in traced}
    made = []
    for path in paths:
        if isinstance(path, tuple):
            made.append(tuple(module_blocks(traced, branch, names) for branch in path))
        elif isinstance(path, list):
            frame, times, *inside = path
            row = _row(found, frame)
            made.append(Block((names or {}).get(frame, frame), f"{row['parameters']:,}\neach",
                              "layer", times, module_blocks(traced, inside, names)))  # fmt: skip
        else:
            row = _row(found, path)
            note = f"{_shape_text(row['shape'])}, {row['parameters']:,} parameters"
            made.append(Block((names or {}).get(path, path), note, kind_of(path)))
    return made


def _row(found, path):
    if path not in found:
        raise KeyError(f"no module {path!r} ran; there are {sorted(found)}")
    return found[path]


def _shape_text(shape):
    return "(" + ", ".join(map(str, shape)) + ")" if shape else "no tensor"
