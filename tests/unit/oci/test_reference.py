"""Names of images: Docker's grammar, and nothing outside it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidock.errors import InvalidReference
from minidock.oci.digest import Digest
from minidock.oci.reference import Reference, parse_reference

DIGEST = Digest("sha256:" + "a" * 64)


@pytest.mark.parametrize(
    ("text", "expected", "familiar"),
    [
        ("busybox", Reference("docker.io", "library/busybox", "latest"), "busybox:latest"),
        ("busybox:1.36", Reference("docker.io", "library/busybox", "1.36"), "busybox:1.36"),
        ("team/app", Reference("docker.io", "team/app", "latest"), "team/app:latest"),
        ("docker.io/busybox", Reference("docker.io", "library/busybox", "latest"), "busybox:latest"),
        ("index.docker.io/a/b:c", Reference("docker.io", "a/b", "c"), "a/b:c"),
        ("localhost/x", Reference("localhost", "x", "latest"), "localhost/x:latest"),
        ("localhost:5000/x/y:z", Reference("localhost:5000", "x/y", "z"), "localhost:5000/x/y:z"),
        ("[::1]:5000/x", Reference("[::1]:5000", "x", "latest"), "[::1]:5000/x:latest"),
        (f"quay.io/a/b@{DIGEST}", Reference("quay.io", "a/b", None, DIGEST), f"quay.io/a/b@{DIGEST}"),
        (f"a:1@{DIGEST}", Reference("docker.io", "library/a", "1", DIGEST), f"a:1@{DIGEST}"),
    ],
)
def test_what_docker_accepts(text: str, expected: Reference, familiar: str) -> None:
    assert parse_reference(text) == expected
    assert expected.familiar == familiar
    assert parse_reference(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":tag",
        "a:",
        "a::b",
        "A",
        "a/B",
        "../x",
        "a//b",
        "-a",
        "a-",
        "a/",
        "/a",
        "a b",
        "a\nb",
        "a@sha256:" + "a" * 63,
        "a@md5:" + "a" * 32,
        "a:" + "t" * 129,
        "x/" + "a" * 256,
        "host.example/../../etc/passwd",
        "a:..",
        "ho_st.example:80/a",
    ],
)
def test_what_docker_refuses(text: str) -> None:
    with pytest.raises(InvalidReference):
        parse_reference(text)


@given(st.text(max_size=40))
def test_any_text_parses_to_itself_or_is_refused(text: str) -> None:
    try:
        reference = parse_reference(text)
    except InvalidReference:
        return
    assert parse_reference(str(reference)) == reference
    assert parse_reference(reference.familiar) == reference


def test_no_default_tag() -> None:
    assert parse_reference("busybox", default_tag=False).tag is None
