"""How Sphinx builds these pages as a site; `make docs` runs it. `_toc.yml` has the navigation."""

from pathlib import Path

import hortus

_icon = next(Path(hortus.__file__).parent.glob("**/static/icon.svg"))

project = "Hortus"
version = release = hortus.__version__

extensions = ["myst_parser", "sphinx_external_toc"]
# Links to headings are checked, too.
myst_heading_anchors = 4
# Otherwise `--` in a sentence would become a dash.
smartquotes = False
# Most blocks are commands and answers; those in a language name it.
highlight_language = "none"
templates_path = ["_templates"]

html_theme = "pydata_sphinx_theme"
html_title = f"Hortus {version}"
html_logo = str(_icon)
html_favicon = str(_icon)
html_sidebars = {"**": ["all-pages.html"]}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": project},
    "navbar_center": [],
    "navbar_persistent": ["search-button-field"],
    "footer_start": [],
    "footer_end": [],
}
