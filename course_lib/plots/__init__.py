"""Pictures and tables of the course in one style: `plots.use_style()` once, then the functions.

`style` holds colors, fonts and captions; `charts` heat maps, curves, bars and the timeline;
`tables` HTML tables; `diagrams` block diagrams of live modules.
"""

from .charts import attention_grid, bars, curves, heatmap, timeline
from .diagrams import Block, blocks, module_blocks, trace
from .style import COLORS, GRAY, OKABE_ITO, caption, cjk_font, color, printable, use_style
from .tables import Table, table

__all__ = [
    "COLORS", "GRAY", "OKABE_ITO", "Block", "Table", "attention_grid", "bars", "blocks", "caption",
    "cjk_font", "color", "curves", "heatmap", "module_blocks", "printable", "table", "timeline",
    "trace", "use_style",
]  # fmt: skip
