"""``~/.docker/config.json`` and the helpers' protocol."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from minidock.errors import InvalidArgument, MinidockError, Unavailable
from minidock.registry.credentials import HUB_KEY, Credential, CredentialStore


def store(root: Path, **config: Any) -> CredentialStore:
    (root / "config.json").write_text(json.dumps(config))
    return CredentialStore(str(root))


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


@pytest.fixture
def helper(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that installs ``docker-credential-<name>``, a shell script."""
    monkeypatch.setenv("PATH", f"{root}/bin:{os.environ['PATH']}")

    def install(name: str, script: str) -> None:
        path = root / "bin" / f"docker-credential-{name}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return install


class TestFile:
    def test_no_file_is_no_credential(self, root: Path) -> None:
        assert CredentialStore(str(root)).find("docker.io") is None

    def test_the_folder_comes_from_the_environment(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store(root, auths={"r.example": auth("me:pw")})
        monkeypatch.setenv("DOCKER_CONFIG", str(root))
        assert CredentialStore().find("r.example") == Credential("me", "pw")
        monkeypatch.delenv("DOCKER_CONFIG")
        monkeypatch.setenv("HOME", str(root / "home"))
        assert CredentialStore().find("r.example") is None

    def test_auths(self, root: Path) -> None:
        ours = store(
            root,
            auths={
                HUB_KEY: auth("hub:p:w"),
                "localhost:5000": auth("local:é"),
                "https://old.example/v1/": auth("old:pw"),
                "token.example": {"auth": auth("x:")["auth"], "identitytoken": "refresh"},
                "empty.example": {},
            },
            psFormat="kept out",
        )
        assert ours.find("docker.io") == Credential("hub", "p:w")
        assert ours.find("localhost:5000") == Credential("local", "é")
        assert ours.find("old.example") == Credential("old", "pw")
        assert ours.find("token.example") == Credential("x", "", identity_token="refresh")
        assert ours.find("empty.example") is None
        assert ours.find("localhost") is None

    @pytest.mark.parametrize("entry", [{"auth": "no base64!"}, {"auth": "bm9jb2xvbg=="}, {"auth": "/////w=="}])
    def test_a_broken_entry_is_named_without_its_secret(self, root: Path, entry: dict[str, str]) -> None:
        with pytest.raises(InvalidArgument, match=r"r\.example") as broken:
            store(root, auths={"r.example": entry}).find("r.example")
        assert entry["auth"] not in str(broken.value)

    def test_a_broken_file_is_named(self, root: Path) -> None:
        (root / "config.json").write_text("{")
        with pytest.raises(InvalidArgument, match=r"config\.json"):
            CredentialStore(str(root)).find("r.example")


class TestHelpers:
    def test_the_protocol(self, root: Path, helper: Any) -> None:
        helper("test", f'echo "$1" > {root}/words; cat >> {root}/words; echo \'{{"Username":"me","Secret":"pw"}}\'')
        ours = store(root, credHelpers={"r.example": "test"}, auths={"r.example": auth("not:this")})
        assert ours.find("r.example") == Credential("me", "pw")
        assert (root / "words").read_text() == "get\nr.example"
        assert ours.find("other.example") is None

    def test_the_store_for_all(self, root: Path, helper: Any) -> None:
        helper("all", 'echo "{\\"Username\\":\\"$(cat)\\",\\"Secret\\":\\"pw\\"}"')
        assert store(root, credsStore="all").find("docker.io") == Credential(HUB_KEY, "pw")

    def test_an_identity_token(self, root: Path, helper: Any) -> None:
        helper("id", 'echo \'{"ServerURL":"r","Username":"<token>","Secret":"refresh"}\'')
        assert store(root, credsStore="id").find("r") == Credential(identity_token="refresh")

    def test_not_found_is_none(self, root: Path, helper: Any) -> None:
        helper("none", "echo credentials not found in native keychain; exit 1")
        assert store(root, credsStore="none").find("r") is None

    @pytest.mark.parametrize(
        "script", ["echo locked >&2; exit 1", "echo not json", "echo '{\"Secret\":7}'", "kill -9 $$"]
    )
    def test_a_failure_is_an_error(self, root: Path, helper: Any, script: str) -> None:
        helper("bad", script)
        with pytest.raises(Unavailable, match="docker-credential-bad"):
            store(root, credsStore="bad").find("r")

    def test_a_missing_helper_is_an_error(self, root: Path) -> None:
        with pytest.raises(Unavailable, match="docker-credential-nowhere"):
            store(root, credsStore="nowhere").find("r")

    @pytest.mark.parametrize("name", ["../../bin/sh", "a/b", "a\nb"])
    def test_a_helper_is_a_name(self, root: Path, name: str) -> None:
        with pytest.raises(MinidockError, match="is no name"):
            store(root, credsStore=name).find("r")

    def test_a_helpers_broken_answer_is_not_shown(self, root: Path, helper: Any) -> None:
        helper("leaky", 'echo \'{"Username":"me","Secret":"hunter2"\'')
        with pytest.raises(Unavailable) as broken:
            store(root, credsStore="leaky").find("r")
        assert "hunter2" not in str(broken.value)
