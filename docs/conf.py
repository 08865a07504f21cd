"""Sphinx settings. `make docs` builds the pages into docs/_build."""

project = "Dogwatch"
author = "The Dogwatch authors"
extensions = ["myst_parser", "sphinxcontrib.mermaid"]
html_theme = "furo"
html_title = "Dogwatch"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]
