"""The command that a person would type for a step, made of its arguments.

Commands are those of util-linux, iproute2, nftables and coreutils. Values are quoted: a path with a space, or one that
someone made up to be mistaken for a command, stays one word. ``...`` stands for the program that a command starts.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from typing import Any

from minidock.trace.step import Args

Shell = Callable[[Args], str | None]

_PROPAGATION = ("private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable")
#: Flags of a whole tree of mounts (runtime-spec config.md), and what each is for one mount.
_RECURSIVE = {
    f"r{word}": word
    for word in ("ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "noatime", "relatime", "nodiratime")
}
_UNSHARE = {
    "mount": "--mount",
    "uts": "--uts",
    "ipc": "--ipc",
    "pid": "--pid --fork",
    "network": "--net",
    "cgroup": "--cgroup",
    "user": "--user",
    "time": "--time",
}
#: Files of a bundle that are mounted into the container.
_MOUNTED_FILES = ("hostname", "hosts", "resolv.conf")


# --- for the table: one command by its template ---


def line(template: str) -> Shell:
    """One command with the arguments by name."""
    return lambda a: template.format(**{name: quoted(value) for name, value in a.items()})


def each(template: str, key: str) -> Shell:
    """One command with all values of a list argument."""
    return lambda a: template.format(" ".join(quoted(value) for value in a[key]))


def lines(template: str, key: str) -> Shell:
    """One command for each value of a list argument."""
    return lambda a: "\n".join(template.format(quoted(value)) for value in a[key]) or None


def folder(a: Args) -> str:
    """A new folder with its mode, and its owner where that is not us."""
    command = f"mkdir -m {a.get('mode', 0o700):04o} {quoted(a['path'])}"
    if a.get("owner"):
        command += f" && chown {a['owner'][0]}:{a['owner'][1]} {quoted(a['path'])}"
    return command


def quoted(value: Any) -> str:
    """One word for a shell."""
    return shlex.quote(str(value))


# --- mounts ---


def overlay(a: Args) -> str:
    """The folders of an overlay, then the overlay."""
    words = [f"lowerdir={':'.join(a['lower'])}"]
    folders = [a["target"]]
    if a.get("upper"):
        words += [f"upperdir={a['upper']}", f"workdir={a['work']}"]
        folders += [a["upper"], a["work"]]
    return (
        f"mkdir -p {' '.join(quoted(folder) for folder in folders)}\n"
        f"mount -t overlay{_with([*words, *a.get('options', [])])} overlay {quoted(a['target'])}"
    )


def bind(a: Args) -> str:
    """A bind mount, its flags, its propagation: each is a call of its own."""
    words = list(a.get("options") or ())
    kind = "--rbind" if "rbind" in words else "--bind"
    source, target = quoted(a["source"]), _in_root(a)
    commands = [f"mount {kind} {source} {target}"]
    if "root" in a:  # the place is made if it is missing: a folder or a file, after the source
        parent = quoted(os.path.dirname(a["root"] + a["target"]))
        commands.insert(
            0,
            f"[ -e {target} ] || if [ -d {source} ]; then mkdir -p {target}; else mkdir -p {parent}; : > {target}; fi",
        )
    flags = [word for word in words if word not in ("bind", "rbind", *_PROPAGATION, *_RECURSIVE)]
    if flags:
        commands.append(f"mount{_with(['remount', 'bind', *flags])} {target}")
    whole_tree = [_RECURSIVE[word] for word in words if word in _RECURSIVE]
    if whole_tree:  # mount(8) sets flags of one mount only
        remount = f'mount{_with(["remount", "bind", *whole_tree])} "$(printf %b "$path")"'
        commands.append(f"findmnt -rRno TARGET {target} | while read -r path; do {remount}; done")
    return "\n".join([*commands, *(f"mount --make-{word} {target}" for word in words if word in _PROPAGATION)])


def filesystem(a: Args) -> str:
    """The folder of a mount, then the mount."""
    target = _in_root(a)
    mount = f"mount -t {quoted(a['type'])}{_with(a.get('options'))} {quoted(a['source'])} {target}"
    return f"mkdir -p {target}\n{mount}"


def _in_root(a: Args) -> str:
    return quoted(a.get("root", "") + a["target"])


def _with(words: list[str] | None) -> str:
    return f" -o {quoted(','.join(words))}" if words else ""


def mask(a: Args) -> str:
    """A folder is covered by an empty one, a file by /dev/null; what is not there needs nothing."""
    nothing = quoted(a.get("root", "") + "/dev/null")
    return _for_each(
        a["paths"],
        'if [ -d "$path" ]; then mount -t tmpfs -o ro,nosuid,nodev,noexec,nr_inodes=1 tmpfs "$path"',
        f'elif [ -e "$path" ]; then mount --bind {nothing} "$path"; fi',
    )


def readonly(a: Args) -> str:
    """Each path that is there becomes a mount of its own, which takes no changes."""
    return _for_each(
        a["paths"], 'if [ -e "$path" ]; then mount --bind "$path" "$path"; mount -o remount,bind,ro "$path"; fi'
    )


def _for_each(paths: list[str], *body: str) -> str:
    words = " ".join(quoted(path) for path in paths)
    return "\n".join([f"for path in {words}; do", *(f"    {command}" for command in body), "done"])


# --- devices ---


def devices(a: Args) -> str:
    """Device nodes; without the right to make nodes, bind mounts of the host's."""
    commands = []
    for device in a["devices"]:
        path, folder = quoted(a["root"] + device["path"]), os.path.dirname(device["path"])
        if folder != "/dev":
            commands.append(f"mkdir -p {quoted(a['root'] + folder)}")
        if a.get("bind"):
            commands.append(f"touch {path}; mount --bind {quoted(device['path'])} {path}")
            continue
        numbers = "" if device["type"] == "p" else f" {device['major']} {device['minor']}"
        commands.append(f"mknod -m {device['mode']:o} {path} {device['type']}{numbers}")
        if device["uid"] or device["gid"]:
            commands.append(f"chown {device['uid']}:{device['gid']} {path}")
    return "\n".join(commands)


