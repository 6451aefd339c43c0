package relay

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// maxBorn is the size up to which a message is kept in memory for a delivery that is born leased, in bytes.
const maxBorn = 16 << 10

// task is a delivery under this process's lease, with what its attempt needs.
type task struct {
	claimed claimed
	job     Job

	// While it waits for a place among its target's attempts.
	runner Runner
	waits  time.Time // since then
	behind *task     // the one that waits behind it
}

// offers are places of this process's dispatcher for deliveries that are due at once. One that gets a place is born
// leased: appended and claimed in one commit, and not read back. A target has places only while nothing of it that is
// due waits in the database, so that none overtakes those for long. Only where one process owns the database.
type offers struct {
	mu     sync.Mutex
	places map[string]int // by target
	taken  map[string]int // by transactions that are under way
	born   []*task        // committed, for the dispatcher
	locals map[string]int // targets inside the database that somebody runs here, and how many of each he may hold
	moved  func()         // told when there are places
}

func newOffers() *offers {
	return &offers{places: map[string]int{}, taken: map[string]int{}, locals: map[string]int{}, moved: func() {}}
}

// take asks for a place. Where there is none the next ones get none either, until the dispatcher offers again.
func (o *offers) take(target string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.places[target] <= 0 {
		delete(o.places, target)
		return false
	}
	o.places[target]--
	o.taken[target]++
	return true
}

// commit hands over what a transaction has taken; false: nothing.
func (o *offers) commit(births []*task) bool {
	if len(births) == 0 {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, b := range births {
		o.taken[b.job.Delivery.TargetID]--
	}
	o.born = append(o.born, births...)
	return true
}

// undo gives back what a transaction that was rolled back has taken.
func (o *offers) undo(births []*task) {
	if len(births) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, b := range births {
		target := b.job.Delivery.TargetID
		o.taken[target]--
		if _, open := o.places[target]; open {
			o.places[target]++
		}
	}
}

// close takes all places back, until the dispatcher offers again.
func (o *offers) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.places)
	clear(o.locals)
	o.moved()
}

// collect is for the dispatcher: what was born since the last time.
func (o *offers) collect() []*task {
	o.mu.Lock()
	defer o.mu.Unlock()
	born := o.born
	o.born = nil
	return born
}

// busy says whether a transaction that is under way holds places.
func (o *offers) busy() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, n := range o.taken {
		if n > 0 {
			return true
		}
	}
	return false
}

// set offers places of the targets named anew, and leaves those of others; what is taken or born by now is none of the
// dispatcher's yet. locals are likewise those of the targets named, 0: none.
func (o *offers) set(places, locals map[string]int) {
	defer o.moved()
	o.mu.Lock()
	defer o.mu.Unlock()
	for target, n := range locals {
		if n > 0 {
			o.locals[target] = n
		} else {
			delete(o.locals, target)
		}
	}
	for _, b := range o.born {
		if target := b.job.Delivery.TargetID; places[target] > 0 {
			places[target]--
		}
	}
	for target, n := range places {
		if n -= o.taken[target]; n > 0 {
			o.places[target] = n
		} else {
			delete(o.places, target)
		}
		if o.taken[target] == 0 {
			delete(o.taken, target)
		}
	}
}

// offered takes a place for a delivery of a draft that is due at once and free of order.
func (t *txn) offered(p *prepared, target string) bool {
	return t.offers != nil && p.delay == 0 && p.OrderingKey == "" && len(p.Headers)+len(p.Body) <= maxBorn && t.offers.take(target)
}

// birth makes a job of a draft. The draft is its caller's again after the commit, so everything is copied.
func (t *txn) birth(p *prepared, delivery int, messageSeq, seq int64, lease time.Duration) *task {
	at := time.UnixMicro(t.now.UnixMicro()).UTC()
	m := Message{
		ID: strings.Clone(p.ID), Source: strings.Clone(p.Source), Type: strings.Clone(p.Type), DedupeKey: strings.Clone(p.DedupeKey),
		Tenant: strings.Clone(p.Tenant), Headers: slices.Clone(notNil(p.Headers)), Body: slices.Clone(notNil(p.Body)), CreatedAt: at,
	}
	d := Delivery{
		ID: p.deliveries[delivery], MessageID: m.ID, TargetID: strings.Clone(p.Targets[delivery]), Source: m.Source, Type: m.Type,
		State: Delivering, Attempts: 1, CreatedAt: at, UpdatedAt: at,
	}
	c := claimed{seq: seq, messageSeq: messageSeq, token: 1, delivery: d, until: t.now.Add(lease)}
	return &task{claimed: c, job: Job{Message: m, Delivery: d}}
}

// local says whether a target is inside the database and run here.
func (o *offers) local(target string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, ok := o.locals[target]
	return ok
}

// chance asks for places for so many deliveries of some targets. Only for targets inside the database it is worth
// waiting: what others do not take at once waits as rows.
func (o *offers) chance(counts map[string]int) chance {
	o.mu.Lock()
	defer o.mu.Unlock()
	best := chanceNever
	for target, n := range counts {
		capacity, ok := o.locals[target]
		if !ok {
			continue
		}
		if o.places[target] < min(n, capacity) {
			return chanceLater
		}
		best = chanceNow
	}
	return best
}
