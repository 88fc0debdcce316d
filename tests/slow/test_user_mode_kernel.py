"""Control groups v2, whatever this machine has: the tests run once more in a kernel of their own.

Debian's user-mode Linux is a whole kernel in one ordinary process. Its only control groups are v2, its files are the
host's with an overlay in memory above them (``uml_init.sh``), so what was built here runs there as it is. One boot runs
one pytest; its report comes back through the only folder that can be written, and is the whole verdict. ::

    this process ── linux.uml ── uml_init.sh ── job ── pytest ── report.xml ──▶ one test here for each file there
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.root, pytest.mark.timeout(600)]

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent
#: Test files that are about control groups: each of their tests must pass there, or be skipped there with a reason.
FILES = ("tests/parity/test_cgroups.py", "tests/slow/on_v2.py")
#: The boot ends by itself; this only ends one that hangs.
LIMIT = 500


class Boot:
    """What came back from one boot."""

    def __init__(self, out: Path) -> None:
        self.status = _text(out / "status").strip()
        self.log = _text(out / "log") or _text(out / "console")
        report = out / "report.xml"
        self.cases = list(ET.parse(report).iter("testcase")) if report.exists() else []

    def of(self, file: str) -> list[ET.Element]:
        name = file.removesuffix(".py").replace("/", ".")
        return [case for case in self.cases if case.get("classname", "") == name]


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


@pytest.fixture(scope="module")
def boot() -> Iterator[Boot]:
    if platform.machine() != "x86_64":
        pytest.skip(f"Debian's user-mode kernel exists for x86_64 only, and this is {platform.machine()}")
    kernel = shutil.which("linux.uml")
    assert kernel, "make test-slow installs user-mode-linux (tests/packages-large.txt)"
    out = Path(tempfile.mkdtemp(prefix="minidock-uml-", dir="/dev/shm"))
    try:
        (out / "job").write_text(_job())
        _run(kernel, out)
        yield Boot(out)
    finally:
        shutil.rmtree(out)


def _job() -> str:
    words = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", *FILES]
    words += ["-p", "no:cacheprovider", "--basetemp=/dev/shm/pytest", "--junitxml=/out/report.xml", "--timeout=240"]
    return f"cd {shlex.quote(str(CHECKOUT))} && PYTHONDONTWRITEBYTECODE=1 exec {shlex.join(words)}\n"


def _run(kernel: str, out: Path) -> None:
    """Boot, and wait until it has switched itself off; all its processes are one session, so none stays behind."""
    words = [kernel, "mem=1G", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "quiet"]
    words += [f"init={HERE}/uml_init.sh", f"OUTDIR={out}", f"uml_dir={out}/", "con=null", "con0=null,fd:1", "con1=null"]
    with (out / "console").open("wb") as console:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True, cwd="/"
        )
        try:
            process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the user-mode kernel did not end within {LIMIT} s:\n{_text(out / 'log')[-3000:]}")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def test_it_came_back(boot: Boot) -> None:
    assert boot.status == "0", boot.log[-6000:]


@pytest.mark.parametrize("file", FILES)
def test_on_cgroup_v2(boot: Boot, file: str) -> None:
    cases = boot.of(file)
    assert cases, f"no test of {file} ran:\n{boot.log[-3000:]}"
    bad = [
        f"{case.get('name')}: {child.tag}: {child.get('message')}"
        for case in cases
        for child in case
        if child.tag in ("failure", "error", "skipped")
    ]
    assert not bad, "\n".join(bad) + boot.log[-6000:]
    twins = [sum(twin in case.get("name", "") for case in cases) for twin in ("native", "pure")]
    assert twins[0] == twins[1] > 0, "each test is for both twins"
