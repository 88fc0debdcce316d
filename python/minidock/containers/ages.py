"""Ages in Docker's rough words, for ``ps`` and ``images``: "3 minutes", "About an hour"."""

from __future__ import annotations


def show_age(seconds: float) -> str:
    """Return a length of time in words, rounded as Docker does: ``About an hour``, ``3 weeks``."""
    whole = int(seconds)
    minutes, hours = int(seconds / 60), int(seconds / 3600 + 0.5)
    for below, words in (
        (whole < 1, "Less than a second"),
        (whole == 1, "1 second"),
        (whole < 60, f"{whole} seconds"),
        (minutes == 1, "About a minute"),
        (minutes < 60, f"{minutes} minutes"),
        (hours == 1, "About an hour"),
        (hours < 48, f"{hours} hours"),
        (hours < 24 * 7 * 2, f"{hours // 24} days"),
        (hours < 24 * 30 * 2, f"{hours // 24 // 7} weeks"),
        (hours < 24 * 365 * 2, f"{hours // 24 // 30} months"),
    ):
        if below:
            return words
    return f"{int(seconds / 3600) // 24 // 365} years"
