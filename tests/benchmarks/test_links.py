"""Native against pure: one container's links, and the list of all links; both in namespaces of the test's own.

Most of the time is the kernel's, so the ratio is small: what Rust saves is the encoding of a few hundred bytes and the
start of a Python thread per namespace.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tests.support.netlab import Namespace

from minidock._pure.links import PureLinks
from minidock.kernel.native.links import NativeLinks
from minidock.kernel.ports import Links

pytestmark = pytest.mark.root
TWINS: dict[str, Callable[[], Links]] = {"native": NativeLinks, "pure": PureLinks}


@pytest.fixture(params=sorted(TWINS))
def port(request: pytest.FixtureRequest) -> Links:
    return TWINS[request.param]()


@pytest.fixture
def spaces() -> Iterator[tuple[Namespace, Namespace]]:
    with Namespace() as host, Namespace() as container:
        yield host, container


@pytest.mark.benchmark(group="links: plug one container in")
def test_plug(benchmark: BenchmarkFixture, port: Links, spaces: tuple[Namespace, Namespace]) -> None:
    host, container = spaces
    host.run(lambda: port.bridge("mdbr0", 1500, None))
    host.run(lambda: port.address("mdbr0", "172.17.0.1/16", None))
    numbers = itertools.count(2)

    def plug() -> None:
        number = next(numbers)
        inside = f"eth{number}"
        port.veth(f"mdv{number}", "mdbr0", inside, container.path, 1500, "02:42:ac:11:00:02")
        port.address(inside, f"172.17.1.{number}/32", container.path)
        port.up(inside, container.path)
        port.route(f"198.51.{number}.0/24", f"172.17.1.{number}", container.path)

    host.run(lambda: benchmark.pedantic(plug, rounds=100))  # type: ignore[no-untyped-call]


@pytest.mark.benchmark(group="links: list 100 links")
def test_list(benchmark: BenchmarkFixture, port: Links, spaces: tuple[Namespace, Namespace]) -> None:
    host, _ = spaces
    batch = "\n".join(f"link add d{n} type veth peer name e{n}" for n in range(50))
    host.shell(f"ip -batch - <<'EOF'\n{batch}\nEOF")
    found = host.run(lambda: benchmark(lambda: port.links(None)))
    assert len(found) == 101
