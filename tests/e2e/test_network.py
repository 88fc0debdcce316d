"""Real packets through the default bridge: out, in by published ports, and not in by any other way.

The engine's host is a namespace; a second one is the LAN, with a route to the containers' subnet through the host, as
an attacker in the same LAN can have. Every refusal has a positive control: the same packet where it may go.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.support.netengine import Lab, request
from tests.support.netlab import Namespace, join, shell

from minidock._pure.links import PureLinks
from minidock.errors import Conflict, StepFailed
from minidock.kernel.native.links import NativeLinks
from minidock.kernel.ports import Links
from minidock.networks.state import Endpoint, load, save
from minidock.store.state import process_start
from minidock.trace.ops import describe

pytestmark = pytest.mark.root

HOST, LAN = "192.0.2.1", "192.0.2.2"
A, B = "a" * 64, "b" * 64
TWINS: dict[str, Callable[[], Links]] = {"native": NativeLinks, "pure": PureLinks}


#: Makes a namespace send packets for 127.0.0.1 over the wire, as only an attacker's machine does.
SEND_LOOPBACK_OUT = (
    "sysctl -q -w net.ipv4.conf.all.route_localnet=1; ip rule add pref 1 lookup local; ip rule del pref 0;"
    " ip rule add pref 0 to 127.0.0.0/8 lookup 99; ip route add 127.0.0.0/8 via {gateway} src {source} table 99"
)


@pytest.fixture(params=sorted(TWINS))
def twin(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder() -> Iterator[str]:
    path = tempfile.mkdtemp(prefix="minidock-net-", dir="/dev/shm")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def host() -> Iterator[Namespace]:
    with Namespace() as namespace:
        yield namespace


@pytest.fixture
def lan(host: Namespace) -> Iterator[Namespace]:
    with Namespace() as namespace:
        join(host, "eth0", f"{HOST}/24", namespace, "eth0", f"{LAN}/24")
        namespace.shell(f"ip route add 172.16.0.0/12 via {HOST}")
        yield namespace


@pytest.fixture
def lab(host: Namespace, folder: str) -> Lab:
    return Lab(host, folder, NativeLinks())


@contextmanager
def serving(run: Callable[[Callable[[], None]], None], port: int, kind: int = socket.SOCK_STREAM) -> Iterator[None]:
    """A server that answers each client with the client's address, in the namespace that *run* runs things in."""
    made: list[socket.socket] = []

    def listen() -> None:
        server = socket.socket(socket.AF_INET, kind)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("0.0.0.0", port))
        if kind == socket.SOCK_STREAM:
            server.listen(16)
        made.append(server)

    run(listen)
    server = made[0]

    def serve() -> None:
        while True:
            try:
                if kind == socket.SOCK_STREAM:
                    client, address = server.accept()
                    with client:
                        client.sendall(address[0].encode())
                else:
                    _, address = server.recvfrom(64)
                    server.sendto(address[0].encode(), address)
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR) if kind == socket.SOCK_STREAM else server.close()
        server.close()


def ask(address: str, port: int, patience: float = 5.0) -> str:
    """Return what a TCP server says: which address it saw us with."""
    with socket.create_connection((address, port), timeout=patience) as client:
        return client.recv(64).decode()


def ask_udp(address: str, port: int) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(b"?", (address, port))
        return client.recv(64).decode()


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for what the kernel does in the background; fail if it never does."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def taken_addresses(lab: Lab) -> set[object]:
    with lab.networks._shelf.change() as cell:
        state = load(cell)
    return set(state.addresses(state.networks["bridge"]))


def refused(address: str, port: int) -> bool:
    """Say whether nobody answers: refused, unreachable, or silence."""
    try:
        ask(address, port, patience=0.5)
    except OSError:
        return True
    return False


def test_a_container_reaches_the_world_with_the_hosts_address(
    host: Namespace, lan: Namespace, folder: str, twin: str
) -> None:
    lab = Lab(host, folder, TWINS[twin]())
    attachment = lab.start(A, request())
    assert attachment.interfaces[0].address == "172.17.0.2/16"
    with serving(lan.run, 9000), serving(lan.run, 9001, socket.SOCK_DGRAM):
        assert lab.inside(A, lambda: ask(LAN, 9000)) == HOST
        assert lab.inside(A, lambda: ask_udp(LAN, 9001)) == HOST
    with serving(host.run, 9002):
        assert lab.inside(A, lambda: ask("172.17.0.1", 9002)) == "172.17.0.2"


