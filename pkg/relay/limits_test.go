package relay_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

// TestDispatcher_OpenBreakerLetsDeliveriesWait: nothing is failed by it and nothing counted, what was claimed is given
// back, and one attempt finds out whether it can close.
func TestDispatcher_OpenBreakerLetsDeliveriesWait(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e, func(c *relay.Config) { c.Schedule = relay.Schedule{0, 0, 0, 0, 0, 0, 0, 0} })
		if err := f.PutTarget(t.Context(), relay.Target{ID: "a", Concurrency: 2}); err != nil {
			t.Fatal(err)
		}
		const deliveries = 20
		for range deliveries {
			f.append(relay.Draft{Targets: []string{"a"}})
		}
		var attempts atomic.Int64
		var good atomic.Bool
		d, _, changes := f.dispatchWith(relay.DispatcherConfig{
			Breaker: relay.Breaker{Failures: 3, Open: 5 * time.Second},
			Resolver: runners{"a": relay.Remote(func(context.Context, relay.Job) relay.Outcome {
				attempts.Add(1)
				if good.Load() {
					return relay.Delivered("")
				}
				return relay.Retry(errDown)
			})},
		})
		for _, want := range []time.Duration{5 * time.Second, 10 * time.Second} {
			c := next(t, changes)
			if c.Event != relay.TargetOpened || c.TargetID != "a" || !strings.Contains(c.Reason, "down") {
				t.Fatalf("change %+v", c)
			}
			if wait := c.Until.Sub(f.clock.Now()); wait != want {
				t.Errorf("open for %v, want %v", wait, want)
			}
			if s, ok := d.Breaker("a"); !ok || s.State != relay.BreakerOpen || !s.Until.Equal(c.Until) {
				t.Errorf("breaker %+v", s)
			}
			nothing(t, "changed while it was open", changes)
			f.waiting(deliveries, &attempts)
			f.clock.advance(want)
		}
		if c := next(t, changes); c.Event != relay.TargetOpened {
			t.Fatalf("change %+v", c)
		}
		good.Store(true)
		f.clock.advance(20 * time.Second)
		if c := next(t, changes); c.Event != relay.TargetClosed || !c.Until.IsZero() {
			t.Fatalf("change %+v", c)
		}
		f.clock.advance(20 * time.Second) // what was given back is due
		eventually(t, "all are delivered", func() bool {
			return f.number(`SELECT count(*) FROM deliveries WHERE state = 'delivered'`) == deliveries
		})
		if n := f.number(`SELECT sum(attempts) FROM deliveries`); int64(n) != attempts.Load() {
			t.Errorf("%d attempts are counted, %d were made", n, attempts.Load())
		}
		if s, ok := d.Breaker("a"); !ok || s.State != relay.BreakerClosed {
			t.Errorf("breaker %+v", s)
		}
		if _, ok := d.Breaker("none"); ok {
			t.Error("there is a breaker of what there is not")
		}
		f.balanced()
	})
}

// waiting waits until all deliveries are pending, with no attempt counted but those that were made.
func (f *fixture) waiting(deliveries int, attempts *atomic.Int64) {
	f.t.Helper()
	eventually(f.t, "all are pending", func() bool {
		return f.number(`SELECT count(*) FROM deliveries WHERE state = 'pending'`) == deliveries
	})
	if n := f.number(`SELECT sum(attempts) FROM deliveries`); int64(n) != attempts.Load() {
		f.t.Errorf("%d attempts are counted, %d were made", n, attempts.Load())
	}
	if n := f.number(`SELECT count(*) FROM attempts`); int64(n) != attempts.Load() {
		f.t.Errorf("%d attempts are recorded, %d were made", n, attempts.Load())
	}
	f.balanced()
}

func TestDispatcher_RateBoundsAttempts(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		if err := f.PutTarget(t.Context(), relay.Target{ID: "a", Rate: 20}); err != nil { // two at once
			t.Fatal(err)
		}
		for range 4 {
			f.append(relay.Draft{Targets: []string{"a"}})
		}
		seen := f.dispatch(runners{"a": answer(relay.Delivered(""))})
		expect := func(n int) {
			t.Helper()
			for range n {
				next(t, seen)
			}
			nothing(t, "more than the rate allows", seen)
		}
		expect(2)
		if n := f.number(`SELECT count(*) FROM deliveries WHERE state = 'delivering'`); n != 0 {
			t.Errorf("%d are claimed that cannot start", n)
		}
		f.clock.advance(50 * time.Millisecond)
		expect(1)
		f.clock.advance(time.Hour) // no more than the burst is saved up
		expect(1)
		f.append(relay.Draft{Targets: []string{"a"}}) // nothing is due: it may be born leased
		expect(1)
		f.append(relay.Draft{Targets: []string{"a"}})
		f.append(relay.Draft{Targets: []string{"a"}})
		expect(0)
		f.clock.advance(time.Second)
		expect(2)
		if n := f.number(`SELECT sum(attempts) FROM deliveries`); n != 7 {
			t.Errorf("%d attempts are counted for 7 deliveries", n)
		}
		f.balanced()
	})
}

func TestStore_RefusesRates(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
	for _, rate := range []float64{-1, math.NaN(), math.Inf(1), relay.MaxTargetRate + 1, relay.MinTargetRate / 2} {
		if err := f.PutTarget(t.Context(), relay.Target{ID: "a", Rate: rate}); !errors.Is(err, relay.ErrInvalid) {
			t.Errorf("rate %v: %v", rate, err)
		}
	}
	if err := f.PutTarget(t.Context(), relay.Target{ID: "a", Rate: 2.5}); err != nil {
		t.Fatal(err)
	}
	if got := must(f.Target(t.Context(), "a"))(t).Rate; got != 2.5 {
		t.Errorf("rate %v", got)
	}
}

