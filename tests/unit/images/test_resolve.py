"""From a typed text to an image id."""

from __future__ import annotations

import pytest

from minidock.errors import InvalidReference
from minidock.images.resolve import Names, alias, not_found, resolve
from minidock.oci.digest import Digest

A, B = Digest("sha256:" + "a1" * 32), Digest("sha256:" + "ab" * 32)
MANIFEST = Digest("sha256:" + "c0" * 32)
KNOWN = Names(
    {
        "docker.io/library/debian:latest": A,
        "docker.io/team/app:1": B,
        f"docker.io/team/app@{MANIFEST}": B,
        "minidock.local/busybox:latest": A,
        "docker.io/library/abba:latest": B,
    },
    (A, B),
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (A, A),
        ("a1" * 32, A),
        ("debian", A),
        ("debian:latest", A),
        ("docker.io/library/debian", A),
        ("debian:12", None),
        (f"team/app@{MANIFEST}", B),
        (f"team/app:1@{MANIFEST}", B),
        (f"team/app@{B}", B),
        (f"team/app@sha256:{'00' * 32}", None),
        ("a1a1", A),
        ("sha256:abab", B),
        ("a", None),  # two ids begin so
        ("abba", B),  # a name goes before an id
        ("busybox", A),  # the alias
        ("busybox:latest", None),
        ("docker.io/library/busybox", None),
        ("tiny", None),
        ("f" * 64, None),
    ],
)
def test_resolve(text: str, found: Digest | None) -> None:
    assert resolve(text, KNOWN) == found


def test_a_real_image_goes_before_the_alias() -> None:
    names = {"minidock.local/busybox:latest": A, "docker.io/library/busybox:latest": B}
    assert resolve("busybox", Names(names, (A, B))) == B
    assert resolve(str(alias("busybox")), Names(names, (A, B))) == A


@pytest.mark.parametrize("text", ["", "UPPER", "a b", "sha256:", "../x", "x@sha256:1"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidReference):
        resolve(text, KNOWN)


def test_messages_are_dockers() -> None:
    assert not_found("nosuch") == "No such image: nosuch:latest"
    assert not_found("team/app:2") == "No such image: team/app:2"
    assert not_found(A) == f"No such image: {A}"
