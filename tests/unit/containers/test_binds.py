"""``-v``, ``--mount``, ``--tmpfs``."""

from __future__ import annotations

import pytest

from minidock.api import BindOptions, HostConfig, MountRequest, TmpfsOptions, VolumeOptions
from minidock.containers.binds import MountPoint, mount_points, parse_bind
from minidock.containers.mounts import all_mounts, default_mounts
from minidock.errors import InvalidArgument, MinidockError
from minidock.oci.runtime import Mount


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data", MountPoint("volume", "/data")),
        ("/src:/dst", MountPoint("bind", "/dst", "/src", create_source=True)),
        ("/src/../x:/dst/:ro", MountPoint("bind", "/dst", "/x", True, create_source=True)),
        ("/s:/d:rslave,ro", MountPoint("bind", "/d", "/s", True, "rslave", create_source=True)),
        ("name:/d", MountPoint("volume", "/d", "name")),
        ("name:/d:nocopy", MountPoint("volume", "/d", "name", copy=False)),
    ],
)
def test_binds(text: str, expected: MountPoint) -> None:
    assert parse_bind(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "a:b:c:d",
        "/a:b",
        "../x:/d",
        "./x:/d",
        "a/b:/d",
        "/s:/",
        "/s:/d:what",
        "/s:/d:ro,rw",
        "/s:/d:shared,slave",
        "n:/d:rshared",
        "x" * 256 + ":/d",
        "/s:/d:z",
    ],
)
def test_binds_that_are_refused(text: str) -> None:
    with pytest.raises(MinidockError):
        parse_bind(text)


def test_a_path_is_mounted_once_and_parents_come_first() -> None:
    host = HostConfig(binds=("/x:/a/b/c", "vol:/a"), tmpfs={"/a/b": "size=1m"})
    points = mount_points(host, {"/a/b": None, "/vol": None})
    assert [(p.kind, p.destination) for p in points] == [
        ("volume", "/a"),
        ("volume", "/vol"),
        ("tmpfs", "/a/b"),
        ("bind", "/a/b/c"),
    ]
    with pytest.raises(InvalidArgument, match="Duplicate mount point: /a"):
        mount_points(HostConfig(binds=("/x:/a", "/y:/a/")), {})


def test_mount_requests() -> None:
    mounts = (
        MountRequest("bind", "/b", "/s", True, bind_options=BindOptions("rslave", True)),
        MountRequest("volume", "/v", "nn", volume_options=VolumeOptions(no_copy=True, subpath="a/b")),
        MountRequest("tmpfs", "/t", tmpfs_options=TmpfsOptions(1024, 0o700)),
    )
    bind, tmpfs, volume = mount_points(HostConfig(mounts=mounts), {})
    assert (bind.readonly, bind.propagation, bind.recursive) == (True, "rslave", False)
    assert (volume.copy, volume.subpath) == (False, "a/b")
    assert tmpfs.options == ("size=1024", "mode=700")


@pytest.mark.parametrize(
    "mount",
    [
        MountRequest("bind", "/b", "relative"),
        MountRequest("volume", "relative", "v"),
        MountRequest("volume", "/v", "../x"),
        MountRequest("volume", "/v", "v", volume_options=VolumeOptions(subpath="../x")),
        MountRequest("volume", "/v", "v", volume_options=VolumeOptions(subpath="/x")),
        MountRequest("image", "/i", "busybox"),
        MountRequest("nonsense", "/i"),
    ],
)
def test_mount_requests_that_are_refused(mount: MountRequest) -> None:
    with pytest.raises(MinidockError):
        mount_points(HostConfig(mounts=(mount,)), {})


@pytest.mark.parametrize("place", ["/proc", "/proc/sys", "/sys", "/sys/kernel"])
def test_the_kernels_own_folders_cannot_be_covered(place: str) -> None:
    with pytest.raises(InvalidArgument, match="cannot be mounted"):
        all_mounts((), {}, [MountPoint("bind", place, "/x")], {})


def test_a_users_mount_replaces_a_default_one() -> None:
    defaults = default_mounts(1 << 20, privileged=False, own_ipc=True)
    point = MountPoint("tmpfs", "/dev/shm", options=("size=1m", "exec"))
    mounts = all_mounts(defaults, {"/etc/hosts": "/c/hosts"}, [point], {})
    assert [m.destination for m in mounts].count("/dev/shm") == 1
    assert Mount("/etc/hosts", "bind", "/c/hosts", ("rbind", "rprivate")) in mounts
    assert mounts[-1].options == ("nosuid", "nodev", "size=1m", "exec")
