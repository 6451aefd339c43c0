package intake

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"example.com/signet/services/receiver/internal/event"
)

// maxTypes is how many types of events are remembered. Senders choose them.
const maxTypes = 512

// types remembers where the events of each type go, so that patterns are matched once a type and not once an event.
// Types that find it full are matched each time.
type types struct {
	router Router
	known  atomic.Pointer[map[string]route] // never written to: another one takes its place
	adding sync.Mutex
}

// route is an event type in memory of its own, and its targets, which nobody may change.
type route struct {
	eventType string
	targets   []string
}

func newTypes(r Router) *types {
	t := &types{router: r}
	t.known.Store(&map[string]route{})
	return t
}

// route finds the way of a type. One that cannot be kept goes the way of unknown ones, and ok is false. Nothing keeps
// hold of stated.
func (t *types) route(stated string) (r route, ok bool) {
	if r, ok = (*t.known.Load())[stated]; ok {
		return r, true
	}
	kept, ok := event.CleanType(stated)
	r = route{eventType: strings.Clone(kept)}
	r.targets = slices.Clip(t.router.Targets(r.eventType))
	if ok {
		t.remember(r)
	}
	return r, ok
}

func (t *types) remember(r route) {
	t.adding.Lock()
	defer t.adding.Unlock()
	known := *t.known.Load()
	if len(known) >= maxTypes {
		return
	}
	more := maps.Clone(known)
	more[r.eventType] = r
	t.known.Store(&more)
}
