package relay_test

import (
	"context"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

// runners resolves targets from a map.
type runners map[string]relay.Runner

func (r runners) Resolve(id string) (relay.Runner, bool) {
	runner, ok := r[id]
	return runner, ok
}

// dispatch runs a dispatcher until the test ends; what it observes comes out of the channel, which holds 4096.
func (f *fixture) dispatch(r runners) <-chan relay.Observation {
	f.t.Helper()
	_, seen, _ := f.dispatchWith(relay.DispatcherConfig{Resolver: r})
	return seen
}

// run runs a dispatcher until it is stopped by the function that is answered.
func (f *fixture) run(r runners, observe ...func(relay.Observation)) (stop func()) {
	f.t.Helper()
	cfg := relay.DispatcherConfig{
		Resolver: r, Poll: 20 * time.Millisecond,
		Log: func(what string, err error) {
			if !f.quiet {
				f.t.Logf("dispatcher: %s: %v", what, err)
			}
		},
	}
	if len(observe) > 0 {
		cfg.Observe = observe[0]
	}
	d := relay.NewDispatcher(f.Store, cfg)
	d.Start()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := d.Stop(ctx); err != nil {
			f.t.Error(err)
		}
	}
}

// dispatchWith is dispatch with more settings, which also tells what happens to targets.
func (f *fixture) dispatchWith(cfg relay.DispatcherConfig) (*relay.Dispatcher, <-chan relay.Observation, <-chan relay.TargetChange) {
	f.t.Helper()
	seen, changes := make(chan relay.Observation, 4096), make(chan relay.TargetChange, 64)
	cfg.Poll = 20 * time.Millisecond
	cfg.Observe = func(o relay.Observation) {
		select {
		case seen <- o:
		default: // nobody counts that far
		}
	}
	cfg.TargetChanged = func(c relay.TargetChange) { changes <- c }
	cfg.Log = func(what string, err error) { f.t.Logf("dispatcher: %s: %v", what, err) }
	d := relay.NewDispatcher(f.Store, cfg)
	d.Start()
	f.t.Cleanup(func() { f.stop(d) })
	return d, seen, changes
}

func (f *fixture) stop(d *relay.Dispatcher) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := d.Stop(ctx); err != nil {
		f.t.Error(err)
	}
}

func next[T any](t *testing.T, seen <-chan T) T {
	t.Helper()
	select {
	case o := <-seen:
		return o
	case <-time.After(20 * time.Second):
		t.Fatal("nothing happened")
		panic("not reached")
	}
}

// nothing fails the test when something comes within a moment.
func nothing[T any](t *testing.T, what string, seen <-chan T) {
	t.Helper()
	select {
	case o := <-seen:
		t.Fatalf("%s: %+v", what, o)
	case <-time.After(100 * time.Millisecond):
	}
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen: %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}
