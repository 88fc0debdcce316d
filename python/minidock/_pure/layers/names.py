"""What an entry's name means, decided without looking at the disk.

Names are bytes, taken as they are; only empty and ``.`` components go, and a leading ``/``. A ``..`` is refused: no
tool that makes layers writes one. ``.wh.NAME`` is a *whiteout*: NAME of the layers below is gone; ``.wh..wh..opq``
makes its folder *opaque*: all that the layers below have in it is gone.

Source: image-spec layer.md, "Whiteouts"; limits.h; xattr(7).
"""

from __future__ import annotations

from minidock._pure.layers.reader import Entry
from minidock.errors import InvalidArchive

MAX_NAME = 255
MAX_PATH = 4095
#: How deep a name may go: each level can cost an open folder.
MAX_DEPTH = 256
WHITEOUT = b".wh."
OPAQUE = b".wh..wh..opq"


def split(path: bytes) -> tuple[bytes, bytes]:
    """Split a path into its folder and its last name; the root is ``b""``."""
    folder, _, name = path.rpartition(b"/")
    return folder, name


def join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def clean(name: bytes) -> bytes:
    """Bring a name into the form ``a/b/c``.

    :raises InvalidArchive: it cannot be a name in a layer.
    """
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    path = b"/".join(parts)
    if not name:
        raise InvalidArchive("an entry has an empty name")
    if b".." in parts:
        raise InvalidArchive(f"the name {name[:200]!r} goes up")
    if b"\0" in path:
        raise InvalidArchive(f"the name {name[:200]!r} has a NUL")
    if len(path) > MAX_PATH or len(parts) > MAX_DEPTH or any(len(part) > MAX_NAME for part in parts):
        raise InvalidArchive(f"the name {name[:200]!r} is too long or too deep")
    return path


def meaning(entry: Entry) -> tuple[str, bytes]:
    """Decide what an entry asks for: ``root``, ``node``, ``whiteout`` or ``opaque``, and the path that it concerns.

    :raises InvalidArchive: no layer may ask for this.
    """

    def refuse(why: str) -> InvalidArchive:
        return InvalidArchive(f"{entry.name[:200]!r} {why}")

    path = clean(entry.name)
    folder, name = split(path)
    if not path:
        check_xattrs(entry)
        if entry.kind != "dir":
            raise refuse("is the root, and no folder")
        return "root", path
    if any(part.startswith(WHITEOUT) for part in folder.split(b"/")):
        raise refuse("lies in a whiteout")
    if name.startswith(WHITEOUT):
        hidden = name.removeprefix(WHITEOUT)
        if entry.size or entry.kind not in ("file", "hardlink"):
            raise refuse("is a whiteout, and no empty file")
        if name == OPAQUE:
            return "opaque", folder
        if hidden.startswith(WHITEOUT) or hidden in (b"", b".", b".."):
            raise refuse("is no proper whiteout")
        return "whiteout", join(folder, hidden)
    if entry.kind == "symlink" and not 0 < len(entry.link) <= MAX_PATH:
        raise refuse("links to no possible path")
    if entry.kind == "hardlink":
        target = clean(entry.link)
        if target in (b"", path) or any(part.startswith(WHITEOUT) for part in target.split(b"/")):
            raise refuse("is a hard link to what no file can be")
    elif entry.kind == "char" and entry.device == (0, 0):
        raise refuse("is the device 0:0, overlay's own mark")
    elif entry.kind in ("char", "block") and (entry.device[0] >= 1 << 12 or entry.device[1] >= 1 << 20):
        raise refuse("has a device number that Linux does not have")
    else:
        check_xattrs(entry)
    return "node", path


def check_xattrs(entry: Entry) -> None:
    """Refuse attributes beyond the kernel's limits."""
    for name, value in entry.xattrs:
        if not 0 < len(name) <= 255 or len(value) > 65_536:
            raise InvalidArchive(f"{entry.name[:200]!r} has an extended attribute beyond the limits")


def is_overlay_xattr(name: bytes) -> bool:
    """Whether an attribute is overlay's own: it would redirect a folder or open another tree; no layer may set it."""
    return name.startswith((b"trusted.overlay.", b"user.overlay."))
