"""The engine: it wires all parts of one root together.

``engine/run.py`` is ``minidock run`` on one page; :class:`~minidock.engine.engine.Engine` is the object behind every
command that has no daemon to ask::

    with Engine.open() as engine:
        engine.containers.run(request, options, streams, progress)
"""

from minidock.engine.engine import Engine as Engine
