"""An image's name: ``[registry/]repository[:tag][@digest]``.

Source: distribution-spec "Pulling manifests" for the grammar, and Docker's rules for what may be left out: no registry
means Docker Hub, a Hub repository without a slash is in ``library/``, no tag and no digest mean ``latest``.

>>> parse_reference("busybox")
Reference(registry='docker.io', repository='library/busybox', tag='latest', digest=None)
>>> str(parse_reference("localhost:5000/team/app:1.2"))
'localhost:5000/team/app:1.2'
"""

from __future__ import annotations

import re

import msgspec

from minidock.errors import InvalidDigest, InvalidReference
from minidock.oci.digest import Digest

DOCKER_HUB = "docker.io"

_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?")


class Reference(msgspec.Struct, frozen=True, order=True):
    """A full name: nothing is left out any more. A name with a digest may still have a tag."""

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def familiar_name(self) -> str:
        """The name as Docker shows it: without ``docker.io/`` and ``library/``."""
        if self.registry != DOCKER_HUB:
            return self.name
        return self.repository.removeprefix("library/") if self.repository.count("/") == 1 else self.repository

    @property
    def familiar(self) -> str:
        """The whole reference as Docker shows it, ``busybox:latest``."""
        return self.familiar_name + self._suffix()

    def with_tag(self, tag: str) -> Reference:
        """The same repository under *tag*, without a digest."""
        return Reference(self.registry, self.repository, tag)

    def with_digest(self, digest: Digest) -> Reference:
        """The same repository at *digest*, without a tag."""
        return Reference(self.registry, self.repository, None, digest)

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return self.name + self._suffix()


def parse_reference(text: str, *, default_tag: bool = True) -> Reference:
    """Parse an image name as a person types it.

    :param default_tag: give a name without tag and digest the tag ``latest``; otherwise leave it without.
    :raises InvalidReference: with Docker's message, for anything outside the grammar.
    """
    bad = InvalidReference("invalid reference format")
    rest, at, digest_text = text.partition("@")
    try:
        digest = Digest(digest_text) if at else None
    except InvalidDigest as invalid:
        raise bad from invalid
    path, tag = _split_tag(rest)
    if tag is not None and not _TAG.fullmatch(tag):
        raise bad
    registry, repository = _split_registry(path)
    if not _HOST.fullmatch(registry):
        raise bad
    if repository != repository.lower():
        raise InvalidReference(f"invalid reference format: repository name ({repository}) must be lowercase")
    if len(registry) + len(repository) + 1 > 255:
        raise InvalidReference("repository name must not be more than 255 characters")
    if not all(_COMPONENT.fullmatch(component) for component in repository.split("/")):
        raise bad
    if tag is None and digest is None and default_tag:
        tag = "latest"
    return Reference(registry, repository, tag, digest)


def _split_tag(text: str) -> tuple[str, str | None]:
    """A colon after the last slash starts a tag; one before it belongs to the registry's port."""
    head, colon, tail = text.rpartition(":")
    return (head, tail) if colon and "/" not in tail else (text, None)


def _split_registry(path: str) -> tuple[str, str]:
    """The first component is a registry if it looks like a host: a dot, a colon, ``localhost`` or upper case."""
    first, slash, rest = path.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        if first in ("docker.io", "index.docker.io"):
            return DOCKER_HUB, rest if "/" in rest else f"library/{rest}"
        return first, rest
    return DOCKER_HUB, path if slash else f"library/{path}"
