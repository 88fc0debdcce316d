"""Names of new containers: a made-up one that is taken is made up again, a chosen one that is taken is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from minidock.api import ContainerConfig, HostConfig
from minidock.containers import create
from minidock.containers.create import Creator
from minidock.containers.records import Container, Extra
from minidock.containers.users import ResolvedUser
from minidock.errors import Conflict
from minidock.store.layout import Layout
from minidock.store.store import Store


def made(id: str, name: str = "") -> Container:
    return Container(
        id * 64,
        name,
        "sha256:" + "0" * 64,
        "busybox",
        1,
        id * 64,
        ContainerConfig(),
        HostConfig(),
        {},
        Extra(ResolvedUser(0, 0, (), "/root")),
    )


@pytest.fixture
def creator(tmp_path: Path) -> Creator:
    store = Store(Layout(f"{tmp_path}/root", f"{tmp_path}/run"), probe=lambda _: "none")
    volumes = SimpleNamespace(prepare=lambda *_: SimpleNamespace(sources={}, anonymous=(), rows=()))
    nothing: Any = None
    return Creator(store, nothing, cast(Any, volumes), nothing, nothing)


def test_a_made_up_name_that_is_taken_is_made_up_again(creator: Creator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(create, "made_up_name", lambda attempt: "kind_hopper" + "x" * attempt)
    image = cast(Any, SimpleNamespace(chain=None))
    assert [creator._commit(made(id), image, ()).name for id in "abc"] == [
        "kind_hopper",
        "kind_hopperx",
        "kind_hopperxx",
    ]


def test_a_chosen_name_that_is_taken_is_refused(creator: Creator) -> None:
    image = cast(Any, SimpleNamespace(chain=None))
    assert creator._commit(made("a", "web"), image, ()).name == "web"
    with pytest.raises(Conflict, match=f'The container name "/web" is already in use by container "{"a" * 64}"'):
        creator._commit(made("b", "web"), image, ())
