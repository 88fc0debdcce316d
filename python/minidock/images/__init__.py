"""Images: how they come in (``pull``, ``load``, ``import``, ``bootstrap``), and what is done with them.

======== ==========================================================================================
module   what it is
======== ==========================================================================================
verify   what an image's documents must be before any of it is used: shared by every door
select   from an index to the manifest of one platform
unpack   one layer: from its blob to a committed snapshot, shared by every door
remote   from a name to a checked image, by asking its registry
download blobs, three at a time;  report: in Docker's words
record   the rows that make an image one
pull     from a registry: all of these together
======== ==========================================================================================
"""
