-- The demo shop's own tables. Money is in minor units, times are Unix microseconds.

CREATE TABLE demo_users (
  id         TEXT    PRIMARY KEY,
  name       TEXT    NOT NULL,
  email      TEXT    NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE demo_orders (
  id           TEXT    PRIMARY KEY,
  user_id      TEXT    NOT NULL REFERENCES demo_users (id),
  amount_minor INTEGER NOT NULL,
  currency     TEXT    NOT NULL,
  state        TEXT    NOT NULL, -- created, completed
  created_at   INTEGER NOT NULL,
  completed_at INTEGER NOT NULL  -- 0: not yet
) WITHOUT ROWID;
