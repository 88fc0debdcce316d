"""Whether to try again, and when: five attempts, each pause twice as long, with jitter.

Only what can pass is tried again: 429 and 5xx answers, connections that were cut or stood still. Jitter, a random part
of the pause, keeps a thousand clients that were cut off together from coming back together. A download that moves on
(at least 1 MiB since the last cut) has its attempts back: on a bad line a big layer still arrives.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime

#: As in Docker (DefaultDownloadAttempts) and containerd.
ATTEMPTS = 5
#: After this many new bytes an attempt counts as a success.
PROGRESS = 1 << 20

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 16.0
#: A registry that wants us to wait longer than this gets no second request from this command.
_LONGEST_WAIT = 60.0


def can_pass(status: int) -> bool:
    """Say whether an answer of this status may be another one later."""
    return status in (408, 429, 500, 502, 503, 504)


def pause(attempt: int, retry_after: str | None, jitter: float, now: float) -> float | None:
    """Return the seconds to wait before attempt number *attempt* + 1, or ``None``: give up.

    :param attempt: how many attempts have failed, from 1.
    :param retry_after: the header, in seconds or as an HTTP date; nonsense counts as absent.
    :param jitter: a random number in [0, 1).
    :param now: the time, in seconds since the epoch, against which a date counts.
    """
    if attempt >= ATTEMPTS:
        return None
    asked = _seconds(retry_after, now) if retry_after else 0.0
    if asked > _LONGEST_WAIT:
        return None
    backoff = min(_FIRST_PAUSE * 2.0 ** (attempt - 1), _LONGEST_PAUSE)
    return max(asked, backoff * (0.5 + jitter / 2))


def _seconds(text: str, now: float) -> float:
    text = text.strip()[:64]
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return 0.0
