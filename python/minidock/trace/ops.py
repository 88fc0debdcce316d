"""The one table of operations: what each means to a learner, and how it is undone.

An op is a dotted name from this closed vocabulary. For each: ``why``, one sentence for a learner; ``man``, the man page
or the section of a specification; ``shell``, the command that a person would type, or ``None`` where no command can do
it; ``undo``, the op and arguments that reverse it, or ``None``.

The arguments are fixed here too: the ports (:mod:`minidock.kernel.ports`) and both launchers use these names.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from minidock.errors import InvalidArgument
from minidock.trace import shell as sh
from minidock.trace.step import Args

UndoOf = Callable[[Args], tuple[str, Args] | None]


def _nothing(_: Args) -> None:
    return None


class Op(msgspec.Struct, frozen=True):
    """What one operation means."""

    why: str
    man: str
    shell: sh.Shell = _nothing
    undo: UndoOf = _nothing


#: Every operation of minidock, by name.
OPS: dict[str, Op] = {
    # --- the store ---
    "store.write": Op(
        "The bytes go to a file without a name in the store, so that nobody can use them before they are whole.",
        "open(2), fsync(2)",
        undo=lambda a: ("store.remove", {"path": a["path"]}),
    ),
    "store.publish": Op(
        "A rename gives the finished file or folder its name in one move: others see all of it, or nothing.",
        "rename(2)",
        sh.line("mv -T {source} {target}"),
        lambda a: ("store.remove", {"path": a["target"]}) if a.get("undo", True) else None,
    ),
    "store.remove": Op(
        "Files that nobody needs any more are removed.",
        "unlink(2)",
        sh.line("rm -rf {path}"),
    ),
    "store.condemn": Op(
        "These files are about to lose their owner; it is written down first, so that a crash leaves none behind.",
        "docs: what happens when it crashes",
        undo=lambda a: ("store.remove", {"path": a["path"]}),
    ),
    "host.folder": Op(
        "A folder of the host that is to be mounted, and is not there, is made, as Docker does.",
        "mkdir(2)",
        sh.line("mkdir -p {path}"),
    ),
    "store.folder": Op(
        "A folder of its own keeps these files apart from all others.",
        "mkdir(2)",
        sh.folder,
        lambda a: ("store.remove", {"path": a["path"]}),
    ),
    "store.commit": Op(
        "One database transaction makes the new state the official one: this is the commit point.",
        "https://www.sqlite.org/atomiccommit.html",
    ),
    # --- layers and registries ---
    "layer.apply": Op(
        "The layer's archive is unpacked into a folder of its own; both digests are computed in the same pass.",
        "image-spec layer.md, Applying Changesets",
        sh.line("mkdir -p {target} && tar -x -C {target} -f {source}"),
        lambda a: ("store.remove", {"path": a["target"]}),
    ),
    "layer.make": Op(
        "What changed in the container's folder becomes an archive, and the archive a layer.",
        "image-spec layer.md, Representing Changes",
        undo=lambda a: ("store.remove", {"path": a["target"]}),
    ),
    "layer.copy": Op(
        "Where overlay cannot be used, the parent's files are copied, and the layer is applied on top of the copy.",
        "cp(1)",
        sh.line("cp -a {source} {target}"),
        lambda a: ("store.remove", {"path": a["target"]}),
    ),
    "registry.resolve": Op(
        "The registry says which digest the name stands for now; from here on only digests count.",
        "distribution-spec, Pulling manifests",
    ),
    "registry.fetch": Op(
        "A blob is downloaded by its digest; a cut connection is taken up again where it broke.",
        "distribution-spec, Pulling blobs",
    ),
    # --- control groups ---
    "cgroup.create": Op(
        "A control group of its own lets the kernel count and limit what the container uses.",
        "cgroups(7)",
        sh.each("mkdir -p {}", "dirs"),
        lambda a: ("cgroup.delete", {"dirs": a["dirs"]}),
    ),
    "cgroup.limit": Op(
        "Writing a number into this file sets the limit.",
        "cgroups(7)",
        sh.line("echo {value} > {file}"),
    ),
    "cgroup.devices": Op(
        "The container may open only these devices, whatever nodes it makes.",
        "kernel cgroup-v1/devices, bpf(2) BPF_PROG_TYPE_CGROUP_DEVICE",
        sh.device_rules,
    ),
    "cgroup.enter": Op(
        "The new process moves itself into the control group before it makes a cgroup namespace: so it sees / there.",
        "cgroups(7), cgroup_namespaces(7)",
        sh.lines("echo $$ > {}", "files"),
    ),
    "cgroup.kill": Op("Every process of the control group is killed at once.", "cgroups(7), cgroup.kill"),
    "cgroup.freeze": Op("The kernel stops every process of the control group where it stands.", "cgroups(7)"),
    "cgroup.thaw": Op("The kernel lets every process of the control group go on.", "cgroups(7)"),
    "cgroup.delete": Op(
        "Whatever still runs in the control group is killed, then the empty group is removed.",
        "cgroups(7)",
        sh.each("rmdir {}", "dirs"),
    ),
    # --- namespaces ---
    "ns.create": Op(
        "A new process begins in new namespaces: it gets its own view of mounts, names, processes and IPC.",
        "clone(2), namespaces(7)",
        sh.unshare,
    ),
    "ns.idmap": Op(
        "Identity 0 inside becomes an ordinary identity outside.",
        "user_namespaces(7)",
    ),
    "ns.unshare": Op(
        "The process leaves its old namespace for a new one.",
        "unshare(2)",
        sh.unshare,
    ),
    "ns.join": Op(
        "The process enters a namespace that was made before.",
        "setns(2)",
        sh.line("nsenter --{namespace}={path}"),
    ),
    "ns.pin": Op(
        "A bind mount keeps the network namespace alive, so that its links can be made before the container starts.",
        "namespaces(7), ip-netns(8)",
        sh.pin,
        lambda a: ("ns.unpin", {"path": a["path"]}),
    ),
    "ns.unpin": Op(
        "Without its bind mount the namespace ends with its last process, and its links end with it.",
        "namespaces(7)",
        sh.line("umount {path} && rm {path}"),
    ),
    "ns.hold": Op(
        "A small process holds a user namespace in which this user is root; all that follows happens in there.",
        "user_namespaces(7), newuidmap(1)",
        lambda _: "unshare --user --map-auto --map-root-user --mount --net --propagation slave sleep inf &",
    ),
    "ns.release": Op(
        "The namespaces end with the process that holds them.",
        "user_namespaces(7), kill(1)",
        sh.line("kill -KILL {pid}"),
    ),
    # --- mounts ---
    "mount.propagation": Op(
        "Mounts made from here on stay in the container's own mount namespace.",
        "mount_namespaces(7), Shared subtrees",
        sh.line("mount --make-{mode} {target}"),
    ),
    "mount.overlay": Op(
        "The image's layers and one writable folder on top become one tree; the layers themselves never change.",
        "kernel filesystems/overlayfs, fsopen(2)",
        sh.overlay,
    ),
    "mount.bind": Op(
        "A file or folder of the host appears at a second place.",
        "mount(2), MS_BIND",
        sh.bind,
    ),
    "mount.fs": Op(
        "A file system that the kernel makes up, such as /proc, appears in the container's tree.",
        "mount(2)",
        sh.filesystem,
    ),
    "mount.mask": Op(
        "Files of the kernel that would tell or do too much are covered with something empty.",
        "runtime-spec config-linux.md, Masked Paths",
        sh.mask,
    ),
    "mount.readonly": Op(
        "Settings of the kernel that all containers share can be read, not changed.",
        "runtime-spec config-linux.md, Readonly Paths",
        sh.readonly,
    ),
    "mount.unmount": Op("The mount is taken away.", "umount(2)", sh.line("umount {target}")),
    "root.pivot": Op(
        "The container's tree becomes its root, and the host's tree is let go: there is no way back to it.",
        "pivot_root(2)",
        lambda a: f"cd {sh.quoted(a['root'])} && pivot_root . . && umount -l . && cd /",
    ),
    "root.readonly": Op(
        "The root file system takes no more changes.",
        "mount_setattr(2)",
        lambda a: f"mount -o remount,bind,ro {sh.quoted(a.get('root', '/'))}",
    ),
    "dev.create": Op(
        "A container gets only harmless devices: null, zero, full, random, urandom and tty.",
        "runtime-spec config-linux.md, Default Devices; mknod(2)",
        sh.devices,
    ),
    "dev.links": Op(
        "Programs expect these names in /dev.", "runtime-spec runtime-linux.md, Dev symbolic links", sh.links
    ),
    "dev.console": Op(
        "The container's terminal becomes its /dev/console.",
        "console(4), pts(4)",
    ),
    # --- the process ---
    "uts.hostname": Op(
        "The container has a host name of its own.", "sethostname(2), uts_namespaces(7)", sh.line("hostname {name}")
    ),
    "uts.domainname": Op(
        "The container has a domain name of its own.", "setdomainname(2)", sh.line("domainname {name}")
    ),
    "sysctl.set": Op(
        "This kernel parameter belongs to a namespace, so the container can have its own value.",
        "sysctl(8), namespaces(7)",
        lambda a: f"echo {sh.quoted(a['value'])} > /proc/sys/{a['name'].replace('.', '/')}",
    ),
    "process.session": Op(
        "The process leads a session of its own, with the terminal as its controlling terminal if it has one.",
        "setsid(2), tty_ioctl(4) TIOCSCTTY",
    ),
    "process.limits": Op("Resource limits hold for the process and its children.", "getrlimit(2)", sh.limits),
    "process.oom": Op(
        "When memory runs out, the kernel picks its victim by this score.",
        "proc(5) oom_score_adj",
        sh.line("echo {score} > /proc/self/oom_score_adj"),
    ),
    "process.user": Op(
        "The process becomes this user; root inside a container is an ordinary choice, not a need.",
        "setresuid(2), setgroups(2)",
        sh.user,
    ),
    "process.capabilities": Op(
        "Root's power is cut into capabilities; all but these few are given up for good.",
        "capabilities(7)",
        sh.capabilities,
    ),
    "process.no_new_privs": Op(
        "No program that is started from here on can gain rights, not even a set-user-ID one.",
        "prctl(2) PR_SET_NO_NEW_PRIVS",
        lambda _: "setpriv --no-new-privs ...",
    ),
    "process.seccomp": Op(
        "A filter refuses system calls that a container has no business making.",
        "seccomp(2)",
    ),
    "process.cwd": Op("The process starts in this folder.", "chdir(2)", sh.line("mkdir -p {cwd} && cd {cwd}")),
    "process.close_fds": Op(
        "No file of the engine stays open in the container: an open folder of the host would be a way out.",
        "close_range(2)",
    ),
    "process.exec": Op(
        "The program takes over the process: from here on the container's own code runs.",
        "execve(2)",
        sh.each("exec {}", "argv"),
    ),
    # --- the monitor ---
    "bundle.write": Op(
        "The container is described in a folder that any OCI runtime can start: an OCI bundle.",
        "runtime-spec bundle.md",
        sh.bundle,
    ),
    "monitor.start": Op(
        "A small process stands beside the container: it outlives the engine, keeps the output, and cleans up.",
        "posix_spawn(3), prctl(2) PR_SET_CHILD_SUBREAPER",
    ),
    "runtime.run": Op(
        "Another OCI runtime starts the container from the same bundle.",
        "runtime-spec runtime.md, Lifecycle",
        lambda a: f"{sh.quoted(a['runtime'])} run --bundle {sh.quoted(a['bundle'])} {sh.quoted(a['id'])}",
        lambda a: ("cgroup.delete", {"dirs": a["cgroups"]}),
    ),
    # --- networks ---
    "link.bridge": Op(
        "A bridge is a switch inside the kernel; the containers of a network plug into it.",
        "ip-link(8), bridge",
        sh.bridge,
        # no undo: all containers of the network share it, and it stays when the last one goes
    ),
    "link.veth": Op(
        "A pair of virtual network cards is a cable: one end in the bridge, the other in the container.",
        "veth(4)",
        sh.veth,
        # no undo: the pair ends with the container's namespace (ns.unpin), in the background; to remove it here would
        # make every end of a container wait some 30 ms
    ),
    "link.address": Op(
        "The link gets an address.",
        "ip-address(8)",
        lambda a: sh.in_netns(a, f"ip address add {sh.address(a['address'])} dev {sh.quoted(a['name'])}"),
    ),
    "link.up": Op(
        "The link is switched on.", "ip-link(8)", lambda a: sh.in_netns(a, f"ip link set {sh.quoted(a['name'])} up")
    ),
    "link.route": Op(
        "Packets for everywhere else leave by the bridge's address.",
        "ip-route(8)",
        lambda a: sh.in_netns(
            a, f"ip route add {sh.quoted(a['destination'])} via {sh.quoted(a['gateway'])} proto static"
        ),
    ),
    "link.delete": Op(
        "The link is removed; its other end goes with it.", "ip-link(8)", sh.line("ip link delete {name}")
    ),
    "nft.apply": Op(
        "One atomic transaction puts our rules into our own table; no rule of others is touched.",
        "nft(8), libnftables-json(5)",
        lambda a: f"nft -f - <<'EOF'\n{a['rules'].rstrip()}\nEOF",
        lambda a: ("nft.apply", {"table": a["table"], "rules": a["undo"]}) if a.get("undo") else None,
    ),
    "outward.connect": Op(
        "A program of this user carries packets between the containers' network and the host's: no root is needed.",
        "slirp4netns(1), pasta(1)",
    ),
    "outward.publish": Op(
        "The same program listens on the host for the containers.",
        "slirp4netns(1), API socket",
    ),
    "outward.unpublish": Op(
        "The program listens there no more.",
        "slirp4netns(1), API socket",
    ),
    "conntrack.forget": Op(
        "UDP packets that keep coming follow the kernel's memory, not our new rules; so it forgets where they went.",
        "conntrack(8)",
        lambda a: "\n".join(f"conntrack -D -f ipv4 -p udp --orig-port-dst {port}" for port in a["ports"]),
    ),
    "sysctl.link": Op(
        "A setting of the bridge alone: it has no IPv6, and what the host sends to 127.0.0.1 may go to a container.",
        "ip-sysctl, conf/INTERFACE",
        lambda a: f"sysctl -qw {a['name']}={sh.quoted(a['value'])}",
    ),
    "sysctl.host": Op(
        "The kernel forwards packets between links only when it is told to.",
        "ip-sysctl, sysctl(8)",
        lambda a: f"sysctl -qw {a['name']}={sh.quoted(a['value'])}",
    ),
}


def describe(op: str) -> Op:
    """Return the table's entry for *op*.

    :raises InvalidArgument: the name is not in the vocabulary.
    """
    try:
        return OPS[op]
    except KeyError:
        raise InvalidArgument(f"unknown operation {op!r}") from None


def undo_of(op: str, args: Args) -> tuple[str, Args] | None:
    """Return the op and the arguments that reverse ``(op, args)``, or ``None``."""
    return describe(op).undo(args)
