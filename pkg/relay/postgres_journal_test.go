package relay_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/signet/pkg/relay"
)

// quickLocks lets a store give up soon on what another transaction has locked.
func quickLocks(c *relay.Config) { c.EffectTimeout = 100 * time.Millisecond }

// withoutRows keeps everybody from making the rows of messages, until it is told to let go.
func (f *fixture) withoutRows() (release func()) {
	f.t.Helper()
	return f.lock(`LOCK TABLE messages IN SHARE ROW EXCLUSIVE MODE`)
}

// lock takes a lock past the store, until it is told to let go.
func (f *fixture) lock(statement string) (release func()) {
	f.t.Helper()
	conn, err := pgx.Connect(context.Background(), f.cfg.URL)
	if err == nil {
		_, err = conn.Exec(context.Background(), `BEGIN; `+statement)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return sync.OnceFunc(func() { _ = conn.Close(context.Background()) })
}

// keyed has so many callers append at once, each with a key of its own, and answers their messages' ids.
func (f *fixture) keyed(n int, name string) (ids []string) {
	f.t.Helper()
	for _, r := range f.crowd(n, 1, func(i, _ int) relay.Draft {
		return relay.Draft{Source: "s", Type: "t", DedupeKey: fmt.Sprint(name, i), Body: fmt.Append(nil, name, i), Targets: []string{"a"}}
	}) {
		ids = append(ids, r.ID)
	}
	return ids
}

// TestPostgresJournal_CountsAtOnceAndIsSeen: what a crowd appends while no rows can be made is accepted, counted, and known
// by its keys; who reads it waits; it is delivered once its rows can be made.
func TestPostgresJournal_CountsAtOnceAndIsSeen(t *testing.T) {
	t.Parallel()
	f := open(t, postgresJournaled, quickLocks)
	f.target("a")
	seen := f.dispatch(runners{"a": answer(relay.Delivered(""))})
	release := f.withoutRows()
	defer release()
	ids := f.keyed(100, "x")
	if s := must(f.Stats(t.Context()))(t); s.Messages != 100 || s.Deliveries[relay.Pending] != 100 {
		t.Errorf("stats say %+v", s)
	}
	if r := f.append(relay.Draft{Source: "s", DedupeKey: "x7"}); !r.Duplicate || r.ID != ids[7] {
		t.Errorf("the same again: %+v, want %s", r, ids[7])
	}
	if _, err := f.Message(t.Context(), ids[0]); !errors.Is(err, relay.ErrUnavailable) {
		t.Errorf("a message whose row cannot be made: %v", err)
	}
	if _, err := f.Message(t.Context(), relay.NewMessageID(f.clock.Now())); !errors.Is(err, relay.ErrUnavailable) {
		t.Errorf("an id that may be in the journal: %v", err)
	}
	release()
	for _, id := range ids {
		if m := must(f.Message(t.Context(), id))(t); !strings.HasPrefix(string(m.Body), "x") || len(m.Deliveries) != 1 {
			t.Errorf("%+v", m)
		}
	}
	for range ids {
		next(t, seen)
	}
	f.balanced()
}

// TestPostgresJournal_IsEverybodys: what one process leaves in the journal another one deals with.
func TestPostgresJournal_IsEverybodys(t *testing.T) {
	t.Parallel()
	f := open(t, postgresJournaled, quickLocks)
	f.target("a")
	release := f.withoutRows()
	defer release()
	ids := f.keyed(100, "x")
	g := f.beside()
	seen := g.dispatch(runners{"a": answer(relay.Delivered(""))})
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	release()
	for range ids {
		next(t, seen)
	}
	if n := g.number(`SELECT count(*) FROM journal`); n != 0 {
		t.Errorf("%d rows are left in the journal", n)
	}
	g.balanced()
}

// TestPostgresJournal_TwoMakeRowsAtOnce: several processes append in crowds and read, so that all of them take rows out of
// the journal at the same time. Each message is there once, and delivered once.
func TestPostgresJournal_TwoMakeRowsAtOnce(t *testing.T) {
	t.Parallel()
	f := open(t, postgresJournaled)
	f.target("a")
	seen := f.dispatch(runners{"a": answer(relay.Delivered(""))})
	stores := []*fixture{f, f.beside(), f.beside()}
	var all sync.WaitGroup
	for i, s := range stores {
		all.Go(func() {
			for round := range 4 {
				for _, id := range s.keyed(50, fmt.Sprintf("%d-%d-", i, round)) {
					if m, err := stores[(i+1)%3].Message(context.Background(), id); err != nil || m.ID != id {
						t.Errorf("%s, appended elsewhere: %v", id, err)
					}
				}
			}
		})
	}
	all.Wait()
	for range 600 {
		next(t, seen)
	}
	if n := f.number(`SELECT count(*) FROM attempts`); n != 600 {
		t.Errorf("%d attempts, want 600", n)
	}
	f.balanced()
}

// TestPostgresJournal_KeysOfACrowd: many callers bring few keys, some in one call and some at once, with and without
// duplicates just before. Each key has one message.
func TestPostgresJournal_KeysOfACrowd(t *testing.T) {
	t.Parallel()
	f := open(t, postgresJournaled)
	f.target("a")
	var mu sync.Mutex
	first, accepted := map[string]string{}, map[string]int{}
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			var drafts []relay.Draft
			for k := range 3 {
				drafts = append(drafts, relay.Draft{Source: "s", Type: "t", DedupeKey: fmt.Sprint((i + k*k) % 40), Targets: []string{"a"}})
			}
			receipts, err := f.Append(context.Background(), append(drafts, relay.Draft{Source: "s", Type: "t"}, drafts[0])...)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for k, d := range drafts {
				if id := first[d.DedupeKey]; id != "" && id != receipts[k].ID {
					t.Errorf("key %s has the messages %s and %s", d.DedupeKey, id, receipts[k].ID)
				}
				if first[d.DedupeKey] = receipts[k].ID; !receipts[k].Duplicate {
					accepted[d.DedupeKey]++
				}
			}
			if last := receipts[4]; !last.Duplicate || last.ID != receipts[0].ID || receipts[3].Duplicate {
				t.Errorf("of one call: %+v", receipts)
			}
		})
	}
	all.Wait()
	for key, n := range accepted {
		if n != 1 {
			t.Errorf("key %s was accepted %d times", key, n)
		}
	}
	if n := f.number(`SELECT count(*) FROM messages`); n != 40+200 || len(accepted) != 40 {
		t.Errorf("%d messages, want 240; %d keys", n, len(accepted))
	}
	f.balanced()
}

