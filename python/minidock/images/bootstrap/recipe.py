"""What a recipe gives back, and what it may use: the words that all recipes share.

A *recipe* fills a new folder with a root file system and says how to run it. It makes nothing outside its workshop, so
that a failed one leaves nothing behind once the workshop is removed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import msgspec

from minidock.kernel.ports import Layers
from minidock.oci.image import ExecutionConfig


class Workshop(msgspec.Struct, frozen=True):
    """*scratch* is an empty folder of our own, *environ* the variables that may steer a recipe."""

    scratch: str
    layers: Layers
    environ: Mapping[str, str]
    epoch: int


class RootFilesystem(msgspec.Struct, frozen=True):
    """A finished tree in *folder*, to be called ``minidock.local/<name>:latest``."""

    name: str
    folder: str
    config: ExecutionConfig
    created_by: str


Recipe = Callable[[Workshop], RootFilesystem]


def sha256_file(path: str) -> str:
    """Return the digest of a file, for a label that says what an image was made of."""
    with open(path, "rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
