package relay_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

// TestEffect_ThatEndsItsGoroutineHasNoEffect: neither a return nor a panic.
func TestEffect_ThatEndsItsGoroutineHasNoEffect(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e, func(c *relay.Config) { c.Schedule = relay.Schedule{0} })
		f.target("a")
		seen := f.dispatch(runners{"a": relay.Effect(func(ctx context.Context, tx relay.Tx, job relay.Job) relay.Outcome {
			counting(ctx, tx, job)
			runtime.Goexit()
			return relay.Delivered("")
		})})
		f.append(relay.Draft{Body: []byte("gone"), Targets: []string{"a"}})
		if o := next(t, seen); o.State != relay.Failed || f.count("gone") != 0 {
			t.Errorf("state %s, effect there %d times", o.State, f.count("gone"))
		}
	})
}

// TestEffect_SlowRowsDoNotStopIngest: the driver interrupts no statement once its first row is there.
func TestEffect_SlowRowsDoNotStopIngest(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e, func(c *relay.Config) { c.EffectTimeout = 100 * time.Millisecond; c.Schedule = relay.Schedule{0} })
		f.target("a")
		seen := f.dispatch(runners{"a": relay.Effect(func(ctx context.Context, tx relay.Tx, _ relay.Job) relay.Outcome {
			rows, err := tx.Query(ctx, `SELECT 1 UNION ALL SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n)`)
			if err != nil {
				return relay.Permanent(err)
			}
			for rows.Next() {
				continue
			}
			return relay.Delivered("")
		})})
		f.append(relay.Draft{Targets: []string{"a"}})
		if o := next(t, seen); o.State != relay.Failed {
			t.Errorf("state %s", o.State)
		}
		f.append(relay.Draft{}) // the writer goes on
	})
}

func TestDispatcher_PrefetchedDeliveriesHeedDisableAndThrottle(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		gone, slow := relay.Permanent(errDown), relay.Retry(errDown)
		gone.Disable = "410"
		slow.Throttle, slow.RetryAfter = true, time.Minute
		for name, out := range map[string]relay.Outcome{"disable": gone, "throttle": slow} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f := open(t, e)
				if err := f.PutTarget(t.Context(), relay.Target{ID: "a", Concurrency: 1}); err != nil {
					t.Fatal(err)
				}
				for range 10 {
					f.append(relay.Draft{Targets: []string{"a"}})
				}
				var calls atomic.Int64
				seen := f.dispatch(runners{"a": relay.Remote(func(context.Context, relay.Job) relay.Outcome {
					calls.Add(1)
					return out
				})})
				next(t, seen)
				eventually(t, "what was claimed is given back", func() bool {
					return f.number(`SELECT count(*) FROM deliveries WHERE state = 'delivering'`) == 0
				})
				if n := calls.Load(); n != 1 {
					t.Errorf("%d attempts, want only the one that was answered so", n)
				}
				if n := f.number(`SELECT sum(attempts) FROM deliveries`); n != 1 {
					t.Errorf("%d attempts counted, want 1", n)
				}
				f.balanced()
			})
		}
	})
}
