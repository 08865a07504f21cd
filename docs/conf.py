"""Sphinx settings. `make docs` builds the pages into docs/_build."""

project = "Dogwatch"
author = "The Dogwatch authors"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = "Dogwatch"
exclude_patterns = ["_build"]
autodoc_member_order = "bysource"
myst_heading_anchors = 3
