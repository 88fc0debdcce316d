"""What separates a container from the host: namespaces, capabilities, security options, the runtime that starts it."""

from __future__ import annotations

import msgspec

from minidock.api import HostConfig
from minidock.cli.exits import BadRequest
from minidock.cli.flags import Flag, Kind, Values
from minidock.cli.kinds import BOOL, LIST, STRING
from minidock.cli.run.files import as_map

#: A seccomp profile is some ten kilobytes; Docker's default one has about 15,000 bytes.
LONGEST_PROFILE = 1 << 20

_SYSCTLS = "msgmax msgmnb msgmni sem shmall shmmax shmmni shm_rmid_forced".split()  # noqa: SIM905
#: Security options that need no value: Docker's one, and minidock's stricter set of defaults.
_PLAIN_OPTIONS = ("no-new-privileges", "hardened")


def parse_sysctl(text: str) -> str:
    """Check one ``--sysctl``: only parameters that a namespace has for itself."""
    name, equals, _ = text.partition("=")
    known = name in (f"kernel.{short}" for short in _SYSCTLS) or name.startswith(("net.", "fs.mqueue."))
    if not equals or not known:
        raise ValueError(f"sysctl '{text}' is not allowed")
    return text


FLAGS = (
    Flag("cap-add", LIST, "Give the container a capability (NET_ADMIN, ALL)"),
    Flag("cap-drop", LIST, "Take a capability away from it"),
    Flag("cgroup-parent", STRING, "Control group to put the container's own one into"),
    Flag("cgroupns", STRING, "Control group namespace: host or private"),
    Flag("group-add", LIST, "Add a group of the container, by name or number"),
    Flag("init", BOOL, "Run a small init in it that passes on signals and buries the dead"),
    Flag("ipc", STRING, "IPC namespace: none, private, shareable, host, or container:NAME"),
    Flag("pid", STRING, "Process namespace: host, or container:NAME"),
    Flag("privileged", BOOL, "Give it nearly all rights of root on the host"),
    Flag("read-only", BOOL, "Let nothing be written to its root file system"),
    Flag("runtime", STRING, "OCI runtime that starts it (runc, crun, or a path)"),
    Flag("security-opt", LIST, "Security option: hardened, no-new-privileges, seccomp=FILE|unconfined, ..."),
    Flag("sysctl", Kind("map", parse_sysctl, repeats=True), "Set a kernel parameter of its namespaces (net.x=1)"),
    Flag("userns", STRING, "User namespace: host"),
    Flag("uts", STRING, "Namespace of host and domain name: host"),
)


def capabilities(names: list[str]) -> tuple[str, ...]:
    """Return capability names in full, ``CAP_NET_ADMIN``, sorted, each once; ``ALL`` alone if it is among them."""
    full = {name if name == "ALL" or name.startswith("CAP_") else f"CAP_{name}" for name in map(str.upper, names)}
    full = {"ALL" if name == "CAP_ALL" else name for name in full}
    return ("ALL",) if "ALL" in full else tuple(sorted(full))


def security_options(options: list[str]) -> tuple[tuple[str, ...], bool]:
    """Return the options with seccomp profiles read from their files, and whether system paths stay open.

    :raises BadRequest: an option without a value, a profile that cannot be read or is no JSON.
    """
    result, open_paths = [], False
    for option in options:
        name, equals, value = option.partition("=")
        if option not in _PLAIN_OPTIONS and not equals and ":" not in option:
            raise BadRequest(f'Invalid --security-opt: "{option}"')
        if option == "systempaths=unconfined":
            open_paths = True
        elif name == "seccomp" and equals and value not in ("unconfined", "builtin"):
            result.append(f"seccomp={_profile(value)}")
        else:
            result.append(option)
    return tuple(result), open_paths


def _profile(path: str) -> str:
    """Return the JSON in a file, without its white space."""
    try:
        with open(path, "rb") as file:
            data = file.read(LONGEST_PROFILE + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadRequest(f"opening seccomp profile ({path}) failed: open {path}: {reason}") from None
    if len(data) > LONGEST_PROFILE:
        raise BadRequest(f"seccomp profile ({path}): more than {LONGEST_PROFILE} bytes")
    try:
        msgspec.json.decode(data)
        return msgspec.json.format(data, indent=-1).decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as bad:
        raise BadRequest(f"compacting json for seccomp profile ({path}) failed: {bad}") from None


def _check_modes(values: Values) -> None:
    """The checks of Docker's client; ``--ipc`` is left to the engine."""
    pid = values["pid"]
    if pid not in ("", "host") and not (pid.startswith("container:") and pid != "container:"):
        raise BadRequest("--pid: invalid PID mode")
    if values["uts"] not in ("", "host"):
        raise BadRequest("--uts: invalid UTS mode")
    if values["userns"] not in ("", "host"):
        raise BadRequest("--userns: invalid USER mode")
    if values["cgroupns"] not in ("", "host", "private"):
        raise BadRequest("--cgroupns: invalid CGROUP mode")


def apply(values: Values, host: HostConfig) -> HostConfig:
    """Return *host* with what these flags say.

    :raises BadRequest: an unknown mode or security option.
    """
    _check_modes(values)
    options, open_paths = security_options(values["security-opt"])
    return msgspec.structs.replace(
        host,
        cap_add=capabilities(values["cap-add"]),
        cap_drop=capabilities(values["cap-drop"]),
        cgroup_parent=values["cgroup-parent"],
        cgroupns_mode=values["cgroupns"],
        group_add=tuple(values["group-add"]),
        init=values["init"] if values.given("init") else None,
        ipc_mode=values["ipc"],
        pid_mode=values["pid"],
        privileged=values["privileged"],
        readonly_rootfs=values["read-only"],
        runtime=values["runtime"],
        security_opt=options,
        masked_paths=() if open_paths else None,
        readonly_paths=() if open_paths else None,
        sysctls=as_map(values["sysctl"]),
        userns_mode=values["userns"],
        uts_mode=values["uts"],
    )
