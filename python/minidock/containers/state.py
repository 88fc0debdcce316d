"""What may happen to a container in which state: one table, from which the docs draw their diagram.

The words of the states are Docker's.
"""

from __future__ import annotations

from minidock.errors import Conflict

CREATED, RUNNING, PAUSED, RESTARTING, REMOVING, EXITED, DEAD = (
    "created",
    "running",
    "paused",
    "restarting",
    "removing",
    "exited",
    "dead",
)

#: (state, event) → next state. What is not here must not happen.
MOVES: dict[tuple[str, str], str] = {
    (CREATED, "start"): RUNNING,
    (EXITED, "start"): RUNNING,
    (RUNNING, "exit"): EXITED,
    (PAUSED, "exit"): EXITED,
    (RUNNING, "pause"): PAUSED,
    (PAUSED, "unpause"): RUNNING,
    (CREATED, "remove"): REMOVING,
    (EXITED, "remove"): REMOVING,
    (DEAD, "remove"): REMOVING,
    (REMOVING, "remove"): REMOVING,
    (REMOVING, "fail"): DEAD,
}


def move(state: str, event: str) -> str:
    """Return the state after *event*.

    :raises Conflict: the table has no such move; both are named.
    """
    try:
        return MOVES[state, event]
    except KeyError:
        raise Conflict(f"a container that is {state} cannot {event}") from None
