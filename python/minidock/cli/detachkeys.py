"""The key sequence that leaves a container without stopping it: ``ctrl-p,ctrl-q`` unless told otherwise.

What a terminal sends for ctrl-p is one byte, 16. The keys are looked for in the bytes on their way to the container: a
byte that could begin the sequence is held back until the next one shows whether it does.
"""

from __future__ import annotations

DEFAULT = "ctrl-p,ctrl-q"

_CONTROLS = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


def parse_keys(text: str) -> bytes:
    r"""Read ``ctrl-p,ctrl-q``, ``a,b`` or ``ctrl-@``.

    :raises ValueError: a key that is no single character and no ``ctrl-`` with a letter or one of ``@[\\]^_``.
    """
    return bytes(_key(key) for key in text.split(","))


def _key(text: str) -> int:
    if len(text) == 1 and text.isascii():
        return ord(text)
    control = text.removeprefix("ctrl-")
    if text.startswith("ctrl-") and len(control) == 1:
        if control in _CONTROLS:
            return _CONTROLS[control]
        if control.isascii() and control.islower():
            return ord(control) - ord("a") + 1
    raise ValueError(f"invalid detach keys: Unknown character: '{text}'")


class DetachKeys:
    """Watches a stream of typed bytes for *keys*."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""

    def feed(self, data: bytes) -> bytes | None:
        """Return the bytes that may go on, or ``None`` once the whole sequence was typed."""
        free = b""
        for byte in data:
            self._held += bytes((byte,))
            if self._held == self._keys:
                return None
            while self._held and not self._keys.startswith(self._held):
                free, self._held = free + self._held[:1], self._held[1:]
        return free
