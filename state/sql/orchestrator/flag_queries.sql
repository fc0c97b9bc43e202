-- What the flags ask.  One statement under each `-- name:` line.

-- name: newest
SELECT version, at FROM flag_versions ORDER BY version DESC LIMIT 1;

-- name: version_upto
SELECT version, at FROM flag_versions WHERE version <= :version ORDER BY version DESC LIMIT 1;

-- name: version_until
SELECT version, at FROM flag_versions WHERE at <= :seconds ORDER BY version DESC LIMIT 1;

-- name: flags
SELECT key, value, is_set, targeting, salt, hash_version FROM flags ORDER BY key;

-- name: flag
SELECT key, value, is_set, targeting, salt, hash_version FROM flags WHERE key = :key;

-- name: settings
SELECT key, val FROM settings ORDER BY key;

-- name: put_flag
INSERT INTO flags (key, value, is_set, targeting, salt, hash_version)
VALUES (:key, :value, :is_set, :targeting, :salt, :hash_version)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, is_set = excluded.is_set, targeting = excluded.targeting,
                                salt = excluded.salt, hash_version = excluded.hash_version;

-- name: remove_flag
DELETE FROM flags WHERE key = :key;

-- name: remove_setting
-- A foreign `settings` need not have a unique key, so a row is replaced by removing it first.
DELETE FROM settings WHERE key = :key;

-- name: put_setting
INSERT INTO settings (key, val, updated_at) VALUES (:key, :val, :updated_at);

-- name: add_version
INSERT INTO flag_versions (version, at, actor, reason, cause) VALUES (:version, :at, :actor, :reason, :cause);

-- name: add_change
INSERT INTO flag_changes (version, key, before, after, reason) VALUES (:version, :key, :before, :after, :reason);

-- name: history
SELECT seq, version, key, before, after, actor, coalesce(flag_changes.reason, flag_versions.reason), cause, at
FROM flag_changes JOIN flag_versions USING (version)
WHERE (:key IS NULL OR key = :key) AND (:before IS NULL OR seq < :before)
ORDER BY seq DESC
LIMIT :limit;

-- name: changed_at
SELECT key, at FROM flag_changes JOIN flag_versions USING (version)
WHERE seq IN (SELECT max(seq) FROM flag_changes GROUP BY key);

-- name: as_of
SELECT after FROM flag_changes
WHERE seq IN (SELECT max(seq) FROM flag_changes WHERE version <= :version GROUP BY key) AND after IS NOT NULL
ORDER BY key;

-- name: add_notice
INSERT INTO flag_outbox (id, destination, flag, payload, created, state, attempts, due, error)
VALUES (:id, :destination, :flag, :payload, :created, 'pending', 0, :created, '');

-- name: heads
SELECT seq, id, destination, flag, payload, created, state, attempts, due, error FROM flag_outbox
WHERE seq IN (SELECT min(seq) FROM flag_outbox WHERE state = 'pending' GROUP BY destination, flag)
ORDER BY seq;

-- name: mark
UPDATE flag_outbox SET state = :state, attempts = :attempts, due = :due, error = :error
WHERE seq = :seq AND state = 'pending';

-- name: again
UPDATE flag_outbox SET state = 'pending', attempts = 0, due = :due
WHERE state = 'failed' AND (:seq IS NULL OR seq = :seq);

-- name: notices
SELECT seq, id, destination, flag, payload, created, state, attempts, due, error FROM flag_outbox
WHERE (:state IS NULL OR state = :state) AND (:before IS NULL OR seq < :before)
ORDER BY seq DESC
LIMIT :limit;

-- name: prune_notices
DELETE FROM flag_outbox WHERE state != 'pending' AND seq <= (SELECT max(seq) FROM flag_outbox) - :keep;
