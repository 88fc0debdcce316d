"""Go's path.Match."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidock.errors import InvalidArgument
from minidock.images.patterns import match_path


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("abc", "abc", True),
        ("*", "abc", True),
        ("*c", "abc", True),
        ("a*", "ab/c", False),
        ("a*/b", "a/b", True),
        ("a*/b", "a/c/b", False),
        ("a*b*c*d*e*/f", "axbxcxdxe/f", True),
        ("a*b?c*x", "abxbbxdbxebxczzx", True),
        ("a*b?c*x", "abxbbxdbxebxczzy", False),
        ("ab[c]", "abc", True),
        ("ab[b-d]", "abc", True),
        ("ab[^b-d]", "abc", False),
        ("ab[^e-g]", "abc", True),
        ("a\\*b", "a*b", True),
        ("a\\*b", "ab", False),
        ("a?b", "a/b", False),
        ("[\\]a]", "]", True),
        ("[x\\-]", "-", True),
        ("*x", "xxx", True),
        ("", "", True),
        ("**", "", True),
    ],
)
def test_match(pattern: str, text: str, matches: bool) -> None:
    assert match_path(pattern, text) is matches


@pytest.mark.parametrize("pattern", ["[", "[a", "[]a]", "[-]", "[x-]", "[a-b-c]", "a\\", "[^"])
def test_malformed(pattern: str) -> None:
    with pytest.raises(InvalidArgument):
        match_path(pattern, "a")


@given(st.text("a*", max_size=12), st.text("ab/", max_size=12))
def test_stars_agree_with_a_regular_expression(pattern: str, text: str) -> None:
    import re

    assert match_path(pattern, text) is (re.fullmatch(pattern.replace("*", "[^/]*"), text) is not None)


def test_no_pattern_is_slow() -> None:
    assert not match_path("*a" * 2000 + "b", "a" * 5000)  # a backtracking matcher would never end
