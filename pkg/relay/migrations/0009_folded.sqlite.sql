-- A row of the journal whose messages got no rows of their own, because by the time they would have, all of their
-- deliveries were delivered. The journal's row stays, and holds them; outcomes is what became of them, in the format of
-- internal/record, and says as well which of the messages have rows all the same.
CREATE TABLE folded (
  seq        INTEGER PRIMARY KEY, -- the journal's
  message    INTEGER NOT NULL,    -- messages.seq of the first; the others follow
  messages   INTEGER NOT NULL,
  delivery   INTEGER NOT NULL,    -- deliveries.seq of the first
  deliveries INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,    -- when the last of the deliveries was over
  first_id   TEXT    NOT NULL,    -- of the ids of all, without their prefixes, the lowest
  last_id    TEXT    NOT NULL,    -- and the highest
  about      TEXT    NOT NULL,    -- sources, types and targets, see about.go; empty: too many
  outcomes   BLOB    NOT NULL
);
CREATE INDEX folded_message ON folded (message);
CREATE INDEX folded_delivery ON folded (delivery);
CREATE INDEX folded_ids ON folded (last_id, first_id);
