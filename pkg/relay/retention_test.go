package relay_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
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
	if err := f.Settled(f.t.Context()); err != nil { // a pass sees rows only
		f.t.Fatal(err)
	}
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
