-- Times are Unix microseconds, UTC. seq follows the order of commits: lists and cursors go by it.

CREATE TABLE messages (
  seq          INTEGER PRIMARY KEY,
  id           TEXT    NOT NULL UNIQUE,
  source       TEXT    NOT NULL,
  type         TEXT    NOT NULL,
  dedupe_key   TEXT    NOT NULL,
  ordering_key TEXT    NOT NULL,
  tenant       TEXT    NOT NULL,
  headers      BLOB    NOT NULL,
  body         BLOB    NOT NULL,
  created_at   INTEGER NOT NULL
);

-- Keys outlive the messages they belong to, so they have a table of their own.
CREATE TABLE dedupe_keys (
  source     TEXT    NOT NULL,
  key        TEXT    NOT NULL,
  message_id TEXT    NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (source, key)
) WITHOUT ROWID;

CREATE TABLE targets (
  id              TEXT    PRIMARY KEY,
  enabled         INTEGER NOT NULL,
  disabled_reason TEXT    NOT NULL,
  concurrency     INTEGER NOT NULL,
  created_at      INTEGER NOT NULL
) WITHOUT ROWID;

-- A delivery's state is one of pending, delivering, delivered, failed, cancelled. "paused" is not stored: it
-- is what pending is called while the target is disabled. lease_token is the fencing token: it grows with
-- every claim, and an outcome counts only while it is still the row's. budget_from is how many attempts
-- were spent before the schedule was started anew by a retry asked for by hand.
CREATE TABLE deliveries (
  seq          INTEGER PRIMARY KEY,
  id           TEXT    NOT NULL UNIQUE,
  message_seq  INTEGER NOT NULL,
  target_id    TEXT    NOT NULL,
  state        TEXT    NOT NULL,
  attempts     INTEGER NOT NULL,
  budget_from  INTEGER NOT NULL,
  next_at      INTEGER NOT NULL,
  lease_until  INTEGER NOT NULL,
  lease_token  INTEGER NOT NULL,
  ordering_key TEXT    NOT NULL,
  last_status  INTEGER NOT NULL,
  last_error   TEXT    NOT NULL,
  replay_of    TEXT    NOT NULL,
  created_at   INTEGER NOT NULL,
  updated_at   INTEGER NOT NULL
);
CREATE INDEX deliveries_message ON deliveries (message_seq);
CREATE INDEX deliveries_due ON deliveries (target_id, next_at, seq) WHERE state = 'pending';
CREATE INDEX deliveries_leased ON deliveries (lease_until) WHERE state = 'delivering';
-- The heads of ordering keys: what is not finished yet, or failed and therefore blocks its key.
CREATE INDEX deliveries_ordered ON deliveries (target_id, ordering_key, seq)
  WHERE ordering_key <> '' AND state IN ('pending', 'delivering', 'failed');

CREATE TABLE attempts (
  delivery_seq INTEGER NOT NULL,
  number       INTEGER NOT NULL,
  started_at   INTEGER NOT NULL,
  duration     INTEGER NOT NULL, -- microseconds
  status       INTEGER NOT NULL,
  error        TEXT    NOT NULL,
  detail       TEXT    NOT NULL,
  PRIMARY KEY (delivery_seq, number)
) WITHOUT ROWID;

-- What the health check writes to: a value that changes each time, so that a page really has to be written.
CREATE TABLE pulse (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  n  INTEGER NOT NULL
);
INSERT INTO pulse (id, n) VALUES (1, 0);

-- Lifetime totals, changed in the transaction that changes what they count. target_id '' with state
-- 'messages' counts messages.
CREATE TABLE totals (
  target_id TEXT    NOT NULL,
  state     TEXT    NOT NULL,
  n         INTEGER NOT NULL,
  PRIMARY KEY (target_id, state)
) WITHOUT ROWID;
