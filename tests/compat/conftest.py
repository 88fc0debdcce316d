"""Fixtures of the tests against other people's tools."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.docker_cli import VERSION, Docker, docker_cli, find_docker


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    """The real docker CLI, talking to a server that knows nothing until a test tells it."""
    program = find_docker()
    if program is None:
        pytest.skip(f"needs the docker CLI {VERSION} (the client alone is enough)")
    with docker_cli(program) as cli:
        yield cli
