-- What the desired state and the audit ask.  One statement under each `-- name:` line.

-- name: head
SELECT revision FROM store;

-- name: advance
UPDATE store SET revision = revision + 1 RETURNING revision;

-- name: get
SELECT key, value, created, modified FROM desired
WHERE key = :key
  AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.key = desired.key AND leases.expires <= :now);

-- name: range
SELECT key, value, created, modified FROM desired
WHERE key >= :prefix
  AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.key = desired.key AND leases.expires <= :now)
ORDER BY key;

-- name: put
INSERT INTO desired (key, value, created, modified) VALUES (:key, :value, :revision, :revision)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, modified = excluded.modified
RETURNING created;

-- name: remove
DELETE FROM desired WHERE key = :key RETURNING created;

-- name: log
INSERT INTO changes (revision, key, value, created) VALUES (:revision, :key, :value, :created);

-- name: prune
DELETE FROM changes WHERE revision <= :revision - :keep;

-- name: oldest
SELECT min(revision) FROM changes;

-- name: changes
SELECT key, value, created, revision FROM changes
WHERE revision > :after AND revision <= :after + :batch
ORDER BY revision, key;

-- name: lapsed
SELECT key FROM leases WHERE expires <= :now;

-- name: leased
SELECT key FROM leases;

-- name: holder
SELECT holder FROM leases WHERE key = :key;

-- name: hold
INSERT INTO leases (key, holder, expires) VALUES (:key, :holder, :expires)
ON CONFLICT (key) DO UPDATE SET expires = excluded.expires;

-- name: unlease
DELETE FROM leases WHERE key = :key;

-- name: audit_append
INSERT INTO audit (at, actor, action, reason, revision, detail)
VALUES (:at, :actor, :action, :reason, :revision, :detail);

-- name: audit_page
SELECT seq, at, actor, action, reason, revision, detail FROM audit
WHERE :before IS NULL OR seq < :before
ORDER BY seq DESC
LIMIT :limit;
