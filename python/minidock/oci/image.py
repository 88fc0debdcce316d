"""An image's configuration: what to run, and which layers it stands on (image-spec, config.md).

Docker adds fields that the specification does not have (``Healthcheck``, ``OnBuild``, ``Shell``); they are kept, since
images in the wild have them.
"""

from __future__ import annotations

import hashlib

import msgspec

from minidock.oci.digest import Digest


class Empty(msgspec.Struct, frozen=True):
    """JSON's ``{}``: Go writes sets as maps to it."""


class Healthcheck(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    """How to see whether the container works. Times are in nanoseconds."""

    test: tuple[str, ...] | None = None
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class ExecutionConfig(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    """The defaults with which a container of this image runs. ``None`` and absent mean the same: not set."""

    user: str = ""
    exposed_ports: dict[str, Empty] | None = None
    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    volumes: dict[str, Empty] | None = None
    working_dir: str = ""
    labels: dict[str, str] | None = None
    stop_signal: str = ""
    healthcheck: Healthcheck | None = None
    on_build: tuple[str, ...] | None = None
    shell: tuple[str, ...] | None = None
    args_escaped: bool = False


class RootFS(msgspec.Struct, frozen=True):
    """The layers, as the digests of their uncompressed tars, the lowest first."""

    type: str = "layers"
    diff_ids: tuple[Digest, ...] = ()


class History(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of ``minidock history``. ``created`` is RFC 3339."""

    created: str | None = None
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


class ImageConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole configuration. The digest of its bytes is the image's id."""

    architecture: str
    os: str
    rootfs: RootFS
    created: str | None = None
    author: str = ""
    variant: str = ""
    config: ExecutionConfig | None = None
    history: tuple[History, ...] | None = None


def chain_ids(diff_ids: tuple[Digest, ...]) -> tuple[Digest, ...]:
    """Return the chainID of each prefix of *diff_ids*: the name of "this layer on top of exactly those below".

    ``chainID(L0) = L0``, ``chainID(L0…Ln) = sha256(chainID(L0…Ln-1) + " " + Ln)`` (config.md, "Layer ChainID").
    """
    chain: list[Digest] = []
    for diff_id in diff_ids:
        text = f"{chain[-1]} {diff_id}" if chain else None
        chain.append(diff_id if text is None else Digest.from_hex(hashlib.sha256(text.encode()).hexdigest()))
    return tuple(chain)
