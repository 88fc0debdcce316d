"""``{trace}``: run a real command in a world of its own while the docs are built, and show what it printed.

The text of a trace is never typed: if the command cannot run here, the build fails and says why. Each build has one
world (root on a tmpfs, network namespace of its own), made when the first trace is needed::

    ```{trace} run --rm --network none busybox echo hello
    ```

Options: ``:input:`` text for the command's stdin; ``:status:`` the exit status that is expected, 0 if not given;
``:lines:`` first-last, to show only some lines.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from tests.support.world import World

_world: World | None = None


def the_world() -> World:
    global _world
    if _world is None:
        _world = World()
        _world.__enter__()
        _world.ok("image", "bootstrap", "busybox")
    return _world


class Trace(SphinxDirective):
    """The directive."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = False
    option_spec: ClassVar[dict[str, Any]] = {
        "input": directives.unchanged,
        "status": directives.nonnegative_int,
        "lines": directives.unchanged,
    }

    def run(self) -> list[nodes.Node]:
        words = shlex.split(self.arguments[0])
        done = the_world().cli(*words, stdin=self.options.get("input"))
        if done.returncode != self.options.get("status", 0):
            raise self.error(f"minidock {self.arguments[0]}: exit {done.returncode}\n{done.stderr}")
        text = (done.stderr + done.stdout).rstrip("\n").replace(the_world().folder, "")
        if "lines" in self.options:
            first, _, last = self.options["lines"].partition("-")
            text = "\n".join(text.splitlines()[int(first) - 1 : int(last) if last else None])
        block = nodes.literal_block("", f"$ minidock {self.arguments[0]}\n{text}", language="text")
        return [block]


def end_world(app: Sphinx, error: Exception | None) -> None:  # noqa: ARG001
    """Leave nothing on the machine, whether the build went well or not."""
    global _world
    if _world is not None:
        world, _world = _world, None
        try:
            world.__exit__()
        except AssertionError as left:
            raise ExtensionError(f"the documentation's world: {left}") from left


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("trace", Trace)
    app.connect("build-finished", end_world)
    return {"parallel_read_safe": False}
