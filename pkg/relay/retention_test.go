package relay_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"example.com/signet/pkg/relay"
)

const day = 24 * time.Hour

// retention makes one whose passes the test asks for.
func (f *fixture) retention(p relay.RetentionPolicy) *relay.Retention {
	f.t.Helper()
	return must(relay.NewRetention(f.Store, relay.RetentionConfig{Policy: p}))(f.t)
}

func (f *fixture) pass(r *relay.Retention) relay.Removed {
	f.t.Helper()
	return must(r.Pass(f.t.Context()))(f.t)
}

// there says which of the messages are still there, by their place in the list.
func (f *fixture) there(ids ...string) string {
	f.t.Helper()
	var found strings.Builder
	for i, id := range ids {
		switch _, err := f.Message(f.t.Context(), id); {
		case err == nil:
			fmt.Fprint(&found, i)
		case !errors.Is(err, relay.ErrNotFound):
			f.t.Fatal(err)
		}
	}
	return found.String()
}

func TestRetention_RemovesWhatIsOverAndOld(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("good", "bad", "off")
		if err := f.SetTarget(t.Context(), "off", false, "test"); err != nil {
			t.Fatal(err)
		}
		seen := f.dispatch(runners{"good": answer(relay.Delivered("")), "bad": answer(relay.Permanent(errDown))})
		var ids []string
		for _, targets := range [][]string{{}, {"good"}, {"good", "good2"}, {"bad"}, {"good", "bad"}, {"off"}, {"off", "good"}} {
			ids = append(ids, f.append(relay.Draft{Targets: targets, Body: []byte("x")}).ID)
		}
		for range 6 {
			next(t, seen)
		}
		for _, d := range must(f.Message(t.Context(), ids[2]))(t).Deliveries { // good2 is nobody's
			if d.TargetID == "good2" {
				if err := f.Cancel(t.Context(), d.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
		f.append(relay.Draft{Targets: []string{"off"}}) // the newest one always stays
		before := must(f.Stats(t.Context()))(t)

		r := f.retention(relay.RetentionPolicy{Delivered: day})
		f.clock.advance(day - time.Second)
		if got := f.pass(r); got.Messages != 0 {
			t.Errorf("removed too early: %+v", got)
		}
		f.clock.advance(2 * time.Second)
		got := f.pass(r)
		if got.Messages != 3 || got.Deliveries[relay.Done] != 2 || got.Deliveries[relay.Cancelled] != 1 || got.Deliveries[relay.Failed] != 0 {
			t.Errorf("removed %+v", got)
		}
		if left := f.there(ids...); left != "3456" {
			t.Errorf("left are %s, want 3456", left)
		}
		if n := f.number(`SELECT count(*) FROM attempts a LEFT JOIN deliveries d ON d.seq = a.delivery_seq WHERE d.seq IS NULL`); n != 0 {
			t.Errorf("%d attempts of nothing", n)
		}
		f.balanced()
		after := must(f.Stats(t.Context()))(t)
		if after.Messages != before.Messages || after.Deliveries[relay.Done] != before.Deliveries[relay.Done] || after.Removed.Messages != 3 {
			t.Errorf("lifetime totals went from %+v to %+v", before, after)
		}

		f.clock.advance(9 * day)
		if got := f.pass(f.retention(relay.RetentionPolicy{Delivered: day, Failed: 11 * day})); got.Messages != 0 {
			t.Errorf("failed ones went early: %+v", got)
		}
		f.clock.advance(2 * day)
		if got := f.pass(f.retention(relay.RetentionPolicy{Failed: 11 * day})); got.Messages != 2 || got.Deliveries[relay.Failed] != 2 {
			t.Errorf("removed %+v", got)
		}
		if left := f.there(ids...); left != "56" {
			t.Errorf("left are %s, want 56", left)
		}
		f.balanced()
	})
}

// TestRetention_ComesBackToWhatItPassed: what was not over when its time came is removed when it is.
func TestRetention_ComesBackToWhatItPassed(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a")
		old := f.append(relay.Draft{Targets: []string{"a"}}).ID
		other := f.append(relay.Draft{}).ID
		f.append(relay.Draft{Targets: []string{"a"}})
		r := f.retention(relay.RetentionPolicy{Delivered: day})
		f.clock.advance(2 * day)
		if got := f.pass(r); got.Messages != 1 || f.there(old, other) != "0" {
			t.Fatalf("removed %+v, left %s", got, f.there(old, other))
		}
		if err := f.Cancel(t.Context(), f.only(old).ID); err != nil {
			t.Fatal(err)
		}
		f.clock.advance(day - time.Minute) // it was touched: its time begins anew
		if got := f.pass(r); got.Messages != 0 {
			t.Fatalf("removed %+v", got)
		}
		f.clock.advance(2 * time.Hour)
		if got := f.pass(r); got.Messages != 1 || f.there(old) != "" {
			t.Errorf("removed %+v", got)
		}
		f.balanced()
	})
}

