package relay_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

func TestStore_RetryKeepsTheDelivery(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e, func(c *relay.Config) { c.Schedule = relay.Schedule{0} })
		f.target("a")
		seen := f.dispatch(runners{"a": answer(relay.Retry(errDown), relay.Delivered(""))})
		d := f.only(f.append(relay.Draft{Targets: []string{"a"}}).ID)
		if o := next(t, seen); o.State != relay.Failed {
			t.Fatalf("state %s", o.State)
		}
		if again := must(f.Retry(t.Context(), d.ID))(t); again.ID != d.ID {
			t.Errorf("retry made %s of %s", again.ID, d.ID)
		}
		next(t, seen)
		got, attempts, err := f.Delivery(t.Context(), d.ID)
		if err != nil || got.State != relay.Done || len(attempts) != 2 {
			t.Errorf("%+v with %d attempts, %v", got, len(attempts), err)
		}
		if _, err := f.Retry(t.Context(), d.ID); !errors.Is(err, relay.ErrState) {
			t.Errorf("retry of a delivered one: %v", err)
		}
		if _, err := f.Retry(t.Context(), "dlv_none"); !errors.Is(err, relay.ErrNotFound) {
			t.Errorf("retry of none: %v", err)
		}
		f.balanced()
	})
}

func TestStore_ReplayOfADeliveredOneIsANewDelivery(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a")
		seen := f.dispatch(runners{"a": answer(relay.Delivered(""))})
		id := f.append(relay.Draft{Targets: []string{"a"}}).ID
		first := f.only(id)
		next(t, seen)
		replay := must(f.Replay(t.Context(), first.ID))(t)
		if replay.ID == first.ID || replay.ReplayOf != first.ID || replay.MessageID != id {
			t.Errorf("replay %+v of %+v", replay, first)
		}
		if o := next(t, seen); o.Job.Delivery.ReplayOf != first.ID {
			t.Errorf("the runner saw %+v", o.Job.Delivery)
		}
		if m := must(f.Message(t.Context(), id))(t); len(m.Deliveries) != 2 {
			t.Errorf("%d deliveries, want 2", len(m.Deliveries))
		}
		f.balanced()
	})
}

func TestStore_CancelThenRetry(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a")
		d := f.only(f.append(relay.Draft{Targets: []string{"a"}}).ID)
		if err := f.Cancel(t.Context(), d.ID); err != nil {
			t.Fatal(err)
		}
		if err := f.Cancel(t.Context(), d.ID); !errors.Is(err, relay.ErrState) {
			t.Errorf("cancelled twice: %v", err)
		}
		f.balanced()
		if got := must(f.Replay(t.Context(), d.ID))(t); got.State != relay.Pending || got.ID != d.ID {
			t.Errorf("after replay %+v", got)
		}
		f.balanced()
	})
}

func TestStore_RedeliveredDuplicateRevivesWhatFailed(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a", "b")
		seen := f.dispatch(runners{"a": answer(relay.Permanent(errDown), relay.Delivered("")), "b": answer(relay.Delivered(""))})
		draft := relay.Draft{Source: "s", Type: "t", DedupeKey: "k", Targets: []string{"a", "b"}, Redeliver: true}
		id := f.append(draft).ID
		next(t, seen)
		next(t, seen)
		if r := f.append(draft); !r.Duplicate || r.ID != id {
			t.Fatalf("receipt %+v", r)
		}
		if o := next(t, seen); o.Job.Delivery.TargetID != "a" || o.State != relay.Done {
			t.Errorf("tried again: %+v", o)
		}
		f.append(draft) // everything is delivered: nothing happens
		select {
		case o := <-seen:
			t.Errorf("a delivered one was delivered again: %+v", o)
		case <-time.After(100 * time.Millisecond):
		}
		f.balanced()
	})
}

func TestStore_ListsPageStablyWhileRowsArrive(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a")
		for i := range 25 {
			f.append(relay.Draft{Type: fmt.Sprintf("t%d", i%2), Targets: []string{"a"}})
		}
		seen := map[string]bool{}
		var cursor string
		for pages := 1; ; pages++ {
			items, next, err := f.Deliveries(t.Context(), relay.DeliveryFilter{TargetID: "a"}, relay.Page{Limit: 10, Cursor: cursor})
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range items {
				if seen[d.ID] {
					t.Errorf("%s is on two pages", d.ID)
				}
				seen[d.ID] = true
			}
			f.append(relay.Draft{Targets: []string{"a"}}) // arrives on top, moves nothing
			if cursor = next; cursor == "" {
				if pages != 3 || len(seen) != 25 {
					t.Errorf("%d deliveries on %d pages, want 25 on 3", len(seen), pages)
				}
				return
			}
		}
	})
}

func TestStore_ListsFilter(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a", "b")
		old := f.append(relay.Draft{Source: "x", Type: "t1", Targets: []string{"a"}}).ID
		f.clock.advance(time.Hour)
		recent := f.append(relay.Draft{Source: "y", Type: "t2", Targets: []string{"a", "b"}}).ID
		if err := f.SetTarget(t.Context(), "b", false, "why"); err != nil {
			t.Fatal(err)
		}
		half := f.clock.Now().Add(-time.Minute)
		for name, tt := range map[string]struct {
			filter relay.MessageFilter
			want   string
		}{
			"all":     {relay.MessageFilter{}, recent + old},
			"source":  {relay.MessageFilter{Source: "x"}, old},
			"type":    {relay.MessageFilter{Type: "t2"}, recent},
			"since":   {relay.MessageFilter{Since: half}, recent},
			"until":   {relay.MessageFilter{Until: half}, old},
			"paused":  {relay.MessageFilter{State: relay.Paused}, recent},
			"pending": {relay.MessageFilter{State: relay.Pending}, recent + old},
			"failed":  {relay.MessageFilter{State: relay.Failed}, ""},
		} {
			items, _, err := f.Messages(t.Context(), tt.filter, relay.Page{})
			var got strings.Builder
			for _, m := range items {
				got.WriteString(m.ID)
			}
			if err != nil || got.String() != tt.want {
				t.Errorf("%s: %q, %v, want %q", name, got.String(), err, tt.want)
			}
		}
		for name, page := range map[string]relay.Page{"limit": {Limit: 1000}, "negative": {Limit: -1}, "cursor": {Cursor: "!"}} {
			if _, _, err := f.Messages(t.Context(), relay.MessageFilter{}, page); !errors.Is(err, relay.ErrInvalid) {
				t.Errorf("%s: %v, want ErrInvalid", name, err)
			}
		}
		if _, _, err := f.Deliveries(t.Context(), relay.DeliveryFilter{State: "lost"}, relay.Page{}); !errors.Is(err, relay.ErrInvalid) {
			t.Errorf("unknown state: %v", err)
		}
		f.balanced()
	})
}
