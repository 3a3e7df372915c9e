"""How Sphinx builds the site: nothing is run, and no page asks a server for anything."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

from tools.site.stage import TITLE  # noqa: E402

project = TITLE
html_title = TITLE
language = "en"

extensions = ["myst_nb", "tools.site.extension"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
nb_execution_mode = "off"
nb_ipywidgets_js = {}  # the widgets' own pictures are in the notebooks
highlight_language = "none"  # of the pages' own blocks; a notebook names its language
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath", "html_image"]
myst_heading_anchors = 4
myst_dmath_double_inline = True
myst_dmath_allow_labels = False
# A lesson may go from its title to a small heading; a page of README.md may start anywhere.
suppress_warnings = ["myst.header"]

html_theme = "sphinx_book_theme"
html_static_path = [str(HERE / "static")]
html_css_files = ["course.css"]
html_js_files = [("course.js", {"defer": "defer"})]
html_use_index = False
html_math_renderer = "katex"
html_last_updated_fmt = None
html_show_sphinx = html_show_copyright = False
# A page that was opened from a folder may not fetch others; `course.js` shows excerpts instead.
html_show_search_summary = False
html_context = {"default_mode": "auto"}  # as the reader's machine; the button changes it
html_theme_options = {
    "home_page_in_toc": False,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "navbar_persistent": [],  # the search stands in the side bar
    "use_fullscreen_button": False,
    "use_download_button": True,
    "search_bar_text": "Search the course",
    "pygments_light_style": "default",
    "pygments_dark_style": "github-dark",
    "footer_content_items": ["extra-footer"],
    "extra_footer": "Code: MIT License. Text and pictures: CC BY 4.0.",
    "logo": {"text": TITLE},
}
