-- How often the endpoints have changed: processes that share the database see by it whether what they hold in memory is
-- still true. Where only one process has the database it stays as it is.

CREATE TABLE endpoint_changes (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  n  INTEGER NOT NULL
);
INSERT INTO endpoint_changes (id, n) VALUES (1, 0);
