package relay_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"example.com/signet/pkg/relay"
)

// TestStore_KeepsToItsModel runs random operations on a store without a dispatcher and on a model of it, and
// compares the states of all deliveries.
func TestStore_KeepsToItsModel(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		rapid.Check(t, func(rt *rapid.T) {
			f := newFixture(t, e, e.url(t))
			f.reopen()
			defer func() { _ = f.Close() }() // the store of that time: it is reopened
			f.target("a", "b")
			model := map[string]relay.State{} // by delivery
			targets := map[string]string{}
			keys := map[string]string{}
			paused := map[string]bool{}
			var ids []string
			pick := func(rt *rapid.T) string {
				if len(ids) == 0 {
					rt.Skip("nothing to pick")
				}
				return rapid.SampledFrom(ids).Draw(rt, "delivery")
			}
			expect := func(rt *rapid.T, err error, allowed bool) bool {
				if allowed != (err == nil) || (err != nil && !errors.Is(err, relay.ErrState)) {
					rt.Fatalf("answered %v, allowed: %v", err, allowed)
				}
				return allowed
			}
			rt.Repeat(map[string]func(*rapid.T){
				"append": func(rt *rapid.T) {
					key := rapid.SampledFrom([]string{"", "k1", "k2", "k3"}).Draw(rt, "key")
					to := rapid.SampledFrom([][]string{{}, {"a"}, {"a", "b"}}).Draw(rt, "targets")
					r := f.append(relay.Draft{DedupeKey: key, Targets: to})
					if first, taken := keys[key]; key != "" && taken {
						if !r.Duplicate || r.ID != first {
							rt.Fatalf("receipt %+v, want a duplicate of %s", r, first)
						}
						return
					}
					if r.Duplicate || r.Deliveries != len(to) {
						rt.Fatalf("receipt %+v", r)
					}
					keys[key] = r.ID
					for _, d := range must(f.Message(t.Context(), r.ID))(t).Deliveries {
						model[d.ID], targets[d.ID] = relay.Pending, d.TargetID
						ids = append(ids, d.ID)
					}
				},
				"cancel": func(rt *rapid.T) {
					id := pick(rt)
					if expect(rt, f.Cancel(t.Context(), id), model[id] == relay.Pending) {
						model[id] = relay.Cancelled
					}
				},
				"retry": func(rt *rapid.T) {
					id := pick(rt)
					_, err := f.Retry(t.Context(), id)
					expect(rt, err, true)
					model[id] = relay.Pending
				},
				"replay": func(rt *rapid.T) {
					id := pick(rt)
					_, err := f.Replay(t.Context(), id)
					if expect(rt, err, model[id] == relay.Cancelled) {
						model[id] = relay.Pending
					}
				},
				"pause or enable": func(rt *rapid.T) {
					id := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "target")
					paused[id] = !paused[id]
					if err := f.SetTarget(t.Context(), id, !paused[id], "test"); err != nil {
						rt.Fatal(err)
					}
				},
				"reopen": func(rt *rapid.T) {
					if err := f.Close(); err != nil {
						rt.Fatal(err)
					}
					f.reopen()
				},
				"": func(rt *rapid.T) {
					for id, want := range model {
						if want == relay.Pending && paused[targets[id]] {
							want = relay.Paused
						}
						if d, _, err := f.Delivery(t.Context(), id); err != nil || d.State != want {
							rt.Fatalf("%s is %s, want %s (%v)", id, d.State, want, err)
						}
					}
					f.balanced()
				},
			})
		})
	})
}
