package relay_test

import (
	"database/sql"
	"errors"
	"maps"
	"reflect"
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
		f.raw(`SELECT records FROM journal`, func(rows *sql.Rows) error {
			var b []byte
			if err := rows.Scan(&b); err != nil {
				return err
			}
			_, messages, err := record.Read(b)
			for _, m := range messages {
				if len(m.Body) > 0 {
					with++
				} else {
					without++
				}
			}
			return err
		})
		return with, without
	}
	if err := f.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	with, without := payloads()
	if n := len(f.foldedIn()); with != n || n == 0 || without == 0 {
		t.Errorf("%d payloads are in the journal, %d are not; %d messages are folded", with, without, n)
	}
	must(f.ReplayAll(t.Context(), relay.Bulk{Filter: relay.DeliveryFilter{TargetID: "a"}}))(t)
	if after, _ := payloads(); after != len(f.foldedIn()) || after >= with {
		t.Errorf("%d payloads are in the journal after some of %d were thawed, %d messages are folded", after, with, len(f.foldedIn()))
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

// rewrites counts how often a folded row is written anew, or removed.
var rewrites = migration("rewrites", `
CREATE TABLE rewrites (seq INTEGER NOT NULL);
CREATE TRIGGER folded_updated AFTER UPDATE ON folded BEGIN INSERT INTO rewrites VALUES (NEW.seq); END;
CREATE TRIGGER folded_deleted AFTER DELETE ON folded BEGIN INSERT INTO rewrites VALUES (OLD.seq); END;`)

// raw calls scan for each row of a query, and leaves folded what is folded.
func (f *fixture) raw(query string, scan func(*sql.Rows) error) {
	f.t.Helper()
	rows, err := f.Query(f.t.Context(), query)
	if err != nil {
		f.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			f.t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		f.t.Fatal(err)
	}
}

// foldedIn says of each folded message in which row of the journal it is.
func (f *fixture) foldedIn() map[string]int64 {
	f.t.Helper()
	in := map[string]int64{}
	f.raw(`SELECT f.seq, f.outcomes, j.records FROM folded f JOIN journal j USING (seq)`, func(rows *sql.Rows) error {
		var seq int64
		var outcomes, records []byte
		if err := rows.Scan(&seq, &outcomes, &records); err != nil {
			return err
		}
		_, messages, err := record.Read(records)
		if err != nil {
			return err
		}
		known, err := record.ReadOutcomes(outcomes, messages)
		for i := range known {
			if known[i] != nil {
				in[messages[i].ID] = seq
			}
		}
		return err
	})
	return in
}

// withoutReplays is what was there before anything was replayed.
func (r reading) withoutReplays() reading {
	isReplay := func(d relay.Delivery) bool { return d.ReplayOf != "" }
	old := reading{Attempts: map[string][]relay.Attempt{}, Deliveries: slices.DeleteFunc(slices.Clone(r.Deliveries), isReplay)}
	for _, m := range r.Messages {
		m.Deliveries = slices.DeleteFunc(slices.Clone(m.Deliveries), isReplay)
		old.Messages = append(old.Messages, m)
	}
	for _, d := range old.Deliveries {
		old.Attempts[d.ID] = r.Attempts[d.ID]
	}
	return old
}

// rewritten is how often each folded row was written anew or removed so far.
func (f *fixture) rewritten() map[int64]int {
	f.t.Helper()
	times := map[int64]int{}
	f.raw(`SELECT seq FROM rewrites`, func(rows *sql.Rows) error {
		var seq int64
		err := rows.Scan(&seq)
		times[seq]++
		return err
	})
	return times
}

// toThaw says which of the folded messages stay as they are when what a filter selects is replayed, and how many do not of
// each row. It fails the test unless there is enough of both.
func (f *fixture) toThaw(in map[string]int64, selected []relay.Delivery) (stay map[string]int64, thaw map[int64]int) {
	f.t.Helper()
	stay, thaw = maps.Clone(in), map[int64]int{}
	for _, d := range selected {
		if seq, ok := stay[d.MessageID]; ok {
			thaw[seq]++
			delete(stay, d.MessageID)
		}
	}
	if len(thaw) < 2 || slices.Max(slices.Collect(maps.Values(thaw))) < 2 || len(stay) < len(in)/4 {
		f.t.Fatalf("there is little to thaw: %v of rows, %d of %d messages stay", thaw, len(stay), len(in))
	}
	return stay, thaw
}

// TestFolded_BulkThawsEachRowOnce: of a folded row some of whose deliveries are replayed their messages get rows, in one go,
// also a message of which another delivery is not replayed; the row's other messages stay folded, and all of it reads as
// it did.
func TestFolded_BulkThawsEachRowOnce(t *testing.T) {
	t.Parallel()
	f := crowded(t, func(c *relay.Config) { c.Migrations = append(c.Migrations, rewrites) })
	filter := relay.DeliveryFilter{TargetID: "b", State: relay.Done}
	before, selected := f.readAll(200), f.deliveriesOf(filter, 200)
	stay, thaw := f.toThaw(f.foldedIn(), selected)
	if n := len(f.rewritten()); n != 0 {
		t.Fatalf("%d rows were thawed before", n)
	}
	if got := must(f.ReplayAll(t.Context(), relay.Bulk{Filter: filter}))(t); got.Changed != int64(len(selected)) {
		t.Errorf("%d deliveries were replayed, want %d", got.Changed, len(selected))
	}
	times := f.rewritten()
	for seq, n := range times {
		if n != 1 || thaw[seq] == 0 {
			t.Errorf("row %d was written %d times, for %d of its messages", seq, n, thaw[seq])
		}
	}
	if len(times) != len(thaw) {
		t.Errorf("%d rows were written, want %d", len(times), len(thaw))
	}
	if folded := f.foldedIn(); !maps.Equal(folded, stay) {
		t.Errorf("%d messages are folded after that, want the %d of which nothing was replayed", len(folded), len(stay))
	}
	after := f.readAll(200)
	if got, want := after.withoutReplays(), before.withoutReplays(); !reflect.DeepEqual(got, want) {
		t.Errorf("apart from the replays it is\n%+v\nand was\n%+v", got, want)
	}
	if err := f.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := f.readAll(200); !reflect.DeepEqual(got, after) {
		t.Errorf("when everything has rows it is\n%+v\nand was\n%+v", got, after)
	}
	f.balanced()
}
