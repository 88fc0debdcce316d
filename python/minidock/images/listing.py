"""``minidock images``: which images are shown, and what of them. Pure.

Filters are Docker's: ``before``, ``since`` (an image), ``dangling``, ``label``, ``reference``, ``until``. All kinds
must hold; of one kind, one value is enough, but for ``label``: there all must.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from minidock.api import ImageSummary
from minidock.errors import InvalidArgument
from minidock.images.catalog import StoredImage
from minidock.images.patterns import match_path
from minidock.images.times import parse_moment
from minidock.oci.reference import Reference

Filters = Mapping[str, Sequence[str]]

_KNOWN = frozenset({"before", "dangling", "label", "reference", "since", "until"})
_BOOLEANS = {"1": True, "true": True, "0": False, "false": False}


class Candidate(msgspec.Struct, frozen=True):
    """One image, and what of its configuration a row needs."""

    image: StoredImage
    labels: dict[str, str] | None
    containers: int


def check_filters(filters: Filters) -> None:
    """Refuse what is no filter.

    :raises InvalidArgument: with Docker's message.
    """
    for name in filters:
        if name not in _KNOWN:
            raise InvalidArgument(f"invalid filter '{name[:80]}'")
    for value in filters.get("dangling", ()):
        if value.lower() not in _BOOLEANS:
            raise InvalidArgument(f"invalid filter 'dangling=[{value[:80]}]'")
    if len(filters.get("until", ())) > 1:
        raise InvalidArgument("more than one until filter specified")


def summaries(
    candidates: Iterable[Candidate], filters: Filters, created: Callable[[str], int], now: int
) -> list[ImageSummary]:
    """Return the rows that *filters* let through, the newest image first.

    :param created: tells when the image of a ``before`` or ``since`` filter was made.
    :param now: nanoseconds since the epoch.
    """
    check_filters(filters)
    before = [created(name) for name in filters.get("before", ())]
    before += [parse_moment(text, now) for text in filters.get("until", ())]
    since = [created(name) for name in filters.get("since", ())]
    dangling = next((_BOOLEANS[value.lower()] for value in filters.get("dangling", ())), None)
    rows = []
    for candidate in candidates:
        made = candidate.image.row.created
        if any(made >= limit for limit in before) or any(made <= limit for limit in since):
            continue
        if not _has_labels(candidate.labels or {}, filters.get("label", ())):
            continue
        row = _summary(candidate, filters.get("reference", ()))
        named = bool(row.repo_tags or row.repo_digests)
        if not named and ("reference" in filters or dangling is False):
            continue
        if dangling and row.repo_tags:
            continue
        rows.append((-made, row.id, row))
    return [row for _, _, row in sorted(rows, key=lambda item: item[:2])]


def _summary(candidate: Candidate, patterns: Sequence[str]) -> ImageSummary:
    image = candidate.image
    return ImageSummary(
        id=image.row.id,
        repo_tags=tuple(r.familiar for r in image.tags if not patterns or _matches(r, patterns)),
        repo_digests=tuple(r.familiar for r in image.digests if not patterns or _matches(r, patterns)),
        created=image.row.created // 10**9,
        size=image.row.size,
        labels=candidate.labels,
        containers=candidate.containers,
    )


def _has_labels(labels: dict[str, str], wanted: Sequence[str]) -> bool:
    for text in wanted:
        name, equals, value = text.partition("=")
        if name not in labels or (equals and labels[name] != value):
            return False
    return True


def _matches(reference: Reference, patterns: Sequence[str]) -> bool:
    return any(
        match_path(pattern, reference.familiar) or match_path(pattern, reference.familiar_name) for pattern in patterns
    )
