"""The user's credentials: ``~/.docker/config.json`` and the helpers that it names.

``docker login`` keeps passwords in that file, or hands them to a *credential helper*, a program
``docker-credential-NAME`` that keeps them in the desktop's key ring. We read both, and write neither. For one registry,
the first of these wins::

    credHelpers: {"ghcr.io": "pass"}        a helper for this registry alone
    credsStore: "secretservice"             a helper for all
    auths: {"ghcr.io": {"auth": "base64(user:password)"}}

Docker Hub's key is ``https://index.docker.io/v1/``, for historical reasons. The folder is ``DOCKER_CONFIG``, else
``~/.docker``. A password is never logged: a credential prints without it.

The helpers' protocol: the program gets the word ``get`` and, on its stdin, the registry's key; it prints
``{"ServerURL","Username","Secret"}``. The user name ``<token>`` means that the secret is an identity token.
"""

from __future__ import annotations

import base64
import binascii
import os

import msgspec

from minidock.errors import InvalidArgument, MinidockError, Unavailable
from minidock.oci.codec import decode
from minidock.oci.reference import DOCKER_HUB

HUB_KEY = "https://index.docker.io/v1/"
_HELPER_SECONDS = 60
_NOT_FOUND = b"credentials not found in native keychain"


class Credential(msgspec.Struct, frozen=True):
    """What proves a user to one registry: a name and password, an identity token, or a ready-made Bearer token."""

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""

    def __repr__(self) -> str:
        return f"Credential(username={self.username!r}, …)"

    def basic(self) -> str:
        """Return the value of an ``Authorization`` header for Basic (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


class _Auth(msgspec.Struct):
    auth: str | None = None
    username: str | None = None
    password: str | None = None
    identitytoken: str | None = None
    registrytoken: str | None = None


class _File(msgspec.Struct, rename="camel"):
    auths: dict[str, _Auth] | None = None
    cred_helpers: dict[str, str] | None = None
    creds_store: str | None = None


class _Secret(msgspec.Struct, rename="pascal"):
    username: str = ""
    secret: str = ""


class CredentialStore:
    """Looks credentials up; the file is read when the first one is asked for.

    :param folder: where ``config.json`` is; by default as Docker's client has it.
    """

    def __init__(self, folder: str | None = None) -> None:
        home = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
        self._path = os.path.join(folder or home, "config.json")
        self._file: _File | None = None

    def find(self, registry: str) -> Credential | None:
        """Return the credential for *registry* (``docker.io``, ``localhost:5000``), or ``None``.

        :raises InvalidArgument: the file cannot be understood.
        :raises Unavailable: a helper fails.
        """
        if self._file is None:
            self._file = self._read()
        key = HUB_KEY if registry == DOCKER_HUB else registry
        helper = (self._file.cred_helpers or {}).get(key) or self._file.creds_store
        if helper:
            return ask_helper(helper, key)
        auths = self._file.auths or {}
        auth = auths.get(key) or next((auth for name, auth in auths.items() if host_of(name) == registry), None)
        return _credential(auth, f"{self._path}: {key}") if auth is not None else None

    def _read(self) -> _File:
        try:
            with open(self._path, "rb") as file:
                data = file.read((4 << 20) + 1)
        except (FileNotFoundError, NotADirectoryError):
            return _File()
        except OSError as bad:
            raise InvalidArgument(f"{self._path}: {bad.strerror}") from bad
        return decode(data, _File, self._path)


def host_of(key: str) -> str:
    """Return the host of a key as old clients wrote it: ``https://host/v1/`` is ``host``."""
    return key.removeprefix("https://").removeprefix("http://").partition("/")[0]


def ask_helper(helper: str, key: str) -> Credential | None:
    """Run ``docker-credential-<helper> get``.

    :raises Unavailable: it is not there, fails, or does not answer.
    """
    import subprocess

    program = f"docker-credential-{helper}"
    if "/" in helper or not helper.isprintable():
        raise InvalidArgument(f"{program!r} is no name of a credential helper")
    try:
        done = subprocess.run(
            [program, "get"], input=key.encode(), capture_output=True, timeout=_HELPER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as bad:
        raise Unavailable(
            f"error getting credentials for {key}: {program}: {_reason(bad)}",
            "install the helper, or change credsStore and credHelpers in ~/.docker/config.json",
        ) from bad
    if done.returncode != 0:
        if _NOT_FOUND in done.stdout:
            return None
        words = (done.stdout.strip() or done.stderr.strip())[:300].decode(errors="replace")
        raise Unavailable(f"error getting credentials for {key}: {program}: exit status {done.returncode}: {words!r}")
    secret = decode(done.stdout, _Secret, f"{program}'s answer", limit=1 << 20, error=_HelperAnswer)
    if secret.username == "<token>":
        return Credential(identity_token=secret.secret)
    return Credential(secret.username, secret.secret)


class _HelperAnswer(Unavailable):
    """A helper's answer that is none; its text could hold the secret, so the parser's words are not shown."""

    def __init__(self, message: str) -> None:
        super().__init__(message.partition(":")[0] + " makes no sense")


def _reason(bad: Exception) -> str:
    return (bad.strerror or str(bad)) if isinstance(bad, OSError) else f"no answer within {_HELPER_SECONDS} s"


def _credential(auth: _Auth, where: str) -> Credential | None:
    username, password = auth.username or "", auth.password or ""
    if auth.auth:
        try:
            username, colon, password = base64.b64decode(auth.auth, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as bad:
            raise _bad_entry(where) from bad
        if not colon:
            raise _bad_entry(where)
    found = Credential(username, password.rstrip("\0"), auth.identitytoken or "", auth.registrytoken or "")
    return None if found == Credential() else found


def _bad_entry(where: str) -> MinidockError:
    return InvalidArgument(f"{where}: the auth entry is not base64 of name:password", "log in again: docker login")
