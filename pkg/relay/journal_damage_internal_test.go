package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// wrecked is a store in whose journal wait ten rows of a message each, of which the eighth is damaged on disk.
type wrecked struct {
	*Store
	t    *testing.T
	file *sql.DB
	row  []byte    // as it was
	seq  int64     // the row's
	all  []Receipt // of the messages
	lost int       // which of them is damaged
}

const wreckedRows = 10

func noise(n int) []byte { // cannot be packed
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func wreckedDraft(i int) Draft {
	return Draft{Source: "s", Type: "t", DedupeKey: fmt.Sprint("key ", i), Body: noise(journalRow - 1000 + i), Targets: []string{"a"}}
}

func wreck(t *testing.T) *wrecked {
	t.Helper()
	s := offering(t, journalOnly)
	s.wake.offers.set(nil, map[string]int{"a": 8}) // there is somebody, who has no room: all stay in the journal
	w := &wrecked{Store: s, t: t, lost: 7}
	for i := range wreckedRows {
		got, err := s.Append(t.Context(), wreckedDraft(i))
		if err != nil {
			t.Fatal(err)
		}
		w.all = append(w.all, got[0])
	}
	var err error
	if w.file, err = sql.Open("sqlite", dsn(strings.TrimPrefix(s.cfg.URL, "sqlite:"), "busy_timeout(5000)")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.file.Close() })
	err = w.file.QueryRowContext(t.Context(), `SELECT seq, records FROM journal ORDER BY seq LIMIT 1 OFFSET ?`, w.lost).Scan(&w.seq, &w.row)
	if err != nil {
		t.Fatal(err)
	}
	w.write(w.row[:len(w.row)/2])
	return w
}

// write writes the row past the store.
func (w *wrecked) write(row []byte) {
	w.t.Helper()
	if _, err := w.file.ExecContext(w.t.Context(), `UPDATE journal SET records = ? WHERE seq = ?`, row, w.seq); err != nil {
		w.t.Fatal(err)
	}
}

// named fails the test unless an error names the row.
func (w *wrecked) named(what string, err error) {
	w.t.Helper()
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("row %d of the journal", w.seq)) || !strings.Contains(err.Error(), "damaged") ||
		errors.Is(err, ErrNotFound) {
		w.t.Errorf("%s: %v", what, err)
	}
}

func (w *wrecked) dispatch(applied func(id string)) (told func() []string, stop func()) {
	var mu sync.Mutex
	var lines []string
	d := NewDispatcher(w.Store, DispatcherConfig{
		Poll: 10 * time.Millisecond,
		Resolver: everything{Effect(func(_ context.Context, _ Tx, job Job) Outcome {
			applied(job.Message.ID)
			return Delivered("")
		})},
		Log: func(what string, err error) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, fmt.Sprintf("%s: %v", what, err))
		},
	})
	d.Start()
	told = func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(lines)
	}
	return told, func() { _ = d.Stop(context.Background()) }
}

