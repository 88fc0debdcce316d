"""The engine's settings: ``/etc/minidock/daemon.json``, with Docker's keys."""

from __future__ import annotations

import os

import msgspec

from minidock.errors import InvalidArgument
from minidock.oci.codec import decode


class EngineConfig(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """What the file can say.

    ``registry-mirrors``: as in Docker a list, of mirrors of Docker Hub; or, beyond Docker, an object from a registry to
    its mirrors. ``insecure-registries``: hosts or CIDR blocks.
    """

    registry_mirrors: tuple[str, ...] | dict[str, tuple[str, ...]] = ()
    insecure_registries: tuple[str, ...] = ()

    @property
    def mirrors(self) -> dict[str, tuple[str, ...]]:
        """Registry → its mirrors."""
        if isinstance(self.registry_mirrors, dict):
            return self.registry_mirrors
        return {"docker.io": self.registry_mirrors} if self.registry_mirrors else {}


def read_config(user: int) -> EngineConfig:
    """Read the file, if there is one: root's, or that of *user*.

    :raises InvalidArgument: it is broken, or has a key that this engine does not know.
    """
    path = os.environ.get("MINIDOCK_CONFIG") or _default_path(user)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return EngineConfig()
    except OSError as error:
        raise InvalidArgument(f"{path}: {error.strerror}") from error
    return decode(data, EngineConfig, path)


def _default_path(user: int) -> str:
    if user == 0:
        return "/etc/minidock/daemon.json"
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return f"{home}/minidock/daemon.json"
