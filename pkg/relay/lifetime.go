package relay

import (
	"context"
	"sync"
	"time"
)

// lifetime is the context of one attempt. It ends when attempts are aborted, at a time, or when the attempt is over. What
// makes a context dear, its timer and its place among its parent's children, it has only once somebody waits for it.
type lifetime struct {
	all   context.Context // of every attempt
	until time.Time

	mu     sync.Mutex
	over   bool
	made   context.Context // nil: nobody has waited yet
	cancel context.CancelFunc
}

func newLifetime(all context.Context, length time.Duration) *lifetime {
	return &lifetime{all: all, until: time.Now().Add(length)}
}

func (l *lifetime) Deadline() (time.Time, bool) { return l.until, true }

func (l *lifetime) Done() <-chan struct{} { return l.make().Done() }

func (l *lifetime) Err() error {
	if _, waited := l.state(); !waited && l.all.Err() == nil && time.Now().Before(l.until) {
		return nil
	}
	return l.make().Err()
}

func (l *lifetime) Value(key any) any {
	now, _ := l.state()
	return now.Value(key)
}

// AfterAbort is context.AfterFunc for whoever keeps to the deadline by other means: it calls f when attempts are aborted,
// but neither at the deadline nor when the attempt is over. Call stop before the attempt is.
func (l *lifetime) AfterAbort(f func()) (stop func() bool) { return context.AfterFunc(l.all, f) }

// state is the context that stands for this one, and whether somebody has waited for it or it is over.
func (l *lifetime) state() (now context.Context, waited bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made != nil {
		return l.made, true
	}
	return l.all, l.over
}

func (l *lifetime) make() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made == nil {
		l.made, l.cancel = context.WithDeadline(l.all, l.until)
		if l.over {
			l.cancel()
		}
	}
	return l.made
}

// end ends it when the attempt is over.
func (l *lifetime) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if l.cancel != nil {
		l.cancel()
	}
}
