"""Steps → one bash script in two parts, which a person can run instead of the engine (``--as-shell``).

::

    part 1, on the host                  part 2, inside the new process
    ───────────────────                  ──────────────────────────────
    folders, cgroups, links              mounts, /dev, names, read-only and masked paths
    unshare … bash "$work/inside1" ────▶ exec setpriv … unshare --root=. … the program
    (trap: take it all back)

Each step is a comment that says what and why, then the command. Where a shell has to go another way than the
engine, the comment says so; there are four such places:

*the way into the root*
    After pivot_root(2) only the container's own programs can be started, and it may have no ``umount``. So the script
    moves the tree onto ``/`` and changes its root into it, as ``runc --no-pivot`` does.
*what the engine does after the pivot*
    is done just before, on paths below the root.
*another namespace*
    A shell cannot change its own namespaces: it starts a second one in them (``inside2``).
*rights*
    setpriv(1) and unshare(1) give up capabilities, groups and the user in one chain that ends in the program. No
    command sets a seccomp filter.

An image can hold links that lead out of its root. The engine never follows them; a shell does: the script is for images
that one trusts, and says so.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

import msgspec

from minidock.trace.ops import describe, undo_of
from minidock.trace.process import ProcessSteps
from minidock.trace.step import Args, Step
from minidock.trace.words import wrap

_WIDTH = 98
#: Steps after the pivot that work on paths or names; a shell does them before it.
_EARLIER = (
    "root.readonly",
    "mount.readonly",
    "mount.mask",
    "sysctl.set",
    "uts.hostname",
    "uts.domainname",
    "process.cwd",
)
_NEW_SHELL = ("ns.unshare", "ns.join")


def make_script(title: str, steps: Sequence[Step]) -> str:
    """Return the script.

    :param title: the command line that it stands for.
    :param steps: called steps of the host, then the plan; without a plan there is only part 1.
    """
    born = next((at for at, step in enumerate(steps) if step.op == "ns.create"), len(steps))
    host, plan = list(steps[:born]), list(steps[born:])
    explained = _Explainer()
    lines = _header(title, bool(plan))
    if plan:
        lines += [*_section("part 1: on the host"), *_cleanup(host)]
    for step in host:
        lines += _host_step(step, explained)
    if plan:
        lines += _stages([step for step in plan[1:] if step.side == "inside"], explained)
        lines += _birth(plan[0], [step for step in plan[1:] if step.op == "ns.idmap"], explained)
    return "\n".join(_named(lines, plan)) + "\n"


def _named(lines: Sequence[str], plan: Sequence[Step]) -> list[str]:
    """Give the two longest words names: ``$root``, the container's tree, and ``$id``.

    Only on lines without single quotes, in which a shell would not look for names.
    """
    root = next((step.args["root"] for step in plan if step.op == "root.pivot"), "")
    words = {"root": root} if root == shlex.quote(root) and root.startswith("/") and len(root) > 1 else {}
    if found := re.search(r"[0-9a-f]{64}", root):
        words["id"] = found[0]
    named = []
    for line in lines:
        for name, word in words.items():
            if "'" not in line and not line.startswith("# minidock"):
                line = re.sub(rf"(?<![\w.-]){re.escape(word)}(?![\w.-])", f"${name}", line)
        named.append(line)
    if not plan:
        return named
    at = named.index("work=$(mktemp -d)")
    assignments = [f"export {name}={shlex.quote(word)}" for name, word in reversed(words.items())]
    return [*named[:at], *assignments, *named[at:]]


def _header(title: str, launches: bool) -> list[str]:
    text = [
        "#!/bin/bash",
        f"# {' '.join(title.split())}",
        "#",
        "# The same by hand. Made by minidock --as-shell; each step is named as in --explain.",
        "# Run it as root, on an image that you trust: a shell follows links in an image that lead out of it.",
    ]
    if launches:
        text.append("# Needs bash, and util-linux 2.38 or newer (mount, unshare, nsenter, setpriv).")
    return [*text, "set -eu"]


def _section(title: str) -> list[str]:
    return ["", f"# {f' {title} ':-^{_WIDTH - 2}}"]


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in wrap(text, _WIDTH - 2)]


class _Explainer:
    """Comments above commands; why a step is made stands only above the first of its kind."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __call__(self, step: Step, note: str = "") -> list[str]:
        text = step.op if step.op in self._known else f"{step.op}: {describe(step.op).why}"
        self._known.add(step.op)
        return ["", *_comment(text), *(_comment(f"({note})") if note else [])]


def _cleanup(host: Sequence[Step]) -> list[str]:
    """A function that takes everything back, whatever happens."""
    undone: list[str] = []
    for step in reversed(host):
        undo = undo_of(step.op, step.args)
        if step.op == "link.bridge":  # the engine keeps it for other containers; this script has only one
            undo = ("link.delete", {"name": step.args["name"]})
        command = describe(undo[0]).shell(undo[1]) if undo else None
        if command and command not in undone:
            undone.append(command)
    return [
        "",
        "work=$(mktemp -d)",
        "cleanup() {",
        "    set +e",
        "    # everything that the steps below made is taken back, the last first",
        *(line for command in undone for line in _indented(command)),
        '    rm -rf "$work"',
        "}",
        "trap cleanup EXIT",
    ]


