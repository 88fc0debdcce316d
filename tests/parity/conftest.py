"""The ports of both twins, as fixtures: one test body for both."""

from __future__ import annotations

import pytest

from minidock._pure.launch import PureLaunch
from minidock.kernel.ports import Launch

LAUNCH: dict[str, type[Launch]] = {"pure": PureLaunch}


@pytest.fixture(params=sorted(LAUNCH))
def launch(request: pytest.FixtureRequest) -> Launch:
    """The port ``Launch``."""
    return LAUNCH[request.param]()
