"""The port Links, both twins, each in a namespace of its own; the oracle is ``ip``."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.netlab import Namespace

from minidock._pure.links import PureLinks
from minidock.errors import StepFailed
from minidock.kernel.native.links import NativeLinks
from minidock.kernel.ports import Links

pytestmark = pytest.mark.root

MAC = "02:42:ac:11:00:02"
TWINS: dict[str, Callable[[], Links]] = {"native": NativeLinks, "pure": PureLinks}


@pytest.fixture(params=sorted(TWINS))
def port(request: pytest.FixtureRequest) -> Links:
    return TWINS[request.param]()


@pytest.fixture
def host() -> Iterator[Namespace]:
    with Namespace() as namespace:
        yield namespace


@pytest.fixture
def container() -> Iterator[Namespace]:
    with Namespace() as namespace:
        yield namespace


def described(namespace: Namespace, name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(namespace.shell(f"ip -d -j address show dev {name}"))
    return found[0]


def attach(port: Links, host: Namespace, container: Namespace) -> None:
    def steps() -> None:
        port.bridge("mdbr0", 1500, "02:42:ac:11:00:01")
        port.address("mdbr0", "172.17.0.1/16", None)
        port.veth("mdv1", "mdbr0", "eth0", container.path, 1500, MAC)
        port.address("eth0", "172.17.0.2/16", container.path)
        port.address("eth0", "fd00::2/64", container.path)
        port.up("eth0", container.path)
        port.route("default", "172.17.0.1", container.path)
        port.route("10.9.0.0/24", "172.17.0.7", container.path)
        port.route("fd01::/64", "fd00::1", container.path)

    host.run(steps)


def test_a_container_on_a_bridge_as_ip_sees_it(port: Links, host: Namespace, container: Namespace) -> None:
    attach(port, host, container)
    bridge = described(host, "mdbr0")
    assert bridge["linkinfo"]["info_kind"] == "bridge"
    assert bridge["address"] == "02:42:ac:11:00:01"
    assert "UP" in bridge["flags"]
    ours = described(host, "mdv1")
    assert ours["master"] == "mdbr0"
    assert "UP" in ours["flags"]
    assert ours["linkinfo"]["info_kind"] == "veth"
    assert ours["linkinfo"]["info_slave_data"]["hairpin"] is True
    inside = described(container, "eth0")
    assert inside["address"] == MAC
    assert "UP" in inside["flags"]
    v4 = next(a for a in inside["addr_info"] if a["family"] == "inet")
    assert (v4["local"], v4["prefixlen"], v4["broadcast"]) == ("172.17.0.2", 16, "172.17.255.255")
    v6 = next(a for a in inside["addr_info"] if a["family"] == "inet6" and a["scope"] == "global")
    assert (v6["local"], v6["prefixlen"], v6.get("nodad")) == ("fd00::2", 64, True)
    routes = {route["dst"]: route.get("gateway") for route in json.loads(container.shell("ip -j route"))}
    assert routes["default"] == "172.17.0.1"
    assert routes["10.9.0.0/24"] == "172.17.0.7"
    assert json.loads(container.shell("ip -6 -j route show fd01::/64"))[0]["gateway"] == "fd00::1"
    container.shell("busybox ping -c1 -W2 172.17.0.1")


def test_links_and_routes_are_those_of_ip(port: Links, host: Namespace, container: Namespace) -> None:
    attach(port, host, container)
    for namespace, netns in ((host, None), (container, container.path)):
        seen = {link.name: link for link in host.run(lambda path=netns: port.links(path))}  # type: ignore[misc]
        expected = json.loads(namespace.shell("ip -d -j address"))
        assert set(seen) == {link["ifname"] for link in expected}
        for link in expected:
            found = seen[link["ifname"]]
            assert found.index == link["ifindex"]
            assert found.mac == link["address"]
            assert found.mtu == link["mtu"]
            assert found.kind == link.get("linkinfo", {}).get("info_kind", "")
            assert found.up == ("UP" in link["flags"])
            # but for the link-local ones: the kernel adds those in the background
            ours = {address for address in found.addresses if not address.startswith("fe80:")}
            assert ours == {f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"] if a["scope"] != "link"}
    by_name = {link.name: link for link in host.run(lambda: port.links(None))}
    assert by_name["mdv1"].master == by_name["mdbr0"].index
    routes = host.run(lambda: port.routes(container.path))
    expected = json.loads(container.shell("ip -j route")) + json.loads(container.shell("ip -6 -j route"))
    background = {"fe80::/64"}
    assert set(routes) | background == {route["dst"] for route in expected} | background
    assert len(routes) == len(set(routes))


def test_ready_is_a_link_whose_other_end_is_on(port: Links, host: Namespace, container: Namespace) -> None:
    attach(port, host, container)
    assert host.run(lambda: port.ready("mdv1", None))
    assert host.run(lambda: port.ready("mdbr0", None))
    assert host.run(lambda: port.ready("eth0", container.path))
    container.shell("ip link set eth0 down")
    assert not host.run(lambda: port.ready("mdv1", None))


def test_many_links_need_more_than_one_message(port: Links, host: Namespace) -> None:
    batch = "\n".join(f"link add d{n} type veth peer name e{n}" for n in range(60))
    host.shell(f"ip -batch - <<'EOF'\n{batch}\nEOF")
    assert len(host.run(lambda: port.links(None))) == 121


def test_delete_takes_both_ends_and_can_be_repeated(port: Links, host: Namespace, container: Namespace) -> None:
    attach(port, host, container)
    host.run(lambda: port.delete("mdv1"))
    assert [link.name for link in host.run(lambda: port.links(container.path))] == ["lo"]
    host.run(lambda: port.delete("mdv1"))


BROKEN: dict[str, tuple[Callable[[Links, str], object], str, int]] = {
    "a taken name": (lambda port, _: port.bridge("lo", 1500, None), "link.bridge", errno.EEXIST),
    "a name too long": (lambda port, _: port.bridge("a" * 16, 1500, None), "link.bridge", errno.ERANGE),
    "no name": (lambda port, _: port.bridge("", 1500, None), "link.bridge", errno.EINVAL),
    "a name with a zero byte": (lambda port, _: port.bridge("a\0b", 1500, None), "link.bridge", errno.EINVAL),
    "a name with a slash": (lambda port, _: port.bridge("a/b", 1500, None), "link.bridge", errno.EINVAL),
    "a negative size": (lambda port, _: port.bridge("b", -1, None), "link.bridge", errno.EINVAL),
    "no MAC address": (lambda port, _: port.bridge("b", 1500, "02:42"), "link.bridge", errno.EINVAL),
    "signs in a MAC address": (
        lambda port, _: port.bridge("b", 1500, "02:42:+1:00:00:00"),
        "link.bridge",
        errno.EINVAL,
    ),
    "a multicast MAC address": (
        lambda port, _: port.bridge("b", 1500, "ff:ff:ff:ff:ff:ff"),
        "link.bridge",
        errno.EADDRNOTAVAIL,
    ),
    "no bridge": (lambda port, netns: port.veth("v", "none", "eth0", netns, 1500, None), "link.veth", errno.ENODEV),
    "no namespace": (
        lambda port, _: port.veth("v", "lo", "eth0", "/nowhere/ns", 1500, None),
        "link.veth",
        errno.ENOENT,
    ),
    "no bridge at all": (
        lambda port, netns: port.veth("v", "lo", "e", netns, 1500, None),
        "link.veth",
        errno.EOPNOTSUPP,
    ),
    "a file that is no namespace": (lambda port, _: port.up("lo", "/etc/passwd"), "link.up", errno.EINVAL),
    "another kind of namespace": (lambda port, _: port.up("lo", "/proc/self/ns/uts"), "link.up", errno.EINVAL),
    "a missing namespace": (lambda port, _: port.links("/nowhere/ns"), "link.list", errno.ENOENT),
    "nothing to wait for": (lambda port, _: port.ready("none", None), "link.list", errno.ENODEV),
    "no link": (lambda port, _: port.up("none", None), "link.up", errno.ENODEV),
    "an address for no link": (lambda port, _: port.address("none", "10.0.0.1/8", None), "link.address", errno.ENODEV),
    "no address": (lambda port, _: port.address("lo", "10.0.0/8", None), "link.address", errno.EINVAL),
    "a prefix too long": (lambda port, _: port.address("lo", "10.0.0.1/33", None), "link.address", errno.EINVAL),
    "an empty prefix": (lambda port, _: port.address("lo", "10.0.0.1/", None), "link.address", errno.EINVAL),
    "a scope": (lambda port, _: port.address("lo", "fe80::1%lo/64", None), "link.address", errno.EINVAL),
    "an octal address": (lambda port, _: port.address("lo", "010.0.0.1/8", None), "link.address", errno.EINVAL),
    "an address it has": (lambda port, _: port.address("lo", "127.0.0.1/8", None), "link.address", errno.EEXIST),
    "an unreachable gateway": (
        lambda port, _: port.route("default", "192.0.2.9", None),
        "link.route",
        errno.ENETUNREACH,
    ),
    "two families": (lambda port, _: port.route("fd00::/64", "192.0.2.9", None), "link.route", errno.EINVAL),
    "no destination": (lambda port, _: port.route("everywhere", "192.0.2.9", None), "link.route", errno.EINVAL),
    "a link that stays": (lambda port, _: port.delete("lo"), "link.delete", errno.EOPNOTSUPP),
}


@pytest.mark.parametrize("case", sorted(BROKEN))
def test_both_twins_fail_alike(case: str, host: Namespace, container: Namespace) -> None:
    action, op, number = BROKEN[case]
    said = []
    for make in TWINS.values():
        port = make()
        with pytest.raises(StepFailed) as caught:
            host.run(lambda port=port: action(port, container.path))  # type: ignore[misc]
        assert (caught.value.op, caught.value.errno) == (op, number), str(caught.value)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert [link.name for link in host.run(lambda: PureLinks().links(None))] == ["lo"]


def test_nobody_leaves_the_callers_namespace(port: Links, host: Namespace, container: Namespace) -> None:
    def both() -> tuple[str, str]:
        before = os.readlink("/proc/thread-self/ns/net")
        port.links(container.path)
        with pytest.raises(StepFailed):
            port.up("none", container.path)
        return before, os.readlink("/proc/thread-self/ns/net")

    before, after = host.run(both)
    assert before == after
    assert before != os.readlink(container.path)


def test_no_descriptor_stays_open(port: Links, host: Namespace, container: Namespace) -> None:
    attach(port, host, container)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        host.run(lambda: port.links(container.path))
        with pytest.raises(StepFailed):
            host.run(lambda: port.veth("v", "none", "eth0", container.path, 1500, None))
    assert len(os.listdir("/proc/self/fd")) <= before