// TestRetention_AFailedHeadFreesItsKey: what blocked an ordering key for ever blocks it no more once it is gone.
func TestRetention_AFailedHeadFreesItsKey(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a")
		seen := f.dispatch(runners{"a": answer(relay.Permanent(errDown), relay.Delivered(""))})
		head := f.append(relay.Draft{Targets: []string{"a"}, OrderingKey: "k"}).ID
		if o := next(t, seen); o.State != relay.Failed {
			t.Fatalf("%+v", o)
		}
		behind := f.append(relay.Draft{Targets: []string{"a"}, OrderingKey: "k"}).ID
		f.clock.advance(2 * day)
		if got := f.pass(f.retention(relay.RetentionPolicy{Failed: day})); got.Messages != 1 || f.there(head, behind) != "1" {
			t.Fatalf("removed %+v", got)
		}
		if o := next(t, seen); o.Job.Message.ID != behind || o.State != relay.Done {
			t.Errorf("%+v", o)
		}
		f.balanced()
	})
}

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

func TestRetention_KeysHaveTheirOwnWindow(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		draft := relay.Draft{DedupeKey: "k"}
		first := f.append(draft).ID
		f.append(relay.Draft{DedupeKey: "newest"})
		r := f.retention(relay.RetentionPolicy{Delivered: day, Dedupe: 3 * day})
		f.clock.advance(2 * day)
		if got := f.pass(r); got.Messages != 1 || got.Keys != 0 {
			t.Fatalf("removed %+v", got)
		}
		if got := f.append(draft); !got.Duplicate || got.ID != first {
			t.Errorf("within its window the key gave %+v", got)
		}
		f.clock.advance(day + time.Second)
		if got := f.pass(r); got.Keys != 1 {
			t.Errorf("removed %+v", got)
		}
		if got := f.append(draft); got.Duplicate || got.ID == first {
			t.Errorf("after its window the key gave %+v", got)
		}
		if got := f.append(relay.Draft{DedupeKey: "newest"}); !got.Duplicate {
			t.Error("a key went before its message")
		}
		if n := f.number(`SELECT count(*) FROM kept_keys`); n != 0 {
			t.Errorf("%d keys are still remembered", n)
		}
		f.balanced()
	})
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
		if e == postgres {
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

func TestNewRetention_RefusesContradictions(t *testing.T) {
	t.Parallel()
	for field, p := range map[string]relay.RetentionPolicy{
		"delivered": {Delivered: -1},
		"failed":    {Failed: -time.Second},
		"dedupe":    {Delivered: 2 * day, Dedupe: day},
		"dedupe:":   {Dedupe: day}, // messages are kept for ever
	} {
		_, err := relay.NewRetention(nil, relay.RetentionConfig{Policy: p})
		if !errors.Is(err, relay.ErrInvalid) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
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
