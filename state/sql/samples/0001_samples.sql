-- What was measured.  `at` is seconds since the Unix epoch on the daemon's steady clock; `seq` numbers samples and pairs
-- together, in the order in which they were told; `key` is a keyed digest; `metrics` a JSON object of numbers; `rollout`
-- the rollout that was under way, '' for none.
CREATE TABLE samples (
    seq        INTEGER PRIMARY KEY,
    at         REAL    NOT NULL,
    generation INTEGER NOT NULL,
    lane       TEXT    NOT NULL,
    origin     TEXT    NOT NULL,
    tool       TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    treated    INTEGER,
    share      REAL    NOT NULL,
    outcome    TEXT,
    duration   REAL,
    metrics    TEXT    NOT NULL,
    rollout    TEXT    NOT NULL
) STRICT;

-- Read-only calls that two versions answered.  `old` and `new` are samples as JSON objects, the rest JSON lists.
CREATE TABLE pairs (
    seq       INTEGER PRIMARY KEY,
    at        REAL    NOT NULL,
    tool      TEXT    NOT NULL,
    key       TEXT    NOT NULL,
    old       TEXT    NOT NULL,
    new       TEXT    NOT NULL,
    classes   TEXT    NOT NULL,
    decisions TEXT    NOT NULL,
    rollout   TEXT    NOT NULL
) STRICT;

-- Looks at the evidence, append only; `look` is the whole look, a JSON object.
CREATE TABLE looks (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    at      REAL    NOT NULL,
    epoch   TEXT    NOT NULL,
    rollout TEXT    NOT NULL,
    verdict TEXT    NOT NULL,
    look    TEXT    NOT NULL
) STRICT;

CREATE INDEX looks_by_epoch ON looks (epoch);
CREATE INDEX looks_by_rollout ON looks (rollout);

-- What the guard knew of an epoch, as it wrote it down last.
CREATE TABLE evidence (
    epoch      TEXT PRIMARY KEY,
    at         REAL NOT NULL,
    checkpoint BLOB NOT NULL
) STRICT, WITHOUT ROWID;
