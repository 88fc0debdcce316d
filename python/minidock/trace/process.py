"""The end of a script: the process gives up its rights and becomes the program.

Each command in the chain gives something up and starts the next: setpriv(1) the capabilities and groups, unshare(1)
(here only for its ``--root``, ``--wd`` and ``--setuid``) the host's tree and the user.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

from minidock.trace import shell as sh
from minidock.trace.ops import describe
from minidock.trace.step import Args, Step

#: Capabilities that the chain itself needs after the bounding set is cut: to change the root, and the user.
_CHROOT, _SETUID = "CAP_SYS_CHROOT", "CAP_SETUID"

Explained = Callable[[Step, str], list[str]]


class ProcessSteps:
    """The ``process.*`` steps of a plan, by name."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = [step for step in steps if step.op.startswith("process.")]
        self._args: dict[str, Args] = {step.op: step.args for step in self._steps}
        self._pivot = next((step for step in steps if step.op == "root.pivot"), None)

    def script(self, root: str, explained: Callable[..., list[str]]) -> list[str]:
        """Return the last lines of part 2."""
        lines: list[str] = []
        for step in self._steps:
            if step.op in ("process.limits", "process.oom"):
                command = describe(step.op).shell(step.args)
                lines += [*explained(step), *(command.split("\n") if command else [])]
        if self._pivot is not None:
            lines += explained(self._pivot, "as runc --no-pivot does: the tree is moved onto /, and becomes the root")
        lines += [f"cd {shlex.quote(root)}", "mount --move . /"]
        for step in self._steps:
            lines += self._explain(step, explained)
        return [*lines, *self._chain()]

    def _explain(self, step: Step, explained: Callable[..., list[str]]) -> list[str]:
        if step.op in ("process.limits", "process.oom", "process.session", "process.cwd"):
            return []
        notes = {
            "process.seccomp": "no command sets a filter: the script goes without",
            "process.close_fds": "bash opens none for the program but 0, 1 and 2",
            "process.capabilities": self._capabilities_note(),
        }
        return explained(step, notes.get(step.op, ""))

    def _capabilities_note(self) -> str:
        if self._cuts():
            return "the bounding set; no other set is larger after exec"
        return "not done here: the chain below needs capabilities that the container will not have"

    def _user(self) -> tuple[int, int, list[int]]:
        user = self._args.get("process.user", {})
        return user.get("uid", 0), user.get("gid", 0), user.get("groups", [])

    def _cuts(self) -> bool:
        kept = self._args.get("process.capabilities", {}).get("bounding", [])
        return _CHROOT in kept and (_SETUID in kept or self._user()[0] == 0)

    def _chain(self) -> list[str]:
        uid, gid, groups = self._user()
        words = [f"--regid {gid}", sh.groups(groups)]
        if self._cuts():
            words += [sh.bounding_set(self._args["process.capabilities"]["bounding"]), "--inh-caps -all"]
        if "process.no_new_privs" in self._args:
            words.append("--no-new-privs")
        cwd = self._args.get("process.cwd", {}).get("cwd", "/")
        program = self._args["process.exec"]
        umask = self._args.get("process.user", {}).get("umask")
        user = f" --setuid {uid}" if uid else ""
        return [
            *([f"umask {umask:04o}"] if umask is not None else []),
            f"variables=({' '.join(shlex.quote(pair) for pair in program['env'])})",
            f"program=({' '.join(shlex.quote(word) for word in program['argv'])})",
            'exec env -i "${variables[@]}" \\',
            f'    "$(type -P setpriv)" {" ".join(words)} \\',
            f'    "$(type -P unshare)" --root=. --wd={shlex.quote(cwd)}{user} -- "${{program[@]}}"',
        ]
