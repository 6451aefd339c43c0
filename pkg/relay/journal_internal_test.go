package relay

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

func journalOnly(c *Config) { c.journaled = true }

// TestJournal_NothingIsClaimedTwice: one append makes two rows of the journal. Nothing of the first is born leased, as its
// message is large; the second's is.
func TestJournal_NothingIsClaimedTwice(t *testing.T) {
	t.Parallel()
	s := offering(t, journalOnly)
	s.wake.offers.set(map[string]int{"a": 8}, map[string]int{"a": 8})
	draft := func(size int) Draft {
		return Draft{Source: "s", Type: "t", Body: make([]byte, size), Targets: []string{"a"}}
	}
	if _, err := s.Append(t.Context(), draft(journalRow), draft(10)); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := s.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	times := map[string]int{}
	for _, b := range s.wake.offers.collect() {
		times[b.job.Delivery.ID]++
	}
	for id, n := range times {
		if n != 1 {
			t.Errorf("%s was claimed %d times", id, n)
		}
	}
}

// TestJournal_AnEffectOfASecondRowHappensOnce is the same with a dispatcher.
func TestJournal_AnEffectOfASecondRowHappensOnce(t *testing.T) {
	t.Parallel()
	s := offering(t, journalOnly)
	var applied atomic.Int64
	d := NewDispatcher(s, DispatcherConfig{Log: func(what string, err error) { t.Log(what, err) }, Resolver: everything{Effect(func(context.Context, Tx, Job) Outcome {
		applied.Add(1)
		return Delivered("")
	})}})
	d.Start()
	waitFor(t, "the dispatcher has room", func() bool { return s.wake.offers.open("a") > 0 })
	draft := func(size int) Draft {
		return Draft{Source: "s", Type: "t", Body: make([]byte, size), Targets: []string{"a"}}
	}
	for range 5 {
		if _, err := s.Append(t.Context(), draft(journalRow), draft(10), draft(10)); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "all is delivered", func() bool { return delivered(t, s) == 15 })
	if err := d.Stop(t.Context()); err != nil { // nothing is under way any more
		t.Error(err)
	}
	if applied.Load() != 15 {
		t.Errorf("%d effects of 15 messages", applied.Load())
	}
}

// everything resolves all targets to one runner.
type everything struct{ r Runner }

func (o everything) Resolve(string) (Runner, bool) { return o.r, true }

func (o *offers) open(target string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.places[target]
}

// TestJournal_RefusesAnIDThatItMade, while the message that has it is in the journal.
func TestJournal_RefusesAnIDThatItMade(t *testing.T) {
	t.Parallel()
	s := offering(t, journalOnly)
	// Local, and no places: the row stays in the journal.
	s.wake.offers.set(nil, map[string]int{"a": 8})
	got, err := s.Append(t.Context(), Draft{Source: "s", Type: "t", Targets: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), Draft{ID: got[0].ID, Source: "s", Type: "t"}); !errors.Is(err, ErrInvalid) {
		t.Errorf("its id again: %v", err)
	}
	if _, err := s.Message(t.Context(), got[0].ID); err != nil {
		t.Error(err)
	}
}

// TestJournal_ADuplicateMayHaveTheSameID, as it may outside of the journal: a caller repeats the same draft.
func TestJournal_ADuplicateMayHaveTheSameID(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){"rows": func(*Config) {}, "journal": journalOnly} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := offering(t, change)
			d := Draft{ID: NewMessageID(time.Now()), Source: "s", Type: "t", DedupeKey: "k"}
			for i := range 3 {
				got, err := s.Append(t.Context(), d)
				if err != nil || got[0].Duplicate != (i > 0) || got[0].ID != d.ID {
					t.Fatalf("time %d: %+v, %v", i, got, err)
				}
			}
		})
	}
}

