"""What an entry does to what already stands at its path.

====== ======= ========================= =============
entry  nothing a folder                  anything else
====== ======= ========================= =============
folder made    kept, gets the attributes replaced
other  made    replaced with its content replaced
====== ======= ========================= =============

"Replaced" means unlinked and made anew: nothing is ever written into, or through, what is there. A new file is created
with ``O_EXCL``, so no fifo or device is opened. Of two entries for one path the last one counts. A folder's attributes
are set at the very end: its times change with its content.
"""

from __future__ import annotations

import errno
import os
import stat

from minidock._pure.layers.attributes import Attributes, attributes_of, keeps_owners, set_node, set_open
from minidock._pure.layers.listing import Count, open_tar
from minidock._pure.layers.names import clean, join, meaning, split
from minidock._pure.layers.reader import Entry, Reader
from minidock._pure.layers.stream import Blob
from minidock._pure.layers.tree import FOLDER, Place, Tree, is_folder, names_in, remove
from minidock.errors import InvalidArgument, StepFailed
from minidock.kernel.limits import LayerLimits
from minidock.kernel.ports import Applied
from minidock.oci.digest import Digest

#: The attribute that makes a folder opaque, by the form of whiteouts.
OPAQUE = {"overlay": "trusted.overlay.opaque", "userxattr": "user.overlay.opaque", "delete": ""}
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
NODES = {"char": stat.S_IFCHR, "block": stat.S_IFBLK, "fifo": stat.S_IFIFO}


def apply_layer(source: str, target: str, compression: str, whiteouts: str, limits: LayerLimits) -> Applied:
    """Unpack the layer in the file *source* into the folder *target*."""
    if whiteouts not in OPAQUE:
        raise InvalidArgument(f"unknown form of whiteouts {whiteouts!r}")
    count = Count(limits)
    try:
        blob = Blob(source)
        try:
            tar = open_tar(blob, compression, limits)
            placer = Placer(target, whiteouts)
            try:
                placer.run(Reader(tar), count)
            finally:
                placer.tree.close()
            diff_id = tar.hexdigest()
        finally:
            blob.close()
    except OSError as error:
        where = os.fsdecode(error.filename or b"?")
        raise StepFailed("layer.apply", error.errno or 0, f"unpack {where!r}") from error
    blob_digest, diff = Digest.from_hex(blob.hexdigest()), Digest.from_hex(diff_id)
    return Applied(blob_digest, blob.size, diff, tar.size, count.entries, count.size)


