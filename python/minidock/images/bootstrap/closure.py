"""All files that a set of programs needs to run elsewhere: loader and libraries, and theirs, and so on (ld.so(8)).

The loader looks for a library in this order, and so do we:

1. the folders of ``DT_RPATH``, if there is no ``DT_RUNPATH``
2. (``LD_LIBRARY_PATH``: left out, an image must not depend on the shell it was made in)
3. the folders of ``DT_RUNPATH``
4. the folders of ``/etc/ld.so.conf`` (the loader reads them from a cache, we read the text)
5. the default folders

A library of another word size or processor is passed over. A library found by 1 or 3 must keep its path, since the
programs name it; all others go into the folder of the C library, where a loader without a cache looks too.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator

import msgspec

from minidock.errors import InvalidArgument, NotFound
from minidock.images.bootstrap.elf import Elf, read_elf

_DEFAULTS = ("/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib")
_CONF = "/etc/ld.so.conf"
_DEPTH = 8


class Library(msgspec.Struct, frozen=True):
    """One needed file: where the host has it, and the path that it must have in the image."""

    source: str
    target: str


def closure(programs: Iterable[str], conf: str = _CONF) -> tuple[Library, ...]:
    """Return the loader and all libraries that *programs*, absolute paths, need; sorted by target.

    :raises NotFound: a library is nowhere; the message names it and who needs it.
    :raises InvalidArgument: a program is no ELF file.
    """
    system = (*_conf_folders(conf), *_defaults())
    searched: dict[str, str] = {}
    fixed: dict[str, str] = {}
    waiting: list[tuple[str, Elf, tuple[str, ...]]] = [(path, read_elf(path), ()) for path in programs]
    seen: set[str] = set()
    while waiting:
        path, elf, inherited = waiting.pop()
        if elf.interpreter:
            fixed[elf.interpreter] = elf.interpreter
        own = _expand(elf.runpath, path)
        rpath = () if own else (*_expand(elf.rpath, path), *inherited)
        for name in elf.needed:
            found, by_program = _find(name, (*rpath, *own), system, elf, path)
            (fixed if by_program else searched)[found if by_program else name] = found
            if found not in seen:
                seen.add(found)
                waiting.append((found, read_elf(found), rpath))
    folder = _libc_folder(searched)
    loaders = {os.path.basename(path) for path in fixed}
    libraries = [Library(source, target) for target, source in fixed.items()]
    libraries += [Library(found, f"{folder}/{name}") for name, found in searched.items() if name not in loaders]
    return tuple(sorted(libraries, key=lambda library: library.target))


def _find(name: str, own: tuple[str, ...], system: tuple[str, ...], needs: Elf, path: str) -> tuple[str, bool]:
    """Return where *name* is, and whether the program itself named the folder."""
    if "/" in name:
        return name, True
    for folders, by_program in ((own, True), (system, False)):
        for folder in folders:
            candidate = f"{folder}/{name}"
            if _fits(candidate, needs):
                return candidate, by_program
    raise NotFound(f"{path} needs {name}, and no folder of the loader has it")


def _fits(path: str, needs: Elf) -> bool:
    try:
        elf = read_elf(path)
    except (FileNotFoundError, NotADirectoryError, InvalidArgument):
        return False  # a linker script, or nothing: the loader passes over it too
    return (elf.bits, elf.machine) == (needs.bits, needs.machine)


def _expand(folders: tuple[str, ...], path: str) -> tuple[str, ...]:
    origin = os.path.dirname(os.path.realpath(path))
    named = (folder.replace("${ORIGIN}", origin).replace("$ORIGIN", origin) for folder in folders)
    return tuple(os.path.normpath(folder) for folder in named if folder.startswith("/") and "$" not in folder)


def _defaults() -> Iterator[str]:
    """Debian puts libraries into folders named by the machine, such as ``/lib/x86_64-linux-gnu``."""
    triple = f"{os.uname().machine}-linux-gnu*"
    for folder in ("/lib", "/usr/lib"):
        yield from sorted(glob.glob(f"{folder}/{triple}"))
    yield from _DEFAULTS


def _conf_folders(path: str, depth: int = 0) -> Iterator[str]:
    """Read ``ld.so.conf``: one folder a line, ``include PATTERN``, and comments (ldconfig(8))."""
    if depth > _DEPTH:
        raise InvalidArgument(f"{path}: include lines nest more than {_DEPTH} deep")
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        words = line.partition("#")[0].split()
        if words[:1] == ["include"]:
            for pattern in words[1:]:
                for included in sorted(glob.glob(os.path.join(os.path.dirname(path), pattern))):
                    yield from _conf_folders(included, depth + 1)
        elif words and words[0].startswith("/"):
            yield words[0]


def _libc_folder(searched: dict[str, str]) -> str:
    for name, found in sorted(searched.items()):
        if name.startswith("libc."):
            return os.path.dirname(found)
    return "/lib"
