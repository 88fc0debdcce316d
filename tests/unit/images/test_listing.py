"""``images`` and its filters."""

from __future__ import annotations

import pytest

from minidock.api import ImageSummary
from minidock.errors import InvalidArgument
from minidock.images.catalog import StoredImage
from minidock.images.listing import Candidate, Filters, summaries
from minidock.oci.digest import Digest
from minidock.store.rows import ImageRow, NameRow

TARGET = Digest("sha256:" + "dd" * 32)


def candidate(
    number: int, *names: str, labels: dict[str, str] | None = None, target: Digest | None = None
) -> Candidate:
    key = Digest(f"sha256:{number:064x}")
    row = ImageRow(
        id=key,
        manifest=key,
        media_type="m",
        os="linux",
        architecture="amd64",
        created=number * 10**9,
        added=0,
        size=number,
    )
    return Candidate(StoredImage(row, tuple(NameRow(name, key, target) for name in names)), labels, 0)


IMAGES = (
    candidate(1, "docker.io/library/old:latest", labels={"a": "1"}),
    candidate(3, labels={"a": "1", "b": "2"}),
    candidate(2, "docker.io/team/app:1", "docker.io/team/app:2", "reg:5000/x:y", target=TARGET),
    candidate(4, f"docker.io/team/only@{TARGET}"),
)


def listed(filters: Filters) -> list[ImageSummary]:
    times = {"old": 10**9, "app": 2 * 10**9}
    return summaries(IMAGES, filters, lambda name: times[name], now=100 * 10**9)


def sizes(filters: Filters) -> list[int]:
    return [row.size for row in listed(filters)]


def test_newest_first_with_all_names() -> None:
    rows = listed({})
    assert [row.size for row in rows] == [4, 3, 2, 1]
    assert rows[2].repo_tags == ("team/app:1", "team/app:2", "reg:5000/x:y")
    assert rows[2].repo_digests == (f"team/app@{TARGET}", f"reg:5000/x@{TARGET}")
    assert rows[1].repo_tags == ()


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"dangling": ["true"]}, [4, 3]),
        ({"dangling": ["false"]}, [4, 2, 1]),
        ({"label": ["a"]}, [3, 1]),
        ({"label": ["a=1", "b"]}, [3]),
        ({"label": ["a=2"]}, []),
        ({"before": ["app"]}, [1]),
        ({"since": ["old"]}, [4, 3, 2]),
        ({"since": ["old"], "before": ["app"]}, []),
        ({"reference": ["team/*"]}, [4, 2]),
        ({"reference": ["old:*", "team/app"]}, [2, 1]),
        ({"reference": ["*"]}, [1]),
        ({"until": ["97s"]}, [2, 1]),
        ({"until": ["1970-01-01T00:00:02Z"]}, [1]),
    ],
)
def test_filters(filters: Filters, expected: list[int]) -> None:
    assert sizes(filters) == expected


def test_a_reference_filter_hides_the_other_names() -> None:
    assert listed({"reference": ["team/app:2"]})[0].repo_tags == ("team/app:2",)


@pytest.mark.parametrize(
    "filters",
    [{"color": ["red"]}, {"dangling": ["maybe"]}, {"until": ["1h", "2h"]}, {"until": ["x"]}, {"reference": ["["]}],
)
def test_refused(filters: Filters) -> None:
    with pytest.raises(InvalidArgument):
        listed(filters)
