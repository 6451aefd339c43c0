package webhook

import (
	"slices"
	"sync"
)

// watchers are those who are told of deliveries.
type watchers struct {
	mu  sync.RWMutex
	all []*func(Delivery) // replaced as a whole, so that telling needs no lock
}

func (w *watchers) add(callback func(Delivery)) (remove func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(slices.Clone(w.all), &callback)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.all = slices.DeleteFunc(slices.Clone(w.all), func(other *func(Delivery)) bool { return other == &callback })
	}
}

// tell gives each a copy of its own.
func (w *watchers) tell(d Delivery) {
	w.mu.RLock()
	all := w.all
	w.mu.RUnlock()
	for _, callback := range all {
		(*callback)(d.clone())
	}
}
