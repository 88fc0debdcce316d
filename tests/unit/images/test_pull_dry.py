"""``pull`` in a dry run: asks the registry for real, names all downloads, ends at the first layer, writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.images import image, sha256, tar
from tests.support.liar import Liar
from tests.support.pulls import lab

from minidock.kernel.dry import DryRunEnd

IMAGE = image([tar({name: b"x"}) for name in "abcde"])


def test_a_new_image(root: Path) -> None:
    with Liar({"app:1": IMAGE}) as registry, lab(root, dry=True) as ours:
        with pytest.raises(DryRunEnd):
            ours.pull(f"{registry.host}/app:1")
        ops = [step.op for step in ours.steps.steps]
        assert ops[0] == "registry.resolve"
        fetched = [step.args["digest"] for step in ours.steps.of("registry.fetch")]
        assert fetched == [sha256(data) for data in IMAGE.layers]
        assert ops[-1] == "layer.apply"
        blobs = {asked.path.rpartition("/")[2] for asked in registry.asked("blobs")}
        assert blobs == {sha256(IMAGE.config)}  # the documents are real, the layers are not fetched
        assert list(root.iterdir()) == []


def test_an_image_that_is_here(root: Path) -> None:
    with Liar({"app:1": IMAGE}) as registry:
        with lab(root) as ours:
            ours.pull(f"{registry.host}/app:1")
        with lab(root, dry=True) as ours:
            ours.pull(f"{registry.host}/app:1")
            assert ours.words.last == f"Status: Image is up to date for {registry.host}/app:1"
