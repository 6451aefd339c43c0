package relay

import (
	"sync/atomic"
	"time"
)

// prefetch is how many deliveries a lane holds for each it may run at once: the next ones are at hand while
// their claim is being committed. What waits here is under a lease, so it stays small.
const prefetch = 2

// A target that is quick gets more of them, as many as it got through in paceTime: claiming costs a commit, and whoever is
// quick would wait for it.
const (
	maxPrefetch = 8
	paceTime    = 50 * time.Millisecond
)

// effectPrefetch is the same for effects, which run by the group: the more of them, the less each costs. That is worth some
// memory, but where messages are large no more than effectBytes for one lane, or what leastPrefetch makes of it.
const (
	effectPrefetch = 12
	maxEffects     = 32 // of a target that is quick
	leastPrefetch  = 4
	effectBytes    = 16 << 20
)

// lane is one target's share of the dispatcher. Its fields belong to the dispatcher's loop, but for slots, breaker,
// quietUntil, closed and disabling.
type lane struct {
	runner  Runner
	limit   int    // attempts at once
	slots   *slots // for them
	held    int    // claimed and not over
	over    int    // since when its pace was last looked at
	pace    int    // how many were over in the last paceTime
	since   time.Time
	look    bool      // there may be something due
	retired bool      // its target is disabled or gone
	nextAt  time.Time // when the next one is due, as far as is known
	size    int       // bytes of a message, about what the last ones had; 0: not known yet
	bucket  bucket    // of the attempts it starts
	breaker *breaker  // of a target outside the database

	quietUntil atomic.Int64 // Unix microseconds: the target asked to be left alone until then
	closed     atomic.Bool  // an attempt's outcome disables the target
	disabling  atomic.Int32 // such outcomes that are not recorded yet
}

func newLane(t Target, r Runner, s *slots, rules Breaker, now time.Time) *lane {
	l := &lane{look: true, slots: s, breaker: newBreaker(rules)}
	l.update(t, r, now)
	return l
}

func (l *lane) update(t Target, r Runner, now time.Time) {
	limit := t.Concurrency
	if limit == 0 {
		limit = DefaultConcurrency
	}
	if l.retired { // it was disabled, and is enabled again
		l.breaker.reset()
	}
	if l.disabling.Load() == 0 { // or else it is disabled in a moment
		l.closed.Store(false)
	}
	l.runner, l.retired = r, false
	l.limit = limit
	l.slots.resize(limit)
	l.bucket.set(t.Rate, now)
}

// room is how many deliveries to claim now.
func (l *lane) room(now time.Time) int {
	if l.shut(now) || !l.due(now) {
		return 0
	}
	free, enough := l.capacity()-l.held, l.limit/2
	switch {
	case l.bucket.limiter != nil:
		enough = min(enough, l.bucket.enough())
	case l.runner.effects != nil:
		enough = l.capacity() / 4
	case l.runner.remote != nil: // half of what does not run yet
		enough = (l.capacity() - l.limit) / 2
	}
	if free < enough && l.held > 0 { // a larger claim later costs less than a small one now
		return 0
	}
	n := l.allowed(now, free)
	if n < free && l.held > 0 { // what is held comes first
		return 0
	}
	if ready := l.bucket.ready(now, n); ready < n {
		if n = ready; n < l.bucket.enough() {
			return 0
		}
	}
	return max(n, 0)
}

// shut says that nothing may be begun whatever is due.
func (l *lane) shut(now time.Time) bool { return l.retired || l.closed.Load() || l.quiet(now) > 0 }

// allowed is how many attempts the breaker lets through, of those wanted. An effect has none: it fails by itself or
// with the whole database.
func (l *lane) allowed(now time.Time, want int) int {
	if l.runner.effect != nil {
		return want
	}
	return l.breaker.allowed(now, want)
}

// capacity is how many deliveries the lane may hold. With a rate nothing is held that would have to wait: what is
// claimed starts at once, so that the rate holds for the attempts and not only for the claims.
func (l *lane) capacity() int {
	switch {
	case l.bucket.limiter != nil:
		return l.limit
	case l.runner.effect != nil:
		n := max(effectPrefetch*l.limit, min(l.pace, maxEffects*l.limit))
		return max(leastPrefetch*l.limit, min(n, effectBytes/max(l.size, 1)))
	}
	return max(prefetch*l.limit, min(l.pace, maxPrefetch*l.limit))
}

// ended takes note of attempts that are over, by this process's own clock.
func (l *lane) ended(n int, now time.Time) {
	l.over += n
	if took := now.Sub(l.since); took >= paceTime {
		l.pace = int(int64(l.over) * int64(paceTime) / int64(took))
		l.over, l.since = 0, now
	}
}

// places is how many deliveries may be born leased: those that are due come first, and are claimed.
func (l *lane) places(now time.Time) int {
	n := l.capacity() - l.held
	if n <= 0 || l.shut(now) || l.due(now) || l.allowed(now, n) < n {
		return 0
	}
	return l.bucket.ready(now, n)
}

// admit spends what the rate has for one attempt that is to start now. False: it is to wait, for as long as the answer.
func (l *lane) admit(now time.Time) (wait time.Duration, ok bool) {
	if l.bucket.limiter != nil && l.held > l.limit { // it was born while another one was claimed
		return halfOpenWait, false
	}
	if !l.bucket.start(now) {
		return l.bucket.wait(now), false
	}
	return 0, true
}

// quiet is for how much longer the target is to be left alone.
func (l *lane) quiet(now time.Time) time.Duration {
	return time.UnixMicro(l.quietUntil.Load()).Sub(now)
}

func (l *lane) due(now time.Time) bool {
	return l.look || (!l.nextAt.IsZero() && !l.nextAt.After(now))
}

// took takes note of a claim. When it got all it asked for there may be more.
func (l *lane) took(g got, asked int) {
	l.held += len(g.claims)
	l.look = g.more || len(g.claims) == asked
	l.nextAt = g.nextAt
}

// wait is how long until this lane needs attention without being told.
func (l *lane) wait(now time.Time, poll time.Duration) time.Duration {
	switch {
	case l.room(now) > 0: // it fell due while something else was claimed
		return 0
	case l.retired || l.held >= l.capacity():
		return poll
	case l.quiet(now) > 0:
		return min(l.quiet(now), poll)
	case l.due(now):
		return min(poll, max(l.hold(now), time.Millisecond))
	case l.nextAt.After(now):
		return l.nextAt.Sub(now)
	}
	return poll
}

// hold is for how long what is due has to wait for the breaker or the rate; an hour when it waits for an attempt's end.
func (l *lane) hold(now time.Time) time.Duration {
	wait := l.bucket.wait(now)
	if l.runner.effect == nil {
		wait = max(wait, l.breaker.wait(now))
	}
	if wait == 0 {
		return time.Hour
	}
	return wait
}

// idle says that the lane needs no attention until it is told of something.
func (l *lane) idle(now time.Time) bool {
	return l.held == 0 && !l.look && l.nextAt.IsZero() && !l.shut(now) && l.allowed(now, l.limit) == l.limit
}