// failFor fails one delivery of target a until the clock has moved on by a time, an attempt an hour.
func (f *fixture) failFor(seen <-chan relay.Observation, hours int) {
	f.t.Helper()
	for range hours {
		next(f.t, seen)
		f.clock.advance(time.Hour)
	}
}

func TestStore_DisablesWhatFailsForTooLong(t *testing.T) {
	hourly := func(c *relay.Config) {
		c.Schedule, c.DisableAfter = relay.Schedule{0}, 5*time.Hour
		for range 20 {
			c.Schedule = append(c.Schedule, 48*time.Minute) // with jitter less than an hour
		}
	}
	eachEngine(t, func(t *testing.T, e engine) {
		t.Run("and keeps that through a restart", func(t *testing.T) {
			t.Parallel()
			f := open(t, e, hourly)
			f.target("a")
			id := f.append(relay.Draft{Targets: []string{"a"}}).ID
			failing := runners{"a": answer(relay.Retry(errDown))}
			d, seen, _ := f.dispatchWith(relay.DispatcherConfig{Resolver: failing})
			began := f.clock.Now()
			f.failFor(seen, 2)
			next(t, seen)
			f.stop(d)
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			f.reopen()
			f.clock.advance(time.Hour)
			_, seen, changes := f.dispatchWith(relay.DispatcherConfig{Resolver: failing})
			f.failFor(seen, 2)
			next(t, seen)
			c := next(t, changes)
			if c.Event != relay.TargetDisabled || c.TargetID != "a" || !strings.Contains(c.Reason, "down") ||
				!strings.Contains(c.Reason, "no attempt has succeeded since "+began.Format(time.RFC3339)) {
				t.Errorf("change %+v", c)
			}
			if target := must(f.Target(t.Context(), "a"))(t); target.Enabled || target.DisabledReason != c.Reason || target.FailingSince.IsZero() {
				t.Errorf("target %+v", target)
			}
			if got := f.only(id); got.State != relay.Paused || got.Attempts > 7 {
				t.Errorf("delivery %+v", got)
			}
			if err := f.SetTarget(t.Context(), "a", true, ""); err != nil { // it gets as long again
				t.Fatal(err)
			}
			f.clock.advance(time.Hour)
			f.failFor(seen, 4)
			if target := must(f.Target(t.Context(), "a"))(t); !target.Enabled {
				t.Errorf("disabled after four hours more: %+v", target)
			}
			nothing(t, "it was disabled again", changes)
			f.balanced()
		})
		t.Run("unless an attempt succeeds", func(t *testing.T) {
			t.Parallel()
			f := open(t, e, hourly)
			f.target("a")
			f.append(relay.Draft{Targets: []string{"a"}})
			_, seen, changes := f.dispatchWith(relay.DispatcherConfig{Resolver: runners{"a": relay.Remote(func(_ context.Context, job relay.Job) relay.Outcome {
				if len(job.Message.Body) > 0 {
					return relay.Delivered("")
				}
				return relay.Retry(errDown)
			})}})
			f.failFor(seen, 4)
			next(t, seen)
			f.append(relay.Draft{Body: []byte("good"), Targets: []string{"a"}})
			if o := next(t, seen); o.State != relay.Done {
				t.Fatalf("observed %+v", o)
			}
			f.clock.advance(time.Hour)
			f.failFor(seen, 3)
			next(t, seen)
			nothing(t, "it was disabled", changes)
			if target := must(f.Target(t.Context(), "a"))(t); !target.Enabled || f.clock.Now().Sub(target.FailingSince) > 4*time.Hour {
				t.Errorf("target %+v at %v", target, f.clock.Now())
			}
		})
	})
}

// TestStore_ASuccessInAnotherProcessCounts: one process sees a target fail, another one sees it succeed.
func TestStore_ASuccessInAnotherProcessCounts(t *testing.T) {
	t.Parallel()
	f := open(t, postgres, func(c *relay.Config) {
		c.Schedule, c.DisableAfter = relay.Schedule{0, 48 * time.Minute, 48 * time.Minute, 48 * time.Minute, 48 * time.Minute}, 2*time.Hour
	})
	f.target("a")
	id := f.append(relay.Draft{Targets: []string{"a"}}).ID
	d, seen, _ := f.dispatchWith(relay.DispatcherConfig{Resolver: runners{"a": answer(relay.Retry(errDown))}})
	f.failFor(seen, 1)
	next(t, seen)
	f.stop(d)
	g := f.beside()
	e, others, _ := g.dispatchWith(relay.DispatcherConfig{Resolver: runners{"a": answer(relay.Delivered(""))}})
	g.append(relay.Draft{Targets: []string{"a"}})
	next(t, others)
	eventually(t, "it is known to succeed", func() bool { return must(g.Target(t.Context(), "a"))(t).FailingSince.IsZero() })
	g.stop(e)
	_, seen, changes := f.dispatchWith(relay.DispatcherConfig{Resolver: runners{"a": answer(relay.Retry(errDown))}})
	f.clock.advance(time.Hour)
	f.failFor(seen, 1)
	next(t, seen)
	nothing(t, "it was disabled", changes)
	if got := f.only(id); got.State != relay.Pending || got.Attempts != 4 {
		t.Errorf("delivery %+v", got)
	}
}
