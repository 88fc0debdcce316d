"""``--user``: names are looked up in files that strangers wrote."""

from __future__ import annotations

import pytest

from minidock.containers.users import ResolvedUser, resolve_user
from minidock.errors import InvalidArgument

FILES = {
    "/etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n# comment:x:1:1::/:\nbroken\nann:x:1000:100:Ann:/home/ann:/bin/sh\n"
    b"1:x:4242:4242::/:/bin/sh\nevil:x:7:7::/\x01HOME:/bin/sh\nhuge:x:4294967296:0::/:/bin/sh\n",
    "/etc/group": b"root:x:0:\nusers:x:100:\nwheel:x:10:ann,root\naudio:x:63:ann\n",
}


def resolve(text: str, *groups: str, files: dict[str, bytes] = FILES) -> ResolvedUser:
    return resolve_user(text, groups, files.get)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ResolvedUser(0, 0, (10,), "/root")),
        ("ann", ResolvedUser(1000, 100, (10, 63), "/home/ann")),
        ("ann:wheel", ResolvedUser(1000, 10, (), "/home/ann")),
        ("1000", ResolvedUser(1000, 100, (10, 63), "/home/ann")),
        ("5:6", ResolvedUser(5, 6, (), "/")),
        ("1", ResolvedUser(1, 0, (), "/")),  # a number is a number, even where a user has that name
        ("4242", ResolvedUser(4242, 4242, (), "/")),
        ("evil", ResolvedUser(7, 7, (), "/")),
    ],
)
def test_lookup(text: str, expected: ResolvedUser) -> None:
    assert resolve(text) == expected


def test_without_any_files_only_numbers_work() -> None:
    assert resolve("12", files={}) == ResolvedUser(12, 0, (), "/")
    assert resolve("", files={}) == ResolvedUser(0, 0, (), "/")


def test_additional_groups() -> None:
    assert resolve("5:6", "audio", "77").groups == (63, 77)


@pytest.mark.parametrize(
    "text", ["nobody", "root\nx", "-1", "4294967296", "2147483648", "0:nogroup", "0:-1", "huge", "٣"]
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        resolve(text)
