package relay_test

import (
	"bytes"
	"testing"

	"example.com/signet/pkg/relay"
)

// TestDispatcher_GivesEachItsMessage claims the deliveries of several messages at once, two of each.
func TestDispatcher_GivesEachItsMessage(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a", "b")
		want := map[string]relay.Message{}
		for _, draft := range []relay.Draft{
			{Body: []byte("first"), Headers: []byte(`{"A":["1"]}`), DedupeKey: "k", Tenant: "t"},
			{},
			{Body: []byte{0, 0xff}, OrderingKey: "o"},
			{Body: []byte("last")},
		} {
			draft.Targets = []string{"a", "b"}
			id := f.append(draft).ID
			want[id] = must(f.Message(t.Context(), id))(t)
		}
		seen := f.dispatch(runners{"a": answer(relay.Delivered("")), "b": answer(relay.Delivered(""))})
		for range 2 * len(want) {
			got := next(t, seen).Job
			m, w := got.Message, want[got.Message.ID]
			if m.ID == "" || m.Source != w.Source || m.Type != w.Type || m.DedupeKey != w.DedupeKey || m.OrderingKey != w.OrderingKey ||
				m.Tenant != w.Tenant || !m.CreatedAt.Equal(w.CreatedAt) || !bytes.Equal(m.Headers, w.Headers) || !bytes.Equal(m.Body, w.Body) {
				t.Errorf("%+v, want %+v", m, w)
			}
			if d := got.Delivery; d.MessageID != m.ID || d.Source != m.Source || d.Type != m.Type || d.Attempts != 1 || d.ReplayOf != "" {
				t.Errorf("%+v of %+v", d, m)
			}
		}
		f.balanced()
	})
}