def test_a_published_port(host: Namespace, lan: Namespace, lab: Lab) -> None:
    lab.start(A, request(publish={"80/tcp": (("", "8080"),), "53/udp": (("", "5353"),)}))
    lab.start(B, request())
    inside = lambda action: lab.inside(A, action)  # noqa: E731
    with serving(inside, 80), serving(inside, 53, socket.SOCK_DGRAM):
        assert lan.run(lambda: ask(HOST, 8080)) == LAN, "the container sees the real client"
        assert lan.run(lambda: ask_udp(HOST, 5353)) == LAN
        assert host.run(lambda: ask("127.0.0.1", 8080)) == "172.17.0.1"
        assert host.run(lambda: ask("127.0.0.5", 8080)) == "172.17.0.1"
        assert host.run(lambda: ask(HOST, 8080))
        assert host.run(lambda: ask("172.17.0.2", 80)) == "172.17.0.1", "the host itself may speak to it"
        assert lab.inside(B, lambda: ask(HOST, 8080)), "a neighbour by the host's port"
        assert lab.inside(A, lambda: ask(HOST, 8080)), "the container itself, by hairpin"
        assert lab.inside(B, lambda: ask("172.17.0.2", 80)) == "172.17.0.3", "a neighbour directly"


def test_a_client_that_keeps_asking_by_udp_finds_the_new_container(
    host: Namespace, lan: Namespace, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's memory of an old connection must not outvote the new rules."""

    def keep_asking(client: socket.socket) -> str:
        client.settimeout(0.3)
        for _ in range(3):
            client.sendto(b"?", (HOST, 5353))
            try:
                return client.recv(64).decode()
            except OSError:
                continue
        return ""

    publish = {"53/udp": (("", "5353"),)}
    client = lan.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with client:
        lab.start(A, request(publish=publish))
        with serving(lambda action: lab.inside(A, action), 53, socket.SOCK_DGRAM):
            assert keep_asking(client) == LAN
        lab.stop(A)
        assert keep_asking(client) == "", "nobody is there now, and the entry stays"
        with monkeypatch.context() as patch:
            patch.setattr(lab.networks._firewall, "forget", lambda *_: None)
            lab.start(B, request(publish=publish))
        with serving(lambda action: lab.inside(B, action), 53, socket.SOCK_DGRAM):
            assert keep_asking(client) == "", "positive control: without forgetting it goes nowhere"
            lab.stop(B)
        lab.start(B, request(publish=publish))
        with serving(lambda action: lab.inside(B, action), 53, socket.SOCK_DGRAM):
            assert keep_asking(client) == LAN


def test_published_on_127_0_0_1_is_for_this_host_only(host: Namespace, lan: Namespace, lab: Lab) -> None:
    """Attack 44 (CVE-2025-54388, CVE-2025-54410)."""
    lab.start(A, request(publish={"80/tcp": (("127.0.0.1", "8080"),)}))
    lan.shell(SEND_LOOPBACK_OUT.format(gateway=HOST, source=LAN))
    with serving(lambda action: lab.inside(A, action), 80):
        assert host.run(lambda: ask("127.0.0.1", 8080))
        assert lan.run(lambda: refused(HOST, 8080))
        assert lan.run(lambda: refused("127.0.0.1", 8080)), "a packet for 127.0.0.1 on the wire"
        assert lan.run(lambda: refused("172.17.0.2", 80)), "routed past the published port"


def test_a_container_does_not_reach_the_hosts_loopback(host: Namespace, lab: Lab) -> None:
    """Attack 44 from inside (CVE-2020-8558): route_localnet on the bridge must not open the host's 127.0.0.1."""
    lab.start(A, request(publish={"80/tcp": (("127.0.0.1", "8080"),)}))
    lab.inside(A, lambda: shell(SEND_LOOPBACK_OUT.format(gateway="172.17.0.1", source="172.17.0.2")))
    with serving(host.run, 7000):
        assert lab.inside(A, lambda: refused("127.0.0.1", 7000))
        host.shell(f"nft delete chain inet {lab.table} raw")
        assert lab.inside(A, lambda: ask("127.0.0.1", 7000)), "positive control: only our rule stops it"


def test_unpublished_ports_are_dropped_even_when_routed(host: Namespace, lan: Namespace, lab: Lab) -> None:
    """Attack 44, also after somebody flushed all rules and another container was started."""
    lab.start(A, request(publish={"80/tcp": (("", "8080"),)}))
    inside = lambda action: lab.inside(A, action)  # noqa: E731
    with serving(inside, 80), serving(inside, 81):
        assert lan.run(lambda: refused("172.17.0.2", 81))
        assert lan.run(lambda: refused("172.17.0.2", 80)), "published, but not by this address"
        assert lan.run(lambda: ask(HOST, 8080)) == LAN
        host.shell("nft flush ruleset")
        assert lan.run(lambda: ask("172.17.0.2", 81)) == LAN, "positive control: only our rules stop it"
        lab.start(B, request())
        assert lan.run(lambda: refused("172.17.0.2", 81))
        assert lan.run(lambda: ask(HOST, 8080)) == LAN, "published again"
        host.shell(f"nft delete chain inet {lab.table} raw")
        lab.stop(B)
        lab.start(B, request())
        assert lan.run(lambda: refused("172.17.0.2", 81)), "a rule taken away comes back with the next start"


def test_networks_of_two_roots_are_isolated(host: Namespace, lan: Namespace, lab: Lab, folder: str) -> None:
    """Attack 43: two bridges of one host do not meet, and neither engine touches the other's rules."""
    other = Lab(host, f"{folder}/other", NativeLinks())
    lab.start(A, request())
    before = host.shell(f"nft list table inet {lab.table}")
    attachment = other.start(B, request(publish={"80/tcp": (("", "8080"),)}))
    assert attachment.interfaces[0].address == "172.18.0.2/16", "its own subnet"
    with serving(lambda action: other.inside(B, action), 80), serving(lan.run, 9000):
        assert lab.inside(A, lambda: refused("172.18.0.2", 80))
        assert lab.inside(A, lambda: ask(HOST, 8080)), "positive control: published ports are for all"
        assert lab.inside(A, lambda: ask(LAN, 9000)) == HOST
        assert other.inside(B, lambda: ask(LAN, 9000)) == HOST
    other.stop(B)
    assert host.shell(f"nft list table inet {lab.table}") == before


def test_every_step_of_both_twins_is_the_same(lan: Namespace, host: Namespace, folder: str) -> None:
    taken = []
    for make in TWINS.values():
        with Namespace() as fresh:
            lab = Lab(fresh, folder, make())
            lab.start(A, request(publish={"80/tcp": (("", "8080"),)}))
            taken.append([(step.op, step.args, step.error) for step in lab._undos[A]])
            lab.stop(A)
            lab.store.close()
            shutil.rmtree(folder)
            os.mkdir(folder)
    assert taken[0] == taken[1]
    assert [op for op, _, _ in taken[0]] == [
        "link.bridge",
        "link.address",
        "sysctl.link",
        "sysctl.link",
        "sysctl.host",
        "nft.apply",
        "nft.apply",
        "ns.pin",
        "link.veth",
        "link.address",
        "link.up",
        "link.route",
    ]


def test_the_commands_that_explain_the_steps_do_the_same(host: Namespace, lab: Lab) -> None:
    """What ``--explain`` and ``--as-shell`` print is run in a fresh namespace: the same links, routes and rules."""

    def facts(space: Namespace) -> list[object]:
        inside = f"nsenter --net={lab.layout.netns(A)} "
        seen: list[object] = [space.shell("nft list ruleset"), space.shell("cat /proc/sys/net/ipv4/ip_forward")]
        for prefix in ("", inside):
            eventually(lambda prefix=prefix: "tentative" not in space.shell(f"{prefix}ip -6 address"))  # type: ignore[misc]
            links = json.loads(space.shell(f"{prefix}ip -d -j address"))
            for link in links:
                info = link.get("linkinfo", {})
                seen.append((link["ifname"], link["mtu"], sorted(link["flags"]), link.get("master")))
                seen.append((info.get("info_kind"), info.get("info_slave_data", {}).get("hairpin")))
                if link["ifname"] in (lab.bridge, "eth0"):
                    seen.append(link["address"])
                    seen.append([(a["local"], a["prefixlen"]) for a in link["addr_info"] if a["family"] == "inet"])
            seen.append(sorted(space.shell(f"{prefix}ip route").splitlines()))
        return seen

    lab.start(A, request(publish={"80/tcp": (("", "8080"),), "53/udp": (("127.0.0.1", "5353"),)}))
    script = "\n".join(str(describe(step.op).shell(step.args)) for step in lab._undos[A])
    done = facts(host)
    lab.stop(A)
    with Namespace() as fresh:
        programs = "command -v conntrack >/dev/null || conntrack() { :; }\n"  # there is nothing to forget
        fresh.shell(f"set -e\n{programs}{script}")
        assert facts(fresh) == done
        fresh.shell(f"umount {lab.layout.netns(A)} && rm {lab.layout.netns(A)}")


def test_the_second_start_takes_only_its_own_steps(lab: Lab) -> None:
    lab.start(A, request(publish={"80/tcp": (("", "8080"),)}))
    lab.start(B, request(publish={"80/tcp": (("", "8081"),)}))
    own = ["nft.apply", "ns.pin", "link.veth", "link.address", "link.up", "link.route"]
    assert [step.op for step in lab._undos[B]] == own
    lab.stop(B)
    lab.start(B, request())
    assert [step.op for step in lab._undos[B]] == own[1:]


def test_nothing_is_left_of_a_container(lab: Lab, host: Namespace) -> None:
    lab.start(B, request())
    tables = host.shell("nft list ruleset")
    links = {link["ifname"] for link in json.loads(host.shell("ip -j link"))}
    lab.start(A, request(publish={"80/tcp": (("", "8080"), ("127.0.0.1", "9090"))}))
    assert host.shell("nft list ruleset") != tables
    lab.stop(A)
    assert host.shell("nft list ruleset") == tables
    eventually(lambda: {link["ifname"] for link in json.loads(host.shell("ip -j link"))} == links)
    assert not host.run(lambda: os.path.exists(lab.layout.netns(A)))
    assert lab.networks.ports(A) == ()
    again = lab.start(A, request(publish={"80/tcp": (("", "8080"),)}))
    assert again.interfaces[0].address == "172.17.0.4/16", "the freed address rests"


def test_who_shares_a_network_keeps_it_and_its_address(lab: Lab, host: Namespace, lan: Namespace) -> None:
    lab.start(A, request())
    guest, other = "c" * 64, "d" * 64
    assert lab.start(guest, request(network=f"container:{A}")).shared_with == A
    fd = host.run(lambda: os.open(lab.layout.netns(A), os.O_RDONLY))  # a process of the guest
    try:
        lab.stop(A)
        for number in range(3, 6):  # the circle goes on; .2 is not free
            assert lab.start(other, request()).interfaces[0].address == f"172.17.0.{number}/16"
            lab.stop(other)
        assert "172.17.0.2" in {str(a) for a in taken_addresses(lab)}
        host.run(lambda: lab.networks.release(guest))
        assert "172.17.0.2" not in {str(a) for a in taken_addresses(lab)}
    finally:
        os.close(fd)


def test_undoing_twice_and_undoing_nothing_is_fine(lab: Lab, host: Namespace) -> None:
    lab.start(A, request(publish={"80/tcp": (("", "8080"),)}))
    undos = list(lab._undos[A])
    lab.tear_down(A)
    lab._undos[A] = undos
    lab.tear_down(A)
    host.shell("nft flush ruleset")
    lab._undos[A] = undos
    lab.stop(A)
    host.run(lambda: lab.networks.release(A))


def test_a_table_made_anew_after_the_teardown_keeps_no_port_of_the_dead(lab: Lab, host: Namespace) -> None:
    lab.start(A, request(publish={"80/tcp": (("", "8080"),)}))
    lab.tear_down(A)  # the monitor's part; the engine does not know yet
    host.shell("nft flush ruleset")
    lab.start(B, request())  # puts all known ports back
    assert "8080" in host.shell("nft list ruleset")
    host.run(lambda: lab.networks.release(A))
    assert "8080" not in host.shell("nft list ruleset")


def test_reconcile_releases_what_a_dead_engine_left_and_nothing_else(lab: Lab, host: Namespace) -> None:
    engine = subprocess.Popen(["true"])  # an engine that dies between "attached" and "running"
    dead = Endpoint("bridge", "/nowhere", "172.17.0.9", (), engine.pid, process_start(engine.pid))
    engine.wait()
    with lab.networks._shelf.change() as cell:
        save(cell, load(cell).with_endpoint(B, dead))
    lab.start(A, request())
    assert "172.17.0.9" in {str(a) for a in taken_addresses(lab)}
    host.run(lambda: lab.networks.reconcile({B}))
    assert "172.17.0.9" in {str(a) for a in taken_addresses(lab)}, "it runs"
    host.run(lambda: lab.networks.reconcile(set()))
    assert {str(a) for a in taken_addresses(lab)} == {"172.17.0.1", "172.17.0.2"}, "A is being started by us"


def test_two_containers_cannot_have_one_port(lab: Lab) -> None:
    lab.start(A, request(publish={"80/tcp": (("", "8080"),)}))
    for place in ("", "127.0.0.1"):
        with pytest.raises(Conflict, match=r"^Bind for .*:8080 failed: port is already allocated$"):
            lab.start(B, request(publish={"80/tcp": ((place, "8080"),)}))
    assert lab.start(B, request(publish={"80/udp": (("", "8080"),)})).ports, "another protocol is another port"


def test_a_port_on_which_a_program_listens(lab: Lab, host: Namespace) -> None:
    with (
        serving(host.run, 8080),
        pytest.raises(Conflict, match=r"^Bind for 0\.0\.0\.0:8080 failed: port is already allocated$"),
    ):
        lab.start(A, request(publish={"80/tcp": (("", "8080"),)}))
    assert lab.start(A, request(publish={"80/tcp": (("", "8080"),)})).ports


def test_a_failed_start_gives_its_place_back(lab: Lab, host: Namespace) -> None:
    lab.start(B, request())
    host.run(lambda: os.close(os.open(lab.layout.netns(A), os.O_CREAT)))  # the pin's name is taken
    with pytest.raises(BaseException, match="exists"):
        lab.start(A, request(publish={"80/tcp": (("", "8080"),)}))
    assert lab.networks.ports(A) == ()
    assert "8080" not in host.shell("nft list ruleset")


@pytest.mark.parametrize(
    ("command", "who"),
    [
        (
            "nft 'add table ip filter;"
            " add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'",
            "the firewall table ip filter",
        ),
        pytest.param(
            "iptables-legacy -P FORWARD DROP",
            "the older iptables",
            marks=pytest.mark.skipif(not shutil.which("iptables-legacy"), reason="no iptables-legacy here"),
        ),
    ],
)
def test_a_foreign_firewall_that_drops_everything_is_named(
    lab: Lab, host: Namespace, lan: Namespace, command: str, who: str
) -> None:
    host.shell(command)
    with pytest.raises(Conflict, match=f"FORWARD of {who}.* drops all forwarded packets") as caught:
        lab.start(A, request())
    assert caught.value.hint is not None
    commands = caught.value.hint.split("`")[1]
    host.shell(commands)
    lab.start(A, request())
    with serving(lan.run, 9000):
        assert lab.inside(A, lambda: ask(LAN, 9000)) == HOST


def test_a_container_with_forged_packets_does_not_become_the_hosts_router(lab: Lab, host: Namespace) -> None:
    """CVE-2020-13401: the bridge does not listen to IPv6 router advertisements."""
    lab.start(A, request())
    assert host.shell(f"cat /proc/sys/net/ipv6/conf/{lab.bridge}/disable_ipv6").strip() == "1"


def test_none_host_and_shared(lab: Lab, host: Namespace) -> None:
    nothing = lab.start(A, request(network="none"))
    assert nothing.netns == lab.layout.netns(A)
    assert lab.inside(A, lambda: [name for _, name in socket.if_nameindex()]) == ["lo"]
    assert lab.start(B, request(network="host")).netns is None
    shared = lab.start("c" * 64, request(network=f"container:{A}"))
    assert (shared.netns, shared.shared_with) == (nothing.netns, A)
    with pytest.raises(Conflict, match="cannot join network of a non running container"):
        lab.start("d" * 64, request(network=f"container:{'e' * 64}"))
    assert "nft" not in {step.op.partition(".")[0] for step in lab._undos[A]}


def test_the_kernel_settings_of_the_real_host_are_not_ours() -> None:
    """Everything above happened in other namespaces."""
    ours = {name for _, name in socket.if_nameindex()}
    assert not [name for name in ours if name.startswith("md") and name.endswith("br0")]


def test_broken_rules_are_refused_whole(lab: Lab, host: Namespace) -> None:
    lab.start(A, request())
    before = host.shell("nft list ruleset")
    with pytest.raises(StepFailed, match="nft refused"):
        host.run(
            lambda: lab.firewall.apply(lab.table, f"add table inet x\nadd element inet {lab.table} nowhere {{ 1 }}")
        )
    assert host.shell("nft list ruleset") == before
