-- What the journal asks.  One statement under each `-- name:` line.

-- name: append
INSERT INTO records (at, record, checksum) VALUES (:at, :record, :checksum);

-- name: page
SELECT seq, at, record, checksum FROM records
WHERE seq < coalesce(:before, 9223372036854775807)
ORDER BY seq DESC LIMIT :limit;

-- name: extent
SELECT (SELECT min(seq) FROM records), (SELECT max(seq) FROM records);

-- name: prune
DELETE FROM records WHERE seq <= :upto;
