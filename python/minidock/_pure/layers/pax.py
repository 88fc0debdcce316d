"""PAX records: ``LENGTH KEYWORD=VALUE`` and a newline, where LENGTH counts the whole record."""

from __future__ import annotations

from minidock._pure.layers.header import decimal
from minidock.errors import InvalidArchive

XATTR = b"SCHILY.xattr."
SPARSE = b"GNU.sparse."
#: How many bytes the global records may have: each entry that follows pays for them.
MAX_GLOBAL = 16 << 10
_TEXTS = frozenset([b"path", b"linkpath", b"size", b"mtime", b"uid", b"gid", b"uname", b"gname"])


class Pax:
    """The records of one header. GNU's sparse form 0.0 repeats two keywords; they are in ``spans``, in their order.

    :raises InvalidArchive: a record is malformed, or a keyword stands twice.
    """

    def __init__(self, data: bytes = b"") -> None:
        self.records: dict[bytes, bytes] = {}
        self.spans: list[list[bytes]] = []
        while data:
            key, value, data = _record(data)
            self._add(key, value)
        if any(len(span) != 2 for span in self.spans):
            raise InvalidArchive("a PAX sparse offset has no length")

    def _add(self, key: bytes, value: bytes) -> None:
        is_text = key in _TEXTS or key.startswith(SPARSE)
        if b"\0" in key or (is_text and b"\0" in value):
            raise InvalidArchive(f"PAX record {key[:200]!r} has a NUL")
        if key == b"GNU.sparse.offset":
            self.spans.append([value])
        elif key == b"GNU.sparse.numbytes":
            if not self.spans or len(self.spans[-1]) != 1 or not value:
                raise InvalidArchive("a PAX sparse length has no offset")
            self.spans[-1].append(value)
        elif key in self.records:
            raise InvalidArchive(f"PAX record {key[:200]!r} stands twice")
        else:
            self.records[key] = value

    def get(self, key: str) -> bytes | None:
        """Return what a keyword says; an empty value takes the record back (POSIX)."""
        return self.records.get(key.encode()) or None

    def number(self, key: str) -> int | None:
        stated = self.get(key)
        if stated is None:
            return None
        value = decimal(stated)
        if value is None:
            raise InvalidArchive(f"PAX record {key!r} is no number")
        return value

    def xattrs(self) -> list[tuple[bytes, bytes]]:
        """Return the extended attributes, sorted by name."""
        return [(key[len(XATTR) :], value) for key, value in sorted(self.records.items()) if key.startswith(XATTR)]

    def merge_global(self, later: Pax) -> None:
        """Take a global header in. What names or measures one file cannot hold for all that follow."""
        for key in later.records:
            if key in (b"path", b"linkpath", b"size") or key.startswith(SPARSE):
                raise InvalidArchive("a global PAX header names or measures a file")
        if later.spans:
            raise InvalidArchive("a global PAX header names or measures a file")
        self.records.update(later.records)
        if sum(len(key) + len(value) for key, value in self.records.items()) > MAX_GLOBAL:
            raise InvalidArchive(f"more than {MAX_GLOBAL} bytes of global PAX records")

    def over(self, below: Pax) -> Pax:
        """Return the local header on top of the global one."""
        self.records = {**below.records, **self.records}
        return self


def _record(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Split the first record off: keyword, value, rest."""
    digits, space, _ = data[:21].partition(b" ")
    length = decimal(digits) or 0
    body, end = data[len(digits) + 1 : length - 1], data[length - 1 : length]
    key, equals, value = body.partition(b"=")
    if not space or length > len(data) or length < len(digits) + 2 or end != b"\n" or not key or not equals:
        raise InvalidArchive("a PAX record is malformed")
    return key, value, data[length:]
