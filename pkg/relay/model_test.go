package relay_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/signet/pkg/relay"
)

// modelDelivery is what the model knows of a delivery.
type modelDelivery struct {
	message, target string
	state           relay.State
	touched         time.Time
}

// model is what a store without a dispatcher should be like.
type model struct {
	t          *testing.T
	f          *fixture
	deliveries map[string]*modelDelivery
	ids        []string             // of deliveries, in the order they were made
	messages   []string             // in the order they were appended
	born       map[string]time.Time // by message
	keys       map[string]string
	paused     map[string]bool
}

// TestStore_KeepsToItsModel runs random operations on a store without a dispatcher and on a model of it, and
// compares the states of all deliveries.
func TestStore_KeepsToItsModel(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		rapid.Check(t, func(rt *rapid.T) {
			f := newFixture(t, e, e.url(t))
			f.reopen()
			defer func() { _ = f.Close() }() // the store of that time: it is reopened
			f.target("a", "b")
			m := &model{
				t: t, f: f, deliveries: map[string]*modelDelivery{}, born: map[string]time.Time{}, keys: map[string]string{},
				paused: map[string]bool{},
			}
			rt.Repeat(map[string]func(*rapid.T){
				"append": m.append,
				"cancel": func(rt *rapid.T) {
					id := m.pick(rt)
					m.expect(rt, id, f.Cancel(t.Context(), id), m.deliveries[id].state == relay.Pending, relay.Cancelled)
				},
				"retry": func(rt *rapid.T) {
					id := m.pick(rt)
					_, err := f.Retry(t.Context(), id)
					m.expect(rt, id, err, true, relay.Pending)
				},
				"replay": func(rt *rapid.T) {
					id := m.pick(rt)
					_, err := f.Replay(t.Context(), id)
					m.expect(rt, id, err, m.deliveries[id].state == relay.Cancelled, relay.Pending)
				},
				"retry all":       m.retryAll,
				"cancel all":      m.cancelAll,
				"retention":       m.retention,
				"pause or enable": m.pause,
				"time passes": func(rt *rapid.T) {
					f.clock.advance(rapid.SampledFrom([]time.Duration{time.Minute, 10 * time.Hour, day}).Draw(rt, "time"))
				},
				"reopen": func(rt *rapid.T) {
					if err := f.Close(); err != nil {
						rt.Fatal(err)
					}
					f.reopen()
				},
				"": m.compare,
			})
		})
	})
}

func (m *model) pick(rt *rapid.T) string {
	if len(m.ids) == 0 {
		rt.Skip("nothing to pick")
	}
	return rapid.SampledFrom(m.ids).Draw(rt, "delivery")
}

// expect holds an answer against what is allowed, and then takes the delivery into its next state.
func (m *model) expect(rt *rapid.T, id string, err error, allowed bool, to relay.State) {
	if allowed != (err == nil) || (err != nil && !errors.Is(err, relay.ErrState)) {
		rt.Fatalf("answered %v, allowed: %v", err, allowed)
	}
	if allowed {
		m.move(id, to)
	}
}

func (m *model) move(id string, to relay.State) {
	m.deliveries[id].state, m.deliveries[id].touched = to, m.f.clock.Now()
}

func (m *model) append(rt *rapid.T) {
	key := rapid.SampledFrom([]string{"", "k1", "k2", "k3"}).Draw(rt, "key")
	to := rapid.SampledFrom([][]string{{}, {"a"}, {"a", "b"}}).Draw(rt, "targets")
	r := m.f.append(relay.Draft{DedupeKey: key, Targets: to})
	if first, taken := m.keys[key]; key != "" && taken {
		if !r.Duplicate || r.ID != first {
			rt.Fatalf("receipt %+v, want a duplicate of %s", r, first)
		}
		return
	}
	if r.Duplicate || r.Deliveries != len(to) {
		rt.Fatalf("receipt %+v", r)
	}
	if key != "" {
		m.keys[key] = r.ID
	}
	m.messages, m.born[r.ID] = append(m.messages, r.ID), m.f.clock.Now()
	for _, d := range must(m.f.Message(m.t.Context(), r.ID))(m.t).Deliveries {
		m.deliveries[d.ID] = &modelDelivery{r.ID, d.TargetID, relay.Pending, m.f.clock.Now()}
		m.ids = append(m.ids, d.ID)
	}
}

