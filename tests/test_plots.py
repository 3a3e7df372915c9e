"""Pictures show the data they were given, in the house style, and can be read by a machine."""

import sys
import warnings

import matplotlib
import numpy as np
import pytest
import torch

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from course_lib import plots  # noqa: E402


@pytest.fixture(autouse=True)
def quiet_and_closed():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.use_style()
        yield
    plt.close("all")


def drawn(ax):
    """Render, so that a missing glyph or a bad layout would warn, which is an error here."""
    ax.figure.canvas.draw()
    return ax


def test_models_have_one_color_each_and_longer_names_win():
    family = ["bert", "roberta", "albert", "electra", "gpt", "elmo", "transformer"]
    assert len({plots.COLORS[name] for name in family}) == len(family)
    assert plots.color("RoBERTa, 3 seeds") == plots.COLORS["roberta"]
    assert plots.color("BERT-Base") == plots.COLORS["bert"]
    assert plots.color("2-gram") == plots.COLORS["ngram"]
    assert plots.color("something else", 1) != plots.color("something else", 2)


def test_heatmap_writes_labels_and_numbers():
    ax = drawn(plots.heatmap(torch.eye(3), list("abc"), list("xyz"), "title", caption="what it is"))
    assert [t.get_text() for t in ax.get_yticklabels()] == list("abc")
    assert [t.get_text() for t in ax.texts].count("1") == 3
    assert ax.images[0].get_cmap().name == "cividis"


def test_heatmap_refuses_other_shapes_and_lengths():
    with pytest.raises(ValueError, match=r"\(1, 2, 3\).*matrix\[0\]"):
        plots.heatmap(torch.zeros(1, 2, 3))
    with pytest.raises(ValueError, match="column_labels has 2 entries, the matrix has 3"):
        plots.heatmap(torch.zeros(2, 3), column_labels=["a", "b"])


def test_tokens_that_no_font_has_do_not_warn():
    drawn(
        plots.heatmap(np.eye(3), ["[CLS]", "\u6211", "\U0001f600"], ["$x$", "a_b", "\u559c\u6b22"])
    )


def test_heatmaps_share_labels_and_one_color_scale():
    panels = {"one": np.eye(2), "two": np.eye(2), "own": (np.ones((1, 2)), ["r"], ["s", "t"])}
    axes = plots.heatmaps(panels, list("ab"), list("xy"), bar=True, vmin=0, vmax=1, y_label="asks")
    axes[0].figure.canvas.draw()
    labels = [[t.get_text() for t in ax.get_yticklabels()] for ax in axes]
    assert labels == [["a", "b"], [], ["r"]]
    assert [ax.get_ylabel() for ax in axes] == ["asks", "", ""]
    assert len(axes[0].figure.axes) == 4 and [ax.get_title("left") for ax in axes] == list(panels)
    assert len(plots.heatmaps(panels, across=2, caption="c")) == 3
    with pytest.raises(ValueError, match="vmin and vmax"):
        plots.heatmaps(panels, bar=True)


def test_attention_grid_takes_what_the_encoder_returns():
    attentions = tuple(torch.rand(1, 4, 5, 5).softmax(-1) for _ in range(2))
    figure = plots.attention_grid(attentions, list("abcde"), "maps", caption="c")
    figure.canvas.draw()
    assert len(figure.axes) == 8
    assert len(plots.attention_grid(attentions, layers=[1], heads=[0, 2]).axes) == 2


def test_curves_draw_seeds_thin_and_their_mean():
    ax = drawn(
        plots.curves({"BERT": [[1, 2, 3], [3, 4, 5]], "GPT": [1, 1, 1]}, level={"chance": 2})
    )
    lines = {line.get_label(): line for line in ax.lines}
    assert list(lines["BERT (mean of 2)"].get_ydata()) == [2, 3, 4]
    assert {"GPT", "chance"} <= set(lines)
    assert lines["BERT (mean of 2)"].get_color() == plots.COLORS["bert"]


def test_curves_with_chosen_ticks_and_legend():
    ax = drawn(plots.curves({"a": [1, 2, 3]}, [4, 8, 16], log_x=True, x_ticks=[4, 16],
                            from_zero=True, legend=False))  # fmt: skip
    assert [t.get_text() for t in ax.get_xticklabels()] == ["4", "16"]
    assert ax.get_ylim()[0] == 0 and ax.get_legend() is None
    assert plots.curves({"a": [1, 2]}, legend="outside").get_legend() is not None


def test_curve_panels_stand_side_by_side_with_options_of_their_own():
    panels = {"l": {"a": [1, 2]}, "r": {"a": [3, 4]}}
    left, right = plots.curve_panels(panels, {"l": [5, 6], "r": [7, 8]}, x_label="layer",
                                     each={"r": {"log_y": True}}, caption="c")  # fmt: skip
    drawn(left)
    assert (left.get_yscale(), right.get_yscale()) == ("linear", "log")
    assert list(left.lines[0].get_xdata()) == [5, 6]
    assert list(right.lines[0].get_ydata()) == [3, 4] and right.get_xlabel() == "layer"


