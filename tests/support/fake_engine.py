"""An engine that holds only what a test gives it, as the JSON of Docker's API: for tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from minidock.api import ContainerSummary, CreateRequest, Deleted, HistoryItem, ImageSummary, Ran, RunOptions
from minidock.errors import Conflict, NotFound
from minidock.oci.reference import Reference


class FakeContainers:
    def __init__(self, listed: Sequence[dict[str, Any]], details: Mapping[str, dict[str, Any]]) -> None:
        self.listed = msgspec.convert(listed, list[ContainerSummary])
        self.details = details
        self.asked: list[tuple[Any, ...]] = []

    def list(
        self, all: bool, filters: Mapping[str, Sequence[str]], limit: int, size: bool
    ) -> Sequence[ContainerSummary]:
        self.asked.append(("list", all, dict(filters), limit, size))
        return self.listed

    def remove(self, container: str, force: bool, volumes: bool) -> None:
        self.asked.append(("remove", container, force, volumes))
        if container == "busy":
            raise Conflict('cannot remove container "/busy": container is running', "stop it first")
        if container not in self.details:
            raise NotFound(f"No such container: {container}")

    def inspect(self, container: str, size: bool = False) -> dict[str, Any]:
        if container not in self.details:
            raise NotFound(f"No such container: {container}")
        return self.details[container]

    def run(self, request: CreateRequest, options: RunOptions, streams: Any, progress: Any) -> Ran:
        self.asked.append(("run", request, options))
        streams.created("f00d", ("low on magic",))
        return Ran("f00d", 0 if options.detach else 42)


class FakeImages:
    def __init__(
        self,
        listed: Sequence[dict[str, Any]],
        details: Mapping[str, dict[str, Any]],
        histories: Mapping[str, Sequence[dict[str, Any]]],
    ) -> None:
        self.listed = msgspec.convert(listed, list[ImageSummary])
        self.details = details
        self.histories = histories
        self.asked: list[tuple[Any, ...]] = []

    def list(self, filters: Mapping[str, Sequence[str]], all: bool) -> Sequence[ImageSummary]:
        self.asked.append(("list", dict(filters), all))
        return self.listed

    def inspect(self, image: str) -> dict[str, Any]:
        if image not in self.details:
            raise NotFound(f"No such image: {image}")
        return self.details[image]

    def history(self, image: str) -> Sequence[HistoryItem]:
        if image not in self.histories:
            raise NotFound(f"No such image: {image}:latest")
        return msgspec.convert(self.histories[image], list[HistoryItem])

    def remove(self, image: str, force: bool, prune: bool) -> Sequence[Deleted]:
        self.asked.append(("remove", image, force, prune))
        if image not in self.details:
            raise NotFound(f"No such image: {image}")
        return [Deleted(untagged=f"{image}:latest"), Deleted(deleted="sha256:1234")]

    def tag(self, source: str, target: Reference) -> None:
        self.asked.append(("tag", source, str(target)))

    def pull(self, reference: Reference, platform: Any, progress: Any) -> str:
        self.asked.append(("pull", str(reference), platform))
        progress.status("latest", "Pulling from library/x")
        progress.status("0123456789ab", "Pulling fs layer")
        progress.status("0123456789ab", "Downloading", 5, 10)
        progress.status("0123456789ab", "Pull complete")
        progress.status("", "Status: done")
        return "sha256:1234"

    def load(self, archive: Any, progress: Any) -> Sequence[str]:
        self.asked.append(("load", archive.read()))
        return ["x:latest", "sha256:1234"]

    def import_(self, archive: Any, reference: Reference | None, changes: Sequence[str], message: str) -> str:
        self.asked.append(("import", archive.read(), str(reference), list(changes), message))
        return "sha256:1234"

    def bootstrap(self, kind: str) -> str:
        return f"minidock.local/{kind}:latest"


class FakeEngine:
    """What a session opens in place of an engine."""

    def __init__(
        self,
        containers: Sequence[dict[str, Any]] = (),
        images: Sequence[dict[str, Any]] = (),
        container_details: Mapping[str, dict[str, Any]] | None = None,
        image_details: Mapping[str, dict[str, Any]] | None = None,
        histories: Mapping[str, Sequence[dict[str, Any]]] | None = None,
    ) -> None:
        self.containers = FakeContainers(containers, container_details or {})
        self.images = FakeImages(images, image_details or {}, histories or {})
        self.opened: list[tuple[int, bool]] = []

    @contextmanager
    def open_engine(
        self, session: object, listeners: Sequence[object], dry: bool, reconcile: bool = True
    ) -> Iterator[FakeEngine]:
        """Stands for :meth:`minidock.cli.session.Session.open_engine`."""
        self.opened.append((len(listeners), dry))
        yield self