// all moves every delivery that is in one of some states, as people see them, and counts them.
func (m *model) all(target string, to relay.State, from ...relay.State) (n int64) {
	for id, d := range m.deliveries {
		if (target == "" || d.target == target) && slices.Contains(from, m.shown(d)) {
			m.move(id, to)
			n++
		}
	}
	return n
}

func (m *model) shown(d *modelDelivery) relay.State {
	if d.state == relay.Pending && m.paused[d.target] {
		return relay.Paused
	}
	return d.state
}

func (m *model) retryAll(rt *rapid.T) {
	target := rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "target")
	got, err := m.f.RetryAll(m.t.Context(), relay.Bulk{Filter: relay.DeliveryFilter{TargetID: target, State: relay.Cancelled}})
	if want := m.all(target, relay.Pending, relay.Cancelled); err != nil || got.Changed != want {
		rt.Fatalf("%+v, %v, want %d", got, err, want)
	}
}

func (m *model) cancelAll(rt *rapid.T) {
	target := rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "target")
	state := rapid.SampledFrom([]relay.State{"", relay.Pending, relay.Paused}).Draw(rt, "state")
	from := []relay.State{state}
	if state == "" {
		from = []relay.State{relay.Pending, relay.Paused}
	}
	got, err := m.f.CancelAll(m.t.Context(), relay.Bulk{Filter: relay.DeliveryFilter{TargetID: target, State: state}})
	if want := m.all(target, relay.Cancelled, from...); err != nil || got.Changed != want {
		rt.Fatalf("%+v, %v, want %d", got, err, want)
	}
}

func (m *model) pause(rt *rapid.T) {
	id := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "target")
	m.paused[id] = !m.paused[id]
	if err := m.f.SetTarget(m.t.Context(), id, !m.paused[id], "test"); err != nil {
		rt.Fatal(err)
	}
}

func (m *model) retention(rt *rapid.T) {
	got := m.f.pass(m.f.retention(relay.RetentionPolicy{Delivered: day}))
	var want relay.Removed
	for i := 0; i < len(m.messages)-1; i++ { // the newest one stays
		id := m.messages[i]
		touched, stays := m.born[id], len(m.ids) > 0 && m.deliveries[m.ids[len(m.ids)-1]].message == id
		for _, d := range m.deliveries {
			if d.message == id {
				stays = stays || d.state != relay.Cancelled
				touched = later(touched, d.touched)
			}
		}
		if stays || !touched.Before(m.f.clock.Now().Add(-day)) {
			continue
		}
		want.Messages++
		m.messages = slices.Delete(m.messages, i, i+1)
		i--
		m.ids = slices.DeleteFunc(m.ids, func(d string) bool { return m.deliveries[d].message == id })
		for d, about := range m.deliveries {
			if about.message == id {
				delete(m.deliveries, d)
			}
		}
		for key, message := range m.keys {
			if message == id {
				delete(m.keys, key)
				want.Keys++
			}
		}
	}
	if got.Messages != want.Messages || got.Keys != want.Keys {
		rt.Fatalf("removed %+v, want %+v", got, want)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (m *model) compare(rt *rapid.T) {
	for id, d := range m.deliveries {
		if got, _, err := m.f.Delivery(m.t.Context(), id); err != nil || got.State != m.shown(d) {
			rt.Fatalf("%s is %s, want %s (%v)", id, got.State, m.shown(d), err)
		}
	}
	if n := m.f.number(`SELECT count(*) FROM messages`); n != len(m.messages) {
		rt.Fatalf("%d messages, want %d", n, len(m.messages))
	}
	if n := m.f.number(`SELECT count(*) FROM deliveries`); n != len(m.deliveries) {
		rt.Fatalf("%d deliveries, want %d", n, len(m.deliveries))
	}
	m.f.balanced()
}
