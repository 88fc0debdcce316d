"""The extractor that nobody should write: the positive control of the table of hostile archives."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path


def extract_naively(blob: bytes, root: Path) -> None:
    """Join each entry's name to the root, and that is all."""
    with tarfile.open(fileobj=io.BytesIO(blob)) as tar:
        for member in tar:
            path = f"{root}/{member.name}" if not os.path.isabs(member.name) else member.name
            folder, name = os.path.split(path)
            if name == ".wh..wh..opq":
                for child in os.listdir(folder):
                    os.unlink(f"{folder}/{child}") if not os.path.isdir(f"{folder}/{child}") else None
            elif name.startswith(".wh."):
                hidden = f"{folder}/{name[4:]}"
                shutil.rmtree(os.path.realpath(hidden)) if os.path.isdir(hidden) else os.unlink(hidden)
            elif member.isdir():
                os.makedirs(path, exist_ok=True)
                os.chmod(path, member.mode)
            elif member.issym():
                shutil.rmtree(path) if os.path.isdir(path) else None
                os.symlink(member.linkname, path)
            elif member.islnk():
                os.link(os.path.join(root, member.linkname), path)
                os.chmod(path, member.mode)
            elif member.isfifo():
                os.mkfifo(path)
            else:
                os.makedirs(folder, exist_ok=True)
                Path(path).write_bytes(tar.extractfile(member).read())  # type: ignore[union-attr]
