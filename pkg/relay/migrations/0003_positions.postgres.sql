-- seq has to follow the order of commits here too, where many commit at once. It comes out of one row: whoever moves
-- it holds the row's lock until his commit, so that numbers become visible in their order and without gaps.
CREATE TABLE positions (
  id       BIGINT PRIMARY KEY CHECK (id = 1),
  message  BIGINT NOT NULL, -- the last one's seq
  delivery BIGINT NOT NULL
) WITH (fillfactor = 10);
INSERT INTO positions (id, message, delivery) VALUES (1, 0, 0);

-- Moves both on, and answers where they were. A function of its own statement, so that it sees the row as it is
-- once the lock is there, and not as it was when the statement around it began.
CREATE FUNCTION relay_advance(messages BIGINT, deliveries BIGINT, OUT message BIGINT, OUT delivery BIGINT)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  UPDATE positions p SET message = p.message + messages, delivery = p.delivery + deliveries
    RETURNING p.message - messages, p.delivery - deliveries INTO message, delivery;
END $$;

CREATE FUNCTION relay_next_delivery() RETURNS BIGINT LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN (SELECT delivery + 1 FROM relay_advance(0, 1));
END $$;
ALTER TABLE deliveries ALTER COLUMN seq SET DEFAULT relay_next_delivery();

-- The engine's only clock: Unix microseconds.
CREATE FUNCTION relay_now() RETURNS BIGINT LANGUAGE sql VOLATILE AS
$$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint $$;

-- Rows of a queue change several times within seconds: clean up after each few thousand rather than after a fifth.
ALTER TABLE deliveries SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);
ALTER TABLE totals SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
