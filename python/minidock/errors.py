"""One tree of errors for the whole engine.

It is defined here, in Python; the Rust extension imports these classes and raises them, so that both twins of a port
fail with the same type. Code tells errors apart by their class, never by their text. Each class carries the HTTP
status that the API answers with; exit codes are the CLI's affair (``cli/exits.py``).

::

    MinidockError
    ├── InvalidArgument          400  the request makes no sense
    │   ├── InvalidReference          an image name that cannot be parsed
    │   └── InvalidDigest             a digest that cannot be parsed
    ├── NotFound                 404
    ├── Conflict                 409  the object's state forbids it
    ├── Forbidden                403  refused by policy or by the kernel's permission checks
    ├── Unsupported              501  a real feature that this engine, or this host, does not have
    ├── Unavailable              503  something needed is not there now; a retry can help
    └── SystemFault              500  the engine or the machine failed
        ├── StepFailed                one step failed: carries the op and the errno
        ├── InvalidArchive            an archive breaks its format or wants to escape
        ├── DigestMismatch            bytes are not what their digest says
        ├── StoreDamaged              ``system check`` would complain
        ├── RegistryError             a registry answered with an error, or lied
        └── LaunchFailed              the container's first process could not be started
"""

from __future__ import annotations

import os


class MinidockError(Exception):
    """The root of the tree: a message for the user and, where there is one, what to do about it.

    :param message: one line, without a final full stop, in Docker's wording where Docker has one.
    :param hint: what the user can do, one sentence, or ``None``.
    """

    status = 500

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidArgument(MinidockError):
    """The request makes no sense, whatever the state of the engine."""

    status = 400


class InvalidReference(InvalidArgument):
    """An image name that cannot be parsed."""


class InvalidDigest(InvalidArgument):
    """A digest that cannot be parsed."""


class NotFound(MinidockError):
    """The named object does not exist."""

    status = 404


class Conflict(MinidockError):
    """The object exists and its state forbids the request."""

    status = 409


class Forbidden(MinidockError):
    """Refused by policy, or by the kernel's permission checks."""

    status = 403


class Unsupported(MinidockError):
    """A feature that exists in the field, and that this engine or this host does not have."""

    status = 501


class Unavailable(MinidockError):
    """Something that is needed is not there now; trying again later can help."""

    status = 503


class SystemFault(MinidockError):
    """The engine or the machine failed; the request was fine."""


class StepFailed(SystemFault):
    """One step failed.

    :param op: the step's operation, such as ``mount.overlay``.
    :param errno: the error number of the failing system call, 0 if the cause was no system call.
    :param detail: what was attempted, one line.
    """

    def __init__(self, op: str, errno: int, detail: str, hint: str | None = None) -> None:
        reason = f": {os.strerror(errno)}" if errno else ""
        super().__init__(f"{op}: {detail}{reason}", hint)
        self.op = op
        self.errno = errno
        self.detail = detail


class InvalidArchive(SystemFault):
    """An archive breaks its format, or wants to leave the folder it is unpacked into."""


class DigestMismatch(SystemFault):
    """Bytes are not what their digest says.

    :param what: what was checked, such as ``layer sha256:…``.
    """

    def __init__(self, what: str, expected: str, actual: str) -> None:
        super().__init__(f"{what}: expected digest {expected}, got {actual}")
        self.expected = expected
        self.actual = actual


class StoreDamaged(SystemFault):
    """Something in the store is missing or broken; ``minidock system check`` names all of it."""


class RegistryError(SystemFault):
    """A registry answered with an error, or with something it should never send."""


class LaunchFailed(SystemFault):
    """The container's first process could not be started.

    :param exit_code: what ``run`` exits with: 127 not found, 126 cannot be executed, 125 anything earlier.
    """

    def __init__(self, message: str, exit_code: int = 125, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code
