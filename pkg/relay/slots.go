package relay

import (
	"sync"
	"time"
)

// slots are the places of one target's running attempts, and the queue of those that wait for one. What waits is a link
// in a list: a goroutine for each would cost as much as some attempts.
type slots struct {
	patience time.Duration        // how long something waits
	late     func(waited []*task) // is told of what has waited for so long, in a goroutine of its own

	mu          sync.Mutex
	limit       int
	running     int
	first, last *task
	timer       *time.Timer // for the first; nil: nothing has waited since it last rang
}

func newSlots(patience time.Duration, late func([]*task)) *slots {
	return &slots{patience: patience, late: late}
}

// resize changes how many may run at once. Those that run go on.
func (s *slots) resize(limit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = limit
}

// add queues an attempt.
func (s *slots) add(k *task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k.waits = time.Now()
	if s.last != nil {
		s.last.behind = k
	} else {
		s.first = k
	}
	s.last = k
	if s.timer == nil {
		s.timer = time.AfterFunc(s.patience, s.ring)
	}
}

// begin gives a free place to the attempt that has waited longest; nil: there is no place, or nothing waits.
func (s *slots) begin() *task {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running >= s.limit || s.first == nil {
		return nil
	}
	s.running++
	return s.pop()
}

// next gives the place of an attempt that is over to the one that has waited longest. nil: the place is free.
func (s *slots) next() *task {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running > s.limit || s.first == nil {
		s.running--
		return nil
	}
	return s.pop()
}

func (s *slots) pop() *task {
	k := s.first
	if s.first, k.behind = k.behind, nil; s.first == nil {
		s.last = nil
	}
	return k
}

// ring takes out what has waited for too long.
func (s *slots) ring() {
	var late []*task
	s.mu.Lock()
	now := time.Now()
	for s.first != nil && now.Sub(s.first.waits) >= s.patience {
		late = append(late, s.pop())
	}
	if s.first != nil {
		s.timer.Reset(s.first.waits.Add(s.patience).Sub(now))
	} else {
		s.timer = nil
	}
	s.mu.Unlock()
	if len(late) > 0 {
		s.late(late)
	}
}

// leave takes out all that waits, when nothing is to begin any more.
func (s *slots) leave() (waiting []*task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.first != nil {
		waiting = append(waiting, s.pop())
	}
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	return waiting
}
