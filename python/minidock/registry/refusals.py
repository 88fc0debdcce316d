"""A registry's error answers as errors of ours, in Docker's words.

::

    HTTP/1.1 404 Not Found                              NotFound: manifest for busybox:nope not found:
    {"errors":[{"code":"MANIFEST_UNKNOWN",       ──▶        manifest unknown: manifest unknown
                "message":"manifest unknown"}]}

The body is a stranger's: it is read up to 1 MiB, and its text is made fit for a terminal. Source: distribution-spec,
"Error Codes".
"""

from __future__ import annotations

import msgspec

from minidock.errors import Forbidden, MinidockError, NotFound, RegistryError, Unavailable
from minidock.oci.reference import Reference
from minidock.registry.challenges import parse_challenges
from minidock.registry.messages import Reply, Request, printable
from minidock.registry.retry import can_pass

#: The largest error or token body that is read, in bytes.
SMALL_BODY = 1 << 20


class _Item(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Body(msgspec.Struct):
    errors: list[_Item] | None = None
    details: str = ""
    message: str = ""


def refusal(reply: Reply, request: Request, reference: Reference | None) -> MinidockError:
    """Return the error that an answer other than the wanted one means.

    :param reference: what was asked for, ``None`` where it was a token.
    """
    code, text = read_error(reply)
    method = request.method.capitalize()
    if reference is not None and code in ("DENIED", "MANIFEST_UNKNOWN", "NAME_UNKNOWN"):
        return NotFound(_not_found(code, reference) + f": {text}")
    if reply.status == 401 or code == "UNAUTHORIZED":
        return Forbidden(
            f'{method} "{request.url}": {text or "unauthorized: authentication required"}',
            "log in with `docker login`, or check the credentials in ~/.docker/config.json",
        )
    if reply.status == 404 and reference is not None and "/manifests/" in request.url:
        return NotFound(f"manifest for {reference.familiar} not found: {text or 'manifest unknown: manifest unknown'}")
    text = text or f"received unexpected HTTP status: {reply.line}"
    if can_pass(reply.status):
        return Unavailable(text if code else f'{method} "{request.url}": {text}')
    if reply.status == 403:
        return Forbidden(f'{method} "{request.url}": {text}')
    return RegistryError(f'{method} "{request.url}": {text}')


def read_error(reply: Reply) -> tuple[str, str]:
    """Return the first error's code and its text, ``denied: requested access …``; both empty if there is none.

    A Bearer challenge that names an error (RFC 6750, section 3.1) counts more than the body.
    """
    for challenge in parse_challenges(reply.headers.all("www-authenticate")):
        if challenge.scheme == "bearer" and challenge.parameters.get("error") == "insufficient_scope":
            words = challenge.parameters.get("error_description") or "requested access to the resource is denied"
            return "DENIED", f"denied: {printable(words)}"
    if not reply.whole or not reply.body:
        return "", ""
    try:
        body = msgspec.json.decode(reply.body, type=_Body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "", ""
    if body.errors:
        code = printable(body.errors[0].code, 64)
        name = code.lower().replace("_", " ")
        return code, f"{name}: {printable(body.errors[0].message)}" if name else printable(body.errors[0].message)
    return "", printable(body.details or body.message)


def _not_found(code: str, reference: Reference) -> str:
    if code == "DENIED":
        return (
            f"pull access denied for {reference.familiar_name}, repository does not exist or may require 'docker login'"
        )
    if code == "NAME_UNKNOWN":
        return f"repository {reference.familiar_name} not found"
    return f"manifest for {reference.familiar} not found"
