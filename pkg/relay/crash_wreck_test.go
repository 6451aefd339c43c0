package relay_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

// endsWithin is how long everything that a killed process left undone may take to come to its end, on a machine that is
// busy with something else: leases that run out meanwhile cost their effects another round.
const endsWithin = 3 * time.Minute

// wreck is a database that one process after another has died on, and what they had said of it.
type wreck struct {
	t      *testing.T
	url    string
	engine engine
	lives  []*life // not looked into yet

	answered map[string]map[string]string // by life and key: the message's id
	called   map[string]bool              // deliveries that reached the remote target
	kills    map[string]int               // by point
	open     int                          // appends that were under way
	undone   int64                        // deliveries that were under way, or waited
	leased   int                          // of those on SQLite: taken back
}

// inspect opens what the last lives left, and finds everything in order.
func (w *wreck) inspect() {
	t := w.t
	t.Helper()
	f := &fixture{t: t, engine: w.engine, clock: newClock(), cfg: crashConfig(w.url), quiet: true}
	f.reopen()
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	w.inFlight(f)
	for _, l := range w.lives {
		w.sendAgain(f, l)
	}
	w.finish(f)
	for _, l := range w.lives {
		w.stored(f, l)
	}
	w.lives = nil
	if n := f.number(`SELECT count(*) FROM counters WHERE n <> 1`); n != 0 {
		t.Errorf("%d effects were applied more than once", n)
	}
	if m, e := f.number(`SELECT count(*) FROM messages`), f.number(`SELECT count(*) FROM counters`); m != e {
		t.Errorf("%d messages and %d effects", m, e)
	}
	f.balanced()
}

// inFlight fails the test when the last lives were killed at rest: that would prove nothing.
func (w *wreck) inFlight(f *fixture) {
	stats := must(f.Stats(w.t.Context()))(w.t)
	undone := stats.Deliveries[relay.Pending] + stats.Deliveries[relay.Delivering]
	open := 0
	for _, l := range w.lives {
		for key := range l.begun {
			if _, ok := l.answered[key]; !ok {
				open++
			}
		}
	}
	if open == 0 && undone == 0 {
		w.t.Errorf("%s was killed with nothing in flight", w.lives[0].name)
	}
	w.open, w.undone, w.leased = w.open+open, w.undone+undone, w.leased+f.Recovered()
}

// sendAgain does what senders do that got no answer, and one that did.
func (w *wreck) sendAgain(f *fixture, l *life) {
	again := 0
	for key := range l.begun {
		id, answered := l.answered[key]
		if answered && again >= 10 {
			continue
		}
		if answered {
			again++
		}
		r := f.append(draftOf(w.t, l.name, key))
		if answered && (!r.Duplicate || r.ID != id) {
			w.t.Errorf("%s %s was acknowledged as %s; sent again it is %+v", l.name, key, id, r)
		}
		l.answered[key] = r.ID
	}
}

// draftOf makes the draft of a key again.
func draftOf(t *testing.T, life, key string) relay.Draft {
	t.Helper()
	parts := strings.Split(strings.TrimPrefix(key, "shared-"), "-")
	appender, err := strconv.Atoi(parts[0])
	if err != nil {
		t.Fatal(err)
	}
	i, err := strconv.Atoi(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(key, "shared-") {
		appender *= 2
	}
	return crashDraft(life, appender, i)
}

// finish delivers what is left, and sees to it that none of it is stuck.
func (w *wreck) finish(f *fixture) {
	t := w.t
	t.Helper()
	var mu sync.Mutex
	called := func(id string) {
		mu.Lock()
		defer mu.Unlock()
		w.called[id] = true
	}
	stop := f.run(crashRunners(called))
	deadline := time.Now().Add(endsWithin)
	for {
		stats := must(f.Stats(t.Context()))(t)
		if stats.Deliveries[relay.Done] == 2*stats.Messages {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("not over after %v: %+v", endsWithin, stats)
			f.each(`SELECT d.target_id || ' ' || d.state || ' ' || d.attempts || ' ' || d.last_error || ': ' || count(*) FROM deliveries d
				WHERE d.state <> 'delivered' GROUP BY d.target_id, d.state, d.attempts, d.last_error`, func(line string) { t.Error(line) })
			break
		}
		<-time.After(5 * time.Millisecond)
	}
	stop()
}

// stored compares what a life had acknowledged with what is there of it.
func (w *wreck) stored(f *fixture, l *life) {
	t := w.t
	t.Helper()
	if err := f.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := f.Query(t.Context(), `SELECT id, dedupe_key, body FROM messages WHERE source = ?`, l.name)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := map[string]string{}
	for rows.Next() {
		var id, key string
		var body []byte
		if err := rows.Scan(&id, &key, &body); err != nil {
			t.Fatal(err)
		}
		if other, ok := found[key]; ok {
			t.Errorf("%s %s is there as %s and as %s", l.name, key, other, id)
		}
		if want := draftOf(t, l.name, key).Body; !bytes.Equal(body, want) {
			t.Errorf("%s %s: the body is %q, want %q", l.name, key, body, want)
		}
		found[key] = id
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(found, l.answered) { // what was not acknowledged has been sent again by now
		t.Errorf("%s: %d messages are there, %d were acknowledged, and they differ", l.name, len(found), len(l.answered))
	}
	w.answered[l.name] = l.answered
	for _, id := range l.called {
		w.called[id] = true
	}
}

// recount looks at everything once more: nothing that was in order has changed since.
func (w *wreck) recount() {
	t := w.t
	t.Helper()
	f := &fixture{t: t, engine: w.engine, clock: newClock(), cfg: crashConfig(w.url), quiet: true}
	f.reopen()
	defer f.Close()
	for name, answered := range w.answered {
		w.stored(f, &life{name: name, answered: answered})
	}
	seen := 0
	f.each(`SELECT id FROM deliveries WHERE target_id = 'remote' AND state = 'delivered'`, func(id string) {
		if seen++; !w.called[id] {
			t.Errorf("%s is delivered, and its target was never called", id)
		}
	})
	if n := must(f.Stats(t.Context()))(t).Messages; int64(seen) != n {
		t.Errorf("%d remote deliveries of %d messages", seen, n)
	}
	if n := f.number(`SELECT count(*) FROM trail a JOIN trail b ON b.key = a.key AND b.n = a.n + 1
		JOIN messages m ON m.id = a.message_id JOIN messages o ON o.id = b.message_id WHERE o.seq <= m.seq`); n != 0 {
		t.Errorf("%d effects took place before an earlier one of their ordering key", n)
	}
	if n := f.number(`SELECT count(*) FROM trail`); n == 0 {
		t.Error("no message had an ordering key: this test proved less than it says")
	}
}

func (w *wreck) report() string {
	var b strings.Builder
	total, messages := 0, 0
	for _, answered := range w.answered {
		messages += len(answered)
	}
	for _, point := range slices.Sorted(maps.Keys(w.kills)) {
		total += w.kills[point]
		fmt.Fprintf(&b, "\n  %4d %s", w.kills[point], point)
	}
	return fmt.Sprintf("%s: %d kills with %d appends and %d deliveries in flight (%d under a lease that was taken back), %d messages%s",
		w.engine, total, w.open, w.undone, w.leased, messages, b.String())
}
