package relay

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// queue is slots with tasks that have numbers.
type queue struct {
	*slots

	mu    sync.Mutex
	given []int // back, since they waited for too long
}

func newQueue(limit int) *queue {
	q := &queue{}
	q.slots = newSlots(time.Minute, func(waited []*task) {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.given = append(q.given, ordinals(waited)...)
	})
	q.resize(limit)
	return q
}

func (q *queue) put(ordinals ...int) {
	for _, n := range ordinals {
		k := &task{}
		k.claimed.seq = int64(n)
		q.add(k)
	}
}

func ordinals(tasks []*task) (all []int) {
	for _, k := range tasks {
		all = append(all, int(k.claimed.seq))
	}
	return all
}

// back is what was given back.
func (q *queue) back() []int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.given)
}

// timed says that it waits for somebody's patience to end.
func (q *queue) timed() bool {
	q.slots.mu.Lock()
	defer q.slots.mu.Unlock()
	return q.timer != nil
}

// all is what f gives, until it gives nothing.
func all(f func() *task) []int {
	var tasks []*task
	for k := f(); k != nil; k = f() {
		tasks = append(tasks, k)
	}
	return ordinals(tasks)
}

func TestSlots_InTurn(t *testing.T) {
	t.Parallel()
	q := newQueue(2)
	defer q.leave()
	q.put(1, 2, 3, 4, 5)
	if got := all(q.begin); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("%v begin, want the first two", got)
	}
	if got := all(q.next); !slices.Equal(got, []int{3, 4, 5}) {
		t.Errorf("%v are next, want the others in their order", got)
	}
	q.put(6, 7)
	if got := all(q.begin); !slices.Equal(got, []int{6}) {
		t.Errorf("%v begin, but one place was free", got)
	}
}

func TestSlots_Resize(t *testing.T) {
	t.Parallel()
	q := newQueue(3)
	defer q.leave()
	q.put(1, 2, 3, 4, 5, 6, 7)
	all(q.begin)
	q.resize(1)
	if k := q.next(); k != nil || q.running != 2 {
		t.Errorf("%v goes on, and %d run", k, q.running)
	}
	if k := q.next(); k != nil || q.running != 1 || all(q.begin) != nil {
		t.Errorf("%v goes on, and %d run", k, q.running)
	}
	if k := q.next(); k == nil || k.claimed.seq != 4 {
		t.Errorf("%v goes on, want the fourth", k)
	}
	q.resize(3)
	if got := all(q.begin); !slices.Equal(got, []int{5, 6}) {
		t.Errorf("%v begin, want two more", got)
	}
}

// TestSlots_Patience: what has waited for so long is told of, and later what came later, unless it began in time.
func TestSlots_Patience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		q.put(1, 2, 3)
		all(q.begin)
		later(30 * time.Second)
		q.put(4, 5)
		later(29 * time.Second)
		if k := q.next(); k == nil || k.claimed.seq != 2 || q.back() != nil {
			t.Errorf("%v is next, %v given back", k, q.back())
		}
		if later(time.Second); !slices.Equal(q.back(), []int{3}) {
			t.Errorf("%v given back, want the third", q.back())
		}
		if later(30 * time.Second); !slices.Equal(q.back(), []int{3, 4, 5}) || q.timed() {
			t.Errorf("%v given back, want all", q.back())
		}
		q.put(6)
		if later(time.Minute); !slices.Equal(q.back(), []int{3, 4, 5, 6}) {
			t.Errorf("%v given back, want the last one too", q.back())
		}
	})
}

// TestSlots_Leave: nothing begins any more, and nothing is given back a second time.
func TestSlots_Leave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		q.put(1, 2, 3)
		all(q.begin)
		if got := ordinals(q.leave()); !slices.Equal(got, []int{2, 3}) {
			t.Errorf("%v waited", got)
		}
		if k := q.next(); k != nil {
			t.Errorf("%v begins", k)
		}
		if later(time.Hour); q.back() != nil || q.timed() {
			t.Errorf("%v given back", q.back())
		}
	})
}
