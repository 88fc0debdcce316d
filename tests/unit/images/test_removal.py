"""What ``rmi`` decides, with Docker's words."""

from __future__ import annotations

import pytest

from minidock.errors import Conflict
from minidock.images.catalog import StoredImage
from minidock.images.removal import User, plan_removal
from minidock.oci.digest import Digest
from minidock.oci.reference import parse_reference
from minidock.store.rows import ImageRow, NameRow

ID = Digest("sha256:" + "ab" * 32)
TARGET = Digest("sha256:" + "dd" * 32)
APP1, APP2, OTHER = "docker.io/team/app:1", "docker.io/team/app:2", "docker.io/other/app:1"
RUNNING, STOPPED = User("r" * 64, True), User("s" * 64, False)


def image(*names: str, target: Digest | None = None) -> StoredImage:
    row = ImageRow(id=ID, manifest=ID, media_type="m", os="linux", architecture="amd64", added=0, size=0)
    return StoredImage(row, tuple(NameRow(name, ID, target) for name in names))


def test_one_name_of_several() -> None:
    plan = plan_removal(image(APP1, APP2), "team/app:1", parse_reference("team/app:1"), [RUNNING], force=False)
    assert (plan.names, plan.untagged, plan.delete) == ((APP1,), ("team/app:1",), False)


def test_the_last_name() -> None:
    plan = plan_removal(image(APP1, target=TARGET), "team/app:1", parse_reference("team/app:1"), [], force=False)
    assert plan.delete
    assert plan.untagged == ("team/app:1", f"team/app@{TARGET}")


def test_digest_names_go_with_the_last_tag_of_their_repository() -> None:
    names = (APP1, OTHER, f"docker.io/team/app@{TARGET}")
    plan = plan_removal(image(*names), "team/app:1", parse_reference("team/app:1"), [], force=False)
    assert set(plan.names) == {APP1, f"docker.io/team/app@{TARGET}"}
    assert plan.untagged == ("team/app:1", f"team/app@{TARGET}")
    assert not plan.delete


def test_by_digest() -> None:
    reference = parse_reference(f"team/app@{TARGET}")
    plan = plan_removal(image(f"docker.io/team/app@{TARGET}"), str(reference), reference, [], force=False)
    assert plan.delete
    assert plan.untagged == (f"team/app@{TARGET}",)


def test_by_id_all_names_of_one_repository() -> None:
    plan = plan_removal(image(APP1, target=TARGET), ID, None, [], force=False)
    assert plan.delete
    assert plan.untagged == ("team/app:1", f"team/app@{TARGET}")


@pytest.mark.parametrize("names", [(APP1, APP2), (APP1, OTHER)])
def test_by_id_with_several_tags_must_be_forced(names: tuple[str, ...]) -> None:
    with pytest.raises(Conflict) as refused:
        plan_removal(image(*names), ID, None, [], force=False)
    text = "conflict: unable to delete abababababab (must be forced) - image is referenced in multiple repositories"
    assert refused.value.message == text
    assert plan_removal(image(*names), ID, None, [], force=True).names == tuple(sorted(names))


def test_a_used_image_by_its_last_name() -> None:
    with pytest.raises(Conflict) as refused:
        plan_removal(image(APP1), "team/app:1", parse_reference("team/app:1"), [STOPPED], force=False)
    assert refused.value.message == (
        'conflict: unable to remove repository reference "team/app:1" (must force) - container ssssssssssss'
        " is using its referenced image abababababab"
    )
    assert plan_removal(image(APP1), "team/app:1", parse_reference("team/app:1"), [STOPPED], force=True).delete


def test_a_running_container_keeps_its_image() -> None:
    plan = plan_removal(image(APP1), "team/app:1", parse_reference("team/app:1"), [STOPPED, RUNNING], force=True)
    assert (plan.untagged, plan.delete) == (("team/app:1",), False)
    with pytest.raises(Conflict) as refused:
        plan_removal(image(APP1), ID, None, [STOPPED, RUNNING], force=True)
    expected = "(cannot be forced) - image is being used by running container rrrrrrrrrrrr"
    assert refused.value.message == f"conflict: unable to delete abababababab {expected}"


def test_a_stopped_container_by_id() -> None:
    with pytest.raises(Conflict) as refused:
        plan_removal(image(), ID, None, [STOPPED], force=False)
    expected = "(must be forced) - image is being used by stopped container ssssssssssss"
    assert refused.value.message == f"conflict: unable to delete abababababab {expected}"
    assert plan_removal(image(), ID, None, [STOPPED], force=True).delete