def test_stacked_bars_add_up():
    rows = {"small": {"a": 1, "b": 3}, "large": {"a": 6, "b": 2}}
    ax = drawn(plots.stacked(rows, x_label="millions"))
    ends = [patch.get_x() + patch.get_width() for patch in ax.patches]
    assert ends == [1, 4, 6, 8]
    shares = [patch.get_width() for patch in plots.stacked(rows, share=True).patches]
    assert shares == [25, 75, 75, 25]
    with pytest.raises(ValueError, match="'other' has the parts"):
        plots.stacked(rows | {"other": {"b": 1, "a": 1}})


def test_pieces_as_boxes_and_as_text():
    shown = plots.pieces({"x <1>": ["<unk>", "##a"], "y": ["b"]}, unknown=["<unk>"], caption="c")
    html = shown._repr_html_()
    assert html.count("<span") == 3 and html.count("repeating") == 1
    assert "&lt;unk&gt;" in html and "<unk>" not in html and "x &lt;1&gt;" in html
    assert repr(shown) == "x <1>  <unk> | ##a\ny      b\nc"


def test_bars_show_mean_seeds_and_published():
    ax = drawn(plots.bars({"BERT": [1.0, 3.0], "GPT": 1.0}, published={"BERT": 4.0}, title="t"))
    heights = sorted(patch.get_height() for patch in ax.patches)
    assert heights == [1.0, 2.0, 4.0]
    assert [p.get_hatch() for p in ax.patches if p.get_height() == 4.0] == ["///"]


def test_bars_in_groups():
    ax = drawn(plots.bars({"BERT": {"MNLI": 84, "SST-2": 93}, "GPT": {"MNLI": 82}}, y_label="%"))
    assert len(ax.patches) == 3
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["BERT", "GPT"]


def test_timeline_orders_and_scales():
    events = [
        {"date": "2018-10-11", "name": "BERT", "params": 110},
        {"date": "2013-01", "name": "w"},
    ]
    ax = drawn(plots.timeline(events))
    places = [float(c.get_offsets()[0][0]) for c in ax.collections]
    assert places == sorted(places) and 2018.7 < places[1] < 2018.9
    assert ax.collections[1].get_sizes()[0] > ax.collections[0].get_sizes()[0]


def test_caption_becomes_alternative_text():
    ax = plots.curves({"a": [1, 2]}, caption="Loss falls from 1 to 2.")
    _, metadata = plots.style.png_with_alt(ax.figure)
    assert metadata == {"alt": "Loss falls from 1 to 2."}
    _, metadata = plots.style.png_with_alt(plots.curves({"a": [1]}, title="losses").figure)
    assert "losses" in metadata["alt"] and "step" in metadata["alt"]


def test_table_as_html_and_text():
    rows = [{"model": "<b>", "size": 110_000_000, "score": 0.12345}, {"model": "c", "size": None}]
    table = plots.table(rows, caption="sizes", highlight=lambda row: row["model"] == "c")
    html = table._repr_html_()
    assert "&lt;b&gt;" in html and "110,000,000" in html and html.count("background") == 1
    assert "0.123" in repr(table) and "\n*c" in repr(table)
    assert plots.table(rows, ["score"], formats={"score": ".1f"}).cells()[0] == ["0.1"]


def test_table_refuses_nothing_and_unknown_columns():
    with pytest.raises(ValueError, match="no rows"):
        plots.table([])
    with pytest.raises(ValueError, match="'sise'"):
        plots.table([{"size": 1}], ["sise"])


def test_trace_counts_parameters_and_shapes():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(0.5)).train()
    rows = plots.trace(model, torch.zeros(2, 3))
    assert rows[0] == {"path": "0", "type": "Linear", "shape": (2, 4), "parameters": 16}
    assert model.training and not model[0]._forward_hooks


def test_module_blocks_draw_a_repeated_frame():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Sequential(torch.nn.LayerNorm(3)))
    rows = plots.trace(model, torch.zeros(2, 3))
    stack = plots.module_blocks(rows, ["0", ["1", 12, "1.0"]], {"0": "first"})
    assert stack[0].name == "first" and "12 parameters" in stack[0].note
    assert stack[1].times == 12 and len(stack[1].children) == 1
    ax = drawn(plots.blocks({"left": stack, "right": stack[:1]}, "title", caption="c"))
    assert any("\u00d712" in t.get_text() for t in ax.texts)
    with pytest.raises(KeyError, match="no module 'x' ran"):
        plots.module_blocks(rows, ["x"])


