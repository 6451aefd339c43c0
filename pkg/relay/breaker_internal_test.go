package relay

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// attempt lets one attempt through and ends it; false: it had to wait.
func attempt(b *breaker, now time.Time, v Verdict) bool {
	turn, _, ok := b.begin(now)
	if ok {
		b.end(turn, v, false, now)
	}
	return ok
}

func TestBreaker_OpensAfterFailuresInARow(t *testing.T) {
	t.Parallel()
	const retry, good, bad = VerdictRetry, VerdictDelivered, VerdictPermanent
	for name, tt := range map[string]struct {
		apart    time.Duration
		outcomes []Verdict
		open     bool
	}{
		"one too few":                  {time.Second, []Verdict{retry, retry}, false},
		"enough":                       {time.Second, []Verdict{retry, retry, retry}, true},
		"a success in between":         {time.Second, []Verdict{retry, retry, good, retry, retry}, false},
		"then enough again":            {time.Second, []Verdict{retry, good, retry, retry, retry}, true},
		"what says nothing":            {time.Second, []Verdict{retry, bad, retry, bad, bad}, false},
		"and does not count":           {time.Second, []Verdict{retry, bad, retry, bad, retry}, true},
		"just within the window":       {5 * time.Second, []Verdict{retry, retry, retry}, true},
		"too rare":                     {6 * time.Second, []Verdict{retry, retry, retry}, false},
		"too rare, however many":       {6 * time.Second, []Verdict{retry, retry, retry, retry, retry, retry, retry}, false},
		"nothing but successes":        {time.Second, []Verdict{good, good, good, good}, false},
		"permanent failures by itself": {time.Second, []Verdict{bad, bad, bad, bad}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, now := newBreaker(Breaker{Failures: 3, Window: 10 * time.Second}.withDefaults()), noon
			for _, v := range tt.outcomes {
				attempt(b, now, v)
				now = now.Add(tt.apart)
			}
			if got := b.status().State == BreakerOpen; got != tt.open {
				t.Errorf("open: %v, want %v", got, tt.open)
			}
		})
	}
	never := newBreaker(Breaker{Failures: -1}.withDefaults())
	for range 5000 {
		attempt(never, noon, retry)
	}
	if s := never.status(); s.State != BreakerClosed {
		t.Errorf("one that never opens is %+v", s)
	}
}

func TestBreaker_HalfOpenLetsOneThroughAndOpenTimeGrows(t *testing.T) {
	t.Parallel()
	b := newBreaker(Breaker{Failures: 1, Open: 5 * time.Second, MaxOpen: 12 * time.Second}.withDefaults())
	attempt(b, noon, VerdictRetry)
	now := noon
	for _, open := range []time.Duration{5 * time.Second, 10 * time.Second, 12 * time.Second, 12 * time.Second} {
		if s := b.status(); s.State != BreakerOpen || !s.Until.Equal(now.Add(open)) {
			t.Fatalf("%+v, want it open for %v", s, open)
		}
		if _, wait, ok := b.begin(now.Add(open - 1)); ok || wait != 1 || b.allowed(now.Add(open-1), 9) != 0 {
			t.Fatalf("begun before its time; wait %v", wait)
		}
		now = now.Add(open)
		if n := b.allowed(now, 9); n != 1 {
			t.Fatalf("%d allowed to find out, want 1", n)
		}
		turn, _, ok := b.begin(now)
		if _, wait, second := b.begin(now); !ok || second || wait != halfOpenWait || b.allowed(now, 9) != 0 {
			t.Fatalf("begun: %v, a second one: %v, wait %v", ok, second, wait)
		}
		if s := b.status(); s.State != BreakerHalfOpen || !s.Until.IsZero() {
			t.Fatalf("%+v, want it half open", s)
		}
		if !b.end(turn, VerdictRetry, false, now) {
			t.Fatal("opened again without saying so")
		}
	}
	now = now.Add(12 * time.Second)
	turn, _, _ := b.begin(now)
	if b.end(turn, VerdictRetry, true, now); b.status().State != BreakerHalfOpen || b.allowed(now, 9) != 1 {
		t.Error("an attempt that was interrupted decided, or kept its place")
	}
	if !attempt(b, now, VerdictDelivered) || b.status().State != BreakerClosed || b.allowed(now, 9) != 9 {
		t.Errorf("after a success: %+v", b.status())
	}
	attempt(b, now, VerdictRetry)
	if s := b.status(); !s.Until.Equal(now.Add(5 * time.Second)) {
		t.Errorf("opened until %v after it was closed, want the first time again", s.Until)
	}
	if b.reset(); b.status().State != BreakerClosed {
		t.Error("open after a reset")
	}
}

