"""The flag grammar, rule by rule. What Docker says of wrong ones is compared in tests/compat/test_cli_errors.py."""

from __future__ import annotations

import pytest

from minidock.cli.flags import Flag, FlagError, parse
from minidock.cli.kinds import BOOL, DURATION, HELP, INT, LIST, STRING

FLAGS = (
    Flag("m,memory", STRING, "text"),
    Flag("t,tty", BOOL, "text"),
    Flag("i,interactive", BOOL, "text"),
    Flag("p,publish", LIST, "text"),
    Flag("n,number", INT, "text", 7),
    Flag("proxy", BOOL, "text", True),
    Flag("net", LIST, "text", into="network", hidden=True),
    Flag("network", LIST, "text"),
    Flag("old", STRING, "text", deprecated="use --new"),
    Flag("wait", DURATION, "text"),
    HELP,
)


def read(*argv: str, interspersed: bool = True) -> tuple[dict[str, object], list[str]]:
    values = parse(FLAGS, argv, interspersed=interspersed)
    return {flag.into: values[flag.into] for flag in FLAGS if values.given(flag.into)}, values.words


@pytest.mark.parametrize(
    ("argv", "given", "words"),
    [
        ("", {}, []),
        ("a b", {}, ["a", "b"]),
        ("--memory=1g", {"memory": "1g"}, []),
        ("--memory 1g x", {"memory": "1g"}, ["x"]),
        ("--memory= x", {"memory": ""}, ["x"]),
        ("--memory=a=b", {"memory": "a=b"}, []),
        ("-m 1g", {"memory": "1g"}, []),
        ("-m1g", {"memory": "1g"}, []),
        ("-m=1g", {"memory": "1g"}, []),
        ("-m=", {"memory": "="}, []),
        ("-m -t", {"memory": "-t"}, []),
        ("--memory --tty", {"memory": "--tty"}, []),
        ("-it", {"interactive": True, "tty": True}, []),
        ("-itp8080:80", {"interactive": True, "tty": True, "publish": ["8080:80"]}, []),
        ("-itp 80 x", {"interactive": True, "tty": True, "publish": ["80"]}, ["x"]),
        ("-i=false", {"interactive": False}, []),
        ("-it=0", {"interactive": True, "tty": False}, []),
        ("--tty=T", {"tty": True}, []),
        ("--tty x", {"tty": True}, ["x"]),
        ("--tty false", {"tty": True}, ["false"]),
        ("--proxy=false", {"proxy": False}, []),
        ("-p 1 -p 2 --publish=3", {"publish": ["1", "2", "3"]}, []),
        ("-m a -m b", {"memory": "b"}, []),
        ("-n 0x10", {"number": 16}, []),
        ("x -t y", {"tty": True}, ["x", "y"]),
        ("-t -- -m x", {"tty": True}, ["-m", "x"]),
        ("- -t", {"tty": True}, ["-"]),
        ("--net a --network b", {"network": ["a", "b"]}, []),
        ("-h", {"help": True}, []),
        ("--help --tty", {"help": True, "tty": True}, []),
        ("--wait 1m30s", {"wait": 90 * 10**9}, []),
    ],
)
def test_grammar(argv: str, given: dict[str, object], words: list[str]) -> None:
    assert read(*argv.split()) == (given, words)


def test_the_first_word_ends_the_flags_of_run() -> None:
    assert read("-t", "image", "ls", "-m", "x", interspersed=False) == ({"tty": True}, ["image", "ls", "-m", "x"])
    assert read("-t", "--", "-x", interspersed=False) == ({"tty": True}, ["-x"])


def test_empty_words_are_words() -> None:
    assert read("", "-t", "") == ({"tty": True}, ["", ""])


def test_defaults() -> None:
    values = parse(FLAGS, [])
    assert (values["number"], values["proxy"], values["publish"], values["memory"]) == (7, True, [], "")
    assert not values.given("number", "proxy")


def test_lists_are_not_shared() -> None:
    parse(FLAGS, ["-p", "1"])
    assert parse(FLAGS, [])["publish"] == []


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("--foo", "unknown flag: --foo"),
        ("--foo=x", "unknown flag: --foo"),
        ("-z", "unknown shorthand flag: 'z' in -z"),
        ("-itz", "unknown shorthand flag: 'z' in -z"),
        ("-zt", "unknown shorthand flag: 'z' in -zt"),
        ("-t=x", 'invalid argument "x" for "-t, --tty" flag: strconv.ParseBool: parsing "x": invalid syntax'),
        ("--memory", "flag needs an argument: --memory"),
        ("-m", "flag needs an argument: 'm' in -m"),
        ("-im", "flag needs an argument: 'm' in -m"),
        ("--=x", "bad flag syntax: --=x"),
        ("---x", "bad flag syntax: ---x"),
        ("-n x", 'invalid argument "x" for "-n, --number" flag: strconv.ParseInt: parsing "x": invalid syntax'),
        ("--help=x", 'invalid argument "x" for "--help" flag: strconv.ParseBool: parsing "x": invalid syntax'),
    ],
)
def test_errors(argv: str, message: str) -> None:
    with pytest.raises(FlagError) as caught:
        read(*argv.split())
    assert str(caught.value) == message


def test_uses_of_old_flags_are_noticed() -> None:
    assert parse(FLAGS, ["--old", "x"]).notices == ["Flag --old has been deprecated, use --new"]
    assert parse(FLAGS, ["-h"]).notices == ["Flag shorthand -h has been deprecated, use --help"]