def test_a_fork_stands_side_by_side_inside_the_picture():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.LayerNorm(3))
    rows = plots.trace(model, torch.zeros(2, 3))
    stack = plots.module_blocks(rows, ["0", (["0"], ["1", "0"])])
    ax = drawn(plots.blocks(stack))
    boxes = [patch.get_bbox() for patch in ax.patches]
    assert len(boxes) == 4 and boxes[1].y0 == boxes[2].y0 and boxes[1].x1 < boxes[2].x0
    assert ax.get_xlim()[0] < boxes[1].x0 and boxes[2].x1 < ax.get_xlim()[1]


@pytest.mark.parametrize("path, kind", [
    ("bert.embeddings", "embedding"), ("encoder.layers.0.attention", "attention"),
    ("encoder.layers.0.attention_norm", "norm"), ("layers.0.feed_forward.expand", "feedforward"),
    ("bert.pooler", "head"), ("mlm", "head"), ("layers.0", "layer"),
])  # fmt: skip
def test_the_kind_of_a_module_follows_from_its_path(path, kind):
    assert plots.diagrams.kind_of(path) == kind


def test_token_rows_have_one_box_for_each_token():
    first = ("input", ["[CLS]", "she", "\u6211"], ["special", "", "masked"])
    rows = [first, ("target", ["", "x"], "")]
    ax = drawn(plots.token_rows(rows, "title", caption="c"))
    assert len(ax.patches) == 4
    with pytest.raises(ValueError, match="'input' has 1 tokens and 2 kinds"):
        plots.token_rows([("input", ["a"], ["", ""])])


def test_a_ladder_shows_what_each_rung_added():
    ax = drawn(plots.ladder({"start": 80, "more data": 83, "less": 82.5}, "title", caption="c"))
    start, up, down = ax.patches
    assert start.get_height() == 0 and up.get_height() == 3 and down.get_height() == -0.5
    assert up.get_y() == 80 and not up.get_hatch() and down.get_hatch()
    assert [t.get_text() for t in ax.texts] == ["80.0", "+3.0\n(83.0)", "-0.5\n(82.5)"]
    with pytest.raises(ValueError, match="at least 2 levels"):
        plots.ladder({"start": 80})


def test_points_stand_where_they_should_and_their_names_beside_them():
    values = {"BERT-Base": (1e8, 80.0), "BERT-Large": (1.02e8, 80.1), "ALBERT": (1e7, 85.0)}
    ax = drawn(plots.points(values, "title", log_x=True, hollow=["ALBERT"], caption="c",
                            lines={"ELECTRA": [(1e7, 80), (2e7, 82)]}, slope={"equal": 1e-7}))
    marks = [line for line in ax.lines if line.get_marker() == "o"]
    assert [(m.get_xdata()[0], m.get_ydata()[0]) for m in marks] == list(values.values())
    assert marks[0].get_color() == plots.COLORS["bert"]
    assert marks[2].get_markerfacecolor() == "white"
    boxes = [text.get_window_extent() for text in ax.texts]
    assert {text.get_text() for text in ax.texts} == set(values)
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])
    with pytest.raises(ValueError, match="'x' is at"):
        plots.points({"x": (0, 1)}, log_x=True)


def test_towers_show_a_shared_part_once_on_the_left_and_as_often_as_it_runs_on_the_right():
    shared = [("table", "embedding", 10.0, 0.0, 1), ("layer", "layer", 5.0, 2.0, 3)]
    apart = [("table", "embedding", 10.0, 0.0, 1), ("layer", "layer", 15.0, 2.0, 3)]
    ax = drawn(plots.towers({"ALBERT": shared, "BERT": apart}, caption="c"))
    heights = [patch.get_height() for patch in ax.patches]
    assert np.allclose(heights, [0.4, 0.2, *[1 / 3] * 3, 0.4, 0.6, *[1 / 3] * 3])
    assert {"15", "25", "6"} <= {text.get_text() for text in ax.texts}
    with pytest.raises(ValueError, match="negative amount"):
        plots.towers({"x": [("part", "layer", -1, 1, 1)]})


def halve_and_add(x):
    for _ in range(3):
        x = x / 2  # half of it
    return x + 1


def test_walk_tells_what_each_line_made():
    loop, half, end = plots.walk(halve_and_add, 8.0)
    assert half["line"] == "x = x / 2" and half["meaning"] == "half of it"
    assert half["made"] == {"x": 1.0} and half["seconds"] >= 0
    assert loop["line"].startswith("for") and end["line"] == "return x + 1"


def test_walk_passes_errors_on_and_stops_watching():
    before = sys.gettrace()
    with pytest.raises(TypeError):
        plots.walk(halve_and_add, "no number")
    assert sys.gettrace() is before


def test_legend_above_has_one_column_a_part():
    ax = drawn(plots.stacked({"row": {"a": 1, "b": 2}}, legend="above"))
    assert ax.get_legend()._ncols == 2
