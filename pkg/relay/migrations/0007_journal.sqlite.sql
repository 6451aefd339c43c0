-- What a crowd of callers appends at once is one row here: written in one piece, and unfolded into messages, keys and
-- deliveries a little later. records is in the format of internal/record.
CREATE TABLE journal (
  seq     INTEGER PRIMARY KEY,
  records BLOB    NOT NULL
);
-- The deliveries of a journal's row that were claimed after it was written: one byte each, 1 for those.
CREATE TABLE journal_claims (
  seq  INTEGER PRIMARY KEY,
  born BLOB    NOT NULL
);