def device_rules(a: Args) -> str | None:
    """On v1 each rule is a line for a file; on v2 the filter is a BPF program, which no command loads."""
    if a["mode"] != "v1":
        return None
    commands = []
    for rule in a["rules"]:
        major, minor = ("*" if rule[key] is None else rule[key] for key in ("major", "minor"))
        text = "a" if rule["type"] == "a" else f"{rule['type']} {major}:{minor} {rule['access']}"
        commands.append(f"echo '{text}' > {quoted(a['dir'])}/devices.{'allow' if rule['allow'] else 'deny'}")
    return "\n".join(commands)


def links(a: Args) -> str:
    """Symbolic links below the root."""
    return "\n".join(f"ln -s {quoted(target)} {quoted(a['root'] + path)}" for path, target in a["links"].items())


# --- the process ---


def unshare(a: Args) -> str:
    """New namespaces; the program follows."""
    return "unshare " + " ".join(_UNSHARE[kind] for kind in a["namespaces"])


def limits(a: Args) -> str:
    """Resource limits of the shell, which the program inherits."""

    def number(value: int) -> str:
        return "unlimited" if value >= 1 << 63 else str(value)

    return "\n".join(
        f"prlimit --pid $$ --{limit['type'][7:].lower()}={number(limit['soft'])}:{number(limit['hard'])}"
        for limit in a["rlimits"]
    )


def bounding_set(names: list[str]) -> str:
    """The words of setpriv(1) that leave only these capabilities."""
    return "--bounding-set -all" + "".join(f",+{name.removeprefix('CAP_').lower()}" for name in names)


def capabilities(a: Args) -> str:
    """A program with these capabilities."""
    return f"setpriv {bounding_set(a['bounding'])} --inh-caps -all ..."


def groups(numbers: list[int]) -> str:
    """The word of setpriv(1) for supplementary groups."""
    return f"--groups {','.join(str(number) for number in numbers)}" if numbers else "--clear-groups"


def user(a: Args) -> str:
    """A program as this user."""
    return f"setpriv --reuid {a['uid']} --regid {a['gid']} {groups(a.get('groups', []))} ..."


# --- bundles and networks ---


def bundle(a: Args) -> str:
    """The root's folder, and the host's own files in the place of those that the engine writes for the network."""
    copies = [f"cp /etc/{name} {quoted(a['path'])}/" for name in a["files"] if name in _MOUNTED_FILES]
    return "\n".join([f"mkdir -p {quoted(a['path'])}/rootfs", *copies])


def in_netns(a: Args, command: str) -> str:
    """A command in a pinned network namespace, if the step names one."""
    return f"nsenter --net={quoted(a['netns'])} {command}" if a.get("netns") else command


def pin(a: Args) -> str:
    """A network namespace that a bind mount keeps, its loopback up."""
    path = quoted(a["path"])
    return f"mkdir -p {quoted(os.path.dirname(a['path']))} && touch {path}\nunshare --net={path} ip link set lo up"


def address(text: str) -> str:
    """An address with its prefix; an IPv4 one with the broadcast address that follows from it."""
    return quoted(text) if ":" in text else f"{quoted(text)} brd +"


def veth(a: Args) -> str:
    """A pair: one end in the bridge, the other in the namespace."""
    mac = f" address {quoted(a['mac'])}" if a.get("mac") else ""
    name, peer = quoted(a["name"]), quoted(a["peer"])
    return (
        f"ip link add {name} mtu {a['mtu']} type veth peer name {peer} mtu {a['mtu']}{mac} netns {quoted(a['netns'])}\n"
        f"ip link set {name} master {quoted(a['bridge'])} up\n"
        f"ip link set {name} type bridge_slave hairpin on"
    )


def bridge(a: Args) -> str:
    """A bridge with a hardware address of its own, switched on."""
    mac = f" address {quoted(a['mac'])}" if a.get("mac") else ""
    name = quoted(a["name"])
    return f"ip link add {name} mtu {a['mtu']}{mac} type bridge\nip link set {name} up"
