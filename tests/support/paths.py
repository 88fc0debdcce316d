"""Where a process of a test's own finds what the test sees: the package under test, installed or not, and the tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import minidock

#: The checkout.
TOP = Path(__file__).parents[2]
#: The folder that the package is imported from.
PACKAGE_PATH = str(Path(minidock.__file__).parents[1])
#: For PYTHONPATH.
PYTHON_PATH = os.pathsep.join([str(TOP), PACKAGE_PATH, *sys.path])
