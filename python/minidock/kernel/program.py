"""Where the wheel put the static program ``minidock-runtime``."""

from __future__ import annotations

import os

from minidock.errors import Unavailable


def runtime_path() -> str:
    """Return the path of ``minidock-runtime``.

    :raises Unavailable: it is not there.
    """
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = f"{package}/bin/minidock-runtime"
    if not os.access(path, os.X_OK):
        raise Unavailable(f"the program {path} is missing", "build it with `pip install .` (it needs Rust)")
    return path
