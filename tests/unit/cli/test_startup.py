"""``minidock version`` must start fast: what it may import is counted here, its time in tests/benchmarks."""

from __future__ import annotations

import subprocess
import sys

from tests.support.paths import PACKAGE_PATH

#: Modules that cost milliseconds each; some are imported by others of them.
EXPENSIVE = {
    *("typing", "msgspec", "re", "enum", "collections", "contextlib", "functools", "inspect", "subprocess", "json"),
    *("sqlite3", "urllib3", "zstandard", "socket", "signal", "tempfile", "shutil", "pathlib", "logging", "ctypes"),
}


def imported(*argv: str) -> set[str]:
    code = f"import sys\nfrom minidock.cli.main import main\nmain({list(argv)!r})\nprint(*sys.modules, file=sys.stderr)"
    # -S: nothing of the environment's own start-up; the package is on the path by -c's folder
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = [{PACKAGE_PATH!r}]\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.split())


def test_version_imports_next_to_nothing() -> None:
    modules = imported("version")
    assert "minidock.cli.main" in modules
    assert not modules & EXPENSIVE
    assert len([name for name in modules if name.startswith("minidock")]) < 16


def test_help_imports_no_engine() -> None:
    modules = imported("--help")
    assert not {name for name in modules if name.startswith(("minidock.engine", "minidock.store", "minidock.api"))}
