-- Who did what and why.  `at` is seconds since the Unix epoch, `revision` the routing table's, `detail` a JSON object.
-- AUTOINCREMENT: a number is never given twice, so a page that ends "before 17" means the same row for ever.
CREATE TABLE audit (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    at       REAL    NOT NULL,
    actor    TEXT    NOT NULL,
    action   TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    detail   TEXT    NOT NULL
) STRICT;
