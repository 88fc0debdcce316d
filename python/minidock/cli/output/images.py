"""The rows of ``images`` and ``history``: what the engine lists → what people read."""

from __future__ import annotations

import time
from collections.abc import Iterator

from minidock.api import HistoryItem, ImageSummary
from minidock.cli.gotemplate import Record
from minidock.cli.output.containers import when
from minidock.cli.output.table import short_id, shorten
from minidock.cli.values.sizes import show_size
from minidock.containers.ages import show_age

NONE = "<none>"
USUAL = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{if .CreatedSince }}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}"
USUAL_DIGESTS = USUAL.replace("{{.ID}}", "{{.Digest}}\t{{.ID}}")
HEADINGS = {
    "Containers": "CONTAINERS",
    "CreatedAt": "CREATED AT",
    "CreatedSince": "CREATED",
    "Digest": "DIGEST",
    "ID": "IMAGE ID",
    "Repository": "REPOSITORY",
    "SharedSize": "SHARED SIZE",
    "Size": "SIZE",
    "Tag": "TAG",
    "UniqueSize": "UNIQUE SIZE",
    "VirtualSize": "SIZE",
}

HISTORY_USUAL = "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
HISTORY_USUAL_EXACT = HISTORY_USUAL.replace("CreatedSince", "CreatedAt")
HISTORY_HEADINGS = {
    "Comment": "COMMENT",
    "CreatedAt": "CREATED AT",
    "CreatedBy": "CREATED BY",
    "CreatedSince": "CREATED",
    "ID": "IMAGE",
    "Size": "SIZE",
}


def rows(image: ImageSummary, *, cut: bool, digests: bool, now: float) -> Iterator[Record]:
    """Yield one row for each name of an image, or one with ``<none>`` if it has none."""
    found = list(_names(image, digests))
    for repository, tag, digest in found or [(NONE, NONE, NONE)]:
        record = Record(
            Containers="N/A" if image.containers == -1 else str(image.containers),
            CreatedAt=when(image.created),
            CreatedSince=f"{show_age(now - image.created)} ago" if image.created > 0 else "",
            Digest=digest,
            ID=short_id(image.id) if cut else image.id,
            Repository=repository,
            SharedSize=_shown(image.shared_size),
            Size=show_size(image.size, 3),
            Tag=tag,
            UniqueSize="N/A" if image.shared_size == -1 else show_size(image.size - image.shared_size, 3),
            VirtualSize=show_size(image.size),
        )
        record.kind = "*formatter.imageContext"
        yield record


def _shown(size: int) -> str:
    return "N/A" if size == -1 else show_size(size, 3)


def _names(image: ImageSummary, digests: bool) -> Iterator[tuple[str, str, str]]:
    """Yield repository, tag and digest of each name; digests are shown beside the tags only if asked for."""
    by_repository: dict[str, list[str]] = {}
    for name in image.repo_digests:
        repository, _, digest = name.partition("@")
        by_repository.setdefault(repository, []).append(digest)
    tagged = set()
    for name in image.repo_tags:
        repository, _, tag = name.rpartition(":")
        tagged.add(repository)
        for digest in (by_repository.get(repository) or [NONE]) if digests else [NONE]:
            yield repository, tag, digest
    for repository, found in by_repository.items():
        if repository not in tagged:
            for digest in found:
                yield repository, NONE, digest if digests else NONE


def history_row(item: HistoryItem, *, cut: bool, human: bool, now: float) -> Record:
    """Return the fields of one line of an image's history."""
    created_by = item.created_by.replace("\t", " ")
    return Record(
        Comment=item.comment,
        CreatedAt=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(item.created)),
        CreatedBy=shorten(created_by, 45) if cut else created_by,
        CreatedSince=f"{show_age(now - item.created)} ago" if item.created > 0 else "N/A",
        ID=short_id(item.id) if cut else item.id,
        Size=show_size(item.size, 3) if human else str(item.size),
    )
