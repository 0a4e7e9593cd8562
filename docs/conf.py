"""How the site is built: `make docs`. Nothing is fetched, neither while it is built nor when it is read."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "interp"
author = "The interp authors"
copyright = author

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "modules",
    "plain_docstrings",
    "mathml",
    "live_page",
    "measured",
    "notebooks",
    "paper_figures",
]
exclude_patterns = ["build"]

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "interp"
html_show_copyright = False
html_static_path = ["static"]
html_css_files = ["site.css"]
highlight_language = "none"  # what is code says which
html_copy_source = False
html_math_renderer = "mathml"

autodoc_default_options = {
    "members": True,
    "undoc-members": True,
    "member-order": "bysource",
    "ignore-module-all": True,  # a package shows what is written in it, not what it passes on
}
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 100

# Every name of ours that is referred to must be on the site; those of other libraries lead nowhere without a network.
nitpicky = True
nitpick_ignore_regex = [
    ("py:class", r"Tensor|ndarray|UseAppendAction|Positional|P"),  # as jaxtyping and tyro write them
    ("py:.*", r"(types|typing)\.Annotated(\[.*)?"),  # options that tyro is told how to show
    ("py:class", r"interp(\.\w+)+\.(M|R|T|Class|Item|Kind|Options)"),  # type variables
    (
        "py:.*",
        r"(torch|numpy|np|jaxtyping|transformer_lens|transformers|plotly|rich|accelerate|cattrs|collections|pathlib|markupsafe|contextlib)(\..*)?",
    ),
]
