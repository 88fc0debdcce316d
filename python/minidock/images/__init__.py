r"""Images: how they come in (``pull``, ``load``, ``import``, ``bootstrap``), and what is done with them.

::

    module    what it is
    images    the class that the engine uses; each use case is a module of its own
    resolve   from what a person typed to an image: names, ids, aliases
    catalog   the images of a store, for reading
    listing   patterns  times      ``images`` and its filters
    inspecting                     ``image inspect``, ``history``
    tagging   removal   sweeping   ``tag``; ``rmi``: the decision, and the clean-up after it
    --------- -----------------------------------------------------------------------------------------
    verify    what an image's documents must be before any of it is used: shared by every door
    select    from an index to the manifest of one platform
    unpack    one layer: from its blob to a committed snapshot, shared by every door
    record    the rows that make an image one
    accepting bytes, layers, rows: the way in that load, import and bootstrap share
    --------- -----------------------------------------------------------------------------------------
    pull      from a registry
    remote    from a name to a checked image, by asking its registry
    download  blobs, three at a time;  report: in Docker's words
    --------- -----------------------------------------------------------------------------------------
    load      from an archive, which :mod:`.archive` reads
    import_   from a tar of files;  changes: ``--change``
    bootstrap from this machine: the recipes;  bootstrapping: from a recipe's tree to an image
"""
