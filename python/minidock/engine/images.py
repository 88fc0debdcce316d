"""Where a container's image comes from: it is there, or it is pulled, or it is the embedded one that is made here."""

from __future__ import annotations

from minidock.api import Progress
from minidock.containers.create import UsableImage
from minidock.errors import InvalidReference, NotFound
from minidock.images.images import FoundImage, StoreImages
from minidock.oci.image import ExecutionConfig
from minidock.oci.platform import Platform
from minidock.oci.reference import parse_reference
from minidock.store.leases import Lease
from minidock.store.snapshots import layer_key
from minidock.store.store import Store


class ImageSource:
    """Finds the image that a container is to be made of."""

    def __init__(self, store: Store, images: StoreImages) -> None:
        self._store = store
        self._images = images

    def usable(self, name: str, platform: Platform | None, pull: str, progress: Progress, lease: Lease) -> UsableImage:
        """Return the image *name*, pulled by the policy *pull*: always, missing or never.

        The embedded images are made here when they are named and not there: ``tiny`` and ``host`` always, ``busybox``
        if the store has no image at all (later the name means Docker Hub's again, as everywhere).

        :raises NotFound: it is not there, and may not be pulled, with Docker's words.
        """
        if pull != "always" and (found := self._find(name)):
            return self._keep(name, found, lease)
        if pull == "never":
            raise NotFound(f"No such image: {parse_reference(name).familiar}")
        if pull == "missing" and (kind := self._made_here(name)):
            progress.status("", f"Unable to find image '{parse_reference(name).familiar}' locally: making it here")
            return self._keep(name, self._images.resolve(self._images.bootstrap(kind)), lease)
        reference = parse_reference(name)
        if pull == "missing":
            progress.status("", f"Unable to find image '{reference.familiar}' locally")
        image = self._images.pull(reference, platform, progress)
        return self._keep(name, self._images.resolve(image), lease)

    def _made_here(self, name: str) -> str | None:
        if name == "busybox" and not self._store.rows.images.all():
            return "auto"
        return name if name in ("tiny", "host") else None

    def _find(self, name: str) -> FoundImage | None:
        try:
            return self._images.resolve(name)
        except (NotFound, InvalidReference):
            return None

    def _keep(self, name: str, found: FoundImage, lease: Lease) -> UsableImage:
        if found.chain is not None:
            lease.keep_snapshot(layer_key(found.chain))
        return UsableImage(found.id, name, found.config.config or ExecutionConfig(), found.chain)
