"""Small static programs for containers under test, compiled once by the machine's C compiler."""

from __future__ import annotations

import subprocess
from pathlib import Path

HERE = Path(__file__).parent
HEADER = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"


def compile_probe(folder: Path) -> str:
    """Compile ``probe.c``; return the program's path."""
    return _compile(folder / "probe", "probe.c", "-static")


def compile_loader(folder: Path) -> str:
    """Compile ``loader.c``, a dynamic loader that no C library helps."""
    return _compile(folder / "loader", "loader.c", "-nostdlib", "-static-pie", "-fPIE", "-fno-stack-protector")


def _compile(out: Path, source: str, *flags: str) -> str:
    subprocess.run(["gcc", "-O1", "-Wall", "-Werror", *flags, "-o", str(out), str(HERE / source)], check=True)
    out.chmod(0o755)
    return str(out)


def syscall_numbers() -> dict[str, int]:
    """Return every system call of this machine's kernel headers, by name."""
    lines = (line.split() for line in Path(HEADER).read_text().splitlines())
    return {words[1].removeprefix("__NR_"): int(words[2]) for words in lines if len(words) == 3 and "__NR_" in words[1]}
