"""The engine as a whole: ``info``, ``system check`` and ``system release``."""

from __future__ import annotations

from minidock.cli.command import Command
from minidock.cli.flags import Flag, Values
from minidock.cli.kinds import BOOL, FORMAT_SHORT
from minidock.cli.session import STEPS, Session


def info(session: Session, values: Values) -> int:
    """Show what this engine is, what it holds, and what it runs on."""
    import msgspec

    from minidock.cli.output.formats import print_one
    from minidock.cli.values.sizes import show_size_binary

    with session.engine() as engine:
        known = msgspec.to_builtins(engine.info())
    if values["format"]:
        print_one(values["format"], known)
        return 0
    for name, value in known.items():
        if name in ("MemTotal", "Memory"):
            value = show_size_binary(value)
        if isinstance(value, (list, tuple)):
            value = " ".join(str(item) for item in value)
        print(f"{_spaced(name)}: {value}")
    return 0


def _spaced(name: str) -> str:
    """``CgroupVersion`` → ``Cgroup Version``."""
    if "_" in name or name.islower():
        return name.replace("_", " ").capitalize()
    return "".join(
        f" {letter}" if letter.isupper() and at and not name[at - 1].isupper() else letter
        for at, letter in enumerate(name)
    )


def check(session: Session, values: Values) -> int:
    """Check the store; 1 if something is wrong and was not repaired."""
    with session.engine(values) as engine:
        findings = engine.check(values["repair"], values["quick"])
    for finding in findings:
        print(f"{finding.severity}: {finding.what}: {finding.problem}")
        print(f"    at {finding.where}")
        print(f"    {'repaired' if values['repair'] else '--repair would'}: {finding.repair}")
    if not findings:
        print("The store is clean.")
    return 1 if findings and not values["repair"] else 0


def release(session: Session, values: Values) -> int:
    """End the process that holds an ordinary user's namespaces; the next command starts a new one."""
    with session.engine(values) as engine:
        engine.release()
    return 0


INFO = Command("[OPTIONS]", "Display system-wide information", info, (FORMAT_SHORT,))
CHECK = Command(
    "[OPTIONS]",
    "Check the store, and repair it if asked to",
    check,
    (
        Flag("quick", BOOL, "Do not read the contents of blobs"),
        Flag("repair", BOOL, "Put into a clear state what is broken"),
        *STEPS,
    ),
)
RELEASE = Command("", "End the process that holds your namespaces (rootless)", release, STEPS, most=0)
