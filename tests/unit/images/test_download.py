"""Downloads: three at a time, each blob once, errors for all who wait."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from tests.support.images import sha256
from tests.support.pulls import Steps

from minidock.images.download import PARALLEL, Downloads, Stopped
from minidock.oci.digest import Digest
from minidock.oci.manifest import OCI_LAYER, Descriptor
from minidock.trace.recorder import Recorder

BLOBS = [Descriptor(OCI_LAYER, Digest(sha256(bytes([n]))), n) for n in range(8)]


def test_each_once_the_lowest_first_and_no_more_than_three_at_a_time() -> None:
    fetched: list[Descriptor] = []
    now, most = 0, 0
    lock = threading.Lock()
    full = threading.Barrier(PARALLEL)

    def fetch(blob: Descriptor, check: Callable[[], None]) -> None:
        nonlocal now, most
        with lock:
            fetched.append(blob)
            now += 1
            most = max(most, now)
        if blob.size < PARALLEL:
            full.wait(20)  # passes only if three really run at once
        with lock:
            now -= 1

    with Downloads([*BLOBS, *BLOBS], fetch) as downloads:
        for blob in BLOBS:
            downloads.wait(blob.digest)
    assert sorted(fetched, key=lambda blob: blob.size) == BLOBS
    assert {blob.size for blob in fetched[:PARALLEL]} == set(range(PARALLEL))
    assert most == PARALLEL


def test_an_error_reaches_whoever_waits_and_stops_the_others() -> None:
    stopped = threading.Event()

    def fetch(blob: Descriptor, check: Callable[[], None]) -> None:
        if blob.size == 1:
            raise ValueError("broken")
        while True:
            try:
                check()
            except Stopped:
                stopped.set()
                raise

    with pytest.raises(ValueError, match="broken"), Downloads(BLOBS[:2], fetch) as downloads:
        downloads.wait(BLOBS[0].digest)
    assert stopped.wait(20)


def test_leaving_stops_those_under_way() -> None:
    begun, stopped = threading.Event(), threading.Event()

    def fetch(blob: Descriptor, check: Callable[[], None]) -> None:
        begun.set()
        try:
            while True:
                check()
        except Stopped:
            stopped.set()
            raise

    def interrupted() -> None:
        with Downloads(BLOBS, fetch):
            begun.wait(20)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stopped.wait(20)


def test_whoever_listens_to_our_steps_hears_of_theirs() -> None:
    recorder, steps = Recorder(), Steps()

    def fetch(blob: Descriptor, check: Callable[[], None]) -> None:
        recorder.call("registry.fetch", {"size": blob.size}, lambda: None)

    with recorder.listening(steps), Downloads(BLOBS, fetch) as downloads:
        for blob in BLOBS:
            downloads.wait(blob.digest)
    assert len(steps.steps) == len(BLOBS)


def test_nothing_to_do_is_done() -> None:
    with Downloads([], lambda blob, check: None):
        pass
