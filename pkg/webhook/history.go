package webhook

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Filter chooses deliveries; its zero value takes all. Fields that are set must all hold.
type Filter struct {
	Status    Status    // where it stands
	URL       string    // exactly as it was given
	MessageID string    // those of an event that went to several URLs
	Since     time.Time // created then or later
	Limit     int       // at most so many, the latest; 0: all
}

func (f Filter) takes(d Delivery) bool {
	return (f.Status == "" || f.Status == d.Status) &&
		(f.URL == "" || f.URL == d.URL) &&
		(f.MessageID == "" || f.MessageID == d.MessageID) &&
		!d.CreatedAt.Before(f.Since)
}

// entry is a delivery as it was when it last changed its status.
type entry struct{ delivery Delivery }

// history remembers the latest deliveries, and counts all of them.
type history struct {
	mu       sync.Mutex
	limit    int
	ring     []*entry // up to limit; next is the oldest once it is full
	next     int
	byID     map[string]*entry
	counts   map[Status]int
	attempts int
}

func newHistory(limit int) *history {
	h := &history{limit: limit, byID: map[string]*entry{}, counts: map[Status]int{}}
	for _, status := range statuses() {
		h.counts[status] = 0
	}
	return h
}

// add remembers a delivery, in the place of the oldest when there are too many.
func (h *history) add(d Delivery) *entry {
	e := &entry{d}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[d.Status]++
	switch {
	case h.limit == 0:
		return e
	case len(h.ring) < h.limit:
		h.ring = append(h.ring, e)
	default:
		delete(h.byID, h.ring[h.next].delivery.ID)
		h.ring[h.next] = e
		h.next = (h.next + 1) % h.limit
	}
	h.byID[d.ID] = e
	return e
}

// update notes what has become of a delivery. It shares the attempts, of which only more may be appended.
func (h *history) update(e *entry, d Delivery) {
	d.Attempts = slices.Clip(d.Attempts)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[e.delivery.Status]--
	h.counts[d.Status]++
	h.attempts += len(d.Attempts) - len(e.delivery.Attempts)
	e.delivery = d
}

func (h *history) find(id string) (Delivery, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, ok := h.byID[id]
	if !ok {
		return Delivery{}, false
	}
	return e.delivery.clone(), true
}

func (h *history) list(filter Filter) []Delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []Delivery
	for i := range h.ring {
		e := h.ring[(h.next+len(h.ring)-1-i)%len(h.ring)]
		if !filter.takes(e.delivery) {
			continue
		}
		found = append(found, e.delivery.clone())
		if len(found) == filter.Limit {
			break
		}
	}
	return found
}

func (h *history) stats() Stats {
	h.mu.Lock()
	s := Stats{Deliveries: maps.Clone(h.counts), Attempts: h.attempts}
	var took []time.Duration
	for _, e := range h.ring {
		for _, attempt := range e.delivery.Attempts {
			took = append(took, attempt.Duration)
		}
	}
	h.mu.Unlock()
	s.Took = percentiles(took)
	return s
}
