"""A small, plain implementation of the Layers port for tests of its callers: regular files, folders and links only."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

from minidock.errors import InvalidArchive
from minidock.kernel.ports import Applied
from minidock.oci.digest import Digest


class TinyLayers:
    """Layers, by the standard library."""

    def apply(self, source: str, target: str, compression: str, whiteouts: str) -> Applied:
        blob = Path(source).read_bytes()
        plain = gzip.decompress(blob) if blob[:2] == b"\x1f\x8b" else blob
        self.entries(source, compression)
        with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
            members = archive.getmembers()
            archive.extractall(target, filter="fully_trusted")
        return _applied(blob, plain, members)

    def entries(self, source: str, compression: str) -> bytes:
        blob = Path(source).read_bytes()
        try:
            with tarfile.open(fileobj=io.BytesIO(blob)) as archive:
                members = archive.getmembers()
        except tarfile.TarError as broken:
            raise InvalidArchive(str(broken)) from broken
        kinds = {
            tarfile.DIRTYPE: "dir",
            tarfile.SYMTYPE: "symlink",
            tarfile.LNKTYPE: "hardlink",
            tarfile.REGTYPE: "file",
        }
        lines = []
        for member in members:
            if ".." in member.name.split("/"):
                raise InvalidArchive(member.name)
            line = {"name": member.name, "type": kinds.get(member.type, "char"), "size": member.size}
            lines.append(json.dumps(line | {"link": member.linkname, "offset": member.offset_data}))
        return "\n".join(lines).encode()

    def make(self, upper: str, target: str, compression: str, whiteouts: str) -> Applied:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
            names = sorted(os.path.relpath(f"{top}/{n}", upper) for top, d, f in os.walk(upper) for n in (*d, *f))
            for name in names:
                member = archive.gettarinfo(f"{upper}/{name}", name)
                member.uid = member.gid = 0
                member.uname = member.gname = ""
                if member.isreg():
                    with open(f"{upper}/{name}", "rb") as file:
                        archive.addfile(member, file)
                else:
                    archive.addfile(member)
            members = archive.getmembers()
        plain = out.getvalue()
        Path(target).write_bytes(plain)
        return _applied(plain, plain, members)

    def digest(self, data: bytes | bytearray | memoryview) -> Digest:
        return Digest.from_hex(hashlib.sha256(data).hexdigest())

    def digest_file(self, path: str) -> Digest:
        return self.digest(Path(path).read_bytes())

    def inflate(self, data: bytes, compression: str, limit: int) -> bytes:
        raise NotImplementedError

    def deflate(self, data: bytes, compression: str) -> bytes:
        raise NotImplementedError


def _applied(blob: bytes, plain: bytes, members: list[tarfile.TarInfo]) -> Applied:
    digests = (Digest.from_hex(hashlib.sha256(data).hexdigest()) for data in (blob, plain))
    blob_digest, diff_id = digests
    return Applied(
        blob_digest,
        len(blob),
        diff_id,
        len(plain),
        len(members),
        sum(member.size for member in members if member.isreg()),
    )
