"""All SQL that shapes the two databases, with what each table is for.

``PRAGMA user_version`` says how many of the migrations a database has seen; a new version of the engine appends to the
tuple and never changes what stands. Tables are STRICT: a text in a number's column is refused by SQLite itself.

::

    names ──▶ images ──▶ image_blobs ··▶ blobs/sha256/<hex>       (··▶ by digest: gc and check compare, no foreign key)
                └─────··▶ snapshots (chain) ◀── snapshots (parent)
    containers ─▶ snapshots (active)
"""

from __future__ import annotations

IMAGES = """
CREATE TABLE images (                 -- an image is its configuration; the manifest says how it came here
    id            TEXT PRIMARY KEY,
    manifest      TEXT NOT NULL,
    media_type    TEXT NOT NULL,
    os            TEXT NOT NULL,
    architecture  TEXT NOT NULL,
    variant       TEXT NOT NULL,
    created       INTEGER NOT NULL,
    added         INTEGER NOT NULL,
    size          INTEGER NOT NULL,
    chain         TEXT
) STRICT;

CREATE TABLE names (                  -- a name points to one image; an image has any number of names, or none
    name          TEXT PRIMARY KEY,
    image         TEXT NOT NULL REFERENCES images ON DELETE CASCADE,
    target        TEXT
) STRICT;
CREATE INDEX names_image ON names (image);

CREATE TABLE image_blobs (            -- why a blob is kept
    image         TEXT NOT NULL REFERENCES images ON DELETE CASCADE,
    digest        TEXT NOT NULL,
    kind          TEXT NOT NULL CHECK (kind IN ('index', 'manifest', 'config', 'layer')),
    media_type    TEXT NOT NULL,
    size          INTEGER NOT NULL,
    position      INTEGER NOT NULL,
    PRIMARY KEY (image, digest, kind, position)
) STRICT;
CREATE INDEX image_blobs_digest ON image_blobs (digest);
"""

CONTAINERS = """
CREATE TABLE snapshots (              -- a folder below snapshots/; its parent cannot go before it
    key           TEXT PRIMARY KEY,
    parent        TEXT REFERENCES snapshots ON DELETE RESTRICT,
    kind          TEXT NOT NULL CHECK (kind IN ('committed', 'active', 'broken')),
    chain         TEXT UNIQUE,
    driver        TEXT NOT NULL,
    created       INTEGER NOT NULL,
    size          INTEGER NOT NULL,
    CHECK ((kind = 'active') = (chain IS NULL))
) STRICT;
CREATE INDEX snapshots_parent ON snapshots (parent);

CREATE TABLE containers (             -- UNIQUE: two creations with one name cannot both win
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    image         TEXT NOT NULL,
    image_name    TEXT NOT NULL,
    created       INTEGER NOT NULL,
    snapshot      TEXT REFERENCES snapshots ON DELETE RESTRICT,
    config        TEXT NOT NULL CHECK (json_valid(config)),
    host          TEXT NOT NULL CHECK (json_valid(host)),
    networks      TEXT NOT NULL CHECK (json_valid(networks)),
    extra         TEXT NOT NULL CHECK (json_valid(extra))
) STRICT;
CREATE INDEX containers_image ON containers (image);
CREATE INDEX containers_snapshot ON containers (snapshot);

CREATE TABLE volumes (
    name          TEXT PRIMARY KEY,
    driver        TEXT NOT NULL,
    created       INTEGER NOT NULL,
    labels        TEXT NOT NULL CHECK (json_valid(labels)),
    options       TEXT NOT NULL CHECK (json_valid(options))
) STRICT;

CREATE TABLE networks (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    driver        TEXT NOT NULL,
    created       INTEGER NOT NULL,
    config        TEXT NOT NULL CHECK (json_valid(config))
) STRICT;
"""

VALUES = """
CREATE TABLE "values" (               -- small things that deserve no table
    kind          TEXT NOT NULL,
    key           TEXT NOT NULL,
    value         TEXT NOT NULL CHECK (json_valid(value)),
    PRIMARY KEY (kind, key)
) STRICT;
"""

RUNNING = """
CREATE TABLE running (                -- the containers that have processes, as far as we were told
    id            TEXT PRIMARY KEY,
    status        TEXT NOT NULL,
    pid           INTEGER NOT NULL,
    start         INTEGER NOT NULL,
    monitor       INTEGER NOT NULL,
    monitor_start INTEGER NOT NULL,
    began         INTEGER NOT NULL,
    extra         TEXT NOT NULL CHECK (json_valid(extra))
) STRICT;

CREATE TABLE leases (
    id            TEXT PRIMARY KEY,
    why           TEXT NOT NULL,
    pid           INTEGER NOT NULL,
    start         INTEGER NOT NULL,
    expires       INTEGER NOT NULL
) STRICT;

CREATE TABLE lease_refs (
    lease         TEXT NOT NULL REFERENCES leases ON DELETE CASCADE,
    kind          TEXT NOT NULL CHECK (kind IN ('blob', 'snapshot')),
    key           TEXT NOT NULL,
    PRIMARY KEY (lease, kind, key)
) STRICT;
"""

#: Migrations of ``minidock.db``.
METADATA = (IMAGES + CONTAINERS + VALUES,)

#: Migrations of ``state.db``, which a reboot forgets: one would do, but a running engine can be upgraded.
STATE = (RUNNING + VALUES,)
