package relay_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

// withFailed makes n messages of each of some types whose deliveries to "a" have failed.
func withFailed(f *fixture, n int, types ...string) {
	f.t.Helper()
	f.target("a", "b")
	seen := f.dispatch(runners{"a": answer(relay.Permanent(errDown))})
	for _, name := range types {
		for range n {
			f.append(relay.Draft{Type: name, Targets: []string{"a"}})
			next(f.t, seen)
		}
		f.clock.advance(time.Hour)
	}
	if err := f.SetTarget(f.t.Context(), "a", false, "what is retried stays to be seen"); err != nil {
		f.t.Fatal(err)
	}
}

func TestStore_RetryAllByFilter(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		start := f.clock.Now()
		withFailed(f, 3, "t1", "t2", "t3")
		waits := f.only(f.append(relay.Draft{Type: "t1", Targets: []string{"a"}}).ID)
		for _, tt := range []struct {
			name   string
			filter relay.DeliveryFilter
			want   int64
		}{
			{"all", relay.DeliveryFilter{}, 9},
			{"target", relay.DeliveryFilter{TargetID: "a"}, 9},
			{"another target", relay.DeliveryFilter{TargetID: "b"}, 0},
			{"type", relay.DeliveryFilter{Type: "t2"}, 3},
			{"since", relay.DeliveryFilter{Since: start.Add(time.Hour)}, 6},
			{"until", relay.DeliveryFilter{Until: start.Add(time.Hour)}, 3},
			{"cancelled", relay.DeliveryFilter{State: relay.Cancelled}, 0},
			{"message", relay.DeliveryFilter{MessageID: waits.MessageID}, 0},
		} {
			got, err := f.RetryAll(t.Context(), relay.Bulk{Filter: tt.filter, DryRun: true})
			if err != nil || got != (relay.BulkResult{Matched: tt.want}) {
				t.Errorf("%s, without doing it: %+v, %v, want %d", tt.name, got, err, tt.want)
			}
		}
		f.clock.advance(time.Minute)
		for _, want := range []int64{3, 0} { // the second time nothing is failed any more
			got, err := f.RetryAll(t.Context(), relay.Bulk{Filter: relay.DeliveryFilter{Type: "t2"}})
			if err != nil || got != (relay.BulkResult{Matched: want, Changed: want}) {
				t.Errorf("%+v, %v, want %d", got, err, want)
			}
		}
		items, _, err := f.Deliveries(t.Context(), relay.DeliveryFilter{State: relay.Paused, Type: "t2"}, relay.Page{})
		if err != nil || len(items) != 3 || !items[0].NextAt.Equal(f.clock.Now()) || items[0].Attempts != 1 {
			t.Errorf("%+v, %v", items, err)
		}
		if n := f.number(`SELECT count(*) FROM deliveries WHERE state = 'failed'`); n != 6 {
			t.Errorf("%d are still failed, want 6", n)
		}
		f.balanced()
	})
}

// TestStore_BulkKeepsItsRate: the k-th delivery is due k steps after the first, from the oldest on, across calls.
func TestStore_BulkKeepsItsRate(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		withFailed(f, 5, "t")
		now := f.clock.Now()
		first, err := f.RetryAll(t.Context(), relay.Bulk{Rate: 4, Limit: 3})
		if err != nil || first.Changed != 3 || first.Next == "" {
			t.Fatalf("%+v, %v", first, err)
		}
		second, err := f.RetryAll(t.Context(), relay.Bulk{Rate: 4, Cursor: first.Next})
		if err != nil || second.Changed != 2 || second.Next != "" {
			t.Fatalf("%+v, %v", second, err)
		}
		items, _, err := f.Deliveries(t.Context(), relay.DeliveryFilter{}, relay.Page{})
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range items { // newest first
			if want := now.Add(time.Duration(4-i) * time.Second / 4); !d.NextAt.Equal(want) {
				t.Errorf("%d is due at %v, want %v", 4-i, d.NextAt, want)
			}
		}
		f.balanced()
	})
}

func TestStore_ReplayAllMakesEachOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		const n = 600 // more than two transactions
		f := open(t, e)
		f.target("a")
		seen := f.dispatch(runners{"a": answer(relay.Delivered(""))})
		drafts := make([]relay.Draft, n)
		for i := range drafts {
			drafts[i] = relay.Draft{Source: "s", Type: "t", Targets: []string{"a"}}
		}
		if _, err := f.Append(t.Context(), drafts...); err != nil {
			t.Fatal(err)
		}
		all := func(count int) {
			t.Helper()
			for range count {
				next(t, seen)
			}
		}
		all(n)
		result, err := f.ReplayAll(t.Context(), relay.Bulk{Filter: relay.DeliveryFilter{TargetID: "a"}, Limit: 300})
		if err != nil || result.Changed != 300 || result.Operation == "" || result.Next == "" {
			t.Fatalf("%+v, %v", result, err)
		}
		all(300)
		// From the beginning, as after an interruption: the rest, and none of what was made.
		result, err = f.ReplayAll(t.Context(), relay.Bulk{Operation: result.Operation})
		if err != nil || result.Matched != n || result.Changed != n-300 || result.Next != "" {
			t.Fatalf("%+v, %v", result, err)
		}
		all(n - 300)
		if again, err := f.ReplayAll(t.Context(), relay.Bulk{Operation: result.Operation}); err != nil || again.Changed != 0 {
			t.Errorf("%+v, %v", again, err)
		}
		if k := f.number(`SELECT count(DISTINCT replay_of) FROM deliveries WHERE replay_of <> ''`); k != n {
			t.Errorf("%d of %d were replayed", k, n)
		}
		if k := f.number(`SELECT count(*) FROM deliveries`); k != 2*n {
			t.Errorf("%d deliveries, want %d", k, 2*n)
		}
		if k := f.number(`SELECT count(*) FROM deliveries r JOIN deliveries d ON d.id = r.replay_of WHERE d.message_seq <> r.message_seq OR d.target_id <> r.target_id`); k != 0 {
			t.Errorf("%d are of another message or target", k)
		}
		f.balanced()
	})
}

