package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// everybody runs every target, and counts how often it is asked.
type everybody struct{ asked atomic.Int64 }

func (e *everybody) Resolve(string) (Runner, bool) {
	e.asked.Add(1)
	return Remote(func(context.Context, Job) Outcome { return Delivered("") }), true
}

func openFile(t *testing.T, change ...func(*Config)) *Store {
	t.Helper()
	cfg := Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "relay.db"), AppendWait: 30 * time.Second, EffectTimeout: 30 * time.Second}
	for _, c := range change {
		c(&cfg)
	}
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestDispatcher_IdleTargetsCostNothing: thousands of targets without work are read once, and no round looks at them.
func TestDispatcher_IdleTargetsCostNothing(t *testing.T) {
	t.Parallel()
	s := openFile(t)
	const targets = 5000
	err := s.AppendTx(t.Context(), func(ctx context.Context, tx *OutboxTx) error {
		var errs []error
		for i := range targets {
			errs = append(errs, tx.PutTarget(ctx, Target{ID: fmt.Sprintf("t%04d", i)}))
		}
		return errors.Join(errs...)
	})
	if err != nil {
		t.Fatal(err)
	}
	all := &everybody{}
	d := NewDispatcher(s, DispatcherConfig{Resolver: all, Log: func(what string, err error) { t.Error(what, err) }})
	settle := func() { // the dispatcher is not started: its loop's steps are taken here
		for range 3 {
			d.housekeep()
			d.round()
		}
	}
	settle()
	asked := all.asked.Load()
	if len(d.active) != 0 || len(d.lanes) != targets || len(s.wake.offers.places) != targets {
		t.Fatalf("%d of %d lanes are looked at, %d offer places", len(d.active), len(d.lanes), len(s.wake.offers.places))
	}
	began := time.Now()
	const polls = 20
	for range polls {
		d.housekeep()
		d.round()
	}
	t.Logf("a poll of %d idle targets takes %v", targets, time.Since(began)/polls)
	if n := all.asked.Load() - asked; n != 0 {
		t.Errorf("asked %d times for runners although nothing has changed", n)
	}
	if err := s.SetTarget(t.Context(), "t0042", false, "test"); err != nil {
		t.Fatal(err)
	}
	if settle(); len(d.lanes) != targets-1 {
		t.Errorf("%d lanes after one target was disabled", len(d.lanes))
	}
	d.version-- // as if another process had changed one
	before := all.asked.Load()
	if d.housekeep(); all.asked.Load() == before {
		t.Error("another process's change is not noticed")
	}
	if settle(); len(d.active) != 0 {
		t.Errorf("%d lanes are looked at", len(d.active))
	}
}

// TestDispatcher_FindsARunnerThatComesLater: nobody says so, and targets do not change.
func TestDispatcher_FindsARunnerThatComesLater(t *testing.T) {
	t.Parallel()
	s := openFile(t)
	if err := s.PutTarget(t.Context(), Target{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	d := NewDispatcher(s, DispatcherConfig{Resolver: nobody{}, Log: func(what string, err error) { t.Error(what, err) }})
	d.housekeep()
	d.round()
	if len(d.lanes) != 0 || !d.unresolved["a"] {
		t.Fatalf("%d lanes, unresolved: %v", len(d.lanes), d.unresolved)
	}
	d.cfg.Resolver = &everybody{}
	if d.housekeep(); d.lanes["a"] == nil {
		t.Error("it is not run")
	}
}

// counted is a session that counts the statements made on it.
type counted struct {
	session
	n int
}

func (c *counted) exec(ctx context.Context, query string, args []any) (sql.Result, error) {
	c.n++
	return c.session.exec(ctx, query, args)
}

func (c *counted) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	c.n++
	return c.session.query(ctx, query, args)
}

// TestJudge_Statements: keeping the time since when a target fails costs a statement when that changes, and none
// otherwise.
func TestJudge_Statements(t *testing.T) {
	t.Parallel()
	var passed atomic.Int64
	clock := func() time.Time { return noon.Add(time.Duration(passed.Load())) }
	s := openFile(t, func(c *Config) { c.DisableAfter, c.Now = time.Hour, clock })
	if err := s.PutTarget(t.Context(), Target{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	good, bad, cut := Delivered(""), Retry(errNotBegun), Retry(errInterrupted)
	for _, step := range []struct {
		what       string
		pass       time.Duration
		outcomes   []Outcome
		statements int
		since      time.Duration // after noon; -1: it does not fail
		enabled    bool
	}{
		{"successes", 0, []Outcome{good, good}, 0, -1, true},
		{"a failure and then a success", time.Minute, []Outcome{bad, good}, 0, -1, true},
		{"interrupted", 0, []Outcome{cut}, 0, -1, true},
		{"the first failure", time.Minute, []Outcome{bad}, 1, 2 * time.Minute, true},
		{"the next ones", 30 * time.Minute, []Outcome{bad, bad, cut}, 0, 2 * time.Minute, true},
		{"a success", time.Minute, []Outcome{bad, good}, 1, -1, true},
		{"the next ones", time.Minute, []Outcome{good, good, good}, 0, -1, true},
		{"a failure after a success", time.Minute, []Outcome{good, bad}, 1, 35 * time.Minute, true},
		{"another one", time.Minute, []Outcome{good, bad}, 1, 36 * time.Minute, true},
		{"a moment before the limit", time.Hour - 1000, []Outcome{bad}, 0, 36 * time.Minute, true},
		{"at the limit", 1000, []Outcome{bad}, 1, 36 * time.Minute, false},
	} {
		passed.Add(int64(step.pass))
		var results []*result
		for _, o := range step.outcomes {
			c := claimed{delivery: Delivery{TargetID: "a"}}
			results = append(results, &result{task: &task{claimed: c}, outcome: o, interrupted: errors.Is(o.Err, errInterrupted)})
		}
		var n int
		err := s.write(t.Context(), func(ctx context.Context, t *txn) error {
			counting := &counted{session: t.session}
			t.session = counting
			err := t.judge(ctx, results)
			t.session, n = counting.session, counting.n
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		target, err := s.Target(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		since := time.Duration(-1)
		if !target.FailingSince.IsZero() {
			since = target.FailingSince.Sub(noon)
		}
		if n != step.statements || since != step.since || target.Enabled != step.enabled {
			t.Errorf("%s: %d statements, failing since %v, enabled: %v; want %d, %v, %v",
				step.what, n, since, target.Enabled, step.statements, step.since, step.enabled)
		}
	}
}

// TestHealth_ASuccessHereThatTheOtherCouldNotKnowOf is set right when this process learns of the other's failure.
func TestHealth_ASuccessHereThatTheOtherCouldNotKnowOf(t *testing.T) {
	t.Parallel()
	h := newHealth(time.Hour)
	h.committed(map[string]condition{"a": {good: 20}, "b": {good: 20}, "c": {since: 30}})
	wrong := h.learn(map[string]int64{"a": 10, "b": 20, "d": 5})
	if len(wrong) != 1 || wrong["a"] != 10 {
		t.Errorf("wrong: %v, want a since 10", wrong)
	}
	for id, want := range map[string]int64{"b": 20, "c": 0, "d": 5} {
		if got := h.failingSince(id); got != want {
			t.Errorf("%s fails since %d, want %d", id, got, want)
		}
	}
}
