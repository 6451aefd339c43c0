package relay_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/fstest"
	"time"

	"example.com/signet/pkg/relay"
)

// TestRetention_AFaultOfTheStoreLosesNothing: what a pass could not remove the next one does.
func TestRetention_AFaultOfTheStoreLosesNothing(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite, func(c *relay.Config) {
		c.Migrations = append(c.Migrations, relay.Migrations{Name: "stuck", Files: fstest.MapFS{"0001_stuck.sql": {Data: []byte(`
CREATE TRIGGER stuck BEFORE DELETE ON messages WHEN (SELECT on_completion FROM fault) = 1
  BEGIN SELECT RAISE(FAIL, 'fault: removal refused'); END;`)}}})
	})
	for range 10 {
		f.append(relay.Draft{})
	}
	f.clock.advance(2 * day)
	r := f.retention(relay.RetentionPolicy{Delivered: day})
	f.exec(`UPDATE fault SET on_completion = 1`)
	if got, err := r.Pass(t.Context()); err == nil || got.Messages != 0 {
		t.Fatalf("removed %+v, %v", got, err)
	}
	f.balanced()
	f.exec(`UPDATE fault SET on_completion = 0`)
	if got := f.pass(r); got.Messages != 9 {
		t.Errorf("removed %+v", got)
	}
	f.balanced()
}

// TestRetention_PositionsAreNotGivenOutAgain: a cursor from before everything was removed shows nothing that came later.
func TestRetention_PositionsAreNotGivenOutAgain(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a")
		seen := f.dispatch(runners{"a": answer(relay.Delivered(""))})
		for range 3 {
			f.append(relay.Draft{Targets: []string{"a"}})
			next(t, seen)
		}
		first := f.number(`SELECT min(seq) FROM messages`)
		f.append(relay.Draft{})
		replay := must(f.Replay(t.Context(), f.only(f.oldest()).ID))(t) // the newest delivery is the oldest message's
		next(t, seen)
		message, delivery := f.number(`SELECT max(seq) FROM messages`), f.number(`SELECT max(seq) FROM deliveries`)
		_, cursor, err := f.Deliveries(t.Context(), relay.DeliveryFilter{}, relay.Page{Limit: 1})
		if err != nil || cursor == "" {
			t.Fatalf("cursor %q, %v", cursor, err)
		}
		f.clock.advance(2 * day)
		if got := f.pass(f.retention(relay.RetentionPolicy{Delivered: day})); got.Messages != 2 {
			t.Errorf("removed %+v, want all but the newest message and the newest delivery's", got)
		}
		if _, _, err := f.Delivery(t.Context(), replay.ID); err != nil {
			t.Errorf("the newest delivery: %v", err)
		}
		f.append(relay.Draft{Targets: []string{"a"}})
		next(t, seen)
		if m, d := f.number(`SELECT max(seq) FROM messages`), f.number(`SELECT max(seq) FROM deliveries`); m <= message || d <= delivery {
			t.Errorf("positions went from %d, %d to %d, %d (the first was %d)", message, delivery, m, d, first)
		}
		items, _, err := f.Deliveries(t.Context(), relay.DeliveryFilter{}, relay.Page{Cursor: cursor})
		for _, d := range items {
			if !d.CreatedAt.Before(f.clock.Now().Add(-day)) {
				t.Errorf("the page after the cursor shows %+v", d)
			}
		}
		if err != nil {
			t.Error(err)
		}
		f.balanced()
	})
}

func (f *fixture) oldest() (id string) {
	f.t.Helper()
	items, _, err := f.Messages(f.t.Context(), relay.MessageFilter{}, relay.Page{Limit: relay.MaxPage})
	if err != nil || len(items) == 0 {
		f.t.Fatalf("%d messages, %v", len(items), err)
	}
	return items[len(items)-1].ID
}

// TestRetention_GoesInSteps: many messages, and one with more deliveries than a transaction takes.
func TestRetention_GoesInSteps(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		targets := make([]string, 1500)
		for i := range targets {
			targets[i] = fmt.Sprintf("t%d", i)
		}
		big := f.append(relay.Draft{Targets: targets}).ID
		drafts := make([]relay.Draft, 1300)
		for i := range drafts {
			drafts[i] = relay.Draft{Source: "s", Type: "t"}
		}
		if _, err := f.Append(t.Context(), drafts...); err != nil {
			t.Fatal(err)
		}
		for _, d := range must(f.Message(t.Context(), big))(t).Deliveries {
			if err := f.Cancel(t.Context(), d.ID); err != nil {
				t.Fatal(err)
			}
		}
		f.append(relay.Draft{Targets: []string{"a"}})
		f.clock.advance(2 * day)
		var steps int
		r := must(relay.NewRetention(f.Store, relay.RetentionConfig{Policy: relay.RetentionPolicy{Delivered: day}, Observe: func(got relay.Removed) {
			if steps++; got.Messages > 512 || got.Deliveries[relay.Cancelled] > 512 {
				t.Errorf("one step removed %+v", got)
			}
		}}))(t)
		if got := f.pass(r); got.Messages != 1301 || got.Deliveries[relay.Cancelled] != 1500 || steps < 6 {
			t.Errorf("removed %+v in %d steps", got, steps)
		}
		f.balanced()
	})
}

