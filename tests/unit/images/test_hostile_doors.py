"""The table of hostile archives through two doors: as a layer of a loaded image, and as an imported tar."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet
from tests.hostile_archives import Hostile, Lab, hostile_archives, lab
from tests.support.imagelab import TWINS, ImageLab, archive, docker_members
from tests.support.naive import extract_naively

from minidock.errors import InvalidArchive, MinidockError
from minidock.images.archive.inflate import inflate

pytestmark = pytest.mark.root  # an archive may hold devices

CASES = hostile_archives()
SLOW = {"10 GiB in 10 MiB of gzip"}
ONE_LAYER = [case for case in CASES if len(case.layers(Lab(Path("/lab")))) == 1]
#: A blob beyond this size is no honest one: its diffID does not matter, since it is never unpacked to its end.
BOMB = 5 << 20


@pytest.fixture
def place() -> Iterator[Lab]:
    with lab() as made:
        yield made


def parameters(cases: list[Hostile]) -> list[ParameterSet]:
    """One test for each case, with its name."""
    return [
        pytest.param(case, id=f"{case.number} {case.name}", marks=[pytest.mark.slow] * (case.name in SLOW))
        for case in cases
    ]


def plain(blob: bytes) -> bytes:
    """The tar in a blob, as far as there is one: its digest is what an attacker would give as the diffID."""
    if blob[:2] != b"\x1f\x8b" or len(blob) > BOMB:
        return blob
    try:
        return b"".join(inflate([blob], "gzip"))
    except InvalidArchive:
        return blob


def through_load(images: ImageLab, blobs: list[bytes]) -> str:
    members = docker_members([plain(blob) for blob in blobs], ["hostile:1"], blobs)
    return images.load(archive(members.items()))[0]


def through_import(images: ImageLab, blobs: list[bytes]) -> str:
    return images.images.import_(io.BytesIO(blobs[0]), None, [], "")


def check(place: Lab, case: Hostile, door: str, twin: str) -> None:
    blobs = case.layers(place)
    images = ImageLab(place.root, twin)
    store = Path(images.store.layout.root)
    try:
        images.images.list({}, False)  # the database's files are there
        outside, known = place.outside(), set(os.listdir(store))
        try:
            image = through_load(images, blobs) if door == "load" else through_import(images, blobs)
        except MinidockError:
            image = ""
        assert bool(image) == (case.outcome == "ok")
        if image:
            files = images.files(image)
            assert {name: files[name] for name in case.inside} == case.inside
            assert not files.keys() & set(case.absent)
        else:
            assert images.is_empty()
            assert os.listdir(store / "snapshots") == []
        assert place.outside() == outside
        assert set(os.listdir(store)) == known
        assert os.listdir(store / "tmp") == []
    finally:
        images.store.close()


@pytest.mark.parametrize("case", parameters(CASES))
@pytest.mark.parametrize("twin", TWINS)
def test_load(place: Lab, case: Hostile, twin: str) -> None:
    check(place, case, "load", twin)


@pytest.mark.parametrize("case", parameters(ONE_LAYER))
@pytest.mark.parametrize("twin", TWINS)
def test_import(place: Lab, case: Hostile, twin: str) -> None:
    check(place, case, "import", twin)


def test_the_canary_sees_a_naive_extractor(place: Lab) -> None:
    """The control: the same archives, and an extractor that believes them."""
    case = next(case for case in CASES if case.name == "goes up in a PAX path")
    before = place.outside()
    for blob in case.layers(place):
        extract_naively(blob, place.root)
    assert place.outside() != before
