-- What the journal asks.  One statement under each `-- name:` line.

-- name: append
INSERT INTO records (at, record, checksum) VALUES (:at, :record, :checksum);

-- name: page
SELECT seq, at, record, checksum FROM records
WHERE seq < coalesce(:before, 9223372036854775807)
ORDER BY seq DESC LIMIT :limit;

-- name: prune
DELETE FROM records WHERE seq <= (SELECT max(seq) FROM records) - :keep;
