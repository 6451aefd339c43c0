package relay_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/signet/pkg/relay"
)

// fill appends n messages of one ordering key, a thousand in each commit.
func (f *fixture) fill(n int, d relay.Draft) {
	f.t.Helper()
	d.Source, d.Type = "test", "t"
	for n > 0 {
		drafts := slices.Repeat([]relay.Draft{d}, min(n, 1000))
		if _, err := f.Append(f.t.Context(), drafts...); err != nil {
			f.t.Fatal(err)
		}
		n -= len(drafts)
	}
}

const countDue = `SELECT count(*) FROM deliveries WHERE state = 'pending' AND behind = 0`

// TestOrder_ABlockedKeyIsNotPassedOverAgain: claims pass over what is due and cannot be claimed. However much waits
// behind a head that failed, it is taken out of what is due, once; so a claim has as little to pass over with 50,000
// blocked deliveries as with 50, and what is not blocked is delivered as fast.
func TestOrder_ABlockedKeyIsNotPassedOverAgain(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		many := 50_000
		if underRace {
			many = 10_000
		}
		few, lots := besideBlocked(t, e, 50), besideBlocked(t, e, many)
		for range 15 { // in turns: whatever else runs slows both
			few.deliver()
			lots.deliver()
		}
		took, tookLots := few.median(), lots.median()
		t.Logf("beside 50 blocked: %v, beside %d: %v", took, many, tookLots)
		// It was about a hundred times as long before; ten times is beyond what noise does to a median.
		if tookLots > 10*took+5*time.Millisecond {
			t.Error("what is blocked slows the others")
		}
	})
}

// blockedKey is a store with a target for which much is blocked behind a head that failed.
type blockedKey struct {
	*fixture
	d    *relay.Dispatcher
	seen <-chan relay.Observation
	each []time.Duration
}

func besideBlocked(t *testing.T, e engine, blocked int) *blockedKey {
	t.Helper()
	b := &blockedKey{fixture: open(t, e, func(c *relay.Config) { c.Schedule = relay.Schedule{0} })}
	b.target("a")
	b.d, b.seen, _ = b.dispatchWith(relay.DispatcherConfig{Resolver: runners{"a": relay.Remote(func(_ context.Context, job relay.Job) relay.Outcome {
		if job.Message.OrderingKey == "k" {
			return relay.Permanent(errDown)
		}
		return relay.Delivered("")
	})}})
	b.append(relay.Draft{OrderingKey: "k", Targets: []string{"a"}})
	next(t, b.seen)
	b.fill(blocked, relay.Draft{OrderingKey: "k", Targets: []string{"a"}})
	eventually(t, "nothing blocked is among the due", func() bool { return b.number(countDue) == 0 })
	return b
}

// deliver takes the time of a delivery of another key.
func (b *blockedKey) deliver() {
	began := time.Now()
	b.append(relay.Draft{OrderingKey: "other", Targets: []string{"a"}})
	next(b.t, b.seen)
	b.each = append(b.each, time.Since(began))
}

func (b *blockedKey) median() time.Duration {
	if n := b.number(countDue); n != 0 {
		b.t.Errorf("%d are among the due", n)
	}
	b.stop(b.d)
	b.balanced()
	slices.Sort(b.each)
	return b.each[len(b.each)/2]
}

// TestOrder_WhateverEndsAHeadFreesTheNext: what waits behind a failed head is not among the due, until that is retried,
// cancelled or removed, by itself or by a filter.
func TestOrder_WhateverEndsAHeadFreesTheNext(t *testing.T) {
	failed := relay.Bulk{Filter: relay.DeliveryFilter{State: relay.Failed}}
	for name, end := range map[string]func(f *fixture, head relay.Delivery) error{
		"retried":           func(f *fixture, head relay.Delivery) error { _, err := f.Retry(f.t.Context(), head.ID); return err },
		"retried by filter": func(f *fixture, _ relay.Delivery) error { _, err := f.RetryAll(f.t.Context(), failed); return err },
		"cancelled":         func(f *fixture, head relay.Delivery) error { return f.Cancel(f.t.Context(), head.ID) },
		"cancelled by filter": func(f *fixture, _ relay.Delivery) error {
			_, err := f.CancelAll(f.t.Context(), failed)
			return err
		},
		"removed": func(f *fixture, _ relay.Delivery) error {
			f.clock.advance(2 * day)
			_, err := f.retention(relay.RetentionPolicy{Delivered: day, Failed: day}).Pass(f.t.Context())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, e engine) {
				f := open(t, e, func(c *relay.Config) { c.Schedule = relay.Schedule{0} })
				f.target("a")
				seen := f.dispatch(runners{"a": answer(relay.Permanent(errDown), relay.Delivered(""))})
				head := f.only(f.append(relay.Draft{OrderingKey: "k", Targets: []string{"a"}}).ID)
				next(t, seen)
				f.fill(3, relay.Draft{OrderingKey: "k", Targets: []string{"a"}})
				eventually(t, "all are behind", func() bool { return f.number(countDue) == 0 })
				if err := end(f, head); err != nil {
					t.Fatal(err)
				}
				eventually(t, "the others are delivered", func() bool {
					return f.number(`SELECT count(*) FROM deliveries WHERE state = 'pending' OR state = 'delivering'`) == 0
				})
				f.balanced()
			})
		})
	}
}

