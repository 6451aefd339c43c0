package relay_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/signet/pkg/relay"
)

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
	if e.journals() {
		relay.Journaled(&f.cfg)
	}
	for _, c := range change {
		c(&f.cfg)
	}
	if e.shared() {
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
