package relay_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

// crowd appends from so many callers at once, n messages each.
func (f *fixture) crowd(callers, n int, draft func(caller, i int) relay.Draft) []relay.Receipt {
	f.t.Helper()
	all := make([]relay.Receipt, callers*n)
	var running sync.WaitGroup
	for c := range callers {
		running.Go(func() {
			for i := range n {
				got, err := f.Append(context.Background(), draft(c, i))
				if err != nil {
					f.t.Error(err)
					return
				}
				all[c*n+i] = got[0]
			}
		})
	}
	running.Wait()
	return all
}

// TestJournal_SurvivesReopening: what was accepted and has no rows yet is there after the store was closed, once, and its
// keys still count.
func TestJournal_SurvivesReopening(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
	f.target("a")
	draft := func(c, i int) relay.Draft {
		return relay.Draft{Source: "s", Type: "t", DedupeKey: fmt.Sprintf("%d-%d", c, i), Body: []byte("body"), Targets: []string{"a", "b"}}
	}
	first := f.crowd(32, 50, draft)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	again := f.crowd(32, 50, draft)
	for i := range first {
		if first[i].Duplicate || !again[i].Duplicate || again[i].ID != first[i].ID {
			t.Fatalf("message %d was %+v, and then %+v", i, first[i], again[i])
		}
	}
	stats := must(f.Stats(t.Context()))(t)
	if stats.Messages != 1600 || stats.Deliveries[relay.Pending] != 3200 {
		t.Errorf("stats after reopening: %+v", stats)
	}
	f.balanced()
	m := must(f.Message(t.Context(), first[7].ID))(t)
	if string(m.Body) != "body" || len(m.Deliveries) != 2 {
		t.Errorf("a message came back as %+v", m)
	}
}

// TestJournal_OneOfManyDuplicates: among callers with one key exactly one is first, whether the others come in the same
// commit, while the first is in the journal, or after its rows were made.
func TestJournal_OneOfManyDuplicates(t *testing.T) {
	t.Parallel()
	f := open(t, journaled)
	keys := 40
	all := f.crowd(16, keys, func(_, i int) relay.Draft {
		return relay.Draft{Source: "s", Type: "t", DedupeKey: fmt.Sprint("key ", i)}
	})
	firsts, ids := map[int]int{}, map[int]string{}
	for n, r := range all {
		if !r.Duplicate {
			firsts[n%keys]++
			ids[n%keys] = r.ID
		}
	}
	for n, r := range all {
		if k := n % keys; firsts[k] != 1 || r.ID != ids[k] {
			t.Fatalf("key %d has %d firsts; %+v, want id %s", k, firsts[k], r, ids[k])
		}
	}
	f.balanced()
}

// TestJournal_RefusesATakenID, wherever the message is that has it, and nothing else of its commit.
func TestJournal_RefusesATakenID(t *testing.T) {
	t.Parallel()
	f := open(t, journaled)
	id := relay.NewMessageID(time.Now())
	var refused atomic.Int64
	var running sync.WaitGroup
	for range 16 {
		running.Go(func() {
			_, err := f.Append(context.Background(), relay.Draft{ID: id, Source: "s", Type: "t"})
			if err != nil {
				refused.Add(1)
			}
			if _, err := f.Append(context.Background(), relay.Draft{Source: "s", Type: "t"}); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	if refused.Load() != 15 {
		t.Errorf("%d of 16 were refused", refused.Load())
	}
	f.balanced()
	if _, err := f.Append(t.Context(), relay.Draft{ID: id, Source: "s", Type: "t"}); err == nil {
		t.Error("an id was taken twice")
	}
	if stats := must(f.Stats(t.Context()))(t); stats.Messages != 17 {
		t.Errorf("%d messages, want 17", stats.Messages)
	}
}

// TestJournal_WhatWasAcceptedIsSeen: from the moment that a caller has his answer, everybody finds his message.
func TestJournal_WhatWasAcceptedIsSeen(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
	f.target("a")
	f.dispatch(runners{"a": relay.Effect(counting)})
	var acknowledged atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for range 32 {
		callers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				got, err := f.Append(context.Background(), relay.Draft{
					Source: "s", Type: "t", Body: []byte("counter"), Targets: []string{"a", "nobody"},
				})
				if err != nil {
					t.Error(err)
					return
				}
				acknowledged.Add(1)
				if n%50 != 0 {
					continue
				}
				if m, err := f.Message(context.Background(), got[0].ID); err != nil || len(m.Deliveries) != 2 {
					t.Errorf("%s is not found: %v", got[0].ID, err)
				}
			}
		})
	}
	for acknowledged.Load() < 2000 {
		sure := acknowledged.Load()
		stats := must(f.Stats(t.Context()))(t)
		var deliveries int64
		for _, n := range stats.Deliveries {
			deliveries += n
		}
		if stats.Messages < sure || deliveries != 2*stats.Messages {
			t.Errorf("%d were acknowledged; stats: %+v", sure, stats)
		}
	}
	cancel()
	callers.Wait()
	eventually(t, "all is applied", func() bool {
		return must(f.Stats(t.Context()))(t).Deliveries[relay.Done] == acknowledged.Load()
	})
	f.balanced()
	if n := f.count("counter"); int64(n) != acknowledged.Load() {
		t.Errorf("%d effects for %d messages", n, acknowledged.Load())
	}
}

