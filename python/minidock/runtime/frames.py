"""Frames on a stream socket, without any socket: bytes in, frames out (:mod:`minidock.kernel.protocol`)."""

from __future__ import annotations

from collections.abc import Iterator

from minidock.errors import SystemFault
from minidock.kernel.protocol import HEADER_SIZE, LONGEST_FRAME


def frame(kind: int, payload: bytes) -> bytes:
    """Return one frame."""
    return bytes((kind, 0, 0, 0)) + len(payload).to_bytes(4, "big") + payload


class FrameReader:
    """Takes bytes as they come and yields whole frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (type, payload) for each frame that is complete with *data*.

        :raises SystemFault: the stream is not made of frames.
        """
        buffer = self._buffer
        buffer += data
        while len(buffer) >= HEADER_SIZE:
            length = int.from_bytes(buffer[4:HEADER_SIZE], "big")
            if length > LONGEST_FRAME or buffer[1:4] != b"\0\0\0":
                raise SystemFault("the monitor sent something that is not a frame")
            end = HEADER_SIZE + length
            if len(buffer) < end:
                return
            kind, payload = buffer[0], bytes(buffer[HEADER_SIZE:end])
            del buffer[:end]
            yield kind, payload
