package http1_test

import (
	"context"
	"errors"
	"testing"
	"time"
)

// abortable is a context like those of the engine's attempts: who waits for its end pays, which the transport need not.
type abortable struct {
	context.Context // of the deadline

	t   *testing.T
	all context.Context
}

func (a abortable) Done() <-chan struct{} {
	a.t.Error("somebody waits for the context")
	return a.Context.Done()
}

func (a abortable) Err() error {
	if err := a.all.Err(); err != nil {
		return err
	}
	return a.Context.Err()
}

func (a abortable) AfterAbort(f func()) func() bool { return context.AfterFunc(a.all, f) }

// TestTransport_abort ends exchanges on a connection that was used before, by their deadline or sooner.
func TestTransport_abort(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		timeout time.Duration
		abort   bool
		want    error
	}{
		"an answer":    {time.Minute, false, nil},
		"an abort":     {time.Minute, true, context.Canceled},
		"the deadline": {50 * time.Millisecond, false, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, abort := context.WithCancel(t.Context())
			defer abort()
			to := serve(t, func(p *peer) {
				for n := 0; ; n++ {
					if _, ok := p.request(); !ok {
						return
					}
					if tt.abort && n > 0 {
						abort()
					}
					if tt.want == nil || n == 0 {
						p.say(plain)
					}
				}
			})
			transport, _ := onlyHTTP1(t, nil)
			if _, err := exchange(transport, post(t.Context(), t, to.url(), "first")); err != nil {
				t.Fatal(err)
			}
			timed, cancel := context.WithTimeout(t.Context(), tt.timeout)
			defer cancel()
			began := time.Now()
			if _, err := exchange(transport, post(abortable{Context: timed, t: t, all: all}, t, to.url(), "second")); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// TestTransport_deadlines uses a connection again after the deadline of the exchange before has passed, and again without
// one.
func TestTransport_deadlines(t *testing.T) {
	t.Parallel()
	to := serve(t, answering(plain))
	transport, dials := onlyHTTP1(t, nil)
	for _, timeout := range []time.Duration{0, 50 * time.Millisecond, time.Minute, 50 * time.Millisecond, 0} {
		ctx, cancel := t.Context(), context.CancelFunc(func() {})
		if timeout > 0 {
			ctx, cancel = context.WithTimeout(ctx, timeout)
		}
		if _, err := exchange(transport, post(ctx, t, to.url(), "x")); err != nil {
			t.Errorf("%s: %v", timeout, err)
		}
		if timeout > 0 && timeout < time.Second {
			<-ctx.Done()
		}
		cancel()
	}
	if made, _ := dials.count(); made != 1 {
		t.Errorf("%d connections", made)
	}
}

// TestTransport_tooLate spends no more than one idle connection on a request that comes after its deadline.
func TestTransport_tooLate(t *testing.T) {
	t.Parallel()
	transport, dials := onlyHTTP1(t, nil)
	url := holding(t, 5)
	several(t, transport, url, 5)
	awaitOpen(t, dials, 5)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if _, err := exchange(transport, post(ctx, t, url, "x")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if made, open := dials.count(); made != 5 || open < 4 {
		t.Errorf("%d connections, of which %d are open", made, open)
	}
}