func TestRetention_ListsPageStablyWhileRowsVanish(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		for range 20 {
			f.append(relay.Draft{})
		}
		f.clock.advance(2 * day)
		want := map[string]bool{}
		for range 15 {
			want[f.append(relay.Draft{}).ID] = true
		}
		seen := map[string]bool{}
		var cursor string
		for page := 0; page == 0 || cursor != ""; page++ {
			items, next, err := f.Messages(t.Context(), relay.MessageFilter{}, relay.Page{Limit: 10, Cursor: cursor})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range items {
				if seen[m.ID] {
					t.Errorf("%s is on two pages", m.ID)
				}
				seen[m.ID] = true
			}
			if page == 0 {
				if got := f.pass(f.retention(relay.RetentionPolicy{Delivered: day})); got.Messages != 20 {
					t.Errorf("removed %+v", got)
				}
			}
			cursor = next
		}
		if len(seen) != len(want) {
			t.Errorf("%d messages on the pages, want the %d that stayed", len(seen), len(want))
		}
	})
}

// TestRetention_BesideEverythingElse: passes of two stores while messages are appended, delivered, replayed and
// cancelled. Every row is somewhere: in its table or in what was removed.
func TestRetention_BesideEverythingElse(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e, func(c *relay.Config) { c.Now = time.Now; c.Migrations = c.Migrations[:1] })
		f.target("a")
		f.dispatch(runners{"a": answer(relay.Delivered(""))})
		stores := []*fixture{f}
		if e.shared() {
			stores = append(stores, f.beside())
		}
		policy := relay.RetentionPolicy{Delivered: time.Microsecond}
		var running []*relay.Retention
		for _, s := range stores {
			r := must(relay.NewRetention(s.Store, relay.RetentionConfig{
				Policy: policy, Every: time.Millisecond, Log: func(what string, err error) { t.Errorf("%s: %v", what, err) },
			}))(t)
			r.Start()
			t.Cleanup(r.Stop)
			running = append(running, r)
		}
		for i := range 60 {
			id := f.append(relay.Draft{DedupeKey: fmt.Sprint(i % 7), Targets: []string{"a"}}).ID
			m, err := f.Message(t.Context(), id)
			if err != nil || len(m.Deliveries) == 0 { // it is gone already
				continue
			}
			if _, err = f.Replay(t.Context(), m.Deliveries[0].ID); err != nil && !errors.Is(err, relay.ErrState) && !errors.Is(err, relay.ErrNotFound) {
				t.Error(err)
			}
		}
		f.append(relay.Draft{})
		eventually(t, "all but the newest are gone", func() bool { return f.number(`SELECT count(*) FROM messages`) <= 2 })
		for _, r := range running {
			r.Stop()
		}
		if n := f.number(`SELECT count(*) FROM deliveries d LEFT JOIN messages m ON m.seq = d.message_seq WHERE m.seq IS NULL`); n != 0 {
			t.Errorf("%d deliveries of nothing", n)
		}
		eventually(t, "the last delivery is over", func() bool { // it may still be under way
			stats := must(f.Stats(t.Context()))(t)
			return stats.Deliveries[relay.Pending]+stats.Deliveries[relay.Delivering] == 0
		})
		f.balanced()
	})
}

func TestRetention_StopsInTheMiddle(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
	for range 40 {
		f.append(relay.Draft{})
	}
	f.clock.advance(2 * day)
	removing := make(chan struct{}, 64)
	r := must(relay.NewRetention(f.Store, relay.RetentionConfig{
		Policy:  relay.RetentionPolicy{Delivered: day},
		Observe: func(relay.Removed) { removing <- struct{}{} },
		Log:     func(what string, err error) { t.Errorf("%s: %v", what, err) },
	}))(t)
	r.Start()
	<-removing
	r.Stop()
	r.Stop()
	f.balanced()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Pass(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a pass without time: %v", err)
	}
}
