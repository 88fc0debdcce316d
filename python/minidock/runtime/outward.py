"""The way out, as a port: what the networks of an ordinary user need beyond those of root.

Root's bridge is in the host's own network. An ordinary user's is in a network namespace of its own, and a program of
the user carries packets between the two (:mod:`minidock.runtime.rootless.outward`).
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from minidock.trace.recorder import op

#: Where containers ask for names: the way out passes their questions on to the host's resolver.
RESOLVER = "10.0.2.3"


class HostPort(msgspec.Struct, frozen=True):
    """A port of the host that leads to the same port of ``tap0``: *protocol* is tcp or udp."""

    protocol: str
    address: str
    port: int


class Outward(Protocol):
    """The way out, for the networks."""

    @op("outward.connect")
    def connect(self, program: str) -> None:
        """Start *program* (slirp4netns or pasta) and return when packets flow. Raises :class:`StepFailed`."""

    @op("outward.publish")
    def publish(self, ports: tuple[HostPort, ...]) -> None:
        """Listen on the host's *ports*. All or none. Raises :class:`Conflict`, :class:`Unsupported`."""

    @op("outward.unpublish")
    def unpublish(self, ports: tuple[HostPort, ...]) -> None:
        """Listen there no more. Idempotent."""

    def running(self) -> bool:
        """Say whether a way out is there."""

    def program(self) -> str:
        """Return the program that is installed. Raises :class:`Unavailable` if there is none."""
