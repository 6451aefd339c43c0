package relay_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

// endless is a statement that comes to no end.
const endless = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n`

// TestEffect_WhoseContextEndsInItsStatement harms neither the effects that share its transaction nor appends.
func TestEffect_WhoseContextEndsInItsStatement(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e, func(c *relay.Config) { c.Schedule = relay.Schedule{0} })
		f.target("a")
		const each = 10
		for range each {
			f.append(relay.Draft{Type: "good", Body: []byte("good"), Targets: []string{"a"}})
			f.append(relay.Draft{Type: "interrupted", Body: []byte("interrupted"), Targets: []string{"a"}})
		}
		l := f.load(8)
		seen := f.dispatch(runners{"a": relay.Effect(func(ctx context.Context, tx relay.Tx, job relay.Job) relay.Outcome {
			out := counting(ctx, tx, job)
			if job.Message.Type == "good" {
				return out
			}
			short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			defer cancel()
			rows, err := tx.Query(short, endless)
			if err != nil {
				return relay.Retry(err)
			}
			defer rows.Close()
			rows.Next()
			return relay.Retry(rows.Err())
		})})
		for range 2 * each {
			o := next(t, seen)
			if want := map[string]relay.State{"good": relay.Done, "interrupted": relay.Failed}[o.Job.Message.Type]; o.State != want {
				t.Errorf("%s: %s: %v", o.Job.Message.Type, o.State, o.Outcome.Err)
			}
		}
		l.stop()
		l.complete()
		if l.refused.Load() != 0 || l.accepted.Load() == 0 {
			t.Errorf("%d appends were refused, %d accepted", l.refused.Load(), l.accepted.Load())
		}
		if n, m := f.count("good"), f.count("interrupted"); n != each || m != 0 {
			t.Errorf("%d good and %d interrupted effects are there, want %d and 0", n, m, each)
		}
		f.balanced()
	})
}

// ingest is appenders that come back as soon as they are answered, and how long each append took.
type ingest struct {
	f       *fixture
	stopped atomic.Bool
	running sync.WaitGroup
	mu      sync.Mutex
	took    []time.Duration
}

func (f *fixture) ingest(appenders int) *ingest {
	in := &ingest{f: f}
	for range appenders {
		in.running.Go(func() {
			for !in.stopped.Load() {
				began := time.Now()
				if _, err := f.Append(context.Background(), relay.Draft{Source: "s", Type: "t"}); err != nil {
					f.t.Error(err)
					return
				}
				took := time.Since(began)
				in.mu.Lock()
				in.took = append(in.took, took)
				in.mu.Unlock()
			}
		})
	}
	return in
}

func (in *ingest) stop() {
	in.stopped.Store(true)
	in.running.Wait()
}

// p99 is the 99th percentile of what was appended while f ran.
func (in *ingest) p99(f func()) time.Duration {
	in.mu.Lock()
	in.took = nil
	in.mu.Unlock()
	f()
	in.mu.Lock()
	defer in.mu.Unlock()
	slices.Sort(in.took)
	return in.took[len(in.took)*99/100]
}

// TestEffect_ThatHangsOrPanicsLeavesIngestFast: while appenders crowd in, handlers that hang for all the time they have
// and that panic do not double the 99th percentile of an append, compared with handlers that work, in turns. Nothing
// else runs meanwhile.
func TestEffect_ThatHangsOrPanicsLeavesIngestFast(t *testing.T) {
	for _, e := range []engine{sqlite, postgres} {
		t.Run(string(e), func(t *testing.T) {
			f := open(t, e, func(c *relay.Config) { c.Schedule, c.EffectTimeout = relay.Schedule{0}, 250*time.Millisecond })
			f.target("good", "fine", "hangs", "panics")
			hang := make(chan struct{})
			defer close(hang)
			var bad atomic.Int64
			defer f.run(misbehaving(hang, &bad))()
			in := f.ingest(16)
			defer in.stop()
			const takes = 3 // the machine may be busy with something else, but not every time
			for take := range takes {
				with, without := in.compare(3)
				t.Logf("p99 of an append: %v beside handlers that work, %v beside those that do not", without, with)
				if with <= 2*without {
					break
				}
				if take == takes-1 {
					t.Errorf("p99 is %v, without them %v", with, without)
				}
			}
			// On SQLite handlers give way to a crowd, so that they may get their turn only after it.
			during := bad.Load()
			in.stop()
			eventually(t, "they have their turn", func() bool { return bad.Load() >= 5 })
			t.Logf("%d hung or panicked while appenders crowded in", during)
		})
	}
}

func misbehaving(hang chan struct{}, bad *atomic.Int64) runners {
	return runners{
		"good": relay.Effect(counting), "fine": relay.Effect(counting),
		"hangs": relay.Effect(func(context.Context, relay.Tx, relay.Job) relay.Outcome {
			bad.Add(1)
			<-hang
			return relay.Delivered("")
		}),
		"panics": relay.Effect(func(ctx context.Context, tx relay.Tx, job relay.Job) relay.Outcome {
			bad.Add(1)
			counting(ctx, tx, job)
			panic("handler")
		}),
	}
}

// compare answers the medians of p99 beside handlers that do not work and beside those that do.
func (in *ingest) compare(turns int) (with, without time.Duration) {
	var normal, bad []time.Duration
	for range turns {
		normal = append(normal, in.p99(func() { in.f.feed("good", "fine") }))
		bad = append(bad, in.p99(func() { in.f.feed("hangs", "panics") }))
	}
	slices.Sort(normal)
	slices.Sort(bad)
	return bad[turns/2], normal[turns/2]
}

// feed gives targets something to do for a while.
func (f *fixture) feed(targets ...string) {
	for range 15 {
		if _, err := f.Append(context.Background(), relay.Draft{Source: "s", Type: "t", Body: []byte("n"), Targets: targets}); err != nil {
			f.t.Error(err)
		}
		<-time.After(100 * time.Millisecond)
	}
}
