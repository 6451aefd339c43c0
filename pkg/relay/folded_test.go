package relay_test

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

// reading is everything that callers can read.
type reading struct {
	Messages   []relay.Message
	Deliveries []relay.Delivery
	Attempts   map[string][]relay.Attempt
	Stats      relay.Stats
	Lists      map[string][]string
}

// readAll reads it, in pages of so many.
func (f *fixture) readAll(limit int) reading {
	f.t.Helper()
	r := reading{Attempts: map[string][]relay.Attempt{}, Lists: map[string][]string{}, Stats: must(f.Stats(f.t.Context()))(f.t)}
	for _, m := range f.pagesOf(relay.MessageFilter{}, limit) {
		r.Messages = append(r.Messages, must(f.Message(f.t.Context(), m.ID))(f.t))
	}
	for _, d := range f.deliveriesOf(relay.DeliveryFilter{}, limit) {
		one, attempts, err := f.Delivery(f.t.Context(), d.ID)
		if err != nil || !reflect.DeepEqual(one, d) {
			f.t.Errorf("alone it is %+v, in the list %+v: %v", one, d, err)
		}
		r.Deliveries, r.Attempts[d.ID] = append(r.Deliveries, d), attempts
	}
	since, until := f.clock.Now().Add(-3*time.Second), f.clock.Now().Add(-time.Second)
	for _, c := range []relay.MessageFilter{
		{Source: "odd"}, {Type: "type 1"}, {State: relay.Done}, {State: relay.Failed}, {Since: since}, {Until: until}, {Since: since, Until: until, Source: "test"},
	} {
		for _, m := range f.pagesOf(c, limit) {
			r.Lists[fmt.Sprintf("%+v", c)] = append(r.Lists[fmt.Sprintf("%+v", c)], m.ID)
		}
	}
	for _, c := range []relay.DeliveryFilter{
		{TargetID: "a"},
		{TargetID: "bad"},
		{Type: "type 2", State: relay.Done},
		{State: relay.Failed},
		{Since: since},
		{Until: until},
		{MessageID: r.Deliveries[len(r.Deliveries)/2].MessageID}, // (a message need not have deliveries)
		{MessageID: "msg_none"},
	} {
		for _, d := range f.deliveriesOf(c, limit) {
			r.Lists[fmt.Sprintf("%+v", c)] = append(r.Lists[fmt.Sprintf("%+v", c)], d.ID)
		}
	}
	return r
}

func (f *fixture) pagesOf(filter relay.MessageFilter, limit int) (all []relay.Message) {
	f.t.Helper()
	for p := (relay.Page{Limit: limit}); ; {
		items, next, err := f.Messages(f.t.Context(), filter, p)
		if err != nil {
			f.t.Fatal(err)
		}
		if all = append(all, items...); next == "" {
			return all
		}
		p.Cursor = next
	}
}

func (f *fixture) deliveriesOf(filter relay.DeliveryFilter, limit int) (all []relay.Delivery) {
	f.t.Helper()
	for p := (relay.Page{Limit: limit}); ; {
		items, next, err := f.Deliveries(f.t.Context(), filter, p)
		if err != nil {
			f.t.Fatal(err)
		}
		if all = append(all, items...); next == "" {
			return all
		}
		p.Cursor = next
	}
}

// crowded is a store with some messages of every fate in it, appended by a crowd and alone. Most of them are folded.
func crowded(t *testing.T, change ...func(*relay.Config)) *fixture {
	t.Helper()
	f := open(t, journaled, change...)
	f.target("a", "b", "bad", "off")
	if err := f.SetTarget(t.Context(), "off", false, "test"); err != nil {
		t.Fatal(err)
	}
	good := relay.Outcome{Verdict: relay.VerdictDelivered, StatusCode: 204, Detail: "it said: fine"}
	stop := f.run(runners{"a": answer(good), "b": effect("b"), "bad": answer(relay.Permanent(errDown))})
	defer stop()
	targets := [][]string{{"a"}, {"a", "b"}, {"b"}, {}, {"a", "bad"}, {"b", "off"}, {"a"}, {"b"}}
	for round := range 6 {
		var crowd sync.WaitGroup
		for i := range 24 {
			crowd.Go(func() {
				n := round*24 + i
				d := relay.Draft{
					Source: "test", Type: fmt.Sprintf("type %d", n%3), DedupeKey: fmt.Sprint("key", n), Tenant: "t", Headers: []byte(`{"A":["1"]}`),
					Body: fmt.Appendf(nil, `{"n":%d,"text":"the same in all of them"}`, n), Targets: targets[n%len(targets)],
				}
				if n%11 == 0 {
					d.Source = "odd"
				}
				if _, err := f.Append(t.Context(), d); err != nil {
					t.Error(err)
				}
			})
		}
		crowd.Wait()
		eventually(t, "all is over but what is off", func() bool {
			stats := must(f.Stats(t.Context()))(t)
			return stats.Deliveries[relay.Pending]+stats.Deliveries[relay.Delivering] == 0
		})
		f.clock.advance(time.Second)
	}
	return f
}

