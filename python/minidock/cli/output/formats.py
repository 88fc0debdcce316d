r"""``--format``: a table, JSON, or a template, for lists of things and for one thing.

================  ====================================================================================
``table``         the default: the usual columns, with a heading
``table …``       a heading, and the columns of this template, separated by ``\t``
``json``          one JSON object per line
anything else     a template for each thing
================  ====================================================================================
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

from minidock.cli.exits import CommandFailed
from minidock.cli.gotemplate import Record, Template, TemplateError
from minidock.cli.gotemplate.builtins import to_json
from minidock.cli.output.table import align

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: In a heading these do nothing: the heading is the name of what they would change.
_HEADING_FUNCTIONS = {
    name: (lambda value, *_: value) for name in ("json", "split", "join", "title", "lower", "upper", "truncate")
}


def print_rows(
    form: str,
    usual: str,
    headings: Mapping[str, str],
    rows: Sequence[Record],
    complaints: tuple[str, str] = ("template parsing error", "template parsing error"),
) -> None:
    """Print *rows*.

    :param form: what the user asked for, empty for the usual table.
    :param usual: the template of the usual table's columns.
    :param headings: the heading of each field.
    :param complaints: how messages begin, for a template that cannot be parsed, or executed.
    :raises CommandFailed: the template cannot be parsed or executed.
    """
    form = form.strip()
    is_table = not form or form == "table" or form.startswith("table ")
    body = form.removeprefix("table").strip() or usual if is_table else form
    if body == "json":
        body = "{{json .}}"
    body = body.replace("\\t", "\t").replace("\\n", "\n")
    try:
        template = Template(body)
    except TemplateError as wrong:
        raise CommandFailed(1, f"{complaints[0]}: {wrong}") from None
    try:
        lines = [template.execute(row) for row in rows]
        if is_table:
            heading = Record(headings)
            heading.methods = {"Label": lambda name: name.rpartition(".")[2].replace("-", " ").replace("_", " ")}
            first = Template(body, _HEADING_FUNCTIONS).execute(heading)
            sys.stdout.write(align("\n".join([first, *lines]).split("\n")))
            return
    except TemplateError as wrong:
        raise CommandFailed(1, f"{complaints[1]}: {wrong}") from None
    for line in lines:
        sys.stdout.write(line + "\n")


def print_one(form: str, value: Any, name: str = "") -> None:
    """Print one thing by a template, or as JSON.

    :param name: how messages name the template.
    :raises CommandFailed: the template cannot be parsed or executed.
    """
    if form == "json":
        form = "{{json .}}"
    try:
        sys.stdout.write(Template(form.replace("\\t", "\t").replace("\\n", "\n")).execute(value) + "\n")
    except TemplateError as wrong:
        message = str(wrong).replace("template: :", f"template: {name}:", 1)
        raise CommandFailed(64, f"template parsing error: {message}") from None


def print_inspected(form: str, found: Iterable[Mapping[str, Any]]) -> None:
    """Print what ``inspect`` found: a JSON list, or one line of the template for each.

    :raises CommandFailed: the template cannot be parsed or executed.
    """
    if not form:
        sys.stdout.write(indented(list(found)) + "\n")
        return
    if form == "json":
        sys.stdout.write(to_json(list(found)) + "\n")
        return
    try:
        template = Template(form.replace("\\t", "\t").replace("\\n", "\n"), strict=True)
    except TemplateError as wrong:
        raise CommandFailed(64, f"template parsing error: {wrong}") from None
    lines: list[str] = []
    try:
        lines += (template.execute(item) for item in found)
    except TemplateError as wrong:
        raise CommandFailed(1, f"template parsing error: {wrong}") from None
    finally:
        sys.stdout.write("\n".join([*lines, ""]) or "\n")


def indented(value: Any) -> str:
    """Return JSON with an indentation of four, escaped as Go does."""
    import json

    text = json.dumps(value, ensure_ascii=False, indent=4)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


__all__ = ["indented", "print_inspected", "print_one", "print_rows", "to_json"]
