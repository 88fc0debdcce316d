"""A real Debian root, made by mmdebstrap once per test session: the input of the larger tests and of the benchmarks."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.support.images import Image, descriptor, sha256

from minidock.oci.manifest import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST

needs_mmdebstrap = pytest.mark.skipif(not shutil.which("mmdebstrap"), reason="needs mmdebstrap")


def debian_tar(folder: Path) -> Path:
    """Return the tar of a minimal Debian; made on the first call, some 170 MB, half a minute.

    ``MINIDOCK_TEST_DEBIAN`` may name one that is there already.
    """
    if ready := os.environ.get("MINIDOCK_TEST_DEBIAN"):
        return Path(ready)
    path = folder / "debian.tar"
    if not path.exists():
        made = folder / "debian.new.tar"
        words = ["mmdebstrap", "--variant=minbase", "--quiet", "bookworm", str(made)]
        subprocess.run(words, check=True, capture_output=True, env=os.environ | {"TMPDIR": str(folder)})
        made.rename(path)
    return path


def debian_image(tar: Path) -> Image:
    """Return the image of one layer, compressed as ``gzip -6`` does."""
    plain = tar.read_bytes()
    blob = gzip.compress(plain, 6, mtime=0)
    rootfs = {"type": "layers", "diff_ids": [sha256(plain)]}
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sh"]}, "rootfs": rootfs}
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(config, OCI_CONFIG),
        "layers": [descriptor(blob, OCI_LAYER_GZIP)],
    }
    return Image(json.dumps(manifest).encode(), config, [blob])