class Placer:
    """Puts entries into the tree. ``seen`` has what this archive has put where: ``folder``, ``other`` or ``whiteout``;
    whiteouts spare it, for they speak of the layers below.
    """

    def __init__(self, target: str, whiteouts: str) -> None:
        self._opaque = OPAQUE[whiteouts]
        self._owners = keeps_owners()
        self._seen: dict[bytes, str] = {}
        self._later: dict[bytes, Attributes] = {}
        self.tree = Tree(target, self._entered)

    def run(self, reader: Reader, count: Count) -> None:
        """Put all entries; then set the folders' attributes, unless a folder has gone meanwhile."""
        for entry in reader:
            count.add(entry)
            what, path = meaning(entry)
            if what == "root":
                self._later[b""] = attributes_of(entry)
            elif what == "whiteout":
                self._whiteout(path)
            elif what == "opaque":
                self._make_opaque(path)
            else:
                self._node(path, entry, reader)
        for path, wanted in sorted(self._later.items()):
            try:
                place = self.tree.find(path, None, links=False)
            except (FileNotFoundError, NotADirectoryError):
                continue
            set_open(place.fd, wanted, self._owners)

    # --- folders ---

    def _entered(self, path: bytes) -> None:
        self._seen[path] = "folder"

    def _make(self, parent: Place, name: bytes, path: bytes) -> bool:
        """Make the folder that a path needs and no entry made; a file in its place is an error, a whiteout is not."""
        hidden = self._seen.get(path) == "whiteout"
        if is_folder(parent.fd, name) is not None:
            if not hidden:
                return False
            remove(parent.fd, name)
        os.mkdir(name, 0o755, dir_fd=parent.fd)
        self._later[path] = Attributes()
        if hidden:
            self._mark_opaque(parent, name)
        return True

    def _folder(self, parent: Place, name: bytes, path: bytes, entry: Entry) -> None:
        there = is_folder(parent.fd, name)
        if there is False:
            remove(parent.fd, name)
        if not there:
            os.mkdir(name, 0o755, dir_fd=parent.fd)
            if self._seen.get(path) == "whiteout":
                self._mark_opaque(parent, name)
        self._seen[path] = "folder"
        self._later[path] = attributes_of(entry)

    # --- everything else ---

    def _node(self, path: bytes, entry: Entry, reader: Reader) -> None:
        folder, name = split(path)
        parent = self.tree.find(folder, self._make)
        path = join(parent.path, name)
        if entry.kind == "dir":
            self._folder(parent, name, path, entry)
        elif entry.kind == "hardlink":
            self._hard_link(parent, name, path, entry)
        else:
            self._clear(parent, name, path)
            self._create(parent.fd, name, entry, reader)

    def _clear(self, parent: Place, name: bytes, path: bytes) -> None:
        self._seen[path] = "other"
        self.tree.forget(path)
        self._later.pop(path, None)
        remove(parent.fd, name)

    def _create(self, folder: int, name: bytes, entry: Entry, reader: Reader) -> None:
        wanted = attributes_of(entry)
        if entry.kind == "file":
            fd = os.open(name, CREATE, entry.mode & 0o777, dir_fd=folder)
            try:
                _write(fd, entry, reader)
                set_open(fd, wanted, self._owners)
            finally:
                os.close(fd)
            return
        if entry.kind == "symlink":
            os.symlink(entry.link, name, dir_fd=folder)
        else:
            try:
                os.mknod(name, NODES[entry.kind] | entry.mode & 0o777, os.makedev(*entry.device), dir_fd=folder)
            except PermissionError:
                if entry.kind == "fifo":
                    raise
                # Without the right to make devices (a user namespace) there are none, as in every rootless engine:
                # a container's /dev is a mount of its own.
                return
        set_node(folder, name, entry.kind == "symlink", wanted, self._owners)

    def _hard_link(self, parent: Place, name: bytes, path: bytes, entry: Entry) -> None:
        """Link to a file that this archive, or the folder it is applied to, already has."""
        folder, target_name = split(clean(entry.link))
        source = self.tree.find(folder, None)
        target = join(source.path, target_name)
        if self._seen.get(target) == "whiteout" or is_folder(source.fd, target_name) is None:
            raise OSError(errno.ENOENT, "a hard link to what is not there", target)
        if target == path:
            return
        source_fd = os.dup(source.fd)  # a descriptor is good until the next walk
        try:
            parent = self.tree.find(parent.path, self._make)
            self._clear(parent, name, path)
            os.link(target_name, name, src_dir_fd=source_fd, dst_dir_fd=parent.fd, follow_symlinks=False)
        finally:
            os.close(source_fd)

    # --- whiteouts ---

    def _whiteout(self, path: bytes) -> None:
        folder, name = split(path)
        if not self._opaque:
            place = self._look(folder)
            if place is not None:
                self._delete_lower(place.fd, name, join(place.path, name))
            return
        parent = self.tree.find(folder, self._make)
        path = join(parent.path, name)
        known = self._seen.get(path)
        if known == "folder":
            self._mark_opaque(parent, name)
        elif known is None:
            self.tree.forget(path)
            remove(parent.fd, name)
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=parent.fd)
            self._seen[path] = "whiteout"

    def _mark_opaque(self, parent: Place, name: bytes) -> None:
        if self._opaque:
            fd = os.open(name, FOLDER, dir_fd=parent.fd)
            try:
                os.setxattr(fd, self._opaque, b"y")
            finally:
                os.close(fd)

    def _make_opaque(self, folder: bytes) -> None:
        if self._opaque:
            os.setxattr(self.tree.find(folder, self._make).fd, self._opaque, b"y")
            return
        place = self._look(folder)
        if place is not None:
            self._delete_below(place.fd, place.path)

    def _look(self, folder: bytes) -> Place | None:
        """Return a folder if it is there; where it is not, there is nothing to delete."""
        try:
            return self.tree.find(folder, None)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _delete_below(self, folder: int, path: bytes) -> None:
        for name in names_in(folder):
            self._delete_lower(folder, name, join(path, name))

    def _delete_lower(self, folder: int, name: bytes, path: bytes) -> None:
        """Delete what is not of this archive."""
        known = self._seen.get(path)
        if known is None:
            self.tree.forget(path)
            remove(folder, name)
        elif known == "folder" and is_folder(folder, name):
            inner = os.open(name, FOLDER, dir_fd=folder)
            try:
                self._delete_below(inner, path)
            finally:
                os.close(inner)


def _write(fd: int, entry: Entry, reader: Reader) -> None:
    if entry.spans is None:
        for piece in reader.data():
            while piece:
                piece = piece[os.write(fd, piece) :]
        return
    os.ftruncate(fd, entry.size)
    spans = iter(entry.spans)
    offset = room = 0
    for piece in reader.data():
        while piece:
            while not room:
                offset, room = next(spans)
            count = os.pwrite(fd, piece[:room], offset)
            piece, offset, room = piece[count:], offset + count, room - count
