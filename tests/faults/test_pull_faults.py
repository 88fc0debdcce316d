"""Faults 24 to 29: registries that fail, connections that break, clients that leave. The proof is the server's log."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.support.images import image, sha256, tar
from tests.support.liar import Answer, Asked, Liar
from tests.support.paths import PYTHON_PATH
from tests.support.pulls import Lab, fast, lab

from minidock.errors import DigestMismatch, RegistryError, StoreDamaged, Unavailable
from minidock.oci.digest import Digest
from minidock.registry.retry import ATTEMPTS
from minidock.store.repair import check_and_repair

#: One large layer, which does not compress, and two small ones.
NOISE = random.Random(1).randbytes(3 << 20)
IMAGE = image([tar({"noise": NOISE}), tar({"b": b"b"}), tar({"c": b"c"})])
BIG = IMAGE.layers[0]
BIG_PATH = f"/v2/app/blobs/{sha256(BIG)}"
PART = f"{sha256(BIG)[7:]}.part"


def is_big(asked: Asked) -> bool:
    return asked.path == BIG_PATH


def ranges(registry: Liar) -> list[str | None]:
    """The Range headers of all requests for the large blob."""
    return [asked.headers.get("range") for asked in registry.log if is_big(asked)]


def whole(ours: Lab, registry: Liar) -> None:
    assert ours.names == [f"{registry.host}/app:1"]
    assert ours.tree()["noise"] == NOISE
    assert ours.parts() == {}
    ours.assert_sound()


def nothing_to_undo(*_: object) -> None:
    raise AssertionError("a pull leaves no journal")


class TestOverload:  # 24
    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
    @pytest.mark.parametrize("kind", ["manifests", "blobs"])
    def test_is_tried_five_times_with_growing_pauses(self, status: int, kind: str, root: Path) -> None:
        def lie(asked: Asked, answer: Answer) -> None:
            if asked.kind == kind and (kind == "manifests" or is_big(asked)):
                answer.status, answer.body = status, b"<html>busy</html>"

        with Liar({"app:1": IMAGE}, lie) as registry, lab(root) as ours:
            with pytest.raises(Unavailable):
                ours.pull(f"{registry.host}/app:1")
            tries = ranges(registry) if kind == "blobs" else registry.asked("manifests")
            assert len(tries) == ATTEMPTS
            assert len(ours.waits) == ATTEMPTS - 1
            for number, wait in enumerate(ours.waits):
                assert 0.25 * 2**number <= wait <= 0.5 * 2**number
            ours.assert_nothing_committed()

    def test_that_passes_is_survived(self, root: Path) -> None:
        def lie(asked: Asked, answer: Answer) -> None:
            if asked.method == "GET" and asked.number < ATTEMPTS:
                answer.status, answer.body = 503, b""

        with Liar({"app:1": IMAGE}, lie) as registry, lab(root) as ours:
            ours.pull(f"{registry.host}/app:1")
            whole(ours, registry)

    def test_retry_after_is_respected(self, root: Path) -> None:
        def lie(asked: Asked, answer: Answer) -> None:
            if is_big(asked) and asked.number == 1:
                answer.status, answer.body = 429, b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}'
                answer.headers = {"Retry-After": "7"}

        with Liar({"app:1": IMAGE}, lie) as registry, lab(root) as ours:
            ours.pull(f"{registry.host}/app:1")
            assert ours.waits == [7.0]
            whole(ours, registry)

    def test_a_wait_of_an_hour_is_not_waited_for(self, root: Path) -> None:
        def lie(asked: Asked, answer: Answer) -> None:
            if asked.kind == "manifests" and asked.method == "GET":
                answer.status, answer.headers = 429, {"Retry-After": "3600"}
                answer.body = (
                    b'{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit"}]}'
                )

        with Liar({"app:1": IMAGE}, lie) as registry, lab(root) as ours:
            with pytest.raises(Unavailable, match="toomanyrequests: You have reached your pull rate limit"):
                ours.pull(f"{registry.host}/app:1")
            assert ours.waits == []

    def test_a_refusal_is_not_repeated(self, root: Path) -> None:
        def lie(asked: Asked, answer: Answer) -> None:
            if is_big(asked):
                answer.status, answer.body = 410, b""

        with Liar({"app:1": IMAGE}, lie) as registry, lab(root) as ours:
            with pytest.raises(RegistryError, match="unexpected HTTP status: 410"):
                ours.pull(f"{registry.host}/app:1")
            assert len(ranges(registry)) == 1


class TestCut:  # 25
    @pytest.mark.parametrize("after", [1, 100_000, 2 << 20, len(BIG) - 1])
    def test_goes_on_where_it_broke(self, after: int, root: Path) -> None:
        def lie(asked: Asked, answer: Answer) -> None:
            if is_big(asked) and asked.number == 1:
                answer.cut = after

        with Liar({"app:1": IMAGE}, lie) as registry, lab(root) as ours:
            ours.pull(f"{registry.host}/app:1")
            assert ranges(registry) == [None, f"bytes={after}-"]
            whole(ours, registry)

    def test_many_cuts_with_progress_do_not_exhaust_the_attempts(self, root: Path) -> None:
        step = (1 << 20) + 1

        def lie(asked: Asked, answer: Answer) -> None:
            if is_big(asked):
                answer.cut = step

        with Liar({"app:1": IMAGE}, lie) as registry, lab(root) as ours:
            ours.pull(f"{registry.host}/app:1")
            assert len(ranges(registry)) == -(-len(BIG) // step)
            whole(ours, registry)

    def test_without_progress_it_ends(self, root: Path) -> None:
        def lie(asked: Asked, answer: Answer) -> None:
            if is_big(asked):
                answer.cut = 10

        with Liar({"app:1": IMAGE}, lie) as registry, lab(root) as ours:
            with pytest.raises(Unavailable, match="unexpected EOF"):
                ours.pull(f"{registry.host}/app:1")
            assert ranges(registry) == [None, *(f"bytes={10 * n}-" for n in range(1, ATTEMPTS))]
            ours.assert_nothing_committed()
            assert ours.parts()[PART] == 10 * ATTEMPTS

    def test_the_part_is_kept_for_the_next_run(self, root: Path) -> None:
        def lie(asked: Asked, answer: Answer) -> None:
            if is_big(asked):
                answer.status, answer.cut = (answer.status, 1_000_000) if asked.number == 1 else (403, None)

        with Liar({"app:1": IMAGE}, lie) as registry:
            with lab(root) as first, pytest.raises(Exception, match="403"):
                first.pull(f"{registry.host}/app:1")
            registry.lie = lambda asked, answer: None
            with lab(root) as second:
                assert second.parts()[PART] == 1_000_000
                second.pull(f"{registry.host}/app:1")
                assert ranges(registry)[-1] == "bytes=1000000-"
                whole(second, registry)

    def test_a_server_without_ranges_starts_again(self, root: Path) -> None:
        def lie(asked: Asked, answer: Answer) -> None:
            if is_big(asked) and asked.number == 1:
                answer.cut = 1_500_000

        with Liar({"app:1": IMAGE}, lie, ranges=False) as registry, lab(root) as ours:
            ours.pull(f"{registry.host}/app:1")
            assert ranges(registry) == [None, "bytes=1500000-"]
            whole(ours, registry)

    def test_a_server_that_refuses_the_range_is_asked_for_all(self, root: Path) -> None:
        def lie(asked: Asked, answer: Answer) -> None:
            if is_big(asked) and asked.number == 1:
                answer.cut = 1_500_000
            if is_big(asked) and "range" in asked.headers:
                answer.status, answer.body, answer.headers = 416, b"", {"Content-Range": "bytes */*"}

        with Liar({"app:1": IMAGE}, lie) as registry, lab(root) as ours:
            ours.pull(f"{registry.host}/app:1")
            assert ranges(registry) == [None, "bytes=1500000-", None]
            whole(ours, registry)

    @pytest.mark.parametrize(
        "header",
        [
            f"bytes 0-{len(BIG) - 1}/{len(BIG)}",
            f"bytes 999999-{len(BIG) - 1}/{len(BIG)}",
            f"bytes 1000000-{len(BIG)}/{len(BIG)}",
            f"bytes 1000000-{len(BIG) - 1}/{len(BIG) + 1}",
            "bytes 1000000-5/*",
            "lines 1-2/3",
            "",
            "bytes 1000000-" + "9" * 30 + "/*",
        ],
    )
    def test_a_range_that_was_not_asked_for_is_refused(self, header: str, root: Path) -> None:
        def lie(asked: Asked, answer: Answer) -> None:
            if is_big(asked) and asked.number == 1:
                answer.cut = 1_000_000
            elif is_big(asked):
                answer.headers = answer.headers | {"Content-Range": header}

        with Liar({"app:1": IMAGE}, lie) as registry, lab(root) as ours:
            with pytest.raises(RegistryError):
                ours.pull(f"{registry.host}/app:1")
            ours.assert_nothing_committed()
            registry.lie = lambda asked, answer: None
            ours.pull(f"{registry.host}/app:1")
            whole(ours, registry)

    def test_a_part_that_was_wrong_heals(self, root: Path) -> None:
        with Liar({"app:1": IMAGE}) as registry, lab(root) as ours:
            Path(ours.store.layout.ingest, PART).write_bytes(b"x" * 1000)
            ours.pull(f"{registry.host}/app:1")
            assert ranges(registry) == ["bytes=1000-", None]
            whole(ours, registry)

    def test_a_part_that_is_whole_is_not_fetched_again(self, root: Path) -> None:
        with Liar({"app:1": IMAGE}) as registry, lab(root) as ours:
            Path(ours.store.layout.ingest, PART).write_bytes(BIG)
            ours.pull(f"{registry.host}/app:1")
            assert ranges(registry) == []
            whole(ours, registry)


class TestRot:  # 20
    def test_a_blob_that_rotted_in_the_store_is_named_and_a_repair_lets_the_next_pull_heal_it(self, root: Path) -> None:
        with Liar({"app:1": IMAGE}) as registry, lab(root) as ours:
            blob = Path(ours.store.layout.blob(Digest(sha256(BIG))))
            blob.write_bytes(BIG[:4] + b"\1" + BIG[5:])  # gzip's time: the tar in it stays the same
            with pytest.raises(StoreDamaged, match=sha256(BIG)):
                ours.pull(f"{registry.host}/app:1")
            assert ours.names == []
            assert check_and_repair(ours.store, nothing_to_undo)[1] == []
            ours.pull(f"{registry.host}/app:1")
            whole(ours, registry)


class TestStall:  # 26
    def test_a_server_that_stands_still_is_left_and_asked_again(self, root: Path) -> None:
        def lie(asked: Asked, answer: Answer) -> None:
            if is_big(asked) and asked.number == 1:
                answer.stall = 2_000_000

        with Liar({"app:1": IMAGE}, lie) as registry, lab(root, limits=fast()) as ours:
            ours.pull(f"{registry.host}/app:1")
            assert ranges(registry) == [None, "bytes=2000000-"]
            whole(ours, registry)

    def test_waiting_for_another_pull_is_no_stall(self, root: Path) -> None:
        """The other pull's server stands still for longer than our limit; we wait, and fetch nothing ourselves."""

        def lie(asked: Asked, answer: Answer) -> None:
            if is_big(asked):
                answer.stall = len(BIG) // 2
                slow_asked.set()

        slow_asked = threading.Event()
        servers = Liar({"app:1": IMAGE}, lie), Liar({"app:1": IMAGE})
        labs = lab(root, limits=fast(30)), lab(root, limits=fast(0.5))
        with servers[0] as slow, servers[1] as registry, labs[0] as first, labs[1] as second:
            other = threading.Thread(target=lambda: first.pull(f"{slow.host}/app:1"))
            other.start()
            assert slow_asked.wait(20)
            slow.lie = lambda asked, answer: None
            mine = threading.Thread(target=lambda: second.pull(f"{registry.host}/app:1"))
            mine.start()
            mine.join(1.5)  # three times our own limit
            assert mine.is_alive()
            slow.released.set()
            other.join(30)
            mine.join(30)
            assert ranges(registry) == []
            assert sorted(second.names) == sorted([f"{slow.host}/app:1", f"{registry.host}/app:1"])


