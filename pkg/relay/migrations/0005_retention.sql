-- Dedupe keys whose message retention has removed, until the end of their own window. Appends do not touch it: keys
-- of messages that are still there are found by their message.
CREATE TABLE kept_keys (
  message_seq INTEGER PRIMARY KEY,
  source      TEXT    NOT NULL,
  key         TEXT    NOT NULL,
  created_at  INTEGER NOT NULL
);
CREATE INDEX kept_keys_age ON kept_keys (created_at);
