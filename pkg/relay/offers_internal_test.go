package relay

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"
)

func offering(t *testing.T, change ...func(*Config)) *Store {
	t.Helper()
	cfg := Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "offers.db")}
	for _, c := range change {
		c(&cfg)
	}
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.PutTarget(t.Context(), Target{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	return s
}

func appended(t *testing.T, s *Store, d Draft) Delivery {
	t.Helper()
	d.Source, d.Type, d.Targets = "s", "t", []string{"a"}
	receipts, err := s.Append(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Message(t.Context(), receipts[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return m.Deliveries[0]
}

func TestOffers_ADeliveryThatGetsAPlaceIsBornLeased(t *testing.T) {
	t.Parallel()
	s := offering(t)
	s.wake.offers.set(map[string]int{"a": 1}, nil)
	body := []byte("body")
	first := appended(t, s, Draft{Body: body})
	copy(body, "over") // the caller uses it again
	if first.State != Delivering || first.Attempts != 1 {
		t.Errorf("with a place: %+v", first)
	}
	if second := appended(t, s, Draft{}); second.State != Pending || second.Attempts != 0 {
		t.Errorf("without a place: %+v", second)
	}
	born := s.wake.offers.collect()
	if len(born) != 1 {
		t.Fatalf("%d were born leased, want 1", len(born))
	}
	m, err := s.Message(t.Context(), first.MessageID)
	if err != nil {
		t.Fatal(err)
	}
	job := born[0].job
	if string(job.Message.Body) != "body" || job.Delivery.ID != first.ID || job.Message.ID != m.ID || !job.Message.CreatedAt.Equal(m.CreatedAt) {
		t.Errorf("the job is %+v, want that of %+v", job, m)
	}
	stats, err := s.Stats(t.Context())
	if err != nil || stats.Deliveries[Delivering] != 1 || stats.Deliveries[Pending] != 1 {
		t.Errorf("totals %+v (%v)", stats, err)
	}
	n, err := s.sweep(t.Context())
	if err != nil || n != 0 {
		t.Errorf("%d leases ran out at once (%v)", n, err)
	}
	err = s.write(t.Context(), func(ctx context.Context, t *txn) error {
		r := &result{task: born[0], outcome: Delivered(""), started: t.now}
		return errors.Join(t.settle(ctx, []*result{r}), r.err)
	})
	if err != nil {
		t.Errorf("its outcome: %v", err)
	}
}

func TestOffers_WhatIsNotBornLeased(t *testing.T) {
	t.Parallel()
	delayed := func(c *Config) { c.Schedule = Schedule{time.Minute} }
	for name, tt := range map[string]struct {
		draft  Draft
		change []func(*Config)
		then   func(t *testing.T, s *Store)
	}{
		"ordered": {draft: Draft{OrderingKey: "k"}},
		"large":   {draft: Draft{Body: make([]byte, maxBorn+1)}},
		"delayed": {change: []func(*Config){delayed}},
		"after its target was disabled": {then: func(t *testing.T, s *Store) {
			if err := s.SetTarget(t.Context(), "a", false, "test"); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := offering(t, tt.change...)
			s.wake.offers.set(map[string]int{"a": 1}, nil)
			if tt.then != nil {
				tt.then(t, s)
			}
			d := appended(t, s, tt.draft)
			if d.Attempts != 0 || len(s.wake.offers.collect()) != 0 || s.wake.offers.busy() {
				t.Errorf("it was born leased: %+v", d)
			}
		})
	}
}

func TestOffers_ARollbackGivesPlacesBack(t *testing.T) {
	t.Parallel()
	s := offering(t)
	s.wake.offers.set(map[string]int{"a": 8}, nil)
	boom := errors.New("boom")
	err := s.AppendTx(t.Context(), func(ctx context.Context, tx *OutboxTx) error {
		_, err := tx.Append(ctx, Draft{Source: "s", Type: "t", Targets: []string{"a"}})
		return errors.Join(err, boom)
	})
	if !errors.Is(err, boom) || s.wake.offers.busy() || len(s.wake.offers.collect()) != 0 {
		t.Errorf("after a rollback (%v) something is still taken or born", err)
	}
	taken := appended(t, s, Draft{}).MessageID
	s.wake.offers.collect()
	drafts := func(ids ...string) *op {
		var all []Draft
		for _, id := range ids {
			all = append(all, Draft{ID: id, Source: "s", Type: "t", Targets: []string{"a"}})
		}
		ready, err := s.prepare(all)
		if err != nil {
			t.Fatal(err)
		}
		return newAppendOp(ready)
	}
	failing, good := drafts("", taken), drafts("") // the first of those that fail gets a place before the second fails
	together(s, failing, good)
	if refused, err := <-failing.done, <-good.done; refused == nil || err != nil {
		t.Errorf("the one that fails answered %v, the one beside it %v", refused, err)
	}
	if n := len(s.wake.offers.collect()); n != 1 || s.wake.offers.busy() {
		t.Errorf("beside one that failed %d were born, want 1", n)
	}
}

func TestOffers_ACrashLeavesALeaseToTakeBack(t *testing.T) {
	t.Parallel()
	s := offering(t)
	s.wake.offers.set(map[string]int{"a": 1}, nil)
	id := appended(t, s, Draft{}).ID
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	d, attempts, err := s.Delivery(t.Context(), id)
	if err != nil || s.Recovered() != 1 || d.State != Pending || d.Attempts != 1 || len(attempts) != 1 {
		t.Errorf("%d taken back; %+v with %d attempts (%v)", s.Recovered(), d, len(attempts), err)
	}
}

// nobody resolves no target.
type nobody struct{}

func (nobody) Resolve(string) (Runner, bool) { return Runner{}, false }

func TestOffers_WhatNobodyRunsIsGivenBack(t *testing.T) {
	t.Parallel()
	for name, started := range map[string]bool{"while it runs": true, "when it stops": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := offering(t)
			d := NewDispatcher(s, DispatcherConfig{Resolver: nobody{}, Log: func(what string, err error) { t.Error(what, err) }})
			s.wake.offers.set(map[string]int{"a": 1}, nil)
			id := appended(t, s, Draft{}).ID
			if started {
				d.Start()
				if err := d.Stop(t.Context()); err != nil {
					t.Fatal(err)
				}
			} else {
				d.leave()
			}
			if got, _, err := s.Delivery(t.Context(), id); err != nil || got.State != Pending || got.Attempts != 0 {
				t.Errorf("it is %+v (%v), want pending, without an attempt", got, err)
			}
		})
	}
}

func TestOp_DoesNotBeginAfterItsTime(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var got error
	operation := func() *op {
		return &op{until: ctx, after: func(err error) { got = err }}
	}
	if o := operation(); !o.take() || got != nil {
		t.Errorf("before its end it was refused: %v", got)
	}
	cancel()
	if o := operation(); o.take() || !errors.Is(got, errWithdrawn) {
		t.Errorf("after its end it was taken: %v", got)
	}
}