func effect(name string) relay.Runner {
	return relay.Effect(func(ctx context.Context, tx relay.Tx, _ relay.Job) relay.Outcome {
		if _, err := tx.Exec(ctx, increment, name); err != nil {
			return relay.Retry(err)
		}
		return relay.Delivered("counted")
	})
}

// TestFolded_ReadsAsRowsDo: what is folded reads the same as what has rows, one by one, in lists and in pages of any size.
func TestFolded_ReadsAsRowsDo(t *testing.T) {
	t.Parallel()
	f := crowded(t)
	if n := must(f.Folded(t.Context()))(t); n < 6 {
		t.Fatalf("%d rows of the journal are folded", n)
	}
	before := map[int]reading{}
	for _, limit := range []int{1, 7, 200} {
		before[limit] = f.readAll(limit)
		if !reflect.DeepEqual(before[limit], before[1]) {
			t.Errorf("pages of %d differ from such of 1", limit)
		}
	}
	if len(before[1].Messages) != 144 || len(before[1].Lists) != 14 {
		t.Fatalf("%d messages, lists %d", len(before[1].Messages), len(before[1].Lists))
	}
	f.reopenedReads(before[200])
	if err := f.Settle(t.Context()); err != nil { // now everything has rows
		t.Fatal(err)
	}
	if n := must(f.Folded(t.Context()))(t); n != 0 {
		t.Fatalf("%d rows of the journal are still folded", n)
	}
	for limit, want := range before {
		if got := f.readAll(limit); !reflect.DeepEqual(got, want) {
			t.Errorf("as rows, in pages of %d, it is\n%+v\nand was\n%+v", limit, got, want)
		}
	}
	f.balanced()
}

// reopenedReads: nothing of it is in memory only.
func (f *fixture) reopenedReads(want reading) {
	f.t.Helper()
	if err := f.Close(); err != nil {
		f.t.Fatal(err)
	}
	f.reopen()
	if got := f.readAll(200); !reflect.DeepEqual(got, want) {
		f.t.Errorf("after a restart it is\n%+v\nand was\n%+v", got, want)
	}
	for n := range 144 {
		r := f.append(relay.Draft{Source: map[bool]string{true: "odd", false: "test"}[n%11 == 0], DedupeKey: fmt.Sprint("key", n)})
		if !r.Duplicate {
			f.t.Errorf("key %d was taken for a new one", n)
		}
	}
}

// TestFolded_PagesHaveNoGaps: a page is a stretch of the list without gaps, whatever is folded and whatever gets rows while
// it is read; or a cursor would pass over for good what is missing in it.
func TestFolded_PagesHaveNoGaps(t *testing.T) {
	t.Parallel()
	var amid atomic.Pointer[func()]
	f := open(t, journaled, func(c *relay.Config) {
		*c = relay.WithPoints(*c, func(point string) {
			if do := amid.Load(); point == relay.AmidReading && do != nil {
				(*do)()
			}
		})
	})
	f.target("off")
	if err := f.SetTarget(t.Context(), "off", false, "test"); err != nil {
		t.Fatal(err)
	}
	pair := func() {
		f.append(relay.Draft{})                         // is folded
		f.append(relay.Draft{Targets: []string{"off"}}) // gets rows
		if err := f.Settled(t.Context()); err != nil {  // both have happened
			t.Error(err)
		}
	}
	pair()
	amid.Store(&[]func(){pair}[0])
	messages, _, err := f.Messages(t.Context(), relay.MessageFilter{}, relay.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	deliveries, _, err := f.Deliveries(t.Context(), relay.DeliveryFilter{}, relay.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	amid.Store(nil)
	if len(messages) != 2 || len(deliveries) != 2 {
		t.Errorf("%d messages and %d deliveries, want those of before the two readings: 2 and 2", len(messages), len(deliveries))
	}
	all := f.pagesOf(relay.MessageFilter{}, 200)
	if len(all) != 6 || !reflect.DeepEqual(all[len(all)-2:], messages) {
		t.Errorf("%d messages, the first two are not those that the page had", len(all))
	}
}