// TestPostgresJournal_DamageStaysAlone: a row of the journal that cannot be read holds up no other. It is told to the log
// and to whoever asks for what is nowhere else, and stays as it is.
func TestPostgresJournal_DamageStaysAlone(t *testing.T) {
	t.Parallel()
	f := open(t, postgresJournaled, quickLocks)
	f.target("a")
	release := f.withoutRows()
	defer release()
	ids := append(f.keyed(1, "x"), f.keyed(30, "y")...)
	execute(t, f.cfg.URL, `UPDATE journal SET records = substr(records, 1, 20) WHERE seq = (SELECT min(seq) FROM journal)`)
	told := make(chan error, 16)
	d := relay.NewDispatcher(f.Store, relay.DispatcherConfig{
		Resolver: runners{"a": answer(relay.Delivered(""))}, Poll: 20 * time.Millisecond, Log: func(_ string, err error) { told <- err },
	})
	d.Start()
	defer f.stop(d)
	release()
	for _, id := range ids[1:] {
		if m := must(f.Message(t.Context(), id))(t); m.ID != id {
			t.Errorf("%+v", m)
		}
	}
	_, err := f.Message(t.Context(), ids[0])
	if err == nil || errors.Is(err, relay.ErrNotFound) || errors.Is(err, relay.ErrUnavailable) || !strings.Contains(err.Error(), "row 1 of the journal") {
		t.Errorf("what is in the damaged row: %v", err)
	}
	f.logged(told, "row 1 of the journal")
	if n := f.number(`SELECT count(*) FROM journal WHERE damage <> ''`); n != 1 {
		t.Errorf("%d rows of the journal are set aside, want 1", n)
	}
	if r := f.append(relay.Draft{Source: "s", DedupeKey: "x0"}); !r.Duplicate {
		t.Errorf("what is in the damaged row was accepted again: %+v", r)
	}
}

