-- Where events go. What the engine needs of an endpoint (is it enabled, how many attempts at once) is in its
-- table of targets, under the same id. The secret is sealed. Times are Unix microseconds.

CREATE TABLE endpoints (
  id         TEXT    PRIMARY KEY,
  name       TEXT    NOT NULL,
  declared   INTEGER NOT NULL, -- 1: by the configuration, which owns the row by its name
  withdrawn  INTEGER NOT NULL, -- 1: was declared and is not any more
  url        TEXT    NOT NULL,
  events     TEXT    NOT NULL, -- patterns, a JSON array
  scheme     TEXT    NOT NULL,
  tenant     TEXT    NOT NULL,
  secret     BLOB    NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE UNIQUE INDEX endpoints_declared ON endpoints (name) WHERE declared = 1;
