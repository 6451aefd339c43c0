-- The receiver's projection. Effects are increments, never overwrites: an event that took effect twice would
-- show as applied = 2 and as revenue too much, instead of hiding behind an equal result.

CREATE TABLE users (
  user_id    TEXT PRIMARY KEY,
  message_id TEXT NOT NULL,           -- the message that made the user
  applied    INTEGER NOT NULL         -- how often that message took effect; anything but 1 is a fault
) STRICT;

CREATE TABLE orders (
  order_id      TEXT PRIMARY KEY,
  message_id    TEXT NOT NULL,        -- the message that completed the order
  amount_minor  INTEGER NOT NULL,     -- what that message said, in minor units
  currency      TEXT NOT NULL,        -- ISO 4217, or empty
  applied       INTEGER NOT NULL,     -- as in users
  revenue_minor INTEGER NOT NULL      -- what the order added to the books
) STRICT;

CREATE TABLE books (
  id               INTEGER PRIMARY KEY CHECK (id = 1),
  users            INTEGER NOT NULL,
  orders_completed INTEGER NOT NULL,
  revenue_minor    INTEGER NOT NULL
) STRICT;

INSERT INTO books (id, users, orders_completed, revenue_minor) VALUES (1, 0, 0, 0);
