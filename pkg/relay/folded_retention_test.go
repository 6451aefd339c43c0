package relay_test

import (
	"slices"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

// TestFolded_Retention: what is folded goes when it is old, its keys stay for their window, and positions are not given
// out again.
func TestFolded_Retention(t *testing.T) {
	t.Parallel()
	f := crowded(t)
	before := f.readAll(200)
	r := f.retention(relay.RetentionPolicy{Delivered: day, Dedupe: 2 * day})
	if got := f.pass(r); got.Messages != 0 {
		t.Errorf("removed too early: %+v", got)
	}
	f.clock.advance(day + time.Minute)
	got := f.pass(r)
	over := 0
	for _, m := range before.Messages {
		if !slices.ContainsFunc(m.Deliveries, func(d relay.Delivery) bool { return d.State != relay.Done }) {
			over++
		}
	}
	left := f.readAll(200)
	if n := len(before.Messages) - len(left.Messages); int64(n) != got.Messages || n > over || n < over-25 { // the newest group stays
		t.Errorf("removed %+v, %d of %d are gone, %d were over", got, n, len(before.Messages), over)
	}
	if left.Stats.Messages != before.Stats.Messages || left.Stats.Removed.Messages != got.Messages {
		t.Errorf("lifetime totals went from %+v to %+v", before.Stats, left.Stats)
	}
	if oldest := before.Messages[len(before.Messages)-1]; !f.append(relay.Draft{Source: oldest.Source, DedupeKey: oldest.DedupeKey}).Duplicate {
		t.Error("a key went with its message")
	}
	f.clock.advance(day)
	if expired := f.pass(r); expired.Keys < got.Messages {
		t.Errorf("%d keys of %d messages went", expired.Keys, got.Messages)
	}
	newest := f.append(relay.Draft{Targets: []string{"off"}})
	if items := f.pagesOf(relay.MessageFilter{}, 200); items[0].ID != newest.ID {
		t.Errorf("the newest message is %+v", items[0])
	}
	f.balanced()
}

// TestFolded_RetentionPassesOverTheFuture: what was folded under a clock that was wrong does not keep what came later.
func TestFolded_RetentionPassesOverTheFuture(t *testing.T) {
	t.Parallel()
	f := open(t, journaled)
	f.clock.advance(365 * day)
	wrong := f.append(relay.Draft{}).ID
	must(f.Message(t.Context(), wrong))(t)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f.clock.advance(-365 * day)
	f.reopen()
	later := f.append(relay.Draft{}).ID
	must(f.Message(t.Context(), f.append(relay.Draft{}).ID))(t)
	if n := must(f.Folded(t.Context()))(t); n != 3 {
		t.Fatalf("%d rows are folded", n)
	}
	f.clock.advance(2 * day)
	if got := f.pass(f.retention(relay.RetentionPolicy{Delivered: day})); got.Messages != 1 || f.there(wrong, later) != "0" {
		t.Errorf("removed %+v, left %s", got, f.there(wrong, later))
	}
}
