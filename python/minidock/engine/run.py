"""``minidock run``, on one page: reference → image → container → launch → wait.

Values only become more concrete on the way down; only steps, output and the exit status travel up.
"""

from __future__ import annotations

from typing import Protocol

from minidock.api import CreateRequest, Progress, Ran, RunOptions, Streams
from minidock.containers.create import Creation, UsableImage
from minidock.containers.records import Container
from minidock.kernel.protocol import Exited
from minidock.oci.platform import Platform
from minidock.runtime.monitor import Launching, MonitorGone
from minidock.store.leases import Lease


class RunParts(Protocol):
    """What ``run`` needs of the engine."""

    def lease(self, why: str) -> Lease:
        """Keep the image from being collected while it is on its way into a container."""

    def usable_image(
        self, name: str, platform: Platform | None, pull: str, progress: Progress, lease: Lease
    ) -> UsableImage:
        """Return the image, pulled if the policy says so."""

    def create(self, request: CreateRequest, image: UsableImage) -> Creation:
        """Make the container."""

    def start(self, container: Container) -> Launching:
        """Bring it up to the point before its program runs."""

    def ended(self, container: Container, started: bool) -> None:
        """Take notice that it has ended, or has never *started*."""

    def discard(self, container: Container) -> None:
        """Remove it, with the volumes that have no name."""


def run(parts: RunParts, request: CreateRequest, options: RunOptions, streams: Streams, progress: Progress) -> Ran:
    """Run a container.

    :raises LaunchFailed: its program cannot be executed; the container stays, unless it is to be removed.
    """
    with parts.lease(f"run {request.config.image}") as lease:
        image = parts.usable_image(request.config.image, request.platform, options.pull, progress, lease)
        creation = parts.create(request, image)
    container = creation.container
    streams.created(container.id, creation.warnings)
    exited: Exited | None = None
    started = lost = kept = False
    try:
        try:
            launching = parts.start(container)
            try:
                launching.go()  # from here on the container runs without us
                started = True
                exited = None if options.detach else launching.follow(streams)
            except MonitorGone:
                lost = True
                raise
            finally:
                launching.close()
        finally:
            if exited is not None or lost or not started:
                parts.ended(container, started)
                if request.host.auto_remove:
                    parts.discard(container)
            kept = True
    finally:
        if creation.promise is not None:
            creation.promise.end(kept)
    return Ran(container.id, exited.code if exited else 0)
