"""Imports point down only: a folder is a layer."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "python" / "minidock"

#: The layers, the highest first; those of one line may not import each other.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("doctor",),
    ("engine",),
    ("images", "networks", "containers", "volumes"),
    ("registry",),
    ("api",),
    ("runtime",),
    ("store",),
    ("kernel", "_pure", "_native"),
    ("trace",),
    ("oci",),
    ("errors", ""),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}

#: Pairs of one line that belong together.
TOGETHER = {("kernel", "_pure"), ("kernel", "_native"), ("_pure", "kernel"), ("errors", ""), ("", "errors")}


def modules() -> Iterator[tuple[str, Path]]:
    """Yield (top-level part, file) for each file of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        first = path.relative_to(PACKAGE).parts[0]
        yield first.removesuffix(".py").replace("__init__", ""), path


def imported(path: Path) -> Iterator[str]:
    """Yield the top-level part of each minidock module that the file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [
                f"{node.module}.{alias.name}" if node.module == "minidock" else node.module for alias in node.names
            ]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "minidock":
                part = parts[1] if len(parts) > 1 else ""
                yield part if part in RANK or (PACKAGE / part).exists() else ""


@pytest.mark.parametrize(("part", "path"), [pytest.param(*m, id=str(m[1].relative_to(PACKAGE))) for m in modules()])
def test_imports_point_down(part: str, path: Path) -> None:
    assert part in RANK, f"{part} has no place in LAYERS"
    for target in imported(path):
        if target == part or (part, target) in TOGETHER:
            continue
        assert RANK[part] < RANK[target], f"{path.relative_to(PACKAGE)} imports {target}, which is not below {part}"


def test_every_layer_is_known() -> None:
    folders = {p.name for p in PACKAGE.iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    assert folders <= set(RANK)
