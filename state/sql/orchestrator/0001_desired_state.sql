-- What should be true: keys with a JSON value each.  `created` and `modified` are store revisions.
CREATE TABLE desired (
    key      TEXT    NOT NULL PRIMARY KEY,
    value    TEXT    NOT NULL,
    created  INTEGER NOT NULL,
    modified INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The store revision: raised by one with every transaction that changes something.
CREATE TABLE store (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO store (id, revision) VALUES (1, 0);

-- Every change, for those who watch from a revision; a NULL value is a deletion.  The oldest are pruned,
-- so the smallest revision here is the oldest that can still be read.
CREATE TABLE changes (
    revision INTEGER NOT NULL,
    key      TEXT    NOT NULL,
    value    TEXT,
    created  INTEGER NOT NULL,
    PRIMARY KEY (revision, key)
) STRICT, WITHOUT ROWID;

-- Keys of `desired` that somebody holds for a while; `expires` is a reading of the store's clock in seconds.
CREATE TABLE leases (
    key     TEXT NOT NULL PRIMARY KEY,
    holder  TEXT NOT NULL,
    expires REAL NOT NULL
) STRICT, WITHOUT ROWID;
