"""``minidock rmi``: what may go, decided before anything does. Pure.

An image has names; taking the last one away deletes it. Docker's rules, in the order in which they count:

* by name: only that name goes, while others stay; the last name of an image that a container uses stays, unless forced
* by id: all names go, if they are one repository's and there is at most one tag; otherwise it must be forced
* an image that a *running* container uses is never deleted; one that a stopped container uses, if forced
* with the last tag of a repository its digest references go too

Source: moby, daemon/images/image_delete.go; the wording of its conflicts.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from minidock.errors import Conflict
from minidock.images.catalog import StoredImage
from minidock.oci.digest import Digest
from minidock.oci.reference import Reference


class User(msgspec.Struct, frozen=True):
    """A container that stands on the image."""

    id: str
    running: bool


class Removal(msgspec.Struct, frozen=True):
    """What is to be done: rows of names to remove, what to tell the user is untagged, and whether the image goes."""

    names: tuple[str, ...]
    untagged: tuple[str, ...]
    delete: bool


def plan_removal(
    image: StoredImage, text: str, reference: Reference | None, users: Sequence[User], force: bool
) -> Removal:
    """Decide what ``rmi text`` does.

    :param reference: the full name that *text* means, ``None`` if it is an id.
    :param users: the containers that stand on the image.
    :raises Conflict: with Docker's message.
    """
    names = {row.name for row in image.names}
    references = (*image.tags, *image.digests)
    if reference is None:
        if not is_single(references) and not force:
            raise _conflict(image.row.id, "image is referenced in multiple repositories")
        _refuse_used(image.row.id, users, force)
        return Removal(tuple(sorted(names)), _shown(references), True)
    if not force and users and is_single(references):
        raise Conflict(
            f'conflict: unable to remove repository reference "{text}" (must force) - container {users[0].id[:12]}'
            f" is using its referenced image {image.row.id.short}"
        )
    going, untagged = _untag(image, reference)
    if names - going:
        return Removal(tuple(sorted(going)), untagged, False)
    if users and any(user.running for user in users):
        # the name goes, the image stays for the container: the user hears of it only if asked by id
        return Removal(tuple(sorted(going)), untagged, False)
    return Removal(tuple(sorted(going)), untagged, True)


def is_single(references: Sequence[Reference]) -> bool:
    """Say whether all *references* are one repository's, with at most one tag among them."""
    tags = [reference for reference in references if reference.tag is not None]
    return len({reference.name for reference in references}) <= 1 and len(tags) <= 1


def _untag(image: StoredImage, reference: Reference) -> tuple[set[str], tuple[str, ...]]:
    """Return the rows that go with one name, and what is untagged by that."""
    if reference.digest is not None:
        going = {row.name for row in image.names if _is_digest_of(row.name, row.target, reference)}
        gone = [r for r in image.tags if str(r) in going]
        return going, _shown((*gone, reference))
    others = [tag for tag in image.tags if tag.name == reference.name and tag != reference]
    digests = () if others else tuple(d for d in image.digests if d.name == reference.name)
    going = {str(reference), *(row.name for row in image.names if row.name in {str(d) for d in digests})}
    return going, _shown((reference, *digests))


def _is_digest_of(name: str, target: Digest | None, reference: Reference) -> bool:
    repository, at, _ = name.partition("@")
    if at:
        return name == f"{reference.name}@{reference.digest}"
    return target == reference.digest and repository.rpartition(":")[0] == reference.name


def _refuse_used(image: Digest, users: Sequence[User], force: bool) -> None:
    for user in users:
        if user.running:
            raise _conflict(image, f"image is being used by running container {user.id[:12]}", hard=True)
    if users and not force:
        raise _conflict(image, f"image is being used by stopped container {users[0].id[:12]}")


def _conflict(image: Digest, reason: str, hard: bool = False) -> Conflict:
    how = "cannot be forced" if hard else "must be forced"
    return Conflict(f"conflict: unable to delete {image.short} ({how}) - {reason}")


def _shown(references: Sequence[Reference]) -> tuple[str, ...]:
    return tuple(reference.familiar for reference in references)
