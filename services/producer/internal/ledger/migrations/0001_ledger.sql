-- What was sent, keyed by user and by order: the first event about one counts, later ones change nothing.
-- Money is in minor units.

CREATE TABLE ledger_users (
  user_id    TEXT PRIMARY KEY,
  message_id TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE ledger_orders (
  order_id     TEXT    PRIMARY KEY,
  amount_minor INTEGER NOT NULL,
  currency     TEXT    NOT NULL,
  message_id   TEXT    NOT NULL
) WITHOUT ROWID;

CREATE TABLE ledger_books (
  id               INTEGER PRIMARY KEY CHECK (id = 1),
  users            INTEGER NOT NULL,
  orders_completed INTEGER NOT NULL,
  revenue_minor    INTEGER NOT NULL
);
INSERT INTO ledger_books (id, users, orders_completed, revenue_minor) VALUES (1, 0, 0, 0);
