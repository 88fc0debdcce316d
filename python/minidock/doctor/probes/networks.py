"""Networks: links, the firewall, forwarding, and a network without root."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess

from minidock.doctor import syscalls
from minidock.doctor.fixes import as_root, install, read, set_sysctl
from minidock.doctor.probe import DEGRADED, Finding

_RULES = """
add table inet minidock-doctor
add chain inet minidock-doctor nat { type nat hook prerouting priority -100; }
add chain inet minidock-doctor out { type nat hook postrouting priority 100; }
add rule inet minidock-doctor nat tcp dport 8080 dnat ip to 192.0.2.2:80
add rule inet minidock-doctor out ip saddr 192.0.2.0/24 masquerade
"""


def _enter() -> None:
    try:
        syscalls.own_namespaces(network=True)
    except OSError as error:
        raise Finding("it needs a network namespace first: see namespaces", errno=error.errno or 0) from error


def links(_: str) -> str:
    """Make a bridge and a pair of virtual cards in a network namespace of our own."""
    from minidock._pure.links import PureLinks
    from minidock.errors import StepFailed

    _enter()
    port = PureLinks()
    try:
        port.bridge("doctor0", 1500, None)
        port.veth("doctor1", "doctor0", "doctor2", "/proc/self/ns/net", 1500, None)
        port.address("doctor0", "192.0.2.1/24", None)
    except StepFailed as failed:
        module = "bridge" if failed.op == "link.bridge" else "veth"
        raise Finding(
            f"{failed.message}: only --network none and host work",
            errno=failed.errno,
            fix=as_root(f"modprobe {module}") if failed.errno in (errno.EOPNOTSUPP, errno.ENOENT) else "",
            state=DEGRADED,
        ) from failed
    return "bridge and veth"


def nft(_: str) -> str:
    """Load a table with NAT into a network namespace of our own."""
    program = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        raise Finding(
            "nft is not installed: only --network none and host work",
            errno=errno.ENOENT,
            fix=install("nftables"),
            state=DEGRADED,
        )
    _enter()
    done = subprocess.run([program, "-f", "-"], input=_RULES, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[0]
        raise Finding(
            f"nft cannot load a table with NAT: {last}",
            fix=as_root("modprobe -a nf_tables nft_chain_nat nft_masq"),
            undo=as_root("modprobe -r nft_masq nft_chain_nat"),
            state=DEGRADED,
        )
    return program


def forwarding(_: str) -> str:
    """Read whether packets may be forwarded, and whether another firewall drops them."""
    if os.geteuid() != 0:
        return "not needed: without root the network is a namespace of its own"
    if read("/proc/sys/net/ipv4/ip_forward") != "1" and not os.access("/proc/sys/net/ipv4/ip_forward", os.W_OK):
        fix, undo = set_sysctl("net.ipv4.ip_forward", "1")
        cause = "net.ipv4.ip_forward=0, and it cannot be set from here"
        raise Finding(cause, errno=errno.EROFS, fix=fix, undo=undo, state=DEGRADED)
    dropping = _dropping_chain()
    if dropping is not None:
        family, table, chain = dropping
        rule = f'nft insert rule {family} {table} {chain} iifname "md*" accept'
        back = f'nft insert rule {family} {table} {chain} oifname "md*" ct state established,related accept'
        raise Finding(
            f"the chain {chain} of {family} {table} drops what is forwarded, and no other table can overrule it",
            fix=f"{rule}; {back}",
            undo=f"nft -a list chain {family} {table} {chain}; nft delete rule {family} {table} {chain} handle N",
            state=DEGRADED,
        )
    return "packets are forwarded"


def _dropping_chain() -> tuple[str, str, str] | None:
    """Return the first chain that drops forwarded packets by its policy (nft -j list chains)."""
    import json

    program = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        return None
    done = subprocess.run([program, "-j", "list", "chains"], capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    for item in json.loads(done.stdout).get("nftables", []):
        chain = item.get("chain", {})
        if chain.get("hook") == "forward" and chain.get("policy") == "drop" and "minidock" not in chain["table"]:
            return chain["family"], chain["table"], chain["name"]
    return None


def rootless_network(_: str) -> str:
    """Look for pasta or slirp4netns, and open /dev/net/tun."""
    if os.geteuid() == 0:
        return "not needed by root"
    program = shutil.which("pasta") or shutil.which("slirp4netns")
    if program is None:
        raise Finding(
            "neither pasta nor slirp4netns is installed: without root only --network none and host work",
            errno=errno.ENOENT,
            fix=install("passt"),
            state=DEGRADED,
        )
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        raise Finding(
            f"/dev/net/tun cannot be opened: {error.strerror}",
            errno=error.errno or 0,
            fix=as_root("modprobe tun && chmod 0666 /dev/net/tun"),
            undo=as_root("chmod 0600 /dev/net/tun"),
            state=DEGRADED,
        ) from error
    return program
