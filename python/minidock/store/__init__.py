"""The store: everything of minidock that outlives a command, and how it stays whole.

======== ==========================================================================================
module   what it is
======== ==========================================================================================
layout   the disk, drawn once: every path of the engine is made there
======== ==========================================================================================
"""
