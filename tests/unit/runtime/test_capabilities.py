"""--cap-add and --cap-drop, by Docker's rules and in Docker's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from minidock.errors import InvalidArgument
from minidock.runtime.capabilities import (
    ALL_CAPABILITIES,
    DEFAULT_CAPABILITIES,
    adjust,
    host_capabilities,
    names_of,
    parse,
)


def test_the_default_set_is_docker_s() -> None:
    assert sum(1 << ALL_CAPABILITIES.index(name) for name in DEFAULT_CAPABILITIES) == 0xA80425FB
    assert len(ALL_CAPABILITIES) == 41
    assert ALL_CAPABILITIES[21] == "CAP_SYS_ADMIN"


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        ([], [], ("CAP_CHOWN", "CAP_KILL")),
        (["net_admin"], [], ("CAP_CHOWN", "CAP_KILL", "CAP_NET_ADMIN")),
        (["CAP_KILL"], ["kill"], ("CAP_CHOWN", "CAP_KILL")),
        ([], ["KILL"], ("CAP_CHOWN",)),
        ([], ["all"], ()),
        (["NET_RAW", "cap_net_raw"], ["ALL"], ("CAP_NET_RAW",)),
        (["ALL"], ["chown"], tuple(name for name in ALL_CAPABILITIES if name != "CAP_CHOWN")),
        (["ALL"], ["ALL"], ALL_CAPABILITIES),
    ],
)
def test_adjust(add: list[str], drop: list[str], expected: tuple[str, ...]) -> None:
    assert adjust(("CAP_CHOWN", "CAP_KILL"), add, drop) == expected


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r'^invalid CapAdd: unknown capability: "CAP_FOO"$'):
        adjust((), ["foo"], [])
    with pytest.raises(InvalidArgument, match=r'^invalid CapDrop: unknown capability: "CAP_"$'):
        parse([""], "CapDrop")


def test_the_host_is_the_most_there_is() -> None:
    with pytest.raises(InvalidArgument, match="not supported by your kernel or not available"):
        adjust((), ["SYS_RESOURCE"], [], host=("CAP_CHOWN",))
    assert adjust((), ["ALL"], [], host=("CAP_CHOWN",)) == ("CAP_CHOWN",)


def test_the_host_s_set_is_read(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tx\nCapBnd:\t00000000a80425fb\nCapAmb:\t0\n")
    assert set(host_capabilities(str(status))) == set(DEFAULT_CAPABILITIES)
    assert set(host_capabilities()) <= set(ALL_CAPABILITIES)
    assert names_of(1 << 63) == ()
