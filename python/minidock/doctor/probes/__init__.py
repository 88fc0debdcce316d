"""The questions, by subject. A probe returns what it found, or raises :class:`~minidock.doctor.probe.Finding`.

The first line of its docstring is what it tries: the report shows it. It runs in a process of its own, so it may do to
itself what it likes; what outlives the process (files, control groups) it removes.
"""
