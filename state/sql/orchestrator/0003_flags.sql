-- The flags as people and older programs read them: plain text (compact, 1, true, 0.5, JSON for objects), one row a
-- declared flag.  The file may come from a program that has this table already; what does not fit it ends here.
CREATE TABLE IF NOT EXISTS settings (
    key        TEXT NOT NULL PRIMARY KEY,
    val        TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
SELECT key, val, updated_at FROM settings LIMIT 0;

-- The flags as the daemon reads them.  `value` and `targeting` are JSON; a value that is not set is the default's.
CREATE TABLE flags (
    key          TEXT    NOT NULL PRIMARY KEY,
    value        TEXT    NOT NULL,
    is_set       INTEGER NOT NULL CHECK (is_set IN (0, 1)),
    targeting    TEXT,
    salt         TEXT    NOT NULL,
    hash_version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row a write; the flags version is the newest.  `at` is seconds since the Unix epoch.
CREATE TABLE flag_versions (
    version INTEGER NOT NULL PRIMARY KEY,
    at      REAL    NOT NULL,
    actor   TEXT    NOT NULL,
    reason  TEXT    NOT NULL,
    cause   TEXT    NOT NULL
) STRICT;

-- What each write changed; `before` and `after` are the flag's whole row as a JSON object, NULL where it had none.
CREATE TABLE flag_changes (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    version INTEGER NOT NULL REFERENCES flag_versions (version),
    key     TEXT    NOT NULL,
    before  TEXT,
    after   TEXT
) STRICT;
CREATE INDEX flag_changes_of_a_flag ON flag_changes (key, seq);

-- Who is still to be told of a change.  `due` is the next try while pending, else when it ended.
CREATE TABLE flag_outbox (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT    NOT NULL UNIQUE,
    destination TEXT    NOT NULL,
    flag        TEXT    NOT NULL,
    payload     TEXT    NOT NULL,
    created     REAL    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts    INTEGER NOT NULL,
    due         REAL    NOT NULL,
    error       TEXT    NOT NULL
) STRICT;
CREATE INDEX flag_outbox_pending ON flag_outbox (destination, flag, seq) WHERE state = 'pending';
