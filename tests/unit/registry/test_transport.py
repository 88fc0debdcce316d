"""A body that trickles: each byte comes in time, and yet it would hold us for ever."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from minidock.registry.transport import Cut, Limits, Stream


class Trickle:
    """The part of urllib3's response that a stream uses: one piece at a time, as long as anybody asks."""

    status = 200
    length_remaining = None

    def __init__(self, piece: bytes) -> None:
        self.headers = self
        self.piece = piece
        self.closed = False

    def iteritems(self) -> Iterator[tuple[str, str]]:
        return iter(())

    def read1(self, amount: int) -> bytes:
        return self.piece[:amount]

    def close(self) -> None:
        self.closed = True


def stream(piece: bytes, seconds: float) -> tuple[Stream, Trickle]:
    """Return a stream whose clock moves by *seconds* with each piece."""
    now = iter(range(10**9))
    response = Trickle(piece)
    return Stream(cast(Any, response), "Get", Limits(), lambda: next(now) * seconds), response


def test_a_byte_every_twenty_seconds_is_a_stall() -> None:
    body, _ = stream(b"x", 20)
    with pytest.raises(Cut, match="only 4 bytes in 80 s"):
        list(body.chunks(1 << 30))


def test_a_slow_line_is_none() -> None:
    body, _ = stream(b"x" * 40_000, 20)
    assert sum(map(len, body.chunks(400_000))) == 400_000


def test_a_reply_is_read_up_to_its_limit_and_closed() -> None:
    body, response = stream(b"x" * 1000, 0)
    reply = body.reply(2500)
    assert (len(reply.body), reply.whole, response.closed) == (2500, False, True)
