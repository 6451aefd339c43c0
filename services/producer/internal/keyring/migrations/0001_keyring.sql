-- A known text sealed with the key this database was begun with, so that another key is noticed at the start
-- rather than by every delivery.

CREATE TABLE keyring_check (
  id     INTEGER PRIMARY KEY CHECK (id = 1),
  sealed BLOB    NOT NULL
);
