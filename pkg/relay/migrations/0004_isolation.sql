-- What keeps one target from holding up others. rate is in attempts a second, 0: no bound. failing_since is when the
-- first of the attempts failed since which none has succeeded, 0: there is none such.

ALTER TABLE targets ADD COLUMN rate DOUBLE PRECISION NOT NULL DEFAULT 0;
ALTER TABLE targets ADD COLUMN failing_since INTEGER NOT NULL DEFAULT 0;
CREATE INDEX targets_failing ON targets (id) WHERE failing_since > 0;

-- Moves on with every change of a target that other processes have to know of, so that they need not read all of them
-- to find out. Whoever moves it holds its lock until his commit.
CREATE TABLE targets_version (
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  version INTEGER NOT NULL
);
INSERT INTO targets_version (id, version) VALUES (1, 0);

-- behind is 1 for a pending delivery that was found to wait behind the head of its ordering key. It is not among the due
-- ones then, so that claims do not pass over it again and again; the head of a key never has it.
ALTER TABLE deliveries ADD COLUMN behind INTEGER NOT NULL DEFAULT 0;
DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (target_id, next_at, seq) WHERE state = 'pending' AND behind = 0;
