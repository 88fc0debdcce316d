"""The ports of both twins, as fixtures: one test body for both."""

from __future__ import annotations

import pytest

from minidock._pure.cgroups import PureCgroups
from minidock._pure.launch import PureLaunch
from minidock._pure.mounts import PureMounts
from minidock.kernel.native.cgroups import NativeCgroups
from minidock.kernel.native.launch import NativeLaunch
from minidock.kernel.native.mounts import NativeMounts
from minidock.kernel.ports import Cgroups, Launch, Mounts

LAUNCH: dict[str, type[Launch]] = {"native": NativeLaunch, "pure": PureLaunch}
MOUNTS: dict[str, type[Mounts]] = {"native": NativeMounts, "pure": PureMounts}
CGROUPS: dict[str, type[Cgroups]] = {"native": NativeCgroups, "pure": PureCgroups}


@pytest.fixture(params=sorted(LAUNCH))
def launch(request: pytest.FixtureRequest) -> Launch:
    """The port ``Launch``."""
    return LAUNCH[request.param]()


@pytest.fixture(params=sorted(MOUNTS))
def mounts(request: pytest.FixtureRequest) -> Mounts:
    """The port ``Mounts``."""
    return MOUNTS[request.param]()


@pytest.fixture(params=sorted(CGROUPS))
def cgroups(request: pytest.FixtureRequest) -> Cgroups:
    """The port ``Cgroups``."""
    return CGROUPS[request.param]()
