"""One store for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.stores import Steps, layout_in, open_store, temporary_folder

from minidock.store.layout import Layout
from minidock.store.store import Store


@pytest.fixture
def folder() -> Iterator[str]:
    with temporary_folder() as path:
        yield path


@pytest.fixture
def layout(folder: str) -> Layout:
    return layout_in(folder)


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def store(layout: Layout, steps: Steps) -> Iterator[Store]:
    with open_store(layout, steps) as opened:
        yield opened