// TestStore_ReplayAllTwiceAtOnce: one operation asked for by several at the same time is done once.
func TestStore_ReplayAllTwiceAtOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a")
		seen := f.dispatch(runners{"a": answer(relay.Delivered(""))})
		for range 20 {
			f.append(relay.Draft{Targets: []string{"a"}})
			next(t, seen)
		}
		stores := []*fixture{f, f}
		if e.shared() {
			stores[1] = f.beside()
		}
		operation := relay.NewOperation(f.clock.Now())
		var calls sync.WaitGroup
		for _, s := range stores {
			calls.Go(func() {
				if _, err := s.ReplayAll(t.Context(), relay.Bulk{Operation: operation}); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if _, err := f.ReplayAll(t.Context(), relay.Bulk{Operation: operation}); err != nil { // what each left to the other
			t.Fatal(err)
		}
		eventually(t, "all are delivered", func() bool {
			f.clock.advance(time.Second) // the dispatcher looks for what the other store has made
			return f.number(`SELECT count(*) FROM deliveries WHERE state <> 'delivered'`) == 0
		})
		if k := f.number(`SELECT count(*) FROM deliveries WHERE replay_of <> ''`); k != 20 {
			t.Errorf("%d replays, want 20", k)
		}
		f.balanced()
	})
}

func TestStore_ReplayAllOfFailedOnesRetries(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		withFailed(f, 2, "t")
		got, err := f.ReplayAll(t.Context(), relay.Bulk{Filter: relay.DeliveryFilter{State: relay.Failed}, Rate: 1})
		if err != nil || got.Changed != 2 {
			t.Fatalf("%+v, %v", got, err)
		}
		if n := f.number(`SELECT count(*) FROM deliveries WHERE state = 'pending' AND replay_of = ''`); n != 2 {
			t.Errorf("%d of 2 wait", n)
		}
		f.balanced()
	})
}

func TestStore_CancelAll(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a", "b")
		if err := f.SetTarget(t.Context(), "b", false, "test"); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			f.append(relay.Draft{Targets: []string{"a", "b"}, OrderingKey: "k"})
		}
		got, err := f.CancelAll(t.Context(), relay.Bulk{Filter: relay.DeliveryFilter{State: relay.Paused}})
		if err != nil || got.Changed != 4 {
			t.Errorf("%+v, %v", got, err)
		}
		if n := f.number(`SELECT count(*) FROM deliveries WHERE state = 'cancelled' AND target_id = 'b'`); n != 4 {
			t.Errorf("%d of the paused ones are cancelled", n)
		}
		if got, err = f.CancelAll(t.Context(), relay.Bulk{Limit: 3}); err != nil || got.Changed != 3 || got.Next == "" {
			t.Errorf("%+v, %v", got, err)
		}
		seen := f.dispatch(runners{"a": answer(relay.Delivered(""))})
		if o := next(t, seen); o.State != relay.Done { // its key is free
			t.Errorf("%+v", o)
		}
		if got, err = f.CancelAll(t.Context(), relay.Bulk{Cursor: got.Next}); err != nil || got.Changed != 0 {
			t.Errorf("%+v, %v", got, err)
		}
		f.balanced()
	})
}

func TestStore_BulkEndsWithItsContext(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		withFailed(f, 2, "t")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		got, err := f.RetryAll(ctx, relay.Bulk{})
		if !errors.Is(err, context.Canceled) || got.Changed != 0 {
			t.Errorf("%+v, %v", got, err)
		}
		if n := f.number(`SELECT count(*) FROM deliveries WHERE state = 'failed'`); n != 2 {
			t.Errorf("%d are failed, want 2", n)
		}
	})
}

func TestStore_BulkRefuses(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
	retry, replay, cancel := f.RetryAll, f.ReplayAll, f.CancelAll
	for _, tt := range []struct {
		field string
		call  func(context.Context, relay.Bulk) (relay.BulkResult, error)
		bulk  relay.Bulk
	}{
		{"rate", retry, relay.Bulk{Rate: -1}},
		{"rate", retry, relay.Bulk{Rate: relay.MaxRate + 1}},
		{"limit", retry, relay.Bulk{Limit: -1}},
		{"state", retry, relay.Bulk{Filter: relay.DeliveryFilter{State: relay.Done}}},
		{"state", replay, relay.Bulk{Filter: relay.DeliveryFilter{State: relay.Pending}}},
		{"state", cancel, relay.Bulk{Filter: relay.DeliveryFilter{State: relay.Cancelled}}},
		{"state", cancel, relay.Bulk{Filter: relay.DeliveryFilter{State: "lost"}}},
		{"operation", replay, relay.Bulk{Operation: "mine"}},
		{"operation", replay, relay.Bulk{Operation: strings.ToUpper(relay.NewOperation(time.Now()))}},
		{"cursor", retry, relay.Bulk{Cursor: "_1"}},
		{"cursor", retry, relay.Bulk{Cursor: "_1.-2.3"}},
		{"cursor", retry, relay.Bulk{Cursor: "1.2.3"}},
	} {
		if _, err := tt.call(t.Context(), tt.bulk); !errors.Is(err, relay.ErrInvalid) || !strings.Contains(err.Error(), tt.field) {
			t.Errorf("%+v: %v", tt.bulk, err)
		}
	}
}
