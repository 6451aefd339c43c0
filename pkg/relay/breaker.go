package relay

import (
	"fmt"
	"sync"
	"time"
)

// Breaker says when a target outside the database is left alone because its attempts fail. While it is open the
// target's deliveries stay pending: none is failed by it, and none of its attempts counts. Then one attempt is let
// through; what comes of it closes the breaker, or opens it for twice as long. Zero fields mean the defaults named here.
type Breaker struct {
	Failures int           // attempts in a row that have to fail with VerdictRetry: 20; at most 1000; negative: never opens
	Window   time.Duration // the first and the last of them are at most this far apart: 1 min
	Open     time.Duration // how long it is open at first: 5 s
	MaxOpen  time.Duration // how long at most: 1 min
}

// maxBreakerFailures bounds what a breaker remembers of each target.
const maxBreakerFailures = 1000

func (b Breaker) withDefaults() Breaker {
	if b.Failures == 0 {
		b.Failures = 20
	}
	b.Failures = min(b.Failures, maxBreakerFailures)
	if b.Window <= 0 {
		b.Window = time.Minute
	}
	if b.Open <= 0 {
		b.Open = 5 * time.Second
	}
	if b.MaxOpen <= 0 {
		b.MaxOpen = time.Minute
	}
	b.MaxOpen = max(b.MaxOpen, b.Open)
	return b
}

// BreakerState is what a breaker does with attempts.
type BreakerState string

// The states of a breaker.
const (
	BreakerClosed   BreakerState = "closed"    // attempts are made
	BreakerOpen     BreakerState = "open"      // none is made
	BreakerHalfOpen BreakerState = "half_open" // one is made, to find out
)

// BreakerStatus is a target's breaker at one moment, in one process.
type BreakerStatus struct {
	State BreakerState
	Until time.Time // when the next attempt may be made; zero unless open
}

// halfOpenWait is how long something waits that comes while the one attempt of a half-open breaker is under way.
const halfOpenWait = time.Second

// breaker is one target's. Attempts end in goroutines of their own, so it has a lock. It goes by the times it is given;
// the well-known libraries read the clock themselves, or decide by waiting, which only the dispatcher's loop may do.
type breaker struct {
	rules Breaker

	mu       sync.Mutex
	state    BreakerState
	failures []time.Time // of the attempts since the last that did not fail, the newest last
	until    time.Time
	openFor  time.Duration
	probing  bool
	turn     int64 // moves on with every change of state: what began before it tells nothing about the time after
}

func newBreaker(rules Breaker) *breaker { return &breaker{rules: rules, state: BreakerClosed} }

// allowed is how many attempts may be begun, of those wanted.
func (b *breaker) allowed(now time.Time, want int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.state == BreakerClosed:
		return want
	case b.state == BreakerOpen && now.Before(b.until), b.probing:
		return 0
	}
	return min(want, 1)
}

// wait is for how much longer nothing may be begun, as far as is known.
func (b *breaker) wait(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting(now)
}

func (b *breaker) waiting(now time.Time) time.Duration {
	switch {
	case b.state == BreakerOpen:
		return max(b.until.Sub(now), 0)
	case b.probing:
		return halfOpenWait
	}
	return 0
}

// begin asks for leave to make an attempt. False: it is to wait. The turn is for end.
func (b *breaker) begin(now time.Time) (turn int64, wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == BreakerClosed {
		return b.turn, 0, true
	}
	if wait = b.waiting(now); wait > 0 {
		return 0, wait, false
	}
	if b.state == BreakerOpen {
		b.move(BreakerHalfOpen)
	}
	b.probing = true
	return b.turn, 0, true
}

// end takes note of an attempt that began in a turn. True: the breaker is in another state now.
func (b *breaker) end(turn int64, v Verdict, interrupted bool, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if turn != b.turn {
		return false
	}
	b.probing = false
	switch {
	case interrupted, v == VerdictPermanent: // that tells of the delivery rather than of the target
		return false
	case v == VerdictDelivered:
		b.failures = b.failures[:0]
		if b.state == BreakerClosed {
			return false
		}
		b.openFor = 0
		b.move(BreakerClosed)
		return true
	case b.state == BreakerClosed && !b.tooMany(now):
		return false
	}
	b.openFor = min(max(2*b.openFor, b.rules.Open), b.rules.MaxOpen)
	b.until = now.Add(b.openFor)
	b.move(BreakerOpen)
	return true
}

// tooMany takes note of a failure and says whether there are enough within the window.
func (b *breaker) tooMany(now time.Time) bool {
	if b.rules.Failures < 0 {
		return false
	}
	if len(b.failures) >= b.rules.Failures {
		b.failures = append(b.failures[:0], b.failures[1:]...)
	}
	b.failures = append(b.failures, now)
	return len(b.failures) == b.rules.Failures && now.Sub(b.failures[0]) <= b.rules.Window
}

func (b *breaker) move(to BreakerState) {
	b.state, b.probing = to, false
	b.failures = b.failures[:0]
	b.turn++
}

// reset closes it: somebody has enabled its target again.
func (b *breaker) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.openFor = 0
	b.move(BreakerClosed)
}

func (b *breaker) status() BreakerStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := BreakerStatus{State: b.state}
	if b.state == BreakerOpen {
		s.Until = b.until
	}
	return s
}

// why says for people why the breaker is in its state.
func (b *breaker) why(last error) string {
	s := b.status()
	switch {
	case s.State == BreakerClosed:
		return "an attempt succeeded"
	case last == nil:
		return "attempts fail"
	}
	return fmt.Sprintf("attempts fail: %v", last)
}
