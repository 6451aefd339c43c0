package relay

import (
	"fmt"
	"math"
	"time"

	"golang.org/x/time/rate"
)

// Bounds of Target.Rate, in attempts a second.
const (
	MinTargetRate = 0.001
	MaxTargetRate = 100_000
)

// burstTime is the time whose attempts may be made at once, so that fast targets need no claim for each.
const burstTime = 100 * time.Millisecond

func validRate(r float64) error {
	if r != 0 && !(r >= MinTargetRate && r <= MaxTargetRate) { // NaN is none of these
		return fmt.Errorf("%w target rate: %v, want 0 or %v to %v a second", ErrInvalid, r, MinTargetRate, MaxTargetRate)
	}
	return nil
}

// bucket bounds how many attempts a target's lane starts: at most its burst and its rate times t in any time t. Only the
// dispatcher's loop uses it, and it never waits.
type bucket struct {
	limiter *rate.Limiter // nil: no bound
	rate    float64
}

// set changes the rate; what was spent stays spent.
func (b *bucket) set(perSecond float64, now time.Time) {
	switch {
	case perSecond == b.rate:
		return
	case perSecond == 0:
		b.limiter = nil
	case b.limiter == nil:
		b.limiter = rate.NewLimiter(rate.Limit(perSecond), burst(perSecond))
	default:
		b.limiter.SetLimitAt(now, rate.Limit(perSecond))
		b.limiter.SetBurstAt(now, burst(perSecond))
	}
	b.rate = perSecond
}

// burst is how many attempts may start at once: what is due in a tenth of a second, and at least one.
func burst(perSecond float64) int {
	return max(1, int(math.Ceil(perSecond*burstTime.Seconds())))
}

// ready is how many attempts may start now, of those wanted.
func (b *bucket) ready(now time.Time, want int) int {
	if b.limiter == nil {
		return want
	}
	return max(0, min(want, int(b.limiter.TokensAt(now))))
}

// start spends one attempt. False: there is none to spend.
func (b *bucket) start(now time.Time) bool { return b.limiter == nil || b.limiter.AllowN(now, 1) }

// enough is how many attempts have to be ready for a claim to be worth while: one where they are rare.
func (b *bucket) enough() int { return max(1, burst(b.rate)/2) }

// wait is how long until enough are ready.
func (b *bucket) wait(now time.Time) time.Duration {
	if b.limiter == nil {
		return 0
	}
	missing := float64(b.enough()) - b.limiter.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return time.Duration(math.Ceil(missing / b.rate * float64(time.Second)))
}