func TestBreaker_WhatBeganBeforeAChangeTellsNothing(t *testing.T) {
	t.Parallel()
	b := newBreaker(Breaker{Failures: 1, Open: time.Second}.withDefaults())
	old, _, _ := b.begin(noon)
	attempt(b, noon, VerdictRetry)
	for _, v := range []Verdict{VerdictDelivered, VerdictRetry} {
		if b.end(old, v, false, noon) || b.status().State != BreakerOpen {
			t.Errorf("%v of an attempt from before moved it to %+v", v, b.status())
		}
	}
	later := noon.Add(time.Second)
	probe, _, _ := b.begin(later)
	b.end(old, VerdictRetry, false, later)
	if b.allowed(later, 1) != 0 {
		t.Error("it took the place of the one that finds out")
	}
	if b.end(probe, VerdictDelivered, false, later); b.status().State != BreakerClosed {
		t.Errorf("%+v", b.status())
	}
	if why := b.why(errors.New("x")); why != "an attempt succeeded" {
		t.Errorf("why: %s", why)
	}
}

// TestBucket_NeverStartsMoreThanItMay: however time passes and whatever is asked, in every span of time t at most
// burst + rate × t attempts start.
func TestBucket_NeverStartsMoreThanItMay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		perSecond := rapid.OneOf(rapid.Float64Range(MinTargetRate, 50), rapid.Float64Range(50, MaxTargetRate)).Draw(rt, "rate")
		var p bucket
		p.set(perSecond, noon)
		var starts []time.Time
		now := noon
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(2*time.Second)).Draw(rt, "pass")))
			want := rapid.IntRange(0, 64).Draw(rt, "want")
			ready := p.ready(now, want)
			if ready > want {
				rt.Fatalf("%d ready of %d", ready, want)
			}
			for i := range want {
				if ok := p.start(now); ok {
					starts = append(starts, now)
				} else if i < ready {
					rt.Fatalf("%d ready, but no more than %d may start", ready, i)
				}
			}
			if wait := p.wait(now); wait > 0 && p.ready(now.Add(wait+time.Microsecond), 1) < 1 {
				rt.Fatalf("nothing is ready after a wait of %v", wait)
			}
		}
		for i := range starts {
			for k := i; k < len(starts); k++ {
				most := float64(burst(perSecond)) + perSecond*starts[k].Sub(starts[i]).Seconds()
				if n := k - i + 1; float64(n) > most+1e-6 {
					rt.Fatalf("%d started in %v, at most %.3f may", n, starts[k].Sub(starts[i]), most)
				}
			}
		}
	})
}

func TestBucket_Changes(t *testing.T) {
	t.Parallel()
	var p bucket
	if !p.start(noon) || p.ready(noon, 7) != 7 || p.wait(noon) != 0 {
		t.Error("there is a bound without a rate")
	}
	p.set(1, noon)
	if !p.start(noon) || p.start(noon) || p.wait(noon) != time.Second {
		t.Errorf("at 1 a second: wait %v", p.wait(noon))
	}
	if p.set(2, noon); p.start(noon) || p.wait(noon) != time.Second/2 {
		t.Errorf("at 2 a second: wait %v; what was spent stays spent", p.wait(noon))
	}
	if p.set(0, noon); !p.start(noon) {
		t.Error("the bound stays")
	}
	for r, want := range map[float64]int{MinTargetRate: 1, 1: 1, 10: 1, 11: 2, 1000: 100, MaxTargetRate: 10_000} {
		if got := burst(r); got != want {
			t.Errorf("burst of %v a second: %d, want %d", r, got, want)
		}
	}
}
