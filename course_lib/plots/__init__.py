"""Pictures and tables of the course in one style: `plots.use_style()` once, then the functions.

`style` holds colors, fonts and captions; `charts` heat maps, curves and bars; `strips` the
timeline and rows of tokens; `tables` HTML tables and rows of pieces; `diagrams` block diagrams of
live modules; `ladders` what each of several changes added; `points` named points; `towers` what
models store beside what they compute; `walks` a function line by line, as it runs.
"""

from .charts import attention_grid, bars, curve_panels, curves, heatmap, heatmaps, stacked
from .diagrams import Block, blocks, module_blocks, trace
from .ladders import ladder
from .points import points
from .strips import timeline, token_rows
from .style import COLORS, GRAY, OKABE_ITO, caption, cjk_font, color, printable, use_style
from .tables import Pieces, Table, pieces, table
from .towers import towers
from .walks import walk

__all__ = [
    "COLORS", "GRAY", "OKABE_ITO", "Block", "Pieces", "Table", "attention_grid", "bars", "blocks",
    "caption", "cjk_font", "color", "curve_panels", "curves", "heatmap", "heatmaps", "ladder",
    "module_blocks", "pieces", "points", "printable", "stacked", "table", "timeline", "token_rows",
    "towers", "trace", "use_style", "walk",
]  # fmt: skip
