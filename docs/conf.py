"""Settings of the documentation site: `make docs` builds it into build/docs, without a network."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

import sam2_widget  # noqa: E402 - after the path

project = "sam2-widget"
author = "The sam2-widget developers"
copyright = f"2026, {author}. Apache-2.0"  # noqa: A001 - Sphinx names it so
release = version = sam2_widget.__version__
repository = "https://github.com/sam2-widget/sam2-widget"

extensions = [
    "executed_notebooks",
    "own_members",
    "myst_nb",
    "numpydoc",
    "sequence_diagrams",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_extensions", "_formats-table.md", "_protocol-*.md", "**.ipynb_checkpoints"]

# --- pages in Markdown ----------------------------------------------------------------------------

myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]
# `executed_notebooks` has run them: here their outputs are only shown.
nb_execution_mode = "off"
# The widget itself would need a kernel, and scripts from a CDN: its saved picture stands for it.
nb_ipywidgets_js: dict[str, dict[str, str]] = {}
suppress_warnings = ["mystnb.unknown_mime_type"]

# --- the reference --------------------------------------------------------------------------------

autodoc_default_options = {"members": True, "member-order": "groupwise"}
autodoc_inherit_docstrings = False
# Shapes, units and types are in the numpydoc sections; signatures stay short enough to be read.
autodoc_typehints = "none"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
toc_object_entries_show_parents = "hide"
# In docstrings a name in backticks is code: a link only where a role says so.
default_role = "code"
nitpicky = True

# --- the theme ------------------------------------------------------------------------------------

LOGO = "_static/logo.svg"
html_theme = "pydata_sphinx_theme"
html_title = "sam2-widget"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = LOGO
html_show_sourcelink = False
html_theme_options = {
    "logo": {
        "text": "sam2-widget",
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo.svg",
    },
    "github_url": repository,
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars: dict[str, list[str]] = {"index": []}
copybutton_exclude = ".linenos, .gp, .go"
