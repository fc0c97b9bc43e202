-- The reference worker's task store, layout 1.  Times are ISO 8601 text with time zone.

CREATE TABLE agent (
    name          TEXT PRIMARY KEY,
    last_activity TEXT NOT NULL
) STRICT;

CREATE TABLE task (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    title             TEXT NOT NULL,
    status            TEXT NOT NULL
                      CHECK (status IN ('pending', 'in_progress', 'needs_review', 'needs_improvement', 'done')),
    priority          INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 100),
    estimated_minutes INTEGER NOT NULL CHECK (estimated_minutes > 0),
    agent             TEXT REFERENCES agent (name),
    attempt           INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    updated           TEXT NOT NULL,
    CHECK ((agent IS NULL) = (attempt = 0))
) STRICT;

CREATE INDEX task_status ON task (status);

CREATE TABLE dependency (
    task  INTEGER NOT NULL REFERENCES task (id),
    needs INTEGER NOT NULL REFERENCES task (id) CHECK (needs < task),  -- older tasks only, so no circle can arise
    PRIMARY KEY (task, needs)
) STRICT, WITHOUT ROWID;

CREATE TABLE evidence (
    id       INTEGER PRIMARY KEY,
    task     INTEGER NOT NULL REFERENCES task (id),
    attempt  INTEGER NOT NULL CHECK (attempt > 0),
    kind     TEXT NOT NULL,
    passed   INTEGER NOT NULL CHECK (passed IN (0, 1)),
    detail   TEXT NOT NULL,
    recorded TEXT NOT NULL
) STRICT;

CREATE INDEX evidence_attempt ON evidence (task, attempt);
