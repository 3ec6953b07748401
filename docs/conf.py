"""Sphinx configuration: ``sphinx-build docs docs/_build``, with the extra `docs` installed."""

import sys
from pathlib import Path

import skl2net

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
import converter_data  # noqa: E402
import inventories  # noqa: E402

project = "skl2net"
author = "The skl2net developers"
version = release = skl2net.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "mathml",
]
exclude_patterns = ["_build", "auto_examples/**.ipynb", "auto_examples/**.py"]
templates_path = ["_templates"]
default_role = "code"
smartquotes = False  # quotes belong to the code that the texts speak of
toc_object_entries_show_parents = "hide"
nitpicky = True
nitpick_ignore_regex = [("py:obj", r"\w+_")]  # numpydoc looks for pages of fitted attributes

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
intersphinx_mapping = inventories.write(HERE / "generated" / "inventories")

autodoc_typehints = "none"
autodoc_mock_imports = ["onnx", "skl2onnx"]
autosummary_context = {
    "hidden": [
        "__init__",
        "get_metadata_routing",
        "set_fit_request",
        "set_partial_fit_request",
        "set_predict_request",
        "set_score_request",
    ]
}
numpydoc_show_class_members = False

suppress_warnings = ["sphinx_gallery.duplicate_filename"]  # benchmarks are ignored, but not by this check
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"\.py$",
    "ignore_pattern": r"benchmarks",
    "within_subsection_order": "gallery_order.sort_key",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skl2net",),
    "reference_url": {"skl2net": None},
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "min_reported_time": 1e9,
    "matplotlib_animations": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "skl2net"
html_static_path = ["_static"]
html_css_files = ["site.css"]
(HERE / "_static" / "converter_data.js").write_text(converter_data.script(), encoding="utf-8")
html_show_sourcelink = False
html_sidebars = {page: [] for page in ("index", "getting_started", "api", "contributing", "changes")}
html_theme_options = {
    "navigation_with_keys": False,
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "show_toc_level": 1,
    "secondary_sidebar_items": {"*": ["page-toc"], "generated/*": ["page-toc"]},
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}
