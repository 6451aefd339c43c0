package relay_test

import (
	"flag"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/relay/relaytest"
)

func TestMain(m *testing.M) {
	if role := os.Getenv("RELAY_CHILD"); role != "" {
		runChild(role)
		return
	}
	// Every step of the model is a commit to disk; -rapid.checks=1000 is for a long look.
	if err := flag.Set("rapid.checks", "20"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(relaytest.Main{M: m})
}

// engine is a kind of database that the tests run on.
type engine string

const (
	sqlite   engine = "sqlite"
	postgres engine = "postgres"
	// journaled is SQLite with everything going through its journal, as it does while many append at once.
	journaled engine = "sqlite-journal"
	// postgresJournaled is the same on PostgreSQL.
	postgresJournaled engine = "postgres-journal"
)

// shared says whether several processes can have the database.
func (e engine) shared() bool { return e == postgres || e == postgresJournaled }

// journals says whether everything goes through a journal.
func (e engine) journals() bool { return e == journaled || e == postgresJournaled }

// eachEngine runs a test on every engine.
func eachEngine(t *testing.T, test func(*testing.T, engine)) {
	t.Parallel()
	for _, e := range []engine{sqlite, journaled, postgres, postgresJournaled} {
		t.Run(string(e), func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

// url is that of a new database.
func (e engine) url(t testing.TB) string {
	t.Helper()
	if e.shared() {
		return relaytest.Postgres(t)
	}
	return "sqlite:" + filepath.Join(t.TempDir(), "relay test.db")
}

// clock is the time the store is given; it moves only when told.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	moved func(time.Time) // the database's clock follows
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), moved: func(time.Time) {}}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved(c.now.Add(d))
	c.now = c.now.Add(d)
}

// ledger is what a service adds to the database in these tests: a counter that effects increment, and a fault
// that makes the completion of a delivery fail while it is switched on.
var ledger = relay.Migrations{Name: "ledger", Files: fstest.MapFS{
	"0001_ledger.sql": {Data: []byte(`
CREATE TABLE counters (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE fault (on_completion INTEGER NOT NULL) STRICT;
INSERT INTO fault VALUES (0);`)},
	"0002_fault.sqlite.sql": {Data: []byte(`
CREATE TRIGGER completion_fault BEFORE UPDATE ON deliveries
  WHEN NEW.state = 'delivered' AND (SELECT on_completion FROM fault) = 1
  BEGIN SELECT RAISE(FAIL, 'fault: completion refused'); END;`)},
	"0002_fault.postgres.sql": {Data: []byte(`
CREATE FUNCTION refuse_completion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.state = 'delivered' AND (SELECT on_completion FROM fault) = 1 THEN RAISE 'fault: completion refused'; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER completion_fault BEFORE UPDATE ON deliveries FOR EACH ROW EXECUTE FUNCTION refuse_completion();`)},
}}

// byHand replaces the database's clock by one that the test moves.
var byHand = relay.Migrations{Name: "clock", Files: fstest.MapFS{"0001_clock.postgres.sql": {Data: []byte(`
CREATE TABLE hand (now BIGINT NOT NULL);
INSERT INTO hand VALUES (extract(epoch FROM timestamptz '2026-03-01 12:00:00Z') * 1000000);
CREATE OR REPLACE FUNCTION relay_now() RETURNS BIGINT LANGUAGE sql VOLATILE AS 'SELECT now FROM hand';`)}}}

const increment = `INSERT INTO counters (name, n) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET n = counters.n + 1`

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// migration is a set of one script.
func migration(name, script string) relay.Migrations {
	return relay.Migrations{Name: name, Files: fstest.MapFS{"0001_" + name + ".sqlite.sql": {Data: []byte(script)}}}
}
