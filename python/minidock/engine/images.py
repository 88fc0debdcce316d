"""Where a container's image comes from: it is there, or it is pulled, or it is the embedded one that is made here."""

from __future__ import annotations

from collections.abc import Callable

from minidock.api import Progress
from minidock.containers.create import UsableImage
from minidock.errors import InvalidReference, NotFound
from minidock.images.images import FoundImage, StoreImages
from minidock.images.pull import Puller
from minidock.images.resolve import ALIASES
from minidock.oci.image import ExecutionConfig
from minidock.oci.platform import Platform
from minidock.oci.reference import parse_reference
from minidock.store.leases import Lease


class ImageSource:
    """Finds the image that a container is to be made of."""

    def __init__(self, images: StoreImages) -> None:
        self._images = images

    def usable(self, name: str, platform: Platform | None, pull: str, progress: Progress, lease: Lease) -> UsableImage:
        """Return the image *name*, pulled by the policy *pull*: always, missing or never.

        ``busybox`` and ``tiny``, when no image has that name and nothing can be pulled without a registry, are made here.

        :raises NotFound: it is not there, and may not be pulled, with Docker's words.
        """
        if pull != "always" and (found := self._find(name)):
            return self._keep(name, found, lease)
        if pull == "never":
            raise NotFound(f"No such image: {parse_reference(name).familiar}")
        if pull == "missing" and name in ALIASES:
            progress.status("", f"Unable to find image '{parse_reference(name).familiar}' locally: making it here")
            self._images.bootstrap("auto" if name == "busybox" else name)
            return self._keep(name, self._images.resolve(name), lease)
        reference = parse_reference(name)
        if pull == "missing":
            progress.status("", f"Unable to find image '{reference.familiar}' locally")
        image = self._images.pull(reference, platform, progress)
        return self._keep(name, self._images.resolve(image), lease)

    def _find(self, name: str) -> FoundImage | None:
        try:
            return self._images.resolve(name)
        except (NotFound, InvalidReference):
            return None

    def _keep(self, name: str, found: FoundImage, lease: Lease) -> UsableImage:
        if found.chain is not None:
            lease.keep_chain(found.chain)
        return UsableImage(found.id, name, found.config.config or ExecutionConfig(), found.chain)
