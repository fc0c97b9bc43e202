-- The rollout's memory, append only.  `at` is seconds since the Unix epoch, `record` a JSON text,
-- `checksum` a digest over both.  AUTOINCREMENT: a sequence number is never given twice, pruning or not.
CREATE TABLE records (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    at       REAL    NOT NULL,
    record   TEXT    NOT NULL,
    checksum TEXT    NOT NULL
) STRICT;
