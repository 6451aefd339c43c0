package relay

import (
	"maps"
	"sync"
	"time"
)

// wakeups carries from the writer to the dispatcher which targets got work. Many wake-ups before the
// dispatcher looks are one.
type wakeups struct {
	signal chan struct{}
	offers *offers // the other way round
	health *health // of the targets
	crowd  *crowd

	others  *notifier // nil: there are none
	mu      sync.Mutex
	targets map[string]struct{}
	changed bool // targets were created, changed, enabled or disabled
}

func newWakeups(h *health) *wakeups {
	return &wakeups{signal: make(chan struct{}, 1), offers: newOffers(), health: h, crowd: newCrowd(time.Now()), targets: map[string]struct{}{}, changed: true}
}

func (w *wakeups) add(targets map[string]struct{}) {
	if len(targets) == 0 {
		return
	}
	w.mu.Lock()
	maps.Copy(w.targets, targets)
	w.mu.Unlock()
	w.ring()
}

func (w *wakeups) targetsChanged() {
	w.mu.Lock()
	w.changed = true
	w.mu.Unlock()
	w.ring()
}

// committed takes note of what a commit of this process has changed.
func (w *wakeups) committed(targets map[string]struct{}, changed bool) {
	w.add(targets)
	if changed {
		w.targetsChanged()
	}
	if w.others != nil {
		w.others.tell(targets, changed)
	}
}

func (w *wakeups) ring() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

// take empties what has gathered.
func (w *wakeups) take() (targets map[string]struct{}, changed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	targets, changed = w.targets, w.changed
	w.targets, w.changed = map[string]struct{}{}, false
	return targets, changed
}
