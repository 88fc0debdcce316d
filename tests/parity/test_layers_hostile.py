"""Hostile archives against both twins: nothing outside the root changes, and the outcome is the stated one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.hostile_archives import Hostile, Lab, hostile_archives, lab
from tests.support.naive import extract_naively
from tests.support.tarlab import differences

from minidock._pure.layers import PureLayers
from minidock.errors import InvalidArchive, StepFailed
from minidock.kernel.limits import LayerLimits
from minidock.kernel.native.layers import NativeLayers
from minidock.kernel.ports import Layers

pytestmark = pytest.mark.root

TWINS: dict[str, Callable[[], Layers]] = {"native": NativeLayers, "pure": PureLayers}
TABLE = hostile_archives()
NAMES = [case.name for case in TABLE]


def attack(port: Layers, case: Hostile, at: Lab, whiteouts: str) -> str:
    """Apply the layers, and name the outcome."""
    for number, blob in enumerate(case.layers(at)):
        source = at.top / "s" / f"root-{number}.blob"
        source.write_bytes(blob)
        try:
            port.apply(str(source), str(at.root), "auto", whiteouts)
        except InvalidArchive:
            with pytest.raises(InvalidArchive):
                port.entries(str(source), "auto")
            return "invalid"
        except StepFailed:
            port.entries(str(source), "auto")
            return "failed"
        finally:
            source.unlink()
    return "ok"


@pytest.mark.parametrize("whiteouts", ["overlay", "userxattr", "delete"])
@pytest.mark.parametrize("case", TABLE, ids=NAMES)
@pytest.mark.parametrize("twin", sorted(TWINS))
def test_nothing_outside_changes(twin: str, case: Hostile, whiteouts: str) -> None:
    if case.number == 12 and whiteouts != "delete":
        pytest.skip("large, and the same for each form of whiteouts")
    with lab() as at:
        before = at.outside()
        outcome = attack(TWINS[twin](), case, at, whiteouts)
        assert not differences(before, at.outside())
        assert outcome == case.outcome
        for name, content in case.inside.items():
            path = at.root / name
            assert not path.is_symlink()
            assert path.read_bytes() == content
        if whiteouts == "delete":
            assert not [name for name in case.absent if os.path.lexists(at.root / name)]
        no_overlay_marks(at.root, whiteouts)


def no_overlay_marks(root: Path, whiteouts: str) -> None:
    """No attribute of overlay's but an opaque mark that a whiteout asked for."""
    allowed = {"overlay": "trusted.overlay.opaque", "userxattr": "user.overlay.opaque"}.get(whiteouts)
    for folder, folders, files in os.walk(root):
        for path in (os.path.join(folder, name) for name in (*folders, *files)):
            marks = [k for k in os.listxattr(path, follow_symlinks=False) if ".overlay." in k]
            assert set(marks) <= {allowed}, path
            assert not marks or Path(path).name != "d", path


@pytest.mark.parametrize("case", [c for c in TABLE if c.escapes], ids=[c.name for c in TABLE if c.escapes])
def test_a_naive_extractor_falls_for_it(case: Hostile) -> None:
    with lab() as at:
        before = at.outside()
        try:
            for blob in case.layers(at):
                extract_naively(blob, at.root)
        except OSError:
            pass  # it may stumble after the damage is done
        assert differences(before, at.outside())


LIMITED = """
import resource, sys
from minidock.errors import InvalidArchive
from minidock._pure.layers import PureLayers
from minidock.kernel.native.layers import NativeLayers
twin, source, target = sys.argv[1:]
port = {"native": NativeLayers, "pure": PureLayers}[twin]()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    port.apply(source, target, "auto", "delete")
except InvalidArchive:
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("twin", sorted(TWINS))
@pytest.mark.parametrize("case", [c for c in TABLE if c.number in (10, 11, 12)], ids=lambda case: case.name)
def test_memory_stays_flat(twin: str, case: Hostile) -> None:
    """A process of its own applies the archive; its largest size tells. The bound is the pool of chunks, doubled."""
    with lab() as at:
        source = at.top / "blob"
        source.write_bytes(case.layers(at)[0])
        command = [sys.executable, "-c", LIMITED, twin, str(source), str(at.root)]
        ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert int(ran.stdout) < 80 << 10, "KiB more than before"


@pytest.mark.parametrize("twin", [NativeLayers, PureLayers])
def test_limits_hold(twin: Callable[[LayerLimits], Layers]) -> None:
    from tests.support.tarlab import archive, entry, gz

    with lab() as at:
        source = at.top / "blob"
        source.write_bytes(gz(archive(*(entry(f"f{n}" + "x" * 50, data=bytes(4096)) for n in range(100)))))
        for limits in (
            LayerLimits(entries=99),
            LayerLimits(names=1000),
            LayerLimits(base=100_000, ratio=1),
        ):
            port = twin(limits)
            with pytest.raises(InvalidArchive, match=r"more than|larger than"):
                port.apply(str(source), str(at.root), "auto", "delete")
            with pytest.raises(InvalidArchive):
                port.entries(str(source), "auto")
        assert twin(LayerLimits()).apply(str(source), str(at.root), "auto", "delete").entries == 100
