package relay_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/relay/relaytest"
)

// load is senders that append until they are stopped, and ask again with the same key when they are told to.
type load struct {
	f       *fixture
	source  string
	targets []string
	stopped atomic.Bool
	running sync.WaitGroup

	accepted, refused atomic.Int64
	slowest           atomic.Int64 // append, in nanoseconds

	mu   sync.Mutex
	ids  map[string]string // of what was acknowledged, by key
	last error             // that an append was refused with
}

var loads atomic.Int64

func (f *fixture) load(senders int, targets ...string) *load {
	l := &load{f: f, source: fmt.Sprint("load-", loads.Add(1)), targets: targets, ids: map[string]string{}}
	for w := range senders {
		l.running.Go(func() {
			for i := 0; !l.stopped.Load(); i++ {
				l.send(fmt.Sprintf("%d-%d", w, i))
				<-time.After(2 * time.Millisecond) // a small disk has to hold all of it
			}
		})
	}
	return l
}

// send appends one message, as often as it takes.
func (l *load) send(key string) {
	draft := relay.Draft{Source: l.source, Type: "t", DedupeKey: key, Body: []byte(l.source + " " + key), Targets: l.targets}
	for {
		began := time.Now()
		got, err := l.f.Append(context.Background(), draft)
		took := time.Since(began).Nanoseconds()
		for slowest := l.slowest.Load(); took > slowest && !l.slowest.CompareAndSwap(slowest, took); slowest = l.slowest.Load() {
			continue
		}
		l.mu.Lock()
		if err == nil {
			l.accepted.Add(1)
			l.ids[key] = got[0].ID
			l.mu.Unlock()
			return
		}
		l.refused.Add(1)
		l.last = err
		l.mu.Unlock()
		if !errors.Is(err, relay.ErrUnavailable) {
			l.f.t.Errorf("an append answered %v", err)
		}
		if l.stopped.Load() {
			return
		}
		<-time.After(5 * time.Millisecond) // what the edge asks for is a second
	}
}

// more waits until so many more appends were accepted.
func (l *load) more(n int64) {
	l.f.t.Helper()
	from := l.accepted.Load()
	eventually(l.f.t, fmt.Sprintf("%d appends are accepted", n), func() bool { return l.accepted.Load() >= from+n })
}

// fails waits until appends are refused and none is accepted any more, and answers why.
func (l *load) fails() error {
	l.f.t.Helper()
	refused := l.refused.Load()
	eventually(l.f.t, "appends are refused", func() bool { return l.refused.Load() > refused })
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// stop ends the load and compares what was acknowledged with what is there; each is there once, and nothing else is.
// Those that were given up on without an answer to a commit may be there.
func (l *load) stop() {
	l.stopped.Store(true)
	l.running.Wait()
}

// complete finds each acknowledged message once, and nothing that a sender was not told of in the end.
func (l *load) complete() {
	t := l.f.t
	t.Helper()
	found := map[string]bool{}
	l.f.each(`SELECT id FROM messages WHERE source = '`+l.source+`'`, func(id string) { found[id] = true })
	for key, id := range l.ids {
		if !found[id] {
			t.Errorf("%s was acknowledged and is not there", key)
		}
	}
	if n := l.f.number(`SELECT count(*) - count(DISTINCT dedupe_key) FROM messages WHERE source = '` + l.source + `'`); n != 0 {
		t.Errorf("%d messages are there twice", n)
	}
}

// settled waits until everything is delivered, and finds each effect once.
func (l *load) settled() {
	t := l.f.t
	t.Helper()
	deadline := time.Now().Add(endsWithin)
	for {
		stats := must(l.f.Stats(t.Context()))(t)
		if stats.Deliveries[relay.Done] == stats.Messages*int64(len(l.targets)) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not delivered after %v: %+v", endsWithin, stats)
		}
		<-time.After(5 * time.Millisecond)
	}
	if n := l.f.number(`SELECT count(*) FROM counters WHERE n <> 1`); n != 0 {
		t.Errorf("%d effects took place more than once", n)
	}
	if m, e := l.f.number(`SELECT count(*) FROM messages`), l.f.number(`SELECT count(*) FROM counters`); m != e {
		t.Errorf("%d messages and %d effects", m, e)
	}
	l.f.balanced()
}

// live is a store with the time as it is, whose leases run out soon.
func live(c *relay.Config) {
	c.Now, c.Migrations, c.Lease, c.EffectTimeout, c.AppendWait = nil, []relay.Migrations{ledger}, 2*time.Second, time.Second, 2*time.Second
	c.Schedule = relay.Schedule{0, 0, 100 * time.Millisecond, time.Second, time.Second, time.Second, time.Second, time.Second}
	for range 60 {
		c.Schedule = append(c.Schedule, time.Second)
	}
}

// TestStore_FileFaultsAreUnavailableAndHeal: while the file cannot be written appends fail with an error that names it
// and says why, and so does Ping; what was acknowledged can be read by its id; when the fault is gone all goes on by itself.
func TestStore_FileFaultsAreUnavailableAndHeal(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		make func(t *testing.T) (dir string, begin, end func())
		says string
	}{
		"disk full": {func(t *testing.T) (string, func(), func()) {
			disk := relaytest.SmallDisk(t, "64m")
			return disk.Dir, disk.Fill, disk.Clear
		}, "full"},
		"read-only": {func(t *testing.T) (string, func(), func()) {
			dir := t.TempDir()
			var undo func()
			begin := func() {
				file := filepath.Join(dir, "faulty.db")
				undo = relaytest.Immutable(t, file, file+"-wal")
			}
			return dir, begin, func() { undo() }
		}, "faulty.db"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, begin, end := tt.make(t)
			f := newFixture(t, sqlite, "sqlite:"+filepath.Join(dir, "faulty.db"), live)
			f.quiet = true
			f.reopen()
			defer f.Close()
			f.target("effect", "remote")
			l := f.load(8, "effect", "remote")
			defer l.stop()
			defer f.run(runners{"effect": relay.Effect(counting), "remote": answer(relay.Delivered(""))})()
			for range 2 {
				l.more(50)
				begin()
				err := l.fails()
				if text := err.Error(); !strings.Contains(text, "faulty.db") || !strings.Contains(text, tt.says) {
					t.Errorf("the error does not tell: %v", err)
				}
				eventually(t, "Ping tells", func() bool { return errors.Is(f.Ping(t.Context()), relay.ErrUnavailable) })
				for key, id := range l.sample(20) {
					if m, err := f.Message(t.Context(), id); err != nil || string(m.Body) != l.source+" "+key || len(m.Deliveries) != 2 {
						t.Errorf("%s cannot be read: %+v, %v", key, m, err)
					}
				}
				end()
				eventually(t, "Ping answers", func() bool { return f.Ping(t.Context()) == nil })
			}
			l.more(50)
			l.stop()
			l.complete()
			l.settled()
			t.Logf("%d appends accepted, %d refused", l.accepted.Load(), l.refused.Load())
		})
	}
}

// sample is some of what was acknowledged.
func (l *load) sample(n int) map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	some := map[string]string{}
	for key, id := range l.ids {
		if len(some) == n {
			break
		}
		some[key] = id
	}
	return some
}
