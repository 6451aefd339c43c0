package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	publishers = 8    // goroutines that publish at the same time
	batchSize  = 50   // events in one request
	calm       = 200  // undelivered events beyond which the publishers wait before the next burst
	burst      = 3000 // and during one
)

// ledger is what the producer has acknowledged: the truth that the receiver's books are held against.
type ledger struct {
	mu         sync.Mutex
	amounts    map[string]int64  // order id → amount in minor units
	messages   map[string]string // order id → the id its event was given
	duplicates int               // events the producer had already accepted when its answer got lost
}

func (l *ledger) accept(events []event, amounts []int64, answers []published) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, e := range events {
		if _, twice := l.amounts[e.ID]; twice {
			return fmt.Errorf("event %s was accepted twice", e.ID)
		}
		l.amounts[e.ID], l.messages[e.ID] = amounts[i], answers[i].ID
		if answers[i].Duplicate {
			l.duplicates++
		}
	}
	return nil
}

// count is the number of orders accepted so far.
func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.amounts)
}

// accepted is a copy of what was accepted so far.
func (l *ledger) accepted() map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.amounts)
}

// load publishes order.completed events from several goroutines until it is stopped. A request that fails is made
// again with the same events under the same ids, so that each is accepted in the end, and counted once.
type load struct {
	producer api
	ledger   ledger
	failures atomic.Int64 // requests that had to be made again
	limit    atomic.Int64 // undelivered events beyond which the publishers wait
	waiting  atomic.Int64 // undelivered events when last asked
	stop     context.CancelFunc
	done     sync.WaitGroup
}

// startLoad begins to publish. What is undelivered is kept bounded, so that the books can be settled in a test's time.
func startLoad(t *testing.T, producer api) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{producer: producer, stop: cancel}
	l.ledger.amounts, l.ledger.messages = map[string]int64{}, map[string]string{}
	l.limit.Store(burst)
	l.done.Go(func() { l.watch(ctx) })
	for p := range publishers {
		l.done.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if err := l.batch(ctx, t.Context(), fmt.Sprintf("%d-%d", p, n)); err != nil {
					t.Errorf("publisher %d: %v", p, err)
					return
				}
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

// end stops publishing. The batches under way are published to the end.
func (l *load) end() {
	l.stop()
	l.done.Wait()
}

// watch asks how much is undelivered, as long as the load lasts.
func (l *load) watch(ctx context.Context) {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if s, err := l.producer.stats(ctx); err == nil {
				l.waiting.Store(s.undelivered())
			}
		}
	}
}

// batch publishes one batch, again and again until it is accepted. It waits while too much is undelivered.
func (l *load) batch(load, test context.Context, name string) error {
	events, amounts := orders(name)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for l.waiting.Load() > l.limit.Load() {
		select {
		case <-load.Done():
			return nil
		case <-tick.C:
		}
	}
	for {
		answers, err := l.producer.publish(test, events)
		if err == nil {
			return l.ledger.accept(events, amounts, answers)
		}
		l.failures.Add(1)
		select {
		case <-test.Done():
			return fmt.Errorf("batch %s was never accepted: %w", name, err)
		case <-tick.C:
		}
	}
}

// orders makes one batch of events, with ids and amounts that no other batch has.
func orders(name string) ([]event, []int64) {
	events, amounts := make([]event, batchSize), make([]int64, batchSize)
	for i := range events {
		id := fmt.Sprintf("load-%s-%d", name, i)
		amounts[i] = int64(100 + (i*7919+len(name)*31)%90_000)
		data := fmt.Sprintf(`{"order_id":%q,"user_id":"user-%s","amount":%d.%02d,"currency":"EUR"}`, id, name, amounts[i]/100, amounts[i]%100)
		events[i] = event{ID: id, Type: "order.completed", Data: json.RawMessage(data)}
	}
	return events, amounts
}

// flow is what the producer had to do at one moment under load.
type flow struct {
	rate       float64 // events accepted a second since the window began
	delivering int64   // deliveries under way
}

// inFlight lets a burst begin when little is undelivered, and waits until it has lasted for a while and dozens of
// deliveries are under way. It demands that at least 200 events a second were accepted over that while.
func (l *load) inFlight(t *testing.T) flow {
	t.Helper()
	l.limit.Store(calm)
	eventually(t, settling, "the backlog is delivered", func(context.Context) error {
		if n := l.waiting.Load(); n > 2*calm {
			return fmt.Errorf("%d events are undelivered", n)
		}
		return nil
	})
	l.limit.Store(burst)
	begin, before := time.Now(), l.ledger.count()
	var now flow
	eventually(t, time.Minute, "dozens of deliveries are in flight", func(ctx context.Context) error {
		s, err := l.producer.stats(ctx)
		if err != nil {
			return err
		}
		passed, events := time.Since(begin), l.ledger.count()-before
		now = flow{rate: float64(events) / passed.Seconds(), delivering: s.Deliveries.Delivering}
		if passed < 3*time.Second || events < 1000 || s.Deliveries.Delivering < minimumInFlight {
			return fmt.Errorf("%d events in %s, deliveries %+v", events, passed, s.Deliveries)
		}
		return nil
	})
	l.limit.Store(math.MaxInt64) // so that nobody waits at the moment that comes next
	if now.rate < minimumRate {
		t.Errorf("%.0f events a second were accepted, want at least %d", now.rate, minimumRate)
	}
	return now
}

// goesOn waits until further events have been accepted.
func (l *load) goesOn(t *testing.T, events int) {
	t.Helper()
	before := l.ledger.count()
	eventually(t, time.Minute, fmt.Sprintf("%d further events are accepted", events), func(context.Context) error {
		if n := l.ledger.count() - before; n < events {
			return fmt.Errorf("%d are, after %d failed requests", n, l.failures.Load())
		}
		return nil
	})
}
