"""Images: how they come in (``pull``, ``load``, ``import``, ``bootstrap``), and what is done with them.

======== ==========================================================================================
module   what it is
======== ==========================================================================================
verify   what an image's documents must be before any of it is used: shared by every door
unpack   one layer: from its blob to a committed snapshot, shared by every door
pull     from a registry
======== ==========================================================================================
"""