// TestJournal_RemembersWhatWasClaimed of more rows of the journal than are kept in memory.
func TestJournal_RemembersWhatWasClaimed(t *testing.T) {
	t.Parallel()
	s := offering(t, journalOnly)
	s.wake.offers.set(nil, map[string]int{"a": 8})
	const n = 4
	for range n {
		if _, err := s.Append(t.Context(), Draft{Source: "s", Type: "t", Body: make([]byte, journalRow/2), Targets: []string{"a"}}); err != nil {
			t.Fatal(err)
		}
	}
	s.wake.offers.set(map[string]int{"a": 8}, map[string]int{"a": 8})
	if err := s.Ping(t.Context()); err != nil { // claims what waits
		t.Fatal(err)
	}
	if got := len(s.wake.offers.collect()); got != n {
		t.Fatalf("%d were claimed", got)
	}
	var born int64
	err := s.write(t.Context(), func(ctx context.Context, tx *txn) error {
		e := s.engine.(*sqliteEngine)
		was := e.journal
		defer func() { e.journal = was }()
		e.journal = newJournal(was.lease) // as the next process begins
		if err := e.recoverJournal(ctx, tx); err != nil {
			return err
		}
		if err := tx.scan(ctx, `SELECT count(*) FROM deliveries WHERE state = 'delivering'`, nil, &born); err != nil {
			return err
		}
		return errors.New("enough")
	})
	if born != n {
		t.Errorf("%d of %d are known to be claimed (%v)", born, n, err)
	}
}

func rowsThere(t *testing.T, s *Store) (n int) {
	t.Helper()
	if err := s.callers.row(t.Context(), `SELECT count(*) FROM deliveries`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestJournal_ALostClaimRunsOut: nobody records an outcome of what was claimed, nor gives it back (that failed).
func TestJournal_ALostClaimRunsOut(t *testing.T) {
	t.Parallel()
	s := offering(t, journalOnly, func(c *Config) { c.Lease, c.EffectTimeout = 100*time.Millisecond, 50*time.Millisecond })
	s.wake.offers.set(map[string]int{"a": 8}, map[string]int{"a": 8})
	if _, err := s.Append(t.Context(), Draft{Source: "s", Type: "t", Targets: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	s.wake.offers.collect()
	waitFor(t, "it has its row", func() bool { return rowsThere(t, s) == 1 })
}

// TestJournal_ARateHoldsUpNothing: a target inside the database with a rate never has places for all.
func TestJournal_ARateHoldsUpNothing(t *testing.T) {
	t.Parallel()
	s := offering(t)
	if err := s.PutTarget(t.Context(), Target{ID: "a", Rate: 50, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	d := NewDispatcher(s, DispatcherConfig{Poll: 20 * time.Millisecond, Resolver: everything{Effect(func(context.Context, Tx, Job) Outcome { return Delivered("") })}})
	d.Start()
	defer func() { _ = d.Stop(context.Background()) }()
	waitFor(t, "the dispatcher has looked", func() bool { return s.wake.offers.open("a") > 0 })
	drafts := make([]Draft, 30)
	for i := range drafts {
		drafts[i] = Draft{Source: "s", Type: "t", Body: make([]byte, 100), Targets: []string{"a"}}
	}
	ready, err := s.prepare(drafts)
	if err != nil {
		t.Fatal(err)
	}
	var group []*op
	for _, p := range ready {
		group = append(group, newAppendOp([]*prepared{p}))
	}
	together(s, group...)
	for _, o := range group {
		if err := <-o.done; err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "all is delivered", func() bool { return delivered(t, s) == 30 })
}

// TestJournal_ARunnerKeepsItsHandsOffTheRow: what it does to its job's message does not change what is stored.
func TestJournal_ARunnerKeepsItsHandsOffTheRow(t *testing.T) {
	t.Parallel()
	s := offering(t, journalOnly)
	d := NewDispatcher(s, DispatcherConfig{Resolver: everything{Effect(func(_ context.Context, _ Tx, job Job) Outcome {
		clear(job.Message.Body)
		clear(job.Message.Headers)
		return Delivered("")
	})}})
	d.Start()
	defer func() { _ = d.Stop(context.Background()) }()
	waitFor(t, "the dispatcher has room", func() bool { return s.wake.offers.open("a") > 0 })
	got, err := s.Append(t.Context(), Draft{Source: "s", Type: "t", Headers: []byte("{}"), Body: []byte("body"), Targets: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "it is delivered", func() bool { return delivered(t, s) == 1 })
	if m, err := s.Message(t.Context(), got[0].ID); err != nil || string(m.Body) != "body" || string(m.Headers) != "{}" {
		t.Errorf("stored: %q %q (%v)", m.Headers, m.Body, err)
	}
}

func delivered(t *testing.T, s *Store) int64 {
	t.Helper()
	stats, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stats.Deliveries[Done]
}

// waitFor polls until the condition holds.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); <-time.After(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen: %s", what)
		}
	}
}
