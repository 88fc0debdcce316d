"""``--change``: Dockerfile instructions that edit an image's configuration (``import``, ``commit``).

Docker allows the instructions that add no files: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL,
USER, VOLUME, WORKDIR. Each function takes what stands after the word and returns the new configuration; nothing else
happens, so :func:`apply_changes` is pure. Source: Dockerfile reference; the wording of its errors.
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Callable, Iterable, Iterator

import msgspec

from minidock.errors import InvalidArgument
from minidock.oci.image import Empty, ExecutionConfig, Healthcheck

_replace = msgspec.structs.replace
Change = Callable[[ExecutionConfig, str], ExecutionConfig]

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_DEFAULT_SHELL = ("/bin/sh", "-c")


def apply_changes(config: ExecutionConfig, changes: Iterable[str]) -> ExecutionConfig:
    """Return *config* after all *changes*, one instruction each.

    :raises InvalidArgument: an instruction is unknown, not allowed here, or malformed.
    """
    for change in changes:
        for line in change.splitlines():
            word, _, rest = line.strip().partition(" ")
            if not word or word.startswith("#"):
                continue
            apply = _CHANGES.get(word.upper())
            if apply is None:
                raise InvalidArgument(f"{word.lower()[:40]} is not a valid change command")
            if not rest.strip():
                raise InvalidArgument(f"{word.upper()} requires at least one argument")
            config = apply(config, rest.strip())
    return config


def _cmd(config: ExecutionConfig, rest: str) -> ExecutionConfig:
    return _replace(config, cmd=_command(rest, config))


def _entrypoint(config: ExecutionConfig, rest: str) -> ExecutionConfig:
    return _replace(config, entrypoint=_command(rest, config))


def _env(config: ExecutionConfig, rest: str) -> ExecutionConfig:
    values = dict(entry.partition("=")[::2] for entry in config.env or ())
    values.update(_pairs("ENV", rest))
    return _replace(config, env=tuple(f"{name}={value}" for name, value in values.items()))


def _label(config: ExecutionConfig, rest: str) -> ExecutionConfig:
    return _replace(config, labels={**(config.labels or {}), **dict(_pairs("LABEL", rest))})


def _expose(config: ExecutionConfig, rest: str) -> ExecutionConfig:
    ports = dict(config.exposed_ports or {})
    for word in rest.split():
        span, slash, protocol = word.partition("/")
        protocol = protocol.lower() if slash else "tcp"
        first, dash, last = span.partition("-")
        numbers = (first, last if dash else first)
        valid = all(n.isascii() and n.isdigit() and 0 < len(n) < 6 and 0 < int(n) < 65536 for n in numbers)
        if not valid or protocol not in ("tcp", "udp", "sctp") or int(numbers[0]) > int(numbers[1]):
            raise InvalidArgument(f"invalid containerPort: {word[:80]}")
        ports.update({f"{number}/{protocol}": Empty() for number in range(int(numbers[0]), int(numbers[1]) + 1)})
    return _replace(config, exposed_ports=ports)


def _volume(config: ExecutionConfig, rest: str) -> ExecutionConfig:
    paths = _json_list(rest) or tuple(_words("VOLUME", rest))
    if not all(path.strip() for path in paths):
        raise InvalidArgument("VOLUME specified can not be an empty string")
    return _replace(config, volumes={**(config.volumes or {}), **dict.fromkeys(paths, Empty())})


def _user(config: ExecutionConfig, rest: str) -> ExecutionConfig:
    return _replace(config, user=_one("USER", rest))


def _workdir(config: ExecutionConfig, rest: str) -> ExecutionConfig:
    path = posixpath.normpath(posixpath.join("/", config.working_dir, _one("WORKDIR", rest)))
    return _replace(config, working_dir="/" + path.lstrip("/"))


def _stopsignal(config: ExecutionConfig, rest: str) -> ExecutionConfig:
    import signal

    name = _one("STOPSIGNAL", rest).upper()
    names = {entry.name for entry in signal.Signals}
    if name.isdigit():
        valid = 1 <= int(name) <= 64
    else:
        name = name if name.startswith("SIG") else f"SIG{name}"
        valid = name in names or name.partition("+")[0] == "SIGRTMIN" or name.partition("-")[0] == "SIGRTMAX"
    if not valid:
        raise InvalidArgument(f"Invalid signal: {rest[:40]}")
    return _replace(config, stop_signal=name)


def _onbuild(config: ExecutionConfig, rest: str) -> ExecutionConfig:
    word = rest.split(maxsplit=1)[0].upper()
    if word == "ONBUILD":
        raise InvalidArgument("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if word in ("MAINTAINER", "FROM"):
        raise InvalidArgument(f"{word} isn't allowed as an ONBUILD trigger")
    return _replace(config, on_build=(*(config.on_build or ()), rest))


def _healthcheck(config: ExecutionConfig, rest: str) -> ExecutionConfig:
    words = rest.split()
    options = {}
    while words and words[0].startswith("--"):
        name, equals, value = words[0][2:].partition("=")
        if name not in ("interval", "timeout", "start-period", "start-interval", "retries") or not equals:
            raise InvalidArgument(f"Unknown flag: {words[0][:40]}")
        options[name.replace("-", "_")] = _retries(value) if name == "retries" else _interval(value)
        rest = rest.lstrip()[len(words[0]) :].lstrip()
        words = words[1:]
    kind = words[0].upper() if words else ""
    if kind == "NONE" and len(words) == 1:
        return _replace(config, healthcheck=Healthcheck(test=("NONE",)))
    command = rest[len(words[0]) :].strip() if words else ""
    if kind != "CMD" or not command:
        raise InvalidArgument(f"Unknown type {kind[:40]!r} in HEALTHCHECK (try CMD)")
    listed = _json_list(command)
    return _replace(
        config, healthcheck=Healthcheck(test=("CMD", *listed) if listed else ("CMD-SHELL", command), **options)
    )


def _command(rest: str, config: ExecutionConfig) -> tuple[str, ...]:
    """A JSON list is the command itself (exec form); anything else is a line for the shell."""
    listed = _json_list(rest)
    return (*(config.shell or _DEFAULT_SHELL), rest) if listed is None else listed


def _json_list(rest: str) -> tuple[str, ...] | None:
    try:
        return msgspec.json.decode(rest.encode(), type=tuple[str, ...])
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return None


def _pairs(word: str, rest: str) -> Iterator[tuple[str, str]]:
    """Yield the pairs of ``A=1 B="two words"``, or of the old form ``A the rest of the line``."""
    words = _words(word, rest)
    if "=" not in words[0]:
        name, _, value = rest.partition(" ")
        if not value.strip():
            raise InvalidArgument(f"{word} must have two arguments")
        yield name, value.strip()
        return
    for pair in words:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InvalidArgument(f"Syntax error - can't find = in {pair[:80]!r}. Must be of the form: name=value")
        if not name:
            raise InvalidArgument(f"{word} names can not be blank")
        yield name, value


def _words(word: str, rest: str) -> list[str]:
    try:
        return shlex.split(rest)
    except ValueError as bad:
        raise InvalidArgument(f"{word}: {bad}") from bad


def _one(word: str, rest: str) -> str:
    if len(rest.split()) != 1:
        raise InvalidArgument(f"{word} requires exactly one argument")
    return rest


def _retries(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10):
        raise InvalidArgument(f"--retries must be at least 1 (not {text[:40]})")
    return int(text)


def _interval(text: str) -> int:
    nanoseconds = parse_duration(text)
    if 0 < nanoseconds < 10**6:
        raise InvalidArgument("Interval cannot be less than 1ms")
    return nanoseconds


def parse_duration(text: str) -> int:
    """Parse Go's duration, ``1m30s``, into nanoseconds.

    :raises InvalidArgument: it is none.
    """
    import re

    parts = re.findall(r"(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)", text[:40], re.ASCII)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise InvalidArgument(f'time: invalid duration "{text[:40]}"')
    return sum(int(float(number) * _UNITS[unit]) for number, unit in parts)


_CHANGES: dict[str, Change] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "STOPSIGNAL": _stopsignal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
