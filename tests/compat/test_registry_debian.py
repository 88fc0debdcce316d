"""Pulls from Debian's docker-registry, into which skopeo has pushed: plain, Basic, tokens, TLS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.support.images import image, sha256, tar, write_layout
from tests.support.pulls import lab
from tests.support.registries import PASSWORD, USER, basic_auth, docker_registry, needs_registry, skopeo
from tests.support.tokens import TokenServer

from minidock.errors import DigestMismatch, Forbidden, NotFound, RegistryError, Unavailable
from minidock.oci.manifest import DOCKER_MANIFEST, OCI_MANIFEST
from minidock.oci.platform import Platform
from minidock.oci.reference import parse_reference
from minidock.registry.credentials import Credential
from minidock.registry.hosts import RegistryHosts

pytestmark = needs_registry

FILES = {"etc/hello": b"hello\n", "big": bytes(range(256)) * 4096}
IMAGE = image([tar({"etc/hello": FILES["etc/hello"]}), tar({"big": FILES["big"]})])


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images") / "layout"
    write_layout(folder, {"1": IMAGE})
    return folder


def push(layout: Path, name: str, *options: str) -> None:
    skopeo("copy", "--dest-tls-verify=false", *options, f"oci:{layout}:1", f"docker://{name}")


class TestPlain:
    @pytest.fixture
    def host(self, root: Path, layout: Path) -> Iterator[str]:
        with docker_registry(root / "registry") as host:
            push(layout, f"{host}/team/app:1")
            yield host

    def test_pull_again_and_by_digest(self, host: str, root: Path) -> None:
        with lab(root) as ours:
            pulled = ours.pull(f"{host}/team/app:1")
            assert pulled == sha256(IMAGE.config)
            assert ours.tree() == FILES
            short = {sha256(data)[7:19] for data in IMAGE.layers}
            said = ours.words.said
            assert said[0] == ("1", "Pulling from team/app")
            for layer in short:
                states = [status for at, status in said if at == layer and status != "Downloading"]
                assert states == [
                    "Pulling fs layer",
                    "Verifying Checksum",
                    "Download complete",
                    "Extracting",
                    "Pull complete",
                ]
            assert said[-2:] == [
                ("", f"Digest: {sha256(IMAGE.manifest)}"),
                ("", f"Status: Downloaded newer image for {host}/team/app:1"),
            ]
            assert len(ours.steps.of("registry.fetch")) == len(ours.steps.of("layer.apply")) == 2

            assert ours.pull(f"{host}/team/app:1") == pulled
            assert ours.words.last == f"Status: Image is up to date for {host}/team/app:1"
            assert len(ours.steps.of("registry.resolve")) == 2
            assert len(ours.steps.of("registry.fetch")) == 2

            by_digest = f"{host}/team/app@{sha256(IMAGE.manifest)}"
            assert ours.pull(by_digest) == pulled
            assert sorted(ours.names) == sorted([f"{host}/team/app:1", by_digest])
            assert len(ours.steps.of("registry.fetch")) == len(ours.steps.of("layer.apply")) == 2

    def test_layers_are_shared_with_the_next_image(self, host: str, root: Path, layout: Path) -> None:
        base, top = tar({"etc/hello": FILES["etc/hello"]}), tar({"top": b"top"})
        write_layout(root / "next", {"1": image([base, top])})
        push(root / "next", f"{host}/team/next:1")
        with lab(root) as ours:
            ours.pull(f"{host}/team/app:1")
            ours.pull(f"{host}/team/next:1")
            assert (sha256(IMAGE.layers[0])[7:19], "Already exists") in ours.words.said
            assert len(ours.steps.of("registry.fetch")) == len(ours.steps.of("layer.apply")) == 3

    @pytest.mark.parametrize(("form", "media_type"), [("v2s2", DOCKER_MANIFEST), ("oci", OCI_MANIFEST)])
    def test_both_kinds_of_manifest(self, host: str, root: Path, layout: Path, form: str, media_type: str) -> None:
        push(layout, f"{host}/team/{form}:1", "--format", form)
        with lab(root) as ours:
            ours.pull(f"{host}/team/{form}:1")
            assert [row.media_type for row in ours.store.rows.images.all()] == [media_type]
            assert ours.tree() == FILES

    def test_zstd_layers(self, host: str, root: Path, layout: Path) -> None:
        skopeo(
            "copy", "--dest-decompress", f"oci:{layout}:1", f"dir:{root}/plain"
        )  # a copy compresses plain layers only
        options = ("--dest-tls-verify=false", "--dest-compress", "--dest-compress-format", "zstd")
        skopeo("copy", *options, f"dir:{root}/plain", f"docker://{host}/team/zstd:1")
        with lab(root) as ours:
            ours.pull(f"{host}/team/zstd:1")
            assert ours.tree() == FILES

    def test_an_index_of_several_platforms(self, host: str, root: Path) -> None:
        amd, arm = image([tar({"amd64": b""})]), image([tar({"arm64": b""})], architecture="arm64", variant="v8")
        with lab(root) as ours:
            write_layout(root / "amd", {"1": amd})
            write_layout(root / "arm", {"1": arm})
            push(root / "amd", f"{host}/multi:amd")
            push(root / "arm", f"{host}/multi:arm")
            _push_index(host, "multi", "1", [(amd.manifest, "amd64", ""), (arm.manifest, "arm64", "v8")])
            ours.pull(f"{host}/multi:1", Platform("arm64", "linux", "v8"))
            assert ours.tree() == {"arm64": b""}
            ours.pull(f"{host}/multi:1", Platform("amd64", "linux"))
            assert ours.tree() == {"arm64": b"", "amd64": b""}
            assert ours.names == [f"{host}/multi:1"]
            with pytest.raises(NotFound, match=r"no matching manifest for linux/s390x in the manifest list entries"):
                ours.pull(f"{host}/multi:1", Platform("s390x", "linux"))
            with pytest.raises(NotFound, match=r"does not provide the specified platform \(linux/arm64\)"):
                ours.pull(f"{host}/multi:amd", Platform("arm64", "linux"))

    def test_what_is_not_there(self, host: str, root: Path) -> None:
        with lab(root) as ours:
            for name in ("team/app:nope", "nope:1"):
                with pytest.raises(NotFound) as missing:
                    ours.pull(f"{host}/{name}")
                assert str(missing.value) == (
                    f"manifest for {host}/{name} not found: manifest unknown: manifest unknown"
                )
                assert ours.words.said == []
            with pytest.raises(Unavailable, match=r"dial tcp 127\.0\.0\.1:1: connect: connection refused"):
                ours.pull("127.0.0.1:1/x:1")
            ours.assert_nothing_committed()

    def test_tags(self, host: str, root: Path, layout: Path) -> None:
        push(layout, f"{host}/team/app:2")
        with lab(root) as ours:
            assert sorted(ours.client.tags(parse_reference(f"{host}/team/app"))) == ["1", "2"]

    def test_a_blob_that_rots_on_the_server_is_refused(self, host: str, root: Path) -> None:
        digest = sha256(IMAGE.layers[1])[7:]
        path = next((root / "registry").rglob(f"blobs/sha256/{digest[:2]}/{digest}/data"))
        data = path.read_bytes()
        path.write_bytes(data[:-20] + b"rotten" + data[-14:])
        with lab(root) as ours:
            with pytest.raises(DigestMismatch):
                ours.pull(f"{host}/team/app:1")
            ours.assert_nothing_committed()
            path.write_bytes(data)
            ours.pull(f"{host}/team/app:1")


class TestMirrors:
    def test_a_mirror_is_asked_first_and_the_registry_where_it_fails(self, root: Path, layout: Path) -> None:
        with docker_registry(root / "origin") as origin, docker_registry(root / "mirror") as mirror:
            push(layout, f"{origin}/team/app:1")
            write_layout(root / "other", {"1": image([tar({"from": b"mirror"})])})
            push(root / "other", f"{mirror}/team/app:2")
            hosts = RegistryHosts({origin: ("http://127.0.0.1:1", f"http://{mirror}")}, certificates=())
            with lab(root, hosts=hosts) as ours:
                ours.pull(f"{origin}/team/app:2")
                assert ours.tree() == {"from": b"mirror"}
                ours.pull(f"{origin}/team/app:1")
                assert ours.names == [f"{origin}/team/app:1", f"{origin}/team/app:2"]

    def test_docker_hub_through_a_mirror(self, root: Path, layout: Path) -> None:
        with docker_registry(root / "mirror") as mirror:
            push(layout, f"{mirror}/library/busybox:latest")
            hosts = RegistryHosts({"docker.io": (f"http://{mirror}",)}, certificates=())
            with lab(root, hosts=hosts) as ours:
                ours.pull("busybox")
                assert ours.names == ["docker.io/library/busybox:latest"]
                assert ours.words.said[0] == ("latest", "Pulling from library/busybox")
                assert ours.words.last == "Status: Downloaded newer image for busybox:latest"


class TestBasic:
    def test_password(self, root: Path, layout: Path) -> None:
        with docker_registry(root / "registry", auth=basic_auth(root / "auth")) as host:
            push(layout, f"{host}/app:1", "--dest-creds", f"{USER}:{PASSWORD}")
            with lab(root / "none") as ours, pytest.raises(Forbidden, match="no basic auth credentials"):
                ours.pull(f"{host}/app:1")
            wrong = {host: Credential(USER, "wrong")}
            with lab(root / "wrong", credentials=wrong) as ours:
                with pytest.raises(Forbidden, match="incorrect username or password") as refused:
                    ours.pull(f"{host}/app:1")
                assert "wrong" not in str(refused.value)
            with lab(root / "right", credentials={host: Credential(USER, PASSWORD)}) as ours:
                ours.pull(f"{host}/app:1")
                assert ours.tree() == FILES
                spoken = json.dumps([step.args for step in ours.steps.steps])
                assert PASSWORD not in spoken


class TestTokens:
    @pytest.fixture
    def tokens(self, root: Path) -> Iterator[TokenServer]:
        with TokenServer(root / "auth", USER, PASSWORD) as server:
            yield server

    @pytest.fixture
    def host(self, root: Path, layout: Path, tokens: TokenServer) -> Iterator[str]:
        with docker_registry(root / "registry", auth=tokens.configuration) as host:
            for name in ("public/app", "private/app"):
                push(layout, f"{host}/{name}:1", "--dest-creds", f"{USER}:{PASSWORD}")
            tokens.log.clear()
            yield host

    def test_anonymous(self, host: str, root: Path, tokens: TokenServer) -> None:
        with lab(root) as ours:
            ours.pull(f"{host}/public/app:1")
            assert ours.tree() == FILES
            assert [(query["scope"], header) for query, header in tokens.log] == [
                (["repository:public/app:pull"], None)
            ]

    def test_a_private_repository_is_denied_and_then_given(self, host: str, root: Path, tokens: TokenServer) -> None:
        with lab(root) as ours:
            with pytest.raises(NotFound, match="pull access denied"):
                ours.pull(f"{host}/private/app:1")
            ours.assert_nothing_committed()
        wrong = {host: Credential(USER, "wrong")}
        with lab(root, credentials=wrong) as ours, pytest.raises(Forbidden, match="incorrect username or password"):
            ours.pull(f"{host}/private/app:1")
        with lab(root, credentials={host: Credential(USER, PASSWORD)}) as ours:
            ours.pull(f"{host}/private/app:1")
            assert ours.tree() == FILES
            assert tokens.log[-1][0]["account"] == [USER]


class TestTls:
    @pytest.fixture
    def authority(self) -> trustme.CA:
        return trustme.CA()

    @pytest.fixture
    def host(self, root: Path, layout: Path, authority: trustme.CA) -> Iterator[str]:
        made = authority.issue_cert("127.0.0.1")
        made.cert_chain_pems[0].write_to_path(root / "server.crt")
        made.private_key_pem.write_to_path(root / "server.key")
        with docker_registry(root / "registry", tls=(root / "server.crt", root / "server.key")) as host:
            push(layout, f"{host}/app:1")
            yield host

    def test_loopback_is_not_checked_as_in_docker(self, host: str, root: Path) -> None:
        with lab(root) as ours:
            ours.pull(f"{host}/app:1")
            assert ours.tree() == FILES

    def test_a_mirror_elsewhere_is_checked_against_its_own_authority(
        self, host: str, root: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("minidock.registry.hosts.is_loopback", lambda _: False)  # as if it were another machine
        with lab(root / "unknown", hosts=RegistryHosts(certificates=())) as ours:
            with pytest.raises(Unavailable, match="tls: failed to verify certificate") as refused:
                ours.pull(f"{host}/app:1")
            assert "insecure-registries" in (refused.value.hint or "")
            ours.assert_nothing_committed()
        folder = root / "certs.d" / host
        folder.mkdir(parents=True)
        authority.cert_pem.write_to_path(folder / "ca.crt")
        with lab(root / "known", hosts=RegistryHosts(certificates=(str(root / "certs.d"),))) as ours:
            ours.pull(f"{host}/app:1")
        with lab(root / "insecure", hosts=RegistryHosts(insecure=("127.0.0.0/8",), certificates=())) as ours:
            ours.pull(f"{host}/app:1")

    def test_no_silent_http_for_others(self, root: Path, layout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("minidock.registry.hosts.is_loopback", lambda _: False)
        with docker_registry(root / "plain") as host, lab(root) as ours:
            push(layout, f"{host}/app:1")
            with pytest.raises(Unavailable, match="http: server gave HTTP response to HTTPS client"):
                ours.pull(f"{host}/app:1")


def test_an_artifact_is_no_image(root: Path) -> None:
    with docker_registry(root / "registry") as host, lab(root) as ours:
        write_layout(root / "layout", {"1": image([tar({"a": b"a"})], os="windows")})
        push(root / "layout", f"{host}/app:1")
        with pytest.raises(Exception, match='image operating system "windows" cannot be used on this platform'):
            ours.pull(f"{host}/app:1")
        ours.assert_nothing_committed()


def _push_index(host: str, name: str, tag: str, entries: list[tuple[bytes, str, str]]) -> None:
    """Put an index, which this skopeo cannot make."""
    import urllib3

    manifests = [
        {
            "mediaType": OCI_MANIFEST,
            "digest": sha256(data),
            "size": len(data),
            "platform": {"os": "linux", "architecture": architecture} | ({"variant": variant} if variant else {}),
        }
        for data, architecture, variant in entries
    ]
    kind = "application/vnd.oci.image.index.v1+json"
    body = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": manifests}).encode()
    answer = urllib3.request(
        "PUT", f"http://{host}/v2/{name}/manifests/{tag}", body=body, headers={"Content-Type": kind}
    )
    if answer.status != 201:
        raise RegistryError(answer.data.decode())
