"""The reference of all modules: one page for each folder of the package, made by the build; and short names as links.

A docstring says ``:class:`Digest``` where its reader knows which one is meant. :func:`resolve_short_name` finds the one
object of the package with that name; a name that nothing, or more than one thing, has stays an error of the build.
"""

from __future__ import annotations

import pkgutil
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import minidock

#: What is documented by its command's own help.
LEFT_OUT = ("minidock.cli", "minidock.__main__", "minidock._native", "minidock.doctor")
#: Essays that are a chapter's text already.
CHAPTERS = ("minidock.runtime",)


def modules_by_folder() -> dict[str, list[str]]:
    """Return the top-level part → its modules, in order."""
    found: dict[str, list[str]] = {}
    for module in pkgutil.walk_packages(minidock.__path__, "minidock."):
        if not module.name.startswith(LEFT_OUT) and not module.name.endswith("__main__"):
            if module.name in CHAPTERS:
                continue
            found.setdefault(module.name.split(".")[1], []).append(module.name)
    return found


def write_pages(app: Sphinx) -> None:
    """Write the pages before Sphinx looks for sources."""
    folder = Path(app.srcdir) / "_generated"
    folder.mkdir(exist_ok=True)
    for part, modules in modules_by_folder().items():
        options = "   :members:\n   :undoc-members:\n   :show-inheritance:"
        blocks = [f"## {name}\n\n```{{eval-rst}}\n.. automodule:: {name}\n{options}\n```\n" for name in modules]
        text = f"# minidock.{part}\n\n" + "\n".join(blocks)
        page = folder / f"{part}.md"
        if not page.exists() or page.read_text() != text:
            page.write_text(text)


def resolve_short_name(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, contnode: nodes.TextElement
) -> nodes.reference | nodes.TextElement | None:
    """Resolve a reference by the last part of its name, if just one object of the package ends so."""
    if node.get("refdomain") != "py":
        return None
    target = str(node["reftarget"]).lstrip(".")
    objects = env.get_domain("py").data["objects"]
    found = {name: entry for name, entry in objects.items() if name == target or name.endswith(f".{target}")}
    module, owner = node.get("py:module"), node.get("py:class")
    for nearer in (
        f"{module}.{owner}.",
        f"{module}.",
    ):  # the reader's own class, then its module, come before all others
        if len(found) > 1:
            found = {name: entry for name, entry in found.items() if name.startswith(nearer)} or found
    if len(found) != 1:
        return None
    name, entry = next(iter(found.items()))
    uri = app.builder.get_relative_uri(str(node["refdoc"]), entry.docname) + "#" + entry.node_id
    return nodes.reference("", "", contnode, internal=True, refuri=uri, reftitle=name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", write_pages)
    app.connect("missing-reference", resolve_short_name)
    return {"parallel_read_safe": True}
