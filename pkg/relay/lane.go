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

// effectPrefetch is the same for effects, which run by the group.
const effectPrefetch = 12

// lane is one target's share of the dispatcher. Its fields belong to the dispatcher's loop, but for slots,
// quietUntil and closed.
type lane struct {
	runner  Runner
	limit   int           // attempts at once
	slots   chan struct{} // one token for each attempt that is running
	held    int           // claimed and not over
	over    int           // since when its pace was last looked at
	pace    int           // how many were over in the last paceTime
	since   time.Time
	look    bool      // there may be something due
	retired bool      // its target is disabled or gone
	nextAt  time.Time // when the next one is due, as far as is known

	quietUntil atomic.Int64 // Unix microseconds: the target asked to be left alone until then
	closed     atomic.Bool  // an attempt's outcome disables the target
}

func newLane(t Target, r Runner) *lane {
	l := &lane{look: true}
	l.update(t, r)
	return l
}

func (l *lane) update(t Target, r Runner) {
	limit := t.Concurrency
	if limit == 0 {
		limit = DefaultConcurrency
	}
	if l.retired { // it was disabled, and is enabled again
		l.closed.Store(false)
	}
	l.runner, l.retired = r, false
	if limit != l.limit { // attempts that run give their token back to the channel they took it from
		l.limit, l.slots = limit, make(chan struct{}, limit)
	}
}

// room is how many deliveries to claim now.
func (l *lane) room(now time.Time) int {
	if l.retired || l.closed.Load() || !l.due(now) || l.quiet(now) > 0 {
		return 0
	}
	free := l.capacity() - l.held
	if free < l.limit/2 && l.held > 0 { // a larger claim later costs less than a small one now
		return 0
	}
	return free
}

// capacity is how many deliveries the lane may hold.
func (l *lane) capacity() int {
	if l.runner.effect != nil {
		return effectPrefetch * l.limit
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
	if l.retired || l.closed.Load() || l.due(now) || l.quiet(now) > 0 {
		return 0
	}
	return l.capacity() - l.held
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
	l.look = len(g.claims) == asked
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
	case l.nextAt.After(now):
		return l.nextAt.Sub(now)
	}
	return poll
}
