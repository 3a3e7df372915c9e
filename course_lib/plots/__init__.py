"""Pictures and tables of the course in one style: `plots.use_style()` once, then the functions.

`style` holds colors, fonts and captions; `charts` heat maps, curves and bars; `strips` the
timeline and rows of tokens; `tables` HTML tables; `diagrams` block diagrams of live modules.
"""

from .charts import attention_grid, bars, curves, heatmap
from .diagrams import Block, blocks, module_blocks, trace
from .strips import timeline, token_rows
from .style import COLORS, GRAY, OKABE_ITO, caption, cjk_font, color, printable, use_style
from .tables import Table, table

__all__ = [
    "COLORS", "GRAY", "OKABE_ITO", "Block", "Table", "attention_grid", "bars", "blocks", "caption",
    "cjk_font", "color", "curves", "heatmap", "module_blocks", "printable", "table", "timeline",
    "token_rows", "trace", "use_style",
]  # fmt: skip
