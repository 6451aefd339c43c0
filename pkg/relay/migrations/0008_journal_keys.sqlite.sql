-- Keys of messages that went through the journal are put into dedupe_keys many at once, in their order. Those of messages
-- up to this position are all there; the highest number there is means that all keys are.
CREATE TABLE journal_keys (
  id     INTEGER PRIMARY KEY CHECK (id = 1),
  merged INTEGER NOT NULL -- messages.seq
);
INSERT INTO journal_keys (id, merged) VALUES (1, 9223372036854775807);
