"""Images between tools: what umoci and skopeo make we load, what we make they read."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.imagelab import QUIET, TWINS, ImageLab
from tests.support.images import sha256

from minidock.oci.manifest import OCI_INDEX, OCI_MANIFEST

pytestmark = pytest.mark.skipif(
    not (shutil.which("skopeo") and shutil.which("umoci")), reason="needs skopeo and umoci: tests/packages.txt"
)


@pytest.fixture(params=TWINS)
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ImageLab]:
    lab = ImageLab(tmp_path, request.param)
    yield lab
    lab.store.close()


def run(*words: object) -> bytes:
    done = subprocess.run([str(word) for word in words], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def skopeo(*words: object) -> bytes:
    return run("skopeo", "--insecure-policy", *words)


def files_of(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """An OCI layout that umoci made: three layers, and the last one takes a file of the first away."""
    folder, bundle = tmp_path / "layout", tmp_path / "bundle"
    run("umoci", "init", "--layout", folder)
    run("umoci", "new", "--image", f"{folder}:1")
    run("umoci", "unpack", "--rootless", "--image", f"{folder}:1", bundle)
    root = bundle / "rootfs"

    def layer() -> None:
        run("umoci", "repack", "--refresh-bundle", "--image", f"{folder}:1", bundle)

    (root / "etc").mkdir(parents=True)
    (root / "etc/base").write_text("1")
    (root / "etc/gone").write_text("old")
    layer()
    (root / "srv").mkdir()
    (root / "srv/top").write_text("2" * 100_000)
    layer()
    (root / "etc/gone").unlink()
    layer()
    run("umoci", "config", "--image", f"{folder}:1", "--config.cmd", "/bin/x", "--config.env", "A=1")
    shutil.rmtree(bundle)
    return folder


FILES = {"etc/base": b"1", "srv/top": b"2" * 100_000}


def test_umocis_layout(lab: ImageLab, layout: Path) -> None:
    (shown,) = lab.images.load_folder(str(layout), QUIET)
    assert shown == sha256(skopeo("inspect", "--raw", "--config", f"oci:{layout}:1"))
    assert lab.files(shown) == FILES
    found = lab.images.resolve(shown).config.config
    assert found is not None
    assert (found.cmd, found.env) == (("/bin/x",), ("A=1",))


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
@pytest.mark.parametrize("pack", ["plain", "gzip", "zstd"])
def test_skopeos_archives(lab: ImageLab, layout: Path, tmp_path: Path, form: str, pack: str) -> None:
    path = tmp_path / "image.tar"
    skopeo("copy", f"oci:{layout}:1", f"{form}:{path}:localhost/team/app:1")
    expected = sha256(skopeo("inspect", "--raw", "--config", f"{form}:{path}"))
    data = path.read_bytes()
    if pack == "gzip":
        data = gzip.compress(data)
    elif pack == "zstd":
        data = run("zstd", "--stdout", path) if shutil.which("zstd") else pytest.skip("needs zstd")
    assert lab.load(data) == ["localhost/team/app:1"]
    assert lab.images.resolve("localhost/team/app:1").id == expected
    assert lab.files("localhost/team/app:1") == FILES
    history = lab.images.history("localhost/team/app:1")
    assert [row.size for row in history if row.size] == [100_000, 4]


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_layers_in_either_compression(lab: ImageLab, layout: Path, tmp_path: Path, compression: str) -> None:
    target = tmp_path / compression
    skopeo("copy", "--dest-compress-format", compression, "--dest-compress", f"oci:{layout}:1", f"oci:{target}:x:1")
    lab.images.load_folder(str(target), QUIET)
    assert lab.files("x:1") == FILES


def test_a_plain_file_is_loaded_without_a_copy(lab: ImageLab, layout: Path, tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    skopeo("copy", f"oci:{layout}:1", f"docker-archive:{path}:app:1")
    with open(path, "rb") as file:
        assert lab.images.load(file, QUIET) == ["app:1"]
    assert lab.files("app:1") == FILES


def test_several_images_in_one_archive(lab: ImageLab, layout: Path, tmp_path: Path) -> None:
    target = tmp_path / "many"
    skopeo("copy", f"oci:{layout}:1", f"oci:{target}:one:1")
    lab.images.bootstrap("tiny")
    export(lab, "tiny", tmp_path / "tiny")
    skopeo("copy", f"oci:{tmp_path}/tiny:exported", f"oci:{target}:two:1")
    archive = io.BytesIO(run("tar", "-c", "-C", target, "."))
    assert lab.images.load(archive, QUIET) == ["one:1", "two:1"]
    assert lab.images.resolve("two:1").id == lab.images.resolve("minidock.local/tiny").id


def export(lab: ImageLab, image: str, folder: Path) -> None:
    """Write an image's blobs as an OCI layout, as they stand in the store."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    found = lab.images.resolve(image)
    for blob in lab.store.rows.blobs.find(image=found.id):
        shutil.copy(lab.store.blobs.path(blob.digest), blobs / blob.digest.hex)
    (manifest,) = lab.store.rows.blobs.find(image=found.id, kind="manifest")
    name = {"org.opencontainers.image.ref.name": "exported"}
    entry = {"mediaType": OCI_MANIFEST, "digest": manifest.digest, "size": manifest.size, "annotations": name}
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def test_ours_is_valid_for_skopeo_and_umoci(lab: ImageLab, tmp_path: Path) -> None:
    lab.images.bootstrap("tiny")
    export(lab, "tiny", tmp_path / "ours")
    seen = json.loads(skopeo("inspect", f"oci:{tmp_path}/ours:exported"))
    assert seen["Labels"]["org.opencontainers.image.title"] == "tiny"
    skopeo("copy", f"oci:{tmp_path}/ours:exported", f"docker-archive:{tmp_path}/ours.tar:tiny:1")  # checks all digests
    run("umoci", "unpack", "--rootless", "--image", f"{tmp_path}/ours:exported", tmp_path / "bundle")
    theirs = tmp_path / "bundle/rootfs"
    assert files_of(theirs) == lab.files("tiny")
    assert os.readlink(theirs / "bin/ls") == "tiny"
    assert (theirs / "tmp").stat().st_mode & 0o7777 == 0o1777


def test_import_of_a_tree_by_gnu_tar(lab: ImageLab, tmp_path: Path) -> None:
    (tmp_path / "tree/etc").mkdir(parents=True)
    (tmp_path / "tree/etc/base").write_text("1")
    tar = run("tar", "-c", "-C", tmp_path / "tree", ".")
    key = lab.images.import_(io.BytesIO(tar), None, ["CMD x"], "")
    assert lab.files(key) == {"etc/base": b"1"}
    assert lab.images.resolve(key).config.rootfs.diff_ids == (sha256(tar),)