class TestLength:  # 27
    @pytest.mark.parametrize("length", [str(len(BIG) + 1), str(len(BIG) - 1), "0", "-5", "many", "9" * 40])
    def test_a_wrong_content_length_is_refused(self, length: str, root: Path) -> None:
        def lie(asked: Asked, answer: Answer) -> None:
            if is_big(asked):
                answer.headers = answer.headers | {"Content-Length": length}
                answer.cut = len(BIG)

        with Liar({"app:1": IMAGE}, lie) as registry, lab(root) as ours:
            with pytest.raises((RegistryError, Unavailable)):
                ours.pull(f"{registry.host}/app:1")
            ours.assert_nothing_committed()
            registry.lie = lambda asked, answer: None
            ours.pull(f"{registry.host}/app:1")
            whole(ours, registry)


class TestCompany:  # 29, and "each blob once"
    def test_two_pulls_at_once_fetch_each_blob_once(self, root: Path) -> None:
        with Liar({"app:1": IMAGE, "app:2": IMAGE}) as registry, lab(root) as first, lab(root) as second:
            threads = [
                threading.Thread(target=lambda: first.pull(f"{registry.host}/app:1")),
                threading.Thread(target=lambda: second.pull(f"{registry.host}/app:2")),
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            for data in IMAGE.layers:
                assert len([a for a in registry.asked("blobs") if a.path.endswith(sha256(data))]) == 1
            assert len(first.names) == 2
            assert len(first.store.rows.snapshots.all()) == 3

    def test_the_second_goes_on_when_the_first_is_killed(self, root: Path) -> None:
        half = len(BIG) // 2
        asked_big = threading.Event()

        def lie(asked: Asked, answer: Answer) -> None:
            if is_big(asked) and asked.number == 1:
                answer.stall = half
                asked_big.set()

        with Liar({"app:1": IMAGE}, lie) as registry, lab(root) as ours:
            code = (
                "import sys; from pathlib import Path; from tests.support.pulls import lab\n"
                "with lab(Path(sys.argv[1])) as ours: ours.pull(sys.argv[2])"
            )
            top = Path(__file__).parents[2]
            environment = os.environ | {"PYTHONPATH": PYTHON_PATH}
            words = [sys.executable, "-c", code, str(root), f"{registry.host}/app:1"]
            with subprocess.Popen(words, env=environment, cwd=top) as first:
                assert asked_big.wait(30)
                part = Path(ours.store.layout.ingest, PART)
                while first.poll() is None and (not part.exists() or part.stat().st_size < half):
                    threading.Event().wait(0.01)
                mine = threading.Thread(target=lambda: ours.pull(f"{registry.host}/app:1"))
                mine.start()
                first.send_signal(signal.SIGKILL)
                mine.join(60)
            assert ranges(registry) == [None, f"bytes={half}-"]
            whole(ours, registry)

    def test_one_failed_layer_stops_the_others_and_keeps_what_came(self, root: Path) -> None:
        bad = sha256(IMAGE.layers[1])

        def lie(asked: Asked, answer: Answer) -> None:
            if asked.path.endswith(bad):
                answer.body = bytes(len(answer.body))

        with Liar({"app:1": IMAGE}, lie) as registry, lab(root) as ours:
            with pytest.raises(DigestMismatch, match=bad):
                ours.pull(f"{registry.host}/app:1")
            ours.assert_nothing_committed()
            registry.lie = lambda asked, answer: None
            ours.pull(f"{registry.host}/app:1")
            whole(ours, registry)
