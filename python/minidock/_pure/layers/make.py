"""Making a layer out of a folder, mostly the upper folder of an overlay.

Equal trees give equal bytes: names are sorted, there is no time but the files' own, and PAX records stand only where a
plain header is too small. Overlay's marks become whiteout entries again. The walk is on descriptors, never through a
link, and never opens a fifo or a device.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat

import msgspec

from minidock._pure.layers.apply import OPAQUE
from minidock._pure.layers.encode import FLAGS, blocks
from minidock._pure.layers.names import OPAQUE as OPAQUE_NAME
from minidock._pure.layers.names import WHITEOUT, clean, is_overlay_xattr, join
from minidock._pure.layers.stream import BLOCK, CHUNK, Compressor
from minidock._pure.layers.tree import FOLDER, names_in
from minidock.errors import InvalidArchive, InvalidArgument, StepFailed, Unsupported
from minidock.kernel.ports import Applied
from minidock.oci.digest import Digest

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
KINDS = {
    stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink", stat.S_IFCHR: "char", stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
}  # fmt: skip


def make_layer(upper: str, target: str, compression: str, whiteouts: str) -> Applied:
    """Archive the folder *upper* into the new file *target*."""
    if whiteouts not in OPAQUE:
        raise InvalidArgument(f"unknown form of whiteouts {whiteouts!r}")
    compressor = Compressor(compression)
    try:
        with open(target, "xb") as file:
            sink = Sink(file.fileno(), compressor)
            maker = Maker(sink, OPAQUE[whiteouts])
            root = os.open(upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                maker.run(root)
            finally:
                os.close(root)
            sink.end()
    except OSError as error:
        where = os.fsdecode(error.filename or b"?")
        raise StepFailed("layer.make", error.errno or 0, f"archive {where!r}") from error
    blob, diff_id = Digest.from_hex(sink.blob.hexdigest()), Digest.from_hex(sink.diff.hexdigest())
    return Applied(blob, sink.blob_size, diff_id, sink.tar_size, maker.entries, maker.size)


class Sink:
    """Where the tar goes: it is hashed, compressed, hashed again and written."""

    def __init__(self, fd: int, compressor: Compressor) -> None:
        self._fd = fd
        self._compressor = compressor
        self.diff, self.blob = hashlib.sha256(), hashlib.sha256()
        self.tar_size = self.blob_size = 0

    def write(self, data: bytes) -> None:
        self.diff.update(data)
        self.tar_size += len(data)
        self._write(self._compressor.add(data))

    def pad(self) -> None:
        """Fill the last block up."""
        self.write(bytes(-self.tar_size % BLOCK))

    def end(self) -> None:
        """Write the end of the archive and of the stream."""
        self.write(bytes(2 * BLOCK))
        self._write(self._compressor.end())

    def _write(self, data: bytes) -> None:
        self.blob.update(data)
        self.blob_size += len(data)
        while data:
            data = data[os.write(self._fd, data) :]


class Marks(msgspec.Struct):
    """What the extended attributes of a node say: whether it is opaque, and those that a layer keeps."""

    opaque: bool
    kept: list[tuple[bytes, bytes]]


class Maker:
    """The walk, and what it has counted. *opaque* is overlay's attribute, empty if there are no marks."""

    def __init__(self, sink: Sink, opaque: str) -> None:
        self._sink = sink
        self._opaque = opaque
        self._first_names: dict[tuple[int, int], bytes] = {}
        self.entries = 0
        self.size = 0

    def run(self, root: int) -> None:
        """Write all entries. The root itself has none, as in Docker's layers."""
        self._folder(root, b"", self._marks(root, b"", b""))

    def _folder(self, fd: int, path: bytes, marks: Marks) -> None:
        if marks.opaque:
            self._entry(blocks(join(path, OPAQUE_NAME)))
        for name in names_in(fd):
            self._node(fd, name, join(path, name))

    def _entry(self, header: bytes) -> None:
        self.entries += 1
        self._sink.write(header)

    def _node(self, folder: int, name: bytes, path: bytes) -> None:
        self._check_name(name, path)
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        kind = KINDS.get(stat.S_IFMT(found.st_mode))
        if kind is None:
            return  # a socket: nobody could answer on it; tar and Docker leave it out too
        if kind == "char" and found.st_rdev == 0:
            if not self._opaque:
                raise Unsupported(f"{path!r} is overlay's mark of a whiteout, where there should be none")
            self._entry(blocks(path.removesuffix(name) + WHITEOUT + name))
            return
        first = None
        if kind != "dir" and found.st_nlink > 1:
            first = self._first_names.setdefault((found.st_dev, found.st_ino), path)
        if first not in (None, path):
            self._entry(_header(path, "hardlink", found, link=first or b""))
            return
        marks = self._marks(folder, name, path)
        if kind == "file":
            self._file(folder, name, path, found, marks)
        elif kind == "dir":
            self._entry(_header(path + b"/", kind, found, marks))
            fd = os.open(name, FOLDER, dir_fd=folder)
            try:
                self._folder(fd, path, marks)
            finally:
                os.close(fd)
        elif kind == "symlink":
            self._entry(_header(path, kind, found, marks, link=os.readlink(name, dir_fd=folder)))
        else:
            self._entry(_header(path, kind, found, marks))

    def _check_name(self, name: bytes, path: bytes) -> None:
        if name.startswith(WHITEOUT):
            raise Unsupported(f"{path!r} begins with .wh., which means something else in a layer")
        try:
            clean(path)
        except InvalidArchive as error:
            raise Unsupported(f"{path[:200]!r} lies deeper than a layer's names can say") from error

    def _file(self, folder: int, name: bytes, path: bytes, found: os.stat_result, marks: Marks) -> None:
        """Write a file with exactly the size that its header says: a file that shrinks meanwhile is an error."""
        fd = os.open(name, READ, dir_fd=folder)
        try:
            now = os.fstat(fd)
            left = now.st_size
            self.size += left
            self._entry(_header(path, "file", found, marks, size=left))
            while left:
                data = os.read(fd, min(left, CHUNK)) if stat.S_ISREG(now.st_mode) else b""
                if not data:
                    raise OSError(errno.ESTALE, "the file changed while it was read", path)
                self._sink.write(data)
                left -= len(data)
        finally:
            os.close(fd)
        self._sink.pad()

    def _marks(self, folder: int, name: bytes, path: bytes) -> Marks:
        at = f"/proc/self/fd/{folder}/".encode() + name
        prefix = "user.overlay." if self._opaque.startswith("user.") else "trusted.overlay."
        marks = Marks(False, [])
        try:
            keys = os.listxattr(at, follow_symlinks=False)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            keys = []
        for key in keys:
            if self._opaque and key == self._opaque:
                marks.opaque = os.getxattr(at, key, follow_symlinks=False) == b"y"
            elif self._opaque and key in (prefix + "redirect", prefix + "metacopy"):
                raise Unsupported(f"{path!r} holds its data elsewhere", "mount it without redirect_dir and metacopy")
            elif is_overlay_xattr(raw := os.fsencode(key)):
                continue
            elif key == "security.capability" or key.startswith("user."):  # labels and the like belong to this host
                marks.kept.append((raw, os.getxattr(at, key, follow_symlinks=False)))
        return marks


def _header(
    path: bytes, kind: str, found: os.stat_result, marks: Marks | None = None, link: bytes = b"", size: int = 0
) -> bytes:
    device = (os.major(found.st_rdev), os.minor(found.st_rdev)) if kind in ("char", "block") else None
    return blocks(
        path,
        FLAGS[kind],
        stat.S_IMODE(found.st_mode),
        found.st_uid,
        found.st_gid,
        size,
        found.st_mtime_ns,
        link,
        device,
        marks.kept if marks else None,
    )
