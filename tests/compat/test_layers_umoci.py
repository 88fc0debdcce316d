"""Layers against umoci: the same tree from the same layers, whiteouts and all.

umoci is older and laxer than we are: where we refuse an archive it may not, so only what we accept is compared.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.hostile_archives import FAST
from tests.support.tarlab import FIFO, FILE, FOLDER, HARDLINK, SYMLINK, Fact, archive, differences, entry, facts, gz

from minidock._pure.layers import PureLayers
from minidock.errors import MinidockError
from minidock.kernel.native.layers import NativeLayers
from minidock.kernel.ports import Layers

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(shutil.which("umoci") is None, reason="needs umoci: apt-get install umoci"),
]

TWINS: dict[str, Layers] = {"native": NativeLayers(), "pure": PureLayers()}
RANDOM = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))

part = st.sampled_from(["a", "b", "c"])
path = st.lists(part, min_size=1, max_size=3).map("/".join)
fields = {"mode": st.sampled_from([0o644, 0o755, 0o4755]), "uid": st.integers(0, 2), "mtime": st.integers(1, 2**31)}
extra = st.sampled_from([{}, {}, {"SCHILY.xattr.user.k": "v"}])
nodes = st.one_of(
    st.builds(entry, path, st.just(FILE), st.binary(max_size=600), pax=extra, **fields),
    st.builds(entry, path, st.just(FOLDER), **fields),
    st.builds(
        entry, path, st.just(SYMLINK), link=st.one_of(path, st.sampled_from(["..", "/a", "../../b"])), mtime=st.just(5)
    ),
    st.builds(entry, path, st.just(HARDLINK), link=path, mtime=st.just(7)),
    st.builds(entry, path, st.just(FIFO), **fields),
)
whiteouts = st.one_of(
    st.builds(lambda p, n: entry(f"{p}/.wh.{n}"), path, part),
    st.builds(lambda n: entry(f".wh.{n}"), part),
    st.builds(lambda p: entry(f"{p}/.wh..wh..opq"), path),
)


@contextmanager
def image(blobs: list[bytes]) -> Iterator[Path]:
    """An OCI layout ``image`` with these gzip layers in a fresh folder."""
    top = Path(tempfile.mkdtemp(prefix="umoci-", dir=FAST))
    layout = top / "image"
    (layout / "blobs" / "sha256").mkdir(parents=True)

    def store(data: bytes, kind: str) -> dict[str, object]:
        digest = sha256(data).hexdigest()
        (layout / "blobs" / "sha256" / digest).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    def document(value: object, kind: str) -> dict[str, object]:
        return store(json.dumps(value).encode(), kind + "+json")

    try:
        layers = [store(gz(blob), "layer.v1.tar+gzip") for blob in blobs]
        diffs = ["sha256:" + sha256(blob).hexdigest() for blob in blobs]
        rootfs = {"type": "layers", "diff_ids": diffs}
        config = document({"architecture": "amd64", "os": "linux", "rootfs": rootfs, "config": {}}, "config.v1")
        manifest = document({"schemaVersion": 2, "config": config, "layers": layers}, "manifest.v1")
        manifest["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
        (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
        (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        yield top
    finally:
        shutil.rmtree(top)


def unpack(port: Layers, top: Path, blobs: list[bytes]) -> bool:
    """Apply all layers to ``ours``; whether we accept them."""
    (top / "ours").mkdir()
    for number, blob in enumerate(blobs):
        (top / f"{number}.tar").write_bytes(blob)
        try:
            port.apply(str(top / f"{number}.tar"), str(top / "ours"), "none", "delete")
        except MinidockError:
            return False
    return True


def settled(tree: dict[bytes, Fact]) -> dict[bytes, Fact]:
    """The tree without what nobody states: times of folders that no entry made, modes of links' targets."""
    folder = 0o040000
    return {
        name: (*fact[:3], 0 if fact[0] == folder else fact[3], *fact[4:]) for name, fact in tree.items() if name != b"."
    }


@pytest.mark.parametrize("twin", sorted(TWINS))
@RANDOM
@given(
    lower=st.lists(nodes, max_size=8, unique=True),
    upper=st.lists(st.one_of(nodes, whiteouts), max_size=8, unique=True),
)
def test_the_same_tree_as_umoci(twin: str, lower: list[bytes], upper: list[bytes]) -> None:
    blobs = [archive(*lower), archive(*upper)]
    with image(blobs) as top:
        assume(unpack(TWINS[twin], top, blobs))
        command = ["umoci", "raw", "unpack", "--image", f"{top}/image:latest", f"{top}/theirs"]
        ran = subprocess.run(command, capture_output=True, text=True)
        assume(ran.returncode == 0)
        assert not differences(settled(facts(top / "theirs")), settled(facts(top / "ours")))