// refusing makes the rows of deliveries fail while it is switched on.
const refusing = `CREATE TRIGGER refuse BEFORE INSERT ON deliveries WHEN (SELECT on_completion FROM fault) = 2
  BEGIN SELECT RAISE(FAIL, 'fault: no rows'); END;`

// TestJournal_KeepsWhatCannotBeUnfolded: what was accepted stays in the journal until its rows can be made, and can be read
// there by its id.
func TestJournal_KeepsWhatCannotBeUnfolded(t *testing.T) {
	t.Parallel()
	f := open(t, journaled, func(c *relay.Config) { c.Migrations = append(c.Migrations, migration("refusing", refusing)) })
	f.target("a")
	f.exec(`UPDATE fault SET on_completion = 2`)
	all := f.crowd(8, 10, func(c, i int) relay.Draft {
		return relay.Draft{Source: "s", Type: "t", DedupeKey: fmt.Sprint(c, i), Targets: []string{"a"}}
	})
	if err := f.Settled(t.Context()); err == nil || !strings.Contains(err.Error(), "fault: no rows") {
		t.Errorf("rows can be made: %v", err)
	}
	for _, r := range all {
		if d := f.only(r.ID); d.State != relay.Pending || d.TargetID != "a" {
			t.Errorf("while its rows cannot be made: %+v", d)
		}
	}
	if stats := must(f.Stats(t.Context()))(t); stats.Messages != 80 {
		t.Errorf("stats: %+v", stats)
	}
	f.exec(`UPDATE fault SET on_completion = 0`)
	eventually(t, "the rows are there", func() bool { return f.Settled(context.Background()) == nil })
	f.balanced()
}

// TestJournal_DamageIsAnError: a row that cannot be read stops the store from opening, rather than being left out.
func TestJournal_DamageIsAnError(t *testing.T) {
	t.Parallel()
	f := newFixture(t, sqlite, sqlite.url(t), func(c *relay.Config) {
		c.Migrations = append(c.Migrations, migration("damage", `INSERT INTO journal (seq, records) VALUES (7, x'01ff')`))
	})
	s, err := relay.Open(t.Context(), f.cfg)
	if err == nil {
		err = errors.Join(errors.New("it was opened"), s.Close())
	}
	if !strings.Contains(err.Error(), "row 7 of the journal: a row of the journal is damaged") {
		t.Error(err)
	}
}

// TestJournal_MarksWhatIsNotMerged: keys that are in memory only are marked, so that the next process finds them by their
// messages (the kills under load rest on it), and nothing is marked when there are none.
func TestJournal_MarksWhatIsNotMerged(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
	merged := func() int { return f.number(`SELECT merged FROM journal_keys`) }
	f.append(relay.Draft{DedupeKey: "alone"})
	if n := merged(); n != math.MaxInt64 {
		t.Errorf("a message that went past the journal left the mark at %d", n)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	relay.Journaled(&f.cfg)
	f.reopen()
	f.crowd(16, 20, func(c, i int) relay.Draft {
		return relay.Draft{Source: "s", Type: "t", DedupeKey: fmt.Sprint(c, "-", i)}
	})
	eventually(t, "all keys are merged", func() bool {
		return merged() == math.MaxInt64 && f.number(`SELECT count(*) FROM dedupe_keys`) == 321
	})
}
