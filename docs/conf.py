"""Sphinx: furo, MyST, and our own directive that runs the engine and shows what it did."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "minidock"
author = "the minidock authors"
project_copyright = "the minidock authors, Apache-2.0"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "reference",
    "trace",
    "vocabulary",
]
html_theme = "furo"
html_title = "minidock"
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "description"
intersphinx_mapping: dict[str, tuple[str, None]] = {}
# two folders may use one noun of the field (a request, a state): then the text beside it says which is meant
suppress_warnings = ["ref.python"]
nitpick_ignore_regex = [
    # the standard library and msgspec are documented elsewhere, and the build works without any network
    ("py:.*", r"(collections|typing|types|socket|os|msgspec|contextlib|ipaddress|urllib3)\..*"),
    ("py:class", r"(HTTPConnection|BaseHTTPResponse)"),
    ("py:.*", r"(Callable|Sequence|Mapping|Iterator|Any|Path|BinaryIO|Self|TracebackType|OSError|optional|P|R|T|F)"),
    ("py:.*", r".*\.(P|R|T|F)$"),
]