// TestJournal_ADamagedRowFailsNoCommit that claims what waits because the dispatcher has room.
func TestJournal_ADamagedRowFailsNoCommit(t *testing.T) {
	t.Parallel()
	w := wreck(t)
	w.wake.offers.set(map[string]int{"a": 100}, map[string]int{"a": 8})
	for range 3 {
		if err := w.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if got, err := w.Append(t.Context(), wreckedDraft(wreckedRows)); err != nil || got[0].Duplicate {
		t.Errorf("an append: %+v, %v", got, err)
	}
	claimed := map[string]bool{}
	for _, b := range w.wake.offers.collect() {
		claimed[b.job.Message.ID] = true
	}
	for i, r := range w.all {
		if claimed[r.ID] != (i != w.lost) {
			t.Errorf("message %d was claimed: %v", i, claimed[r.ID])
		}
	}
	w.named("the report", errors.Join(w.engine.log().report()...))
}

// TestJournal_ADamagedRowHoldsUpNothingElse: appends go on, all else is delivered, and whoever may miss what is in the row
// is told which one it is; no store opens with it, and one that has it back delivers it.
func TestJournal_ADamagedRowHoldsUpNothingElse(t *testing.T) {
	t.Parallel()
	w := wreck(t)
	if err := w.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	var none sync.Map
	told, stop := w.dispatch(func(id string) { none.Store(id, true) })
	waitFor(t, "all else is delivered", func() bool { return delivered(t, w.Store) == wreckedRows-1 })
	waitFor(t, "it is told", func() bool { return len(told()) > 0 })
	w.acceptsOthers()
	waitFor(t, "what is new is delivered", func() bool { return delivered(t, w.Store) == wreckedRows+1 })
	w.tells()
	stop()
	if lines := told(); len(lines) != 1 {
		t.Errorf("told %q", lines)
	} else {
		w.named("the log", errors.New(lines[0]))
	}
	if _, done := none.Load(w.all[w.lost].ID); done {
		t.Error("an effect of what cannot be read")
	}
	w.restored()
}

// acceptsOthers appends through the journal and past it, and the damaged message once more.
func (w *wrecked) acceptsOthers() {
	t := w.t
	t.Helper()
	for i := range 2 {
		if got, err := w.Append(t.Context(), wreckedDraft(wreckedRows+i)); err != nil || got[0].Duplicate {
			t.Errorf("something new: %+v, %v", got, err)
		}
	}
	for i := range wreckedRows {
		got, err := w.Append(t.Context(), wreckedDraft(i))
		if i == w.lost {
			w.named("a duplicate of what cannot be read", err)
		} else if err != nil || !got[0].Duplicate || got[0].ID != w.all[i].ID {
			t.Errorf("duplicate %d: %+v, %v", i, got, err)
		}
	}
	w.named("its id again", func() error {
		_, err := w.Append(t.Context(), Draft{ID: w.all[w.lost].ID, Source: "s", Type: "t"})
		return err
	}())
	if _, err := w.Append(t.Context(), Draft{ID: NewMessageID(time.Now().Add(time.Minute)), Source: "s", Type: "t"}); err != nil {
		t.Errorf("an id that is newer: %v", err)
	}
}

// tells asks for what is there and what is not to be read.
func (w *wrecked) tells() {
	t := w.t
	t.Helper()
	for i, r := range w.all {
		m, err := w.Message(t.Context(), r.ID)
		if i == w.lost {
			w.named("a message that cannot be read", err)
		} else if err != nil || len(m.Deliveries) != 1 {
			t.Errorf("message %d: %v", i, err)
		}
	}
	_, _, err := w.Delivery(t.Context(), deliveryPrefix+"x")
	w.named("a delivery that is nowhere else", err)
	w.named("to cancel it", w.Cancel(t.Context(), deliveryPrefix+"x"))
	if items, _, err := w.Messages(t.Context(), MessageFilter{}, Page{}); err != nil || len(items) != wreckedRows+2 {
		t.Errorf("a list of %d messages, %v", len(items), err)
	}
	stats, err := w.Stats(t.Context())
	if err != nil || stats.Messages != wreckedRows+3 || stats.Deliveries[Pending] != 1 || stats.Deliveries[Done] != wreckedRows+1 {
		t.Errorf("totals %+v (%v)", stats, err)
	}
}

// restored opens the store again, at first with the damaged row.
func (w *wrecked) restored() {
	t := w.t
	t.Helper()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := Config{URL: w.cfg.URL}
	s, err := Open(t.Context(), cfg)
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	w.named("opening", err)
	w.write(w.row)
	if w.Store, err = Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	_, stop := w.dispatch(func(string) {})
	defer stop()
	waitFor(t, "it is delivered", func() bool { return delivered(t, w.Store) == wreckedRows+2 })
	if m, err := w.Message(t.Context(), w.all[w.lost].ID); err != nil || m.Deliveries[0].State != Done {
		t.Errorf("restored: %+v, %v", m.Deliveries, err)
	}
	stats, err := w.Stats(t.Context())
	if err != nil || stats.Messages != wreckedRows+3 || stats.Deliveries[Pending] != 0 {
		t.Errorf("totals %+v (%v)", stats, err)
	}
}

// TestJournal_ADamagedRowIsFoundByWhoeverComesFirst: not only by the dispatcher having room.
func TestJournal_ADamagedRowIsFoundByWhoeverComesFirst(t *testing.T) {
	t.Parallel()
	for name, find := range map[string]func(*wrecked) error{
		"a reader":    func(w *wrecked) error { _, err := w.Message(t.Context(), w.all[w.lost].ID); return err },
		"a duplicate": func(w *wrecked) error { _, err := w.Append(t.Context(), wreckedDraft(w.lost)); return err },
		"an id": func(w *wrecked) error {
			_, err := w.Append(t.Context(), Draft{ID: w.all[w.lost].ID, Source: "s", Type: "t"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := wreck(t)
			w.named("first", find(w))
			w.named("then", find(w))
			for i, r := range w.all {
				if _, err := w.Message(t.Context(), r.ID); i != w.lost && err != nil {
					t.Errorf("message %d: %v", i, err)
				}
			}
			if _, err := w.Append(t.Context(), wreckedDraft(wreckedRows)); err != nil {
				t.Errorf("something new: %v", err)
			}
		})
	}
}
