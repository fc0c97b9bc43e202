-- What the samples ask.  One statement under each `-- name:` line.

-- name: head
SELECT max(ifnull((SELECT max(seq) FROM samples), 0), ifnull((SELECT max(seq) FROM pairs), 0));

-- name: add_sample
INSERT INTO samples (seq, at, generation, lane, origin, tool, key, treated, share, outcome, duration, metrics, rollout)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_pair
INSERT INTO pairs (seq, at, tool, key, old, new, classes, decisions, rollout) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: samples
SELECT seq, at, generation, lane, origin, tool, key, treated, share, outcome, duration, metrics, rollout FROM samples
WHERE seq > :after AND at >= :since AND at < :until AND (:rollout = '' OR rollout = :rollout)
ORDER BY seq LIMIT :limit;

-- name: pairs
SELECT seq, at, tool, key, old, new, classes, decisions, rollout FROM pairs
WHERE seq > :after AND at >= :since AND at < :until AND (:rollout = '' OR rollout = :rollout)
ORDER BY seq LIMIT :limit;

-- name: prune_samples
DELETE FROM samples
WHERE seq IN (SELECT seq FROM samples ORDER BY seq LIMIT :limit)
  AND (at < :before OR seq <= (SELECT max(seq) FROM samples) - :keep);

-- name: prune_pairs
DELETE FROM pairs
WHERE seq IN (SELECT seq FROM pairs ORDER BY seq LIMIT :limit)
  AND (at < :before OR seq <= (SELECT max(seq) FROM pairs) - :keep);

-- name: prune_evidence
DELETE FROM evidence WHERE at < :before;

-- name: prune_looks
DELETE FROM looks WHERE at < :before;

-- name: add_look
INSERT INTO looks (at, epoch, rollout, verdict, look) VALUES (:at, :epoch, :rollout, :verdict, :look);

-- name: looks
SELECT seq, at, epoch, rollout, verdict, look FROM looks
WHERE (:epoch = '' OR epoch = :epoch) AND (:rollout = '' OR rollout = :rollout) AND (:before = 0 OR seq < :before)
ORDER BY seq DESC LIMIT :limit;

-- name: checkpoint
INSERT INTO evidence (epoch, at, checkpoint) VALUES (:epoch, :at, :checkpoint)
ON CONFLICT (epoch) DO UPDATE SET at = excluded.at, checkpoint = excluded.checkpoint;

-- name: last_checkpoint
SELECT checkpoint FROM evidence WHERE epoch = :epoch;

-- name: summary
WITH newest AS (
    SELECT * FROM samples WHERE seq > (SELECT max(seq) FROM samples) - :limit AND at >= :since
), calls AS (
    SELECT generation, duration, outcome IN ('error', 'lost', 'expired') AS failed, metrics ->> '$.tokens' AS tokens,
           row_number() OVER (PARTITION BY generation ORDER BY duration) AS place,
           count(*) OVER (PARTITION BY generation) AS calls
    FROM newest WHERE outcome IS NOT NULL
)
SELECT n.generation,
       (SELECT count(*) FROM calls c WHERE c.generation = n.generation),
       (SELECT sum(failed) FROM calls c WHERE c.generation = n.generation),
       (SELECT duration FROM calls c WHERE c.generation = n.generation AND place = (calls + 1) / 2),
       (SELECT duration FROM calls c WHERE c.generation = n.generation AND place = (calls * 19 + 19) / 20),
       (SELECT avg(tokens) FROM calls c WHERE c.generation = n.generation),
       (SELECT metrics ->> '$.memory' FROM newest m
        WHERE m.generation = n.generation AND m.origin = 'process' ORDER BY seq DESC LIMIT 1)
FROM newest n GROUP BY n.generation ORDER BY n.generation;
