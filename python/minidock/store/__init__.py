"""The store: everything of minidock that outlives a command, and how it stays whole.

========== ========================================================================================
module     what it is
========== ========================================================================================
layout     the disk, drawn once: every path of the engine is made there
store      all parts of one root together
disk       the Disk port: files written, published, removed, each a step
metadata   the Metadata port: transactions on ``minidock.db``, whose commit is a step
state      what runs now, in ``state.db``, which a reboot forgets
rows       the rows of both databases as values;  schema: their SQL;  table: a table as a collection;
           database: one SQLite file, shared by hundreds of short commands;  keeper: and closed without work
blobs      content by digest, and how it comes in
snapshots  layers, each applied once and shared, and containers' writable folders
leases     what must not be collected yet
locks      flock(2) between processes;  scratch: folders that go when their maker dies
gc         what is garbage, decided on paper;  facts: what that depends on;  sweep: carrying it out
sizes      how much room things take, and whose it is: ``system df``
recovery   what dead commands have left is undone, unless they had committed
check      ``system check``: findings;  repair: putting them right
tree       walking, removing and measuring trees of hostile files;  copying: ``cp -a``
========== ========================================================================================
"""
