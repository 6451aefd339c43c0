-- What a crowd of callers appends at once is one row here, in one commit with the keys and the totals of its messages: see
-- postgres_journal.go. Any process makes their rows a little later and removes it. seq only says roughly in which order.
CREATE TABLE journal (
  seq      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at       BIGINT NOT NULL, -- when its messages were appended
  messages BIGINT NOT NULL, -- how many it accepted
  entries  BIGINT NOT NULL, -- how many those are with their deliveries, or more
  bytes    BIGINT NOT NULL, -- of the records, before they were packed
  format   BIGINT NOT NULL, -- of the records: 1 is that of internal/record, packed
  records  BYTEA  NOT NULL,
  repeated TEXT COLLATE "C" NOT NULL, -- which of the messages in it are duplicates and not accepted: numbers from 1, and commas
  damage   TEXT COLLATE "C" NOT NULL DEFAULT '' -- why its rows could not be made; empty: they will be
);
ALTER TABLE journal ALTER COLUMN records SET STORAGE EXTERNAL;
ALTER TABLE journal SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
  toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 10000);
