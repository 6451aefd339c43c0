package relay_test

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/relay/internal/record"
)

// TestFolded_IsChangedAsRowsAre: a replay, alone and of many, thaws what it is about and nothing else.
func TestFolded_IsChangedAsRowsAre(t *testing.T) {
	t.Parallel()
	f := crowded(t)
	var done []relay.Delivery
	for _, d := range f.deliveriesOf(relay.DeliveryFilter{State: relay.Done, TargetID: "a"}, 200) {
		if len(must(f.Message(t.Context(), d.MessageID))(t).Deliveries) == 1 {
			done = append(done, d)
		}
	}
	one := done[len(done)/2]
	if _, err := f.Retry(t.Context(), one.ID); !errors.Is(err, relay.ErrState) {
		t.Errorf("a retry of what is delivered: %v", err)
	}
	if err := f.Cancel(t.Context(), one.ID); !errors.Is(err, relay.ErrState) {
		t.Errorf("cancelled: %v", err)
	}
	again := must(f.Replay(t.Context(), one.ID))(t)
	if again.ReplayOf != one.ID || again.MessageID != one.MessageID || again.State != relay.Pending {
		t.Errorf("the replay is %+v", again)
	}
	if m := must(f.Message(t.Context(), one.MessageID))(t); len(m.Deliveries) != 2 || string(m.Headers) != `{"A":["1"]}` || len(m.Body) < 20 {
		t.Errorf("the message is %+v", m)
	}
	if n := must(f.Folded(t.Context()))(t); n == 0 {
		t.Error("nothing is folded any more")
	}
	if newest := f.deliveriesOf(relay.DeliveryFilter{}, 200)[0]; newest.ID != again.ID {
		t.Errorf("the newest delivery is %+v", newest)
	}
	filter := relay.DeliveryFilter{Type: "type 1", TargetID: "b"}
	want := int64(len(f.deliveriesOf(relay.DeliveryFilter{Type: "type 1", TargetID: "b", State: relay.Done}, 200)))
	if dry := must(f.ReplayAll(t.Context(), relay.Bulk{Filter: filter, DryRun: true}))(t); dry.Matched != want || want == 0 {
		t.Errorf("a dry run found %d of %d", dry.Matched, want)
	}
	first := must(f.ReplayAll(t.Context(), relay.Bulk{Filter: filter, Limit: 5}))(t)
	rest := must(f.ReplayAll(t.Context(), relay.Bulk{Filter: filter, Cursor: first.Next, Operation: first.Operation}))(t)
	if first.Changed != 5 || first.Changed+rest.Changed != want {
		t.Errorf("replayed %d and %d, want %d", first.Changed, rest.Changed, want)
	}
	if twice := must(f.ReplayAll(t.Context(), relay.Bulk{Filter: filter, Operation: first.Operation}))(t); twice.Changed != 0 {
		t.Errorf("replayed %d again", twice.Changed)
	}
	f.balanced()
}

// TestFolded_KeepsNoPayloadOfRows: what retention removes of a message that has rows is not left in the journal.
func TestFolded_KeepsNoPayloadOfRows(t *testing.T) {
	t.Parallel()
	f := crowded(t)
	payloads := func() (with, without int) {
		t.Helper()
		rows, err := f.Query(t.Context(), `SELECT records FROM journal`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var b []byte
			if err := rows.Scan(&b); err != nil {
				t.Fatal(err)
			}
			_, messages, err := record.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range messages {
				if len(m.Body) > 0 {
					with++
				} else {
					without++
				}
			}
		}
		return with, without
	}
	rows := 0
	if err := f.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, m := range f.pagesOf(relay.MessageFilter{}, 200) {
		if slices.ContainsFunc(m.Deliveries, func(d relay.Delivery) bool { return d.State != relay.Done }) {
			rows++
		}
	}
	with, without := payloads()
	if with+rows > 144 || with < 144-rows-30 || without == 0 {
		t.Errorf("%d payloads are in the journal, %d are not; %d messages have rows", with, without, rows)
	}
	must(f.ReplayAll(t.Context(), relay.Bulk{Filter: relay.DeliveryFilter{TargetID: "a"}}))(t)
	if after, _ := payloads(); after >= with {
		t.Errorf("%d payloads are in the journal after some were thawed, %d before", after, with)
	}
}

// TestFolded_BulkMissesNothingThatIsThawed: what is thawed while a bulk operation finds out where it is to begin and to end
// is selected all the same.
func TestFolded_BulkMissesNothingThatIsThawed(t *testing.T) {
	t.Parallel()
	var amid atomic.Pointer[func()]
	f := open(t, journaled, func(c *relay.Config) {
		*c = relay.WithPoints(*c, func(point string) {
			if do := amid.Swap(nil); do != nil && point == relay.AmidReading {
				(*do)()
			}
		})
	})
	f.target("a")
	stop := f.run(runners{"a": effect("a")})
	want := int64(0)
	eventually(t, "something is folded", func() bool { // as soon as the dispatcher has offered places
		f.append(relay.Draft{Targets: []string{"a"}})
		want++
		eventually(t, "it is delivered", func() bool { return must(f.Stats(t.Context()))(t).Deliveries[relay.Done] == want })
		return must(f.Folded(t.Context()))(t) > 0
	})
	stop()
	amid.Store(&[]func(){func() {
		if err := f.Settle(t.Context()); err != nil {
			t.Error(err)
		}
	}}[0])
	got := must(f.ReplayAll(t.Context(), relay.Bulk{DryRun: true}))(t)
	if n := must(f.Folded(t.Context()))(t); n != 0 || got.Matched != want {
		t.Errorf("%d of %d are selected, %d rows are folded", got.Matched, want, n)
	}
}
