package handler_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/signet/pkg/relay"
	"example.com/signet/services/receiver/internal/books"
	"example.com/signet/services/receiver/internal/handler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engine is a store with a dispatcher that runs the handlers, each wrapped by around; nil: as they are.
type engine struct {
	*relay.Store

	router *handler.Router
	seen   chan relay.Observation
}

func run(t *testing.T, around func(relay.EffectFunc) relay.EffectFunc) *engine {
	t.Helper()
	handlers := handler.All()
	for i := range handlers {
		if around != nil {
			handlers[i].Apply, handlers[i].ApplyAll = around(alone(handlers[i])), nil
		}
	}
	router, err := handler.NewRouter(handlers)
	if err != nil {
		t.Fatal(err)
	}
	store, err := relay.Open(t.Context(), relay.Config{
		URL: "sqlite:" + filepath.Join(t.TempDir(), "r.db"), Migrations: []relay.Migrations{books.Migrations()},
		Schedule: relay.Schedule{0, time.Millisecond, time.Millisecond, time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{Store: store, router: router, seen: make(chan relay.Observation, 100)}
	for _, target := range router.All() {
		if err := store.PutTarget(t.Context(), relay.Target{ID: target, Enabled: true}); err != nil {
			t.Fatal(err)
		}
	}
	dispatcher := relay.NewDispatcher(store, relay.DispatcherConfig{
		Resolver: router,
		Observe:  func(o relay.Observation) { e.seen <- o },
		Log:      func(msg string, err error) { t.Errorf("%s: %v", msg, err) },
		Poll:     5 * time.Millisecond,
	})
	dispatcher.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := errors.Join(dispatcher.Stop(ctx), store.Close()); err != nil {
			t.Error(err)
		}
	})
	return e
}

// alone is what a handler does with one event.
func alone(h handler.Handler) relay.EffectFunc {
	if h.ApplyAll == nil {
		return h.Apply
	}
	return func(ctx context.Context, tx relay.Tx, job relay.Job) relay.Outcome {
		return h.ApplyAll(ctx, tx, []relay.Job{job})[0]
	}
}

func (e *engine) take(t *testing.T, eventType, body string) {
	t.Helper()
	_, err := e.Append(t.Context(), relay.Draft{Source: "default", Type: eventType, Body: []byte(body), Targets: e.router.Targets(eventType)})
	if err != nil {
		t.Fatal(err)
	}
}

// next waits for the next observation.
func (e *engine) next(t *testing.T) relay.Observation {
	t.Helper()
	select {
	case o := <-e.seen:
		return o
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was observed")
		return relay.Observation{}
	}
}

func TestHandlers_story(t *testing.T) {
	t.Parallel()
	e := run(t, nil)
	for _, c := range []struct {
		eventType, body string
		state           relay.State
		says            string // in the detail of what is done, in the error of what failed
	}{
		{"order.completed", `{"event_type":"order.completed","data":{"order_id":"12345","amount":99.99}}`, relay.Done, "order 12345 completed: 99.99 (revenue 99.99)"},
		{"order.completed", `{"type":"order.completed","data":{"id":7,"amount_minor":110451,"currency":"eur"}}`, relay.Done, "order 7 completed: 1 104.51 EUR (revenue 1 204.50)"},
		{"order.completed", `{"data":{"order_id":"12345","amount":1}}`, relay.Done, "by another message; nothing changed"},
		{"user.created", `{"event":"user.created","data":{"id":123}}`, relay.Done, "user 123 created (users: 1)"},
		{"push", `{"ref":"main"}`, relay.Done, "noted: 14 bytes from default"},
		{"order.completed", `{"data":{"amount":1}}`, relay.Failed, "order_id is missing"},
		{"order.completed", `{"data":{"order_id":1,"amount":1.005}}`, relay.Failed, "amount has too many decimals"},
		{"order.completed", `{"data":{"order_id":1,"amount":1,"currency":"?"}}`, relay.Failed, "currency"},
		{"user.created", `{"data":[]}`, relay.Failed, "data must be an object"},
		{"user.created", `[]`, relay.Failed, "not a JSON object"},
	} {
		e.take(t, c.eventType, c.body)
		o := e.next(t)
		said := o.Outcome.Detail
		if o.Outcome.Err != nil {
			said = o.Outcome.Err.Error()
		}
		if o.State != c.state || !strings.Contains(said, c.says) {
			t.Errorf("%s: %s, %q; want %s, %q", c.body, o.State, said, c.state, c.says)
		}
	}
}

// The effect is applied in full and then the attempt fails, twice. Without the transaction it shares with the
// delivery's completion, the order would count three times.
func TestHandlers_effectHappensOnceWithItsDelivery(t *testing.T) {
	t.Parallel()
	calls := 0 // effects run one at a time
	e := run(t, func(apply relay.EffectFunc) relay.EffectFunc {
		return func(ctx context.Context, tx relay.Tx, job relay.Job) relay.Outcome {
			outcome := apply(ctx, tx, job)
			if calls++; calls <= 2 {
				return relay.Retry(errors.New("after the effect"))
			}
			return outcome
		}
	})
	e.take(t, "order.completed", `{"data":{"order_id":1,"amount":5}}`)
	for _, want := range []relay.State{relay.Pending, relay.Pending, relay.Done} {
		if o := e.next(t); o.State != want {
			t.Fatalf("state %s, want %s", o.State, want)
		}
	}
	orders, _, err := books.NewReader(e.Store).Orders(t.Context(), "", 10)
	want := books.Order{OrderID: "1", AmountMinor: 500, Applied: 1, RevenueMinor: 500}
	if err != nil || len(orders) != 1 || orders[0] != want {
		t.Errorf("orders are %+v, %v", orders, err)
	}
	if calls != 3 {
		t.Errorf("the effect ran %d times", calls)
	}
}

func TestHandlers_replayChangesNothing(t *testing.T) {
	t.Parallel()
	e := run(t, nil)
	e.take(t, "user.created", `{"data":{"id":1}}`)
	first := e.next(t)
	if _, err := e.Replay(t.Context(), first.Job.Delivery.ID); err != nil {
		t.Fatal(err)
	}
	again := e.next(t)
	if again.Job.Delivery.ReplayOf != first.Job.Delivery.ID || !strings.Contains(again.Outcome.Detail, "a replay changes nothing") {
		t.Errorf("the replay is %+v, %q", again.Job.Delivery, again.Outcome.Detail)
	}
	if totals, err := books.NewReader(e.Store).Totals(t.Context()); err != nil || totals.Users != 1 {
		t.Errorf("totals are %+v, %v", totals, err)
	}
}