// TestPostgresJournal_WhatOthersAreAtCounts: while another process has what waits in the journal, it is still known to wait.
func TestPostgresJournal_WhatOthersAreAtCounts(t *testing.T) {
	t.Parallel()
	f := open(t, postgresJournaled, quickLocks)
	release := f.withoutRows()
	defer release()
	ids := f.keyed(30, "x")
	let := f.lock(`SELECT seq FROM journal FOR UPDATE`)
	defer let()
	g := f.beside()
	release()
	for _, s := range []*fixture{f, g} {
		eventually(t, "it is known how many wait", func() bool { return s.Staged() == 30 })
	}
	for _, s := range []*fixture{f, g} { // for a reader they look again and again
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if _, err := s.Message(ctx, ids[0]); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("what another process is at: %v", err)
		}
		cancel()
	}
	if f.Staged() != 30 || g.Staged() != 30 {
		t.Errorf("%d and %d are thought to wait, want 30", f.Staged(), g.Staged())
	}
	let()
	if n := g.number(`SELECT count(*) FROM messages`); n != 30 {
		t.Errorf("%d messages, want 30", n)
	}
}

// TestPostgresJournal_BatchesAreBounded: messages to many targets do not come in one transaction.
func TestPostgresJournal_BatchesAreBounded(t *testing.T) {
	t.Parallel()
	var batches atomic.Int64
	f := open(t, postgresJournaled, quickLocks, func(c *relay.Config) {
		*c = relay.WithPoints(*c, func(point string) {
			if point == relay.AfterRows {
				batches.Add(1)
			}
		})
	})
	release := f.withoutRows()
	defer release()
	targets := make([]string, 100)
	for i := range targets {
		targets[i] = fmt.Sprint(i)
	}
	f.crowd(30, 10, func(int, int) relay.Draft { return relay.Draft{Source: "s", Type: "t", Targets: targets} })
	release()
	if n := f.number(`SELECT count(*) FROM deliveries`); n != 30_000 {
		t.Errorf("%d deliveries, want 30000", n)
	}
	if n := batches.Load(); n < 30_000/(2048+4096) {
		t.Errorf("30000 deliveries were made in %d transactions", n)
	}
	f.balanced()
}

// TestPostgresJournal_ATakenIDCostsNobody: a caller chooses the id of a message that is in the journal. All that were accepted
// are there in the end, and the log is told which one has a new id.
func TestPostgresJournal_ATakenIDCostsNobody(t *testing.T) {
	t.Parallel()
	f := open(t, postgresJournaled, quickLocks)
	f.target("a")
	release := f.withoutRows()
	defer release()
	ids := f.keyed(30, "x")
	let := f.lock(`SELECT seq FROM journal FOR UPDATE`) // as another process has it that makes its rows
	defer let()
	release()
	f.append(relay.Draft{ID: ids[7], Type: "mine"})
	told := make(chan error, 16)
	d := relay.NewDispatcher(f.Store, relay.DispatcherConfig{
		Resolver: runners{"a": answer(relay.Delivered(""))}, Poll: 20 * time.Millisecond, Log: func(_ string, err error) { told <- err },
	})
	d.Start()
	defer f.stop(d)
	let()
	for _, id := range ids {
		want := "t"
		if id == ids[7] {
			want = "mine"
		}
		if m := must(f.Message(t.Context(), id))(t); m.Type != want {
			t.Errorf("%s is %+v", id, m)
		}
	}
	if n := f.number(`SELECT count(*) FROM messages WHERE dedupe_key = 'x7' AND id <> '` + ids[7] + `'`); n != 1 {
		t.Errorf("%d messages with the key x7 and a new id, want 1", n)
	}
	f.logged(told, ids[7])
	f.balanced()
}

// logged waits until the log is told of something.
func (f *fixture) logged(told <-chan error, what string) {
	f.t.Helper()
	eventually(f.t, "the log is told", func() bool {
		select {
		case err := <-told:
			return strings.Contains(err.Error(), what)
		default:
			f.clock.advance(time.Second) // it is told at a poll
			return false
		}
	})
}
