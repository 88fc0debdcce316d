"""The distribution protocol, decided without a network."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.images import sha256

from minidock.errors import DigestMismatch, Forbidden, MinidockError, NotFound, RegistryError, Unavailable
from minidock.oci.digest import Digest
from minidock.oci.manifest import OCI_LAYER_GZIP, OCI_MANIFEST, Descriptor
from minidock.oci.reference import parse_reference
from minidock.registry.messages import Headers, Reply, Request, origin, printable
from minidock.registry.protocol import (
    ACCEPT,
    Body,
    blob_request,
    judge_blob,
    judge_manifest,
    judge_tags,
    manifest_request,
    next_page,
)
from minidock.registry.refusals import refusal

BASE = "https://registry.example"
BLOB = Descriptor(OCI_LAYER_GZIP, Digest(sha256(b"x")), 1000)


def reply(status: int = 200, body: bytes = b"", whole: bool = True, **headers: str) -> Reply:
    fields = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Reply(status, Headers(fields), body, whole)


class TestRequests:
    def test_manifest(self) -> None:
        request = manifest_request(BASE, "library/busybox", "latest")
        assert (request.method, request.url) == ("GET", f"{BASE}/v2/library/busybox/manifests/latest")
        assert request.headers["Accept"] == ACCEPT
        assert "manifest.list.v2+json" in ACCEPT
        assert "prettyjws" not in ACCEPT

    def test_blob(self) -> None:
        assert "Range" not in blob_request(BASE, "a", BLOB.digest, 0).headers
        assert blob_request(BASE, "a", BLOB.digest, 7).headers["Range"] == "bytes=7-"

    def test_a_request_prints_without_its_secrets(self) -> None:
        request = Request("GET", BASE, {"Authorization": "Basic c2VjcmV0"})
        assert "c2VjcmV0" not in repr(request) + str(request)


class TestManifest:
    def test_computes_the_digest_itself(self) -> None:
        found = judge_manifest(reply(body=b"{}", content_type=OCI_MANIFEST), None, "m")
        assert (found.digest, found.media_type) == (sha256(b"{}"), OCI_MANIFEST)

    def test_refuses_another_document_than_the_one_asked_for(self) -> None:
        with pytest.raises(DigestMismatch):
            judge_manifest(reply(body=b"{}"), Digest(sha256(b"[]")), "m")

    def test_refuses_a_header_that_lies(self) -> None:
        with pytest.raises(DigestMismatch):
            judge_manifest(reply(body=b"{}", docker_content_digest=sha256(b"[]")), None, "m")
        with pytest.raises(RegistryError):
            judge_manifest(reply(body=b"{}", docker_content_digest="sha256:../x"), None, "m")

    def test_refuses_what_was_cut_at_the_limit(self) -> None:
        with pytest.raises(RegistryError, match="more than the limit"):
            judge_manifest(reply(body=b"{}", whole=False), None, "m")


class TestBlob:
    @pytest.mark.parametrize(
        ("answer", "have", "wanted"),
        [
            (reply(200, content_length="1000"), 0, Body(0, 1000)),
            (reply(200), 0, Body(0, 1000)),
            (reply(200, content_length="1000"), 400, Body(0, 1000)),
            (reply(206, content_range="bytes 400-999/1000", content_length="600"), 400, Body(400, 600)),
            (reply(206, content_range="bytes 400-999/*"), 400, Body(400, 600)),
            (reply(206, content_range="bytes 400-499/1000"), 400, Body(400, 100)),
            (reply(416, content_range="bytes */10"), 400, None),
        ],
    )
    def test_says_where_the_body_belongs(self, answer: Reply, have: int, wanted: Body | None) -> None:
        assert judge_blob(answer, BLOB, have) == wanted

    @pytest.mark.parametrize(
        ("answer", "have"),
        [
            (reply(200, content_length="999"), 0),
            (reply(200, content_length="1001"), 400),
            (reply(200, content_length="-1"), 0),
            (reply(200, content_encoding="gzip"), 0),
            (reply(206, content_range="bytes 0-999/1000"), 0),
            (reply(206, content_range="bytes 399-999/1000"), 400),
            (reply(206, content_range="bytes 400-1000/1000"), 400),
            (reply(206, content_range="bytes 400-399/1000"), 400),
            (reply(206, content_range="bytes 400-999/1001"), 400),
            (reply(206, content_range="bytes 400-999/1000", content_length="601"), 400),
            (reply(206), 400),
            (reply(416), 0),
            (reply(204), 0),
        ],
    )
    def test_refuses(self, answer: Reply, have: int) -> None:
        with pytest.raises(RegistryError):
            judge_blob(answer, BLOB, have)

    @given(st.text(max_size=60), st.text(max_size=30), st.integers(0, 999), st.sampled_from([200, 206, 416]))
    def test_no_header_crashes_it_or_moves_it_outside(self, span: str, length: str, have: int, status: int) -> None:
        try:
            body = judge_blob(reply(status, content_range=span, content_length=length), BLOB, have)
        except RegistryError:
            return
        assert body is None or (body.start in (0, have) and body.start + body.length <= BLOB.size)


class TestTags:
    def test_reads_a_page(self) -> None:
        assert judge_tags(reply(body=b'{"name":"a","tags":["1","2"]}'), "tags") == ["1", "2"]
        assert judge_tags(reply(body=b'{"name":"a","tags":null}'), "tags") == []

    def test_follows_a_link_on_the_same_registry_only(self) -> None:
        request = Request("GET", f"{BASE}/v2/a/tags/list")
        link = '</v2/a/tags/list?last=2&n=2>; rel="next"'
        following = next_page(request, reply(link=link))
        assert following is not None
        assert following.url == f"{BASE}/v2/a/tags/list?last=2&n=2"
        assert next_page(request, reply()) is None
        for bad in (
            "https://evil.example/v2/a/tags/list",
            "/v2/secret/tags/list",
            "http://registry.example/v2/a/tags/list",
        ):
            with pytest.raises(RegistryError):
                next_page(request, reply(link=f'<{bad}>; rel="next"'))


def errors(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message, "detail": {"x": 1}}]}).encode()


class TestRefusals:
    """Docker's wording, engine 28."""

    REFERENCE = parse_reference("busybox:nope")
    REQUEST = Request("GET", f"{BASE}/v2/library/busybox/manifests/nope")

    @pytest.mark.parametrize(
        ("status", "body", "kind", "words"),
        [
            (
                404,
                errors("MANIFEST_UNKNOWN", "manifest unknown"),
                NotFound,
                "manifest for busybox:nope not found: manifest unknown: manifest unknown",
            ),
            (
                401,
                errors("DENIED", "requested access to the resource is denied"),
                NotFound,
                "pull access denied for busybox, repository does not exist or may require 'docker login': "
                "denied: requested access to the resource is denied",
            ),
            (
                404,
                errors("NAME_UNKNOWN", "repository name not known to registry"),
                NotFound,
                "repository busybox not found: name unknown: repository name not known to registry",
            ),
            (
                401,
                errors("UNAUTHORIZED", "authentication required"),
                Forbidden,
                f'Get "{REQUEST.url}": unauthorized: authentication required',
            ),
            (
                429,
                errors("TOOMANYREQUESTS", "You have reached your pull rate limit."),
                Unavailable,
                "toomanyrequests: You have reached your pull rate limit.",
            ),
            (
                500,
                b"<html>",
                Unavailable,
                f'Get "{REQUEST.url}": received unexpected HTTP status: 500 Internal Server Error',
            ),
            (418, b"", RegistryError, f'Get "{REQUEST.url}": received unexpected HTTP status: 418'),
            (404, b"", NotFound, "manifest for busybox:nope not found: manifest unknown: manifest unknown"),
        ],
    )
    def test_words(self, status: int, body: bytes, kind: type[MinidockError], words: str) -> None:
        error = refusal(reply(status, body), self.REQUEST, self.REFERENCE)
        assert (type(error), error.message) == (kind, words)

    def test_an_insufficient_scope_is_a_denial(self) -> None:
        header = 'Bearer realm="https://a/t",error="insufficient_scope"'
        error = refusal(reply(401, b"", www_authenticate=header), self.REQUEST, self.REFERENCE)
        assert isinstance(error, NotFound)
        assert error.message.startswith("pull access denied for busybox, ")

    def test_text_of_strangers_cannot_paint_the_terminal(self) -> None:
        error = refusal(
            reply(400, errors("X\x1b[31m", "a\nb\x1b]0;c\x07\u202e" + "x" * 5000)), self.REQUEST, self.REFERENCE
        )
        assert error.message.isprintable()
        assert len(error.message) < 1000

    @given(st.binary(max_size=200), st.integers(400, 599))
    def test_no_body_crashes_it(self, body: bytes, status: int) -> None:
        assert refusal(reply(status, body), self.REQUEST, self.REFERENCE).message


def test_origin() -> None:
    assert origin("https://A.example/x") == origin("https://a.example:443/y")
    assert origin("http://a.example/") != origin("https://a.example/")
    for bad in ("file:///etc/passwd", "ftp://a/", "https:///x", "a.example", "https://a:99999/"):
        with pytest.raises(ValueError, match=r".+"):
            origin(bad)


def test_printable() -> None:
    assert printable("a\nb\tc\x00") == "a b c "
    assert printable("x" * 10, 4) == "xxxx…"
