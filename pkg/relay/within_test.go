package relay_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

// TestRunner_Within gives attempts less time than their lease has, or more.
func TestRunner_Within(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ within, want time.Duration }{
		"unbounded":             {0, time.Minute},
		"less than the lease":   {time.Second, time.Second},
		"longer than the lease": {time.Hour, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t, sqlite)
			f.target("a")
			left := make(chan time.Duration, 1)
			seen := f.dispatch(runners{"a": relay.Remote(func(ctx context.Context, _ relay.Job) relay.Outcome {
				until, _ := ctx.Deadline()
				left <- time.Until(until)
				return relay.Delivered("")
			}).Within(tt.within)})
			f.append(relay.Draft{Targets: []string{"a"}})
			next(t, seen)
			if got := <-left; got > tt.want || got < tt.want-tt.want/2 {
				t.Errorf("%s are left, want %s", got, tt.want)
			}
		})
	}
}

// TestRunner_WithinEnds waits for the bound.
func TestRunner_WithinEnds(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
	f.target("a")
	seen := f.dispatch(runners{"a": relay.Remote(func(ctx context.Context, _ relay.Job) relay.Outcome {
		<-ctx.Done()
		return relay.Retry(context.Cause(ctx))
	}).Within(20 * time.Millisecond)})
	f.append(relay.Draft{Targets: []string{"a"}})
	if o := next(t, seen); o.State != relay.Pending || !errors.Is(o.Outcome.Err, context.DeadlineExceeded) {
		t.Errorf("observed %+v", o)
	}
}

// TestDispatcher_StopTellsOfTheAbort interrupts an attempt that waits for nothing but an abort.
func TestDispatcher_StopTellsOfTheAbort(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
	f.target("a")
	began := make(chan struct{})
	d := relay.NewDispatcher(f.Store, relay.DispatcherConfig{Resolver: runners{"a": relay.Remote(func(ctx context.Context, _ relay.Job) relay.Outcome {
		aborted := make(chan struct{})
		stop := ctx.(interface {
			AfterAbort(f func()) (stop func() bool)
		}).AfterAbort(func() { close(aborted) })
		close(began)
		<-aborted
		if stop() || ctx.Err() == nil {
			t.Error("it is not over")
		}
		return relay.Retry(context.Cause(ctx))
	})}})
	id := f.append(relay.Draft{Targets: []string{"a"}}).ID
	d.Start()
	<-began
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Stop answered %v", err)
	}
	if got := f.only(id); got.State != relay.Pending || got.LastError != "interrupted: the process is stopping" {
		t.Errorf("after stop: %+v", got)
	}
	f.balanced()
}
