package relay_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

// countingAll counts each job, and notes how many came at once.
func countingAll(most *atomic.Int64) relay.EffectsFunc {
	return func(ctx context.Context, tx relay.Tx, jobs []relay.Job) []relay.Outcome {
		most.Store(max(most.Load(), int64(len(jobs))))
		var out []relay.Outcome
		for _, job := range jobs {
			out = append(out, counting(ctx, tx, job))
		}
		return out
	}
}

// TestEffects_TogetherAndEachOnce appends before anything is dispatched, so that there is something to bundle, to two
// targets, whose deliveries must not be mixed up.
func TestEffects_TogetherAndEachOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a", "b")
		const n = 60
		for range n {
			f.append(relay.Draft{Body: []byte("effect"), Targets: []string{"a", "b"}})
		}
		var most atomic.Int64
		apart := func(ctx context.Context, tx relay.Tx, jobs []relay.Job) []relay.Outcome {
			if slices.ContainsFunc(jobs, func(j relay.Job) bool { return j.Delivery.TargetID != jobs[0].Delivery.TargetID }) {
				t.Error("two targets in one call")
			}
			return countingAll(&most)(ctx, tx, jobs)
		}
		seen := f.dispatch(runners{"a": relay.Effects(apart), "b": relay.Effects(apart)})
		for range 2 * n {
			if o := next(t, seen); o.State != relay.Done || o.Outcome.Detail != "counted" {
				t.Errorf("%+v", o)
			}
		}
		if got := f.count("effect"); got != 2*n {
			t.Errorf("the effect is there %d times, want %d", got, 2*n)
		}
		if most.Load() < 2 {
			t.Error("no two ran together: this test proved nothing")
		}
		if got := f.number(`SELECT count(*) FROM attempts`); got != 2*n {
			t.Errorf("%d attempts, want %d", got, 2*n)
		}
		f.balanced()
	})
}

// TestEffects_OneThatFailsHarmsNoOther bundles good ones with one that is bad in some way.
func TestEffects_OneThatFailsHarmsNoOther(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		for name, bad := range map[string]func(ctx context.Context, tx relay.Tx, out []relay.Outcome, i int) []relay.Outcome{
			"outcome": func(_ context.Context, _ relay.Tx, out []relay.Outcome, i int) []relay.Outcome {
				out[i] = relay.Permanent(errDown)
				return out
			},
			"statement": func(ctx context.Context, tx relay.Tx, out []relay.Outcome, _ int) []relay.Outcome {
				_, _ = tx.Exec(ctx, `INSERT INTO no_such_table VALUES (1)`) // hides the failure
				return out
			},
			"too few": func(_ context.Context, _ relay.Tx, out []relay.Outcome, _ int) []relay.Outcome { return out[1:] },
			"panic":   func(context.Context, relay.Tx, []relay.Outcome, int) []relay.Outcome { panic("effects") },
			"slow": func(ctx context.Context, _ relay.Tx, out []relay.Outcome, _ int) []relay.Outcome {
				<-ctx.Done()
				return out
			},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f := open(t, e, func(c *relay.Config) {
					c.EffectTimeout, c.Schedule = 700*time.Millisecond, relay.Schedule{0}
				})
				f.target("a")
				const good = 12
				for i := range good + 1 {
					draft := relay.Draft{Body: []byte("good"), Targets: []string{"a"}}
					if i == good/2 {
						draft.Body = []byte("bad")
					}
					f.append(draft)
				}
				var most atomic.Int64
				seen := f.dispatch(runners{"a": relay.Effects(func(ctx context.Context, tx relay.Tx, jobs []relay.Job) []relay.Outcome {
					out := countingAll(&most)(ctx, tx, jobs)
					if i := slices.IndexFunc(jobs, func(j relay.Job) bool { return string(j.Message.Body) == "bad" }); i >= 0 {
						return bad(ctx, tx, out, i)
					}
					return out
				})})
				for range good + 1 {
					o := next(t, seen)
					if want := map[string]relay.State{"good": relay.Done, "bad": relay.Failed}[string(o.Job.Message.Body)]; o.State != want {
						t.Errorf("%s is %s: %v", o.Job.Message.Body, o.State, o.Outcome.Err)
					}
				}
				if n, m := f.count("good"), f.count("bad"); n != good || m != 0 {
					t.Errorf("%d good and %d bad effects are there, want %d and 0", n, m, good)
				}
				if most.Load() < 2 {
					t.Error("no two ran together: this test proved nothing")
				}
				f.balanced()
			})
		}
	})
}
