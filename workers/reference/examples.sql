-- What a new store starts with, so that every tool has something to show.  :now is the time of the first start.

INSERT INTO agent (name, last_activity) VALUES ('ada', :now), ('grace', :now);

INSERT INTO task (id, title, status, priority, estimated_minutes, agent, attempt, updated) VALUES
    (1, 'List what changed since the last release', 'done',              70,  20, 'ada',   1, :now),
    (2, 'Load-test the search endpoint',            'needs_review',      60,  45, 'ada',   1, :now),
    (3, 'Make the import test reliable',            'needs_improvement', 80,  60, 'grace', 1, :now),
    (4, 'Rotate the signing key',                   'pending',           90,  30, NULL,    0, :now),
    (5, 'Write the upgrade guide',                  'pending',           50, 120, NULL,    0, :now),
    (6, 'Announce the release',                     'pending',           95,  15, NULL,    0, :now),
    (7, 'Trim the container image',                 'in_progress',       40,  90, 'grace', 1, :now);

INSERT INTO dependency (task, needs) VALUES (5, 1), (6, 2), (6, 5);

INSERT INTO evidence (task, attempt, kind, passed, detail, recorded) VALUES
    (1, 1, 'review', 1, 'every merged change is listed',           :now),
    (2, 1, 'test',   1, '500 requests a second for ten minutes',   :now),
    (2, 1, 'review', 1, 'p95 stayed at 40 ms',                     :now),
    (3, 1, 'test',   0, '2 of 50 runs still failed',               :now),
    (3, 1, 'review', 1, 'the wait for the clock is gone',          :now);
