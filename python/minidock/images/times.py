"""RFC 3339 times, as image configurations have them, and nanoseconds, as the store keeps them."""

from __future__ import annotations

import time

from minidock.errors import InvalidArgument


def parse_time(text: str) -> int:
    """Return nanoseconds since the epoch for ``2024-05-01T12:00:00.123456789Z`` or ``…+02:00``.

    :raises InvalidArgument: it is no such time.
    """
    import re
    from datetime import UTC, datetime, timedelta

    shape = r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(?:[Zz]|([+-])(\d\d):(\d\d))"
    match = re.fullmatch(shape, text[:64], re.ASCII)
    if match is None:
        raise InvalidArgument(f"{text[:64]!r} is no RFC 3339 time")
    day, clock, fraction, sign, hours, minutes = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC)
        if sign:
            moment -= (1 if sign == "+" else -1) * timedelta(hours=int(hours), minutes=int(minutes))
    except (ValueError, OverflowError) as bad:
        raise InvalidArgument(f"{text[:64]!r} is no RFC 3339 time: {bad}") from bad
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    return seconds * 10**9 + int((fraction or "0").ljust(9, "0"))


def created_ns(text: str | None) -> int:
    """Return when an image was made, or 0: an odd date is no reason to refuse an image."""
    try:
        return parse_time(text) if text else 0
    except InvalidArgument:
        return 0


def format_time(nanoseconds: int) -> str:
    """Return the time as Go writes it: UTC, nine digits at most, no zeros at the end."""
    seconds, rest = divmod(nanoseconds, 10**9)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{moment}{fraction}Z"


def parse_moment(text: str, now: int) -> int:
    """Return the moment of an ``until`` filter: a duration before *now*, seconds since the epoch, or an RFC 3339 time.

    Source: Docker, GetTimestamp; a time without a zone is UTC here.
    """
    from minidock.images.changes import parse_duration

    head, _, tail = text.partition(".")
    if head.isascii() and head.isdigit() and (not tail or (tail.isascii() and tail.isdigit())) and len(head) < 12:
        return int(head) * 10**9 + int((tail[:9] or "0").ljust(9, "0"))
    if text[:1].isdigit() and "-" not in text:
        return now - parse_duration(text)
    for suffix in ("", "Z", ":00Z", ":00:00Z", "T00:00:00Z"):
        try:
            return parse_time(text + suffix)
        except InvalidArgument:
            continue
    raise InvalidArgument(f'failed to parse value as time or duration: "{text[:64]}"')