// TestOrder_RandomFatesKeepTheOrder has deliveries of a few keys fail, be cancelled and be retried by hand while they
// run. In the end all that was not cancelled is delivered, and each key in its order.
func TestOrder_RandomFatesKeepTheOrder(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		rapid.Check(t, func(rt *rapid.T) {
			f := newFixture(t, e, e.url(t), func(c *relay.Config) {
				c.Schedule, c.Now, c.Migrations = relay.Schedule{0}, time.Now, nil // polling goes by the clock
			})
			f.reopen()
			defer func() { _ = f.Close() }()
			if err := f.PutTarget(t.Context(), relay.Target{ID: "a", Concurrency: 4}); err != nil {
				rt.Fatal(err)
			}
			fates := rapid.SliceOfN(rapid.SampledFrom([]string{"deliver", "fail", "cancel"}), 2, 24).Draw(rt, "fates")
			var mu sync.Mutex
			failed := map[string]bool{}
			order := map[string][]string{}
			cfg := relay.DispatcherConfig{
				Poll: 10 * time.Millisecond, Breaker: relay.Breaker{Failures: -1},
				Log: func(what string, err error) { t.Logf("dispatcher: %s: %v", what, err) },
				Resolver: runners{"a": relay.Remote(func(_ context.Context, job relay.Job) relay.Outcome {
					mu.Lock()
					defer mu.Unlock()
					body := string(job.Message.Body)
					var i int
					if _, err := fmt.Sscanf(body, "%d", &i); err == nil && fates[i] == "fail" && !failed[body] {
						failed[body] = true
						return relay.Permanent(errDown)
					}
					order[job.Message.OrderingKey] = append(order[job.Message.OrderingKey], body)
					return relay.Delivered("")
				})},
			}
			dispatchers := []*relay.Dispatcher{relay.NewDispatcher(f.Store, cfg)}
			if e.shared() { // two processes on one database
				dispatchers = append(dispatchers, relay.NewDispatcher(f.beside().Store, cfg))
			}
			var drafts []relay.Draft
			for i := range fates {
				drafts = append(drafts, relay.Draft{
					Source: "s", Type: "t", OrderingKey: string(rune('a' + i%3)), Body: fmt.Appendf(nil, "%04d", i), Targets: []string{"a"},
				})
			}
			receipts, err := f.Append(t.Context(), drafts...)
			if err != nil {
				rt.Fatal(err)
			}
			for _, d := range dispatchers {
				d.Start()
				defer f.stop(d)
			}
			want := map[string][]string{}
			cancelled := 0
			for i, fate := range fates {
				id, key := f.only(receipts[i].ID).ID, drafts[i].OrderingKey
				if fate == "cancel" && f.Cancel(t.Context(), id) == nil {
					cancelled++
					continue
				}
				want[key] = append(want[key], string(drafts[i].Body))
			}
			defer func() {
				if t.Failed() {
					t.Logf("deliveries: %+v", must(allDeliveries(f))(t))
				}
			}()
			eventually(t, "all that was not cancelled is delivered", func() bool {
				failing, _, err := f.Deliveries(t.Context(), relay.DeliveryFilter{State: relay.Failed}, relay.Page{})
				if err != nil {
					rt.Fatal(err)
				}
				for _, one := range failing {
					if _, err := f.Retry(t.Context(), one.ID); err != nil {
						rt.Fatal(err)
					}
				}
				return f.number(`SELECT count(*) FROM deliveries WHERE state = 'delivered'`) == len(fates)-cancelled
			})
			mu.Lock()
			defer mu.Unlock()
			for key, bodies := range want {
				if !slices.Equal(order[key], bodies) {
					rt.Errorf("key %s: %v, want %v", key, order[key], bodies)
				}
			}
		})
	})
}

// allDeliveries lists deliveries for whoever has to find out what went wrong.
func allDeliveries(f *fixture) ([]relay.Delivery, error) {
	all, _, err := f.Deliveries(context.Background(), relay.DeliveryFilter{}, relay.Page{Limit: relay.MaxPage})
	return all, err
}
