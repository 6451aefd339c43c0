package relay

import (
	"sync/atomic"
	"time"
)

// results are outcomes of attempts outside of the database, on their way to the writer. Nobody waits for one: the attempt's
// place is free already, and until it is recorded nothing depends on it but what is seen of the delivery. So they wait for
// company, because each commit costs a sync of the disk and some pages, whatever is in it.
type results struct {
	queue chan *op
	nudge chan struct{} // the first one has come, or enough have
	n     atomic.Int64  // how many are in the queue, or a moment ago were

	// The writer's own: what it has fetched, and when it learned of the first that is not committed.
	waiting []*op
	since   time.Time
}

func newResults() results {
	return results{queue: make(chan *op, queueLength), nudge: make(chan struct{}, 1)}
}

// patient says whether an operation is such an outcome. One with an ordering key is none: the next of its key waits for it.
func (o *op) patient() bool {
	return o.outcome != nil && o.effect == nil && o.after != nil && o.outcome.claimed.orderingKey == ""
}

// came is called by whoever has put one into the queue.
func (r *results) came() {
	if n := r.n.Add(1); n != 1 && n != outcomeGroup {
		return
	}
	select {
	case r.nudge <- struct{}{}:
	default:
	}
}

// wait is for how much longer they may wait; negative: there are none.
func (r *results) wait(now time.Time) time.Duration {
	n := r.len()
	switch {
	case n <= 0:
		r.since = time.Time{}
		return -1
	case r.since.IsZero():
		r.since = now
	}
	if n >= outcomeGroup {
		return 0
	}
	return max(0, r.since.Add(outcomeTime).Sub(now))
}

// len is how many there are. One may have been fetched before it was counted.
func (r *results) len() int { return len(r.waiting) + max(0, int(r.n.Load())) }

// fetch takes them out of the queue, but no more than one commit takes: behind that, the queue is as long as it may be.
func (r *results) fetch(now time.Time) {
	n := int64(0)
	for ; len(r.queue) > 0 && len(r.waiting) < maxGroup; n++ { // nobody else takes any
		if o := <-r.queue; o.take() {
			r.waiting = append(r.waiting, o)
		}
	}
	if r.n.Add(-n); r.since.IsZero() && r.len() > 0 { // those that came meanwhile may have told nobody
		r.since = now
	}
}

// take is those that were fetched.
func (r *results) take() []*op {
	all := r.waiting
	r.waiting, r.since = nil, time.Time{}
	return all
}
