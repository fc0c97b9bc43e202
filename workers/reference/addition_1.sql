-- What this version keeps beyond layout 1.  Additive on purpose: columns with defaults and tables of their own, so that a
-- worker of the version before, which knows none of it, goes on reading and writing the same file at the same time.

ALTER TABLE task ADD COLUMN details TEXT NOT NULL DEFAULT '';
ALTER TABLE task ADD COLUMN business_value INTEGER CHECK (business_value BETWEEN 0 AND 20);
ALTER TABLE task ADD COLUMN time_criticality INTEGER CHECK (time_criticality BETWEEN 0 AND 20);
ALTER TABLE task ADD COLUMN risk_reduction INTEGER CHECK (risk_reduction BETWEEN 0 AND 20);
ALTER TABLE task ADD COLUMN job_size INTEGER CHECK (job_size BETWEEN 1 AND 100);

CREATE TABLE task_file (
    task     INTEGER NOT NULL REFERENCES task (id),
    position INTEGER NOT NULL,
    path     TEXT NOT NULL,
    PRIMARY KEY (task, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE required_evidence (
    task INTEGER NOT NULL REFERENCES task (id),
    kind TEXT NOT NULL,
    PRIMARY KEY (task, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE note (
    id   INTEGER PRIMARY KEY,
    task INTEGER NOT NULL REFERENCES task (id),
    at   TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;

CREATE INDEX note_task ON note (task);

CREATE TABLE assignment (
    task             INTEGER NOT NULL REFERENCES task (id),
    attempt          INTEGER NOT NULL CHECK (attempt > 0),
    profile          TEXT NOT NULL,
    expected_cost    REAL NOT NULL,
    expected_minutes REAL NOT NULL,
    expected_quality REAL NOT NULL,
    tokens           INTEGER,
    cost             REAL,
    minutes          REAL,
    PRIMARY KEY (task, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE review (
    task    INTEGER NOT NULL REFERENCES task (id),
    attempt INTEGER NOT NULL CHECK (attempt > 0),
    status  TEXT NOT NULL CHECK (status IN ('done', 'needs_improvement')),
    support REAL NOT NULL,
    quality REAL,
    reasons TEXT NOT NULL,  -- a JSON list of sentences
    tests   TEXT,           -- what the test run showed, JSON; NULL when none was run
    at      TEXT NOT NULL,
    PRIMARY KEY (task, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE opinion (
    task       INTEGER NOT NULL REFERENCES task (id),
    attempt    INTEGER NOT NULL CHECK (attempt > 0),
    critic     TEXT NOT NULL,
    passed     INTEGER CHECK (passed IN (0, 1)),  -- NULL: it abstained
    score      REAL,
    reasons    TEXT NOT NULL,
    forecast   REAL,
    reputation REAL NOT NULL,
    PRIMARY KEY (task, attempt, critic)
) STRICT, WITHOUT ROWID;

CREATE TABLE outcome (
    task    INTEGER NOT NULL REFERENCES task (id),
    attempt INTEGER NOT NULL CHECK (attempt > 0),
    good    INTEGER NOT NULL CHECK (good IN (0, 1)),
    at      TEXT NOT NULL,
    PRIMARY KEY (task, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE test_passed (
    tree TEXT NOT NULL,
    test TEXT NOT NULL,
    PRIMARY KEY (tree, test)
) STRICT, WITHOUT ROWID;
