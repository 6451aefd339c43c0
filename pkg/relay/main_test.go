package relay_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
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
)

// eachEngine runs a test on every engine.
func eachEngine(t *testing.T, test func(*testing.T, engine)) {
	t.Parallel()
	for _, e := range []engine{sqlite, journaled, postgres} {
		t.Run(string(e), func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

// url is that of a new database.
func (e engine) url(t testing.TB) string {
	t.Helper()
	if e == postgres {
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

// fixture is a real store on a real database, with its clock in the test's hand.
type fixture struct {
	*relay.Store
	t      *testing.T
	engine engine
	clock  *clock
	cfg    relay.Config
	quiet  bool // faults are what the test makes
}

func open(t *testing.T, e engine, change ...func(*relay.Config)) *fixture {
	t.Helper()
	f := newFixture(t, e, e.url(t), change...)
	f.reopen()
	t.Cleanup(func() { _ = f.Close() }) // the store of that time: some tests reopen it
	return f
}

func newFixture(t *testing.T, e engine, url string, change ...func(*relay.Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, engine: e, clock: newClock()}
	f.cfg = relay.Config{
		URL: url, Now: f.clock.Now, Migrations: []relay.Migrations{ledger, byHand},
		EffectTimeout: 5 * time.Second, AppendWait: 30 * time.Second,
		Schedule: relay.Schedule{0, time.Second, 10 * time.Second},
	}
	if e == journaled {
		relay.Journaled(&f.cfg)
	}
	for _, c := range change {
		c(&f.cfg)
	}
	if e == postgres {
		f.clock.moved = func(now time.Time) { execute(t, url, `UPDATE hand SET now = $1`, now.UnixMicro()) }
	}
	return f
}

// beside opens a second store on the same database, as another process would.
func (f *fixture) beside(change ...func(*relay.Config)) *fixture {
	f.t.Helper()
	g := *f
	for _, c := range change {
		c(&g.cfg)
	}
	g.reopen()
	f.t.Cleanup(func() { _ = g.Close() })
	return &g
}

// execute runs a statement on a PostgreSQL database past the store.
func execute(t testing.TB, url, statement string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), statement, args...); err != nil {
		t.Errorf("%s: %v", statement, err)
	}
}

func (f *fixture) reopen() {
	f.t.Helper()
	s, err := relay.Open(f.t.Context(), f.cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	f.Store = s
}

func (f *fixture) target(ids ...string) {
	f.t.Helper()
	for _, id := range ids {
		if err := f.PutTarget(f.t.Context(), relay.Target{ID: id}); err != nil {
			f.t.Fatal(err)
		}
	}
}

// append stores one message for the targets and returns its id.
func (f *fixture) append(d relay.Draft) relay.Receipt {
	f.t.Helper()
	if d.Source == "" {
		d.Source = "test"
	}
	if d.Type == "" {
		d.Type = "order.completed"
	}
	receipts, err := f.Append(f.t.Context(), d)
	if err != nil {
		f.t.Fatal(err)
	}
	return receipts[0]
}

func (f *fixture) only(messageID string) relay.Delivery {
	f.t.Helper()
	m, err := f.Message(f.t.Context(), messageID)
	if err != nil {
		f.t.Fatal(err)
	}
	if len(m.Deliveries) != 1 {
		f.t.Fatalf("message has %d deliveries, want 1", len(m.Deliveries))
	}
	return m.Deliveries[0]
}

func (f *fixture) count(name string) int {
	f.t.Helper()
	return f.number(`SELECT coalesce((SELECT n FROM counters WHERE name = '` + name + `'), 0)`)
}

func (f *fixture) number(query string) (n int) {
	f.t.Helper()
	f.each(query, func(text string) {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			f.t.Fatal(err)
		}
	})
	return n
}

// each calls what a query finds, one by one.
func (f *fixture) each(query string, call func(string)) {
	f.t.Helper()
	if err := f.Settle(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	rows, err := f.Query(f.t.Context(), query)
	if err != nil {
		f.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			f.t.Fatal(err)
		}
		call(text)
	}
	if err := rows.Err(); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) exec(query string, args ...any) {
	f.t.Helper()
	err := f.AppendTx(f.t.Context(), func(ctx context.Context, tx *relay.OutboxTx) error {
		_, err := tx.Exec(ctx, query, args...)
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// balanced fails the test unless the totals equal a full recount and what retention has removed.
func (f *fixture) balanced() {
	f.t.Helper()
	stats, err := f.Stats(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	if n := int64(f.number(`SELECT count(*) FROM messages`)); n+stats.Removed.Messages != stats.Messages {
		f.t.Errorf("stats count %d messages, the table has %d, removed were %d", stats.Messages, n, stats.Removed.Messages)
	}
	for _, state := range relay.States() {
		want := f.number(`SELECT count(*) FROM deliveries d LEFT JOIN targets t ON t.id = d.target_id
			WHERE CASE WHEN d.state = 'pending' AND t.enabled = 0 THEN 'paused' ELSE d.state END = '` + string(state) + `'`)
		if got, gone := stats.Deliveries[state], stats.Removed.Deliveries[state]; got != int64(want)+gone {
			f.t.Errorf("stats count %d %s deliveries, the table has %d, removed were %d", got, state, want, gone)
		}
	}
}

// runners resolves targets from a map.
type runners map[string]relay.Runner

func (r runners) Resolve(id string) (relay.Runner, bool) {
	runner, ok := r[id]
	return runner, ok
}

// dispatch runs a dispatcher until the test ends; what it observes comes out of the channel, which holds 4096.
func (f *fixture) dispatch(r runners) <-chan relay.Observation {
	f.t.Helper()
	_, seen, _ := f.dispatchWith(relay.DispatcherConfig{Resolver: r})
	return seen
}

// run runs a dispatcher until it is stopped by the function that is answered.
func (f *fixture) run(r runners, observe ...func(relay.Observation)) (stop func()) {
	f.t.Helper()
	cfg := relay.DispatcherConfig{
		Resolver: r, Poll: 20 * time.Millisecond,
		Log: func(what string, err error) {
			if !f.quiet {
				f.t.Logf("dispatcher: %s: %v", what, err)
			}
		},
	}
	if len(observe) > 0 {
		cfg.Observe = observe[0]
	}
	d := relay.NewDispatcher(f.Store, cfg)
	d.Start()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := d.Stop(ctx); err != nil {
			f.t.Error(err)
		}
	}
}

// dispatchWith is dispatch with more settings, which also tells what happens to targets.
func (f *fixture) dispatchWith(cfg relay.DispatcherConfig) (*relay.Dispatcher, <-chan relay.Observation, <-chan relay.TargetChange) {
	f.t.Helper()
	seen, changes := make(chan relay.Observation, 4096), make(chan relay.TargetChange, 64)
	cfg.Poll = 20 * time.Millisecond
	cfg.Observe = func(o relay.Observation) {
		select {
		case seen <- o:
		default: // nobody counts that far
		}
	}
	cfg.TargetChanged = func(c relay.TargetChange) { changes <- c }
	cfg.Log = func(what string, err error) { f.t.Logf("dispatcher: %s: %v", what, err) }
	d := relay.NewDispatcher(f.Store, cfg)
	d.Start()
	f.t.Cleanup(func() { f.stop(d) })
	return d, seen, changes
}

func (f *fixture) stop(d *relay.Dispatcher) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := d.Stop(ctx); err != nil {
		f.t.Error(err)
	}
}

func next[T any](t *testing.T, seen <-chan T) T {
	t.Helper()
	select {
	case o := <-seen:
		return o
	case <-time.After(20 * time.Second):
		t.Fatal("nothing happened")
		panic("not reached")
	}
}

// nothing fails the test when something comes within a moment.
func nothing[T any](t *testing.T, what string, seen <-chan T) {
	t.Helper()
	select {
	case o := <-seen:
		t.Fatalf("%s: %+v", what, o)
	case <-time.After(100 * time.Millisecond):
	}
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen: %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

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
