package relay_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

// hanging is a runner whose attempts wait to be let go, and tell when they begin.
func hanging(began chan<- string, release <-chan struct{}) relay.Runner {
	return relay.Remote(func(ctx context.Context, job relay.Job) relay.Outcome {
		began <- job.Delivery.ID
		select {
		case <-release:
		case <-ctx.Done():
		}
		return relay.Delivered("")
	})
}

// TestDispatcher_GivesBackWhatWaitsForTooLong: half a lease is enough to wait for a place.
func TestDispatcher_GivesBackWhatWaitsForTooLong(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite, func(c *relay.Config) {
		c.Now, c.Lease, c.EffectTimeout = nil, 2*time.Second, time.Second
	})
	if err := f.PutTarget(t.Context(), relay.Target{ID: "a", Concurrency: 1}); err != nil {
		t.Fatal(err)
	}
	began, release := make(chan string, 8), make(chan struct{})
	for range 2 {
		f.append(relay.Draft{Targets: []string{"a"}})
	}
	seen := f.dispatch(runners{"a": hanging(began, release)})
	<-began
	eventually(t, "the one that waits is given back, and claimed again", func() bool {
		return f.number(`SELECT count(*) FROM deliveries WHERE lease_token = 2 AND attempts = 1`) == 1
	})
	close(release)
	for range 2 {
		if o := next(t, seen); o.Job.Delivery.Attempts != 1 {
			t.Errorf("observed %+v", o)
		}
	}
	f.balanced()
}

// TestDispatcher_MorePlaces: those that wait begin when their target may have more at once.
func TestDispatcher_MorePlaces(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
	if err := f.PutTarget(t.Context(), relay.Target{ID: "a", Concurrency: 1}); err != nil {
		t.Fatal(err)
	}
	began, release := make(chan string, 8), make(chan struct{})
	for range 2 {
		f.append(relay.Draft{Targets: []string{"a"}})
	}
	seen := f.dispatch(runners{"a": hanging(began, release)})
	<-began
	eventually(t, "both are claimed", func() bool {
		return f.number(`SELECT count(*) FROM deliveries WHERE state = 'delivering'`) == 2
	})
	if err := f.PutTarget(t.Context(), relay.Target{ID: "a", Concurrency: 2}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-began:
	case <-time.After(10 * time.Second):
		t.Error("the second one still waits")
	}
	close(release)
	for range 2 {
		next(t, seen)
	}
	f.balanced()
}

// TestDispatcher_RunnerThatEndsItsGoroutine: its place is another's then, as after an attempt that is over.
func TestDispatcher_RunnerThatEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
	if err := f.PutTarget(t.Context(), relay.Target{ID: "a", Concurrency: 1}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f.append(relay.Draft{Targets: []string{"a"}})
	}
	var n atomic.Int64
	seen := f.dispatch(runners{"a": relay.Remote(func(context.Context, relay.Job) relay.Outcome {
		if n.Add(1) == 1 {
			runtime.Goexit()
		}
		return relay.Delivered("")
	})})
	for range 2 {
		next(t, seen)
	}
}

// TestDispatcher_StopBeginsNothing: an attempt that ends while the process stops makes room for no other, also while the
// dispatcher is busy.
func TestDispatcher_StopBeginsNothing(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
	if err := f.PutTarget(t.Context(), relay.Target{ID: "a", Concurrency: 1}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		f.append(relay.Draft{Targets: []string{"a"}})
	}
	began, release := make(chan string, 8), make(chan struct{})
	busy, free := make(chan struct{}), make(chan struct{})
	var hold atomic.Bool
	d := relay.NewDispatcher(f.Store, relay.DispatcherConfig{
		Resolver: runners{"a": hanging(began, release)},
		Refresh: func(context.Context) error {
			if hold.CompareAndSwap(true, false) {
				close(busy)
				<-free
			}
			return nil
		},
	})
	d.Start()
	<-began
	hold.Store(true)
	d.Wake()
	<-busy
	stopped := make(chan error, 1)
	go func() { stopped <- d.Stop(t.Context()) }()
	eventually(t, "Stop has begun", d.Stopping)
	close(release)
	eventually(t, "the other one is given back", func() bool {
		return f.number(`SELECT count(*) FROM deliveries WHERE state = 'pending' AND attempts = 0`) == 1
	})
	close(free)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if len(began) > 0 {
		t.Error("another attempt was begun")
	}
	f.balanced()
}