def _indented(command: str) -> list[str]:
    """The lines of a command within a function; a here-document stays at the margin, where its end is looked for."""
    margin = "" if "<<" in command else "    "
    return [margin + line for line in command.split("\n")]


def _host_step(step: Step, explained: _Explainer) -> list[str]:
    command = describe(step.op).shell(step.args)
    if command is None:
        return explained(step, "no command does this; the script does not need it")
    return [*explained(step), *command.split("\n")]


def _birth(step: Step, idmaps: Sequence[Step], explained: _Explainer) -> list[str]:
    """The command that starts part 2 in new namespaces."""
    words = [describe(step.op).shell(step.args) or "unshare", "--kill-child", "--propagation unchanged"]
    if "pid" not in step.args["namespaces"]:
        words.remove("--kill-child")
    for idmap in idmaps:
        words += _idmap(idmap.args)
    command = " ".join([*words, 'bash "$work/inside1" "$work"'])
    lines = [*explained(step), *(line for idmap in idmaps for line in explained(idmap))]
    if step.args.get("cgroup"):
        lines += _comment("(the engine lets the process be born in its control group; a shell moves there first)")
        procs = shlex.quote(step.args["cgroup"] + "/cgroup.procs")
        command = f"(echo $BASHPID > {procs}; exec {command})"
    return [
        *_section("part 1 again: the birth of the process"),
        *lines,
        "status=0",
        f"{command} || status=$?",
        "exit $status",
    ]


def _idmap(args: Args) -> list[str]:
    """One range of each kind: unshare(1) of util-linux 2.38 takes no more."""
    words = []
    for name, lines in (("users", args["uids"]), ("groups", args["gids"])):
        inside, outside, size = max(lines, key=lambda line: line[2])
        words.append(f"--map-{name}={outside},{inside},{size}")
    return [*words, "--setuid=0", "--setgid=0"]


def _stages(steps: Sequence[Step], explained: _Explainer) -> list[str]:
    """Part 2, as files that part 1 writes: a new one wherever a new shell is needed."""
    lines = _section("part 2: inside the new process")
    number, stage = 1, _stage_start()
    for step in _reordered(steps):
        if step.op in _NEW_SHELL:
            number += 1
            command = (describe(step.op).shell(step.args) or "").replace("--network=", "--net=")
            stage += [*explained(step, "in a second shell"), f'exec {command} bash "$work/inside{number}" "$work"']
            lines += _file(number - 1, stage)
            stage = _stage_start()
        else:
            stage += _inside_step(step, explained)
    process = ProcessSteps(steps)
    root = next((step.args["root"] for step in steps if step.op == "root.pivot"), "/")
    stage += process.script(root, explained)
    return [*lines, *_file(number, stage)]


def _stage_start() -> list[str]:
    return ["set -eu", 'work="$1"']


def _file(number: int, lines: Sequence[str]) -> list[str]:
    end = "INSIDE"
    while any(end in line.split("\n") for line in lines):  # an argument of the program may hold any line
        end += "_"
    return ["", f"cat > \"$work/inside{number}\" <<'{end}'", *lines, end]


def _reordered(steps: Sequence[Step]) -> list[Step]:
    """The steps in a shell's order: those after the pivot that concern the root come before it, on paths below it."""
    at = next((at for at, step in enumerate(steps) if step.op == "root.pivot"), len(steps))
    root = steps[at].args["root"] if at < len(steps) else ""
    later = [step for step in steps[at + 1 :] if step.op in _EARLIER]
    # first what writes into the tree, then what closes it
    later.sort(key=lambda step: step.op == "root.readonly")
    return [*steps[:at], *(_below(step, root) for step in later)]


def _below(step: Step, root: str) -> Step:
    args = dict(step.args)
    if "paths" in args:
        args["paths"] = [root + path for path in args["paths"]]
    if step.op in ("root.readonly", "mount.mask"):
        args["root"] = root
    if step.op == "process.cwd":
        args["cwd"] = root + args["cwd"]
    return msgspec.structs.replace(step, args=args)


def _inside_step(step: Step, explained: _Explainer) -> list[str]:
    if step.op in ("process.session", "dev.console"):
        return explained(step, "not done here: the script keeps your own session and terminal")
    if step.op == "process.cwd":
        folder = shlex.quote(step.args["cwd"])
        return [*explained(step, "here it is only made"), f"[ -d {folder} ] || mkdir -p {folder}"]
    command = describe(step.op).shell(step.args)
    if command is None:
        return explained(step, "no command does this")
    return [*explained(step), *command.split("\n")]
