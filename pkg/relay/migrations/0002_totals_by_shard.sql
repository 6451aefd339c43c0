-- A row of the totals is locked by whoever changes it until his commit is on disk. Each connection that writes has
-- a shard of its own, so that none waits for another's commit; a total is the sum of its shards.

CREATE TABLE totals_by_shard (
  target_id TEXT    NOT NULL,
  state     TEXT    NOT NULL,
  shard     INTEGER NOT NULL,
  n         INTEGER NOT NULL,
  PRIMARY KEY (target_id, state, shard)
) WITHOUT ROWID;
INSERT INTO totals_by_shard (target_id, state, shard, n) SELECT target_id, state, 0, n FROM totals;
DROP TABLE totals;
ALTER TABLE totals_by_shard RENAME TO totals;
