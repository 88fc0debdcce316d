"""The port ``Launch`` in Python: the planner, and the start of a monitor process."""

from __future__ import annotations

import os
import sys
from typing import Any

from minidock._pure.failing import failing
from minidock._pure.plan import plan
from minidock._pure.spawn import library_folder, safe_program
from minidock.errors import StepFailed
from minidock.kernel.program import runtime_path

#: What the new interpreter runs. It forks before it imports anything: the half that the engine waits for leaves at
#: once, and the other is nobody's child. The package's folder is given, since ``-I`` looks at no environment.
_DETACHED = """import os, sys; os.fork() and os._exit(0); sys.path.insert(0, {folder!r})
open("/proc/self/comm", "w").write(os.path.basename(sys.executable)); {run}"""  # else ps would show the descriptor
_ATTACHED = "import sys; sys.path.insert(0, {folder!r}); {run}"
_RUN = "from minidock._pure.monitor.__main__ import main; sys.exit(main(sys.argv[1:]))"
_HOLD = "from minidock._pure.holder import main; sys.exit(main(sys.argv[2:]))"
_FOLDER = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

_CONTROL = 3


class PureLaunch:
    """The port :class:`~minidock.kernel.ports.Launch`."""

    def plan(self, spec: bytes, options: bytes) -> bytes:
        return plan(spec, options)

    def monitor(self, id: str, bundle: str) -> int:
        import socket

        with failing("monitor.start", f"start the monitor of {id} for {bundle}"):
            ours, theirs = socket.socketpair()
            with theirs:
                command = [sys.executable, "-I", "-c", _DETACHED.format(folder=_FOLDER, run=_RUN)]
                actions = [
                    *((os.POSIX_SPAWN_OPEN, stream, "/dev/null", os.O_RDWR, 0) for stream in range(3)),
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), _CONTROL),
                ]
                if theirs.fileno() == _CONTROL:  # dup2 to itself would leave it marked "close on exec"
                    os.set_inheritable(_CONTROL, True)
                    actions.pop()
                words = [*command, "--control", str(_CONTROL)]
                status = _spawn(words, actions)
        if status:
            ours.close()
            raise StepFailed("monitor.start", 0, f"the monitor of {id} ended with status {status}")
        return ours.detach()

    def init_program(self) -> str:
        """No Python can be process 1 of a stranger's container: both twins give it the same static program."""
        return runtime_path()

    def command(self, *words: str) -> list[str]:
        run = _HOLD if words[:1] == ("hold",) else _RUN
        return [sys.executable, "-I", "-c", _ATTACHED.format(folder=_FOLDER, run=run), *words]


def _spawn(words: list[str], actions: list[Any]) -> int:
    """Run the interpreter, from a file that a container cannot overwrite, until its first half ends."""
    folder = library_folder()
    environment = {**os.environ, "LD_LIBRARY_PATH": folder} if folder else os.environ
    program = safe_program(sys.executable)
    try:
        pid = os.posix_spawn(f"/proc/self/fd/{program}", words, environment, file_actions=actions)
    finally:
        os.close(program)
    return os.waitpid(pid, 0)[1]
