package relay

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// lives are the ways in which an attempt's context ends, and what it says then.
var lives = map[string]struct {
	end  func(l *lifetime, abort context.CancelFunc)
	want error
}{
	"at its deadline":   {func(*lifetime, context.CancelFunc) { later(time.Minute) }, context.DeadlineExceeded},
	"by an abort":       {func(_ *lifetime, abort context.CancelFunc) { abort() }, context.Canceled},
	"with its attempt":  {func(l *lifetime, _ context.CancelFunc) { l.end() }, context.Canceled},
	"twice, late first": {func(l *lifetime, abort context.CancelFunc) { later(time.Minute); _ = l.Err(); abort() }, context.DeadlineExceeded},
	"twice, over first": {func(l *lifetime, abort context.CancelFunc) { l.end(); _ = l.Err(); abort() }, context.Canceled},
}

// later lets time go by, and what is due by then happen.
func later(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func done(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

// TestLifetime_Ends asks an attempt's context before it ends, or only afterwards.
func TestLifetime_Ends(t *testing.T) {
	t.Parallel()
	for name, tt := range lives {
		for _, waiting := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					all, abort := context.WithCancel(t.Context())
					defer abort()
					l := newLifetime(all, time.Minute)
					if until, ok := l.Deadline(); !ok || time.Until(until) != time.Minute || l.Err() != nil || context.Cause(l) != nil {
						t.Errorf("it begins with %v until %v", l.Err(), until)
					}
					if waiting && done(l) {
						t.Error("it is over before it has begun")
					}
					tt.end(l, abort)
					synctest.Wait()
					if !errors.Is(l.Err(), tt.want) || !done(l) || !errors.Is(context.Cause(l), tt.want) {
						t.Errorf("error %v, want %v; done: %v; cause %v", l.Err(), tt.want, done(l), context.Cause(l))
					}
					l.end()
				})
			})
		}
	}
}

// TestLifetime_Children hangs onto an attempt's context what the context package makes of others.
func TestLifetime_Children(t *testing.T) {
	t.Parallel()
	for name, tt := range lives {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				all, abort := context.WithCancel(context.WithValue(t.Context(), t, "value"))
				defer abort()
				l := newLifetime(all, time.Minute)
				child, cancel := context.WithTimeout(l, time.Hour)
				defer cancel()
				var called atomic.Bool
				context.AfterFunc(l, func() { called.Store(true) })
				if child.Value(t) != "value" || child.Err() != nil || called.Load() {
					t.Errorf("%v: %v, %v", child.Value(t), child.Err(), called.Load())
				}
				tt.end(l, abort)
				synctest.Wait()
				if !errors.Is(child.Err(), tt.want) || !done(child) || !errors.Is(context.Cause(child), tt.want) || !called.Load() {
					t.Errorf("error %v, want %v; cause %v; called: %v", child.Err(), tt.want, context.Cause(child), called.Load())
				}
				l.end()
			})
		})
	}
}

// TestLifetime_EndsWhenWaitedFor has somebody wait before it is known how it ends.
func TestLifetime_EndsWhenWaitedFor(t *testing.T) {
	t.Parallel()
	for name, tt := range lives {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				all, abort := context.WithCancel(t.Context())
				defer abort()
				l := newLifetime(all, time.Minute)
				var got error
				go func() { <-l.Done(); got = l.Err() }()
				synctest.Wait()
				tt.end(l, abort)
				synctest.Wait()
				if !errors.Is(got, tt.want) {
					t.Errorf("error %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// TestLifetime_AfterAbort is told of an abort, unless it does not want to know any more, and of nothing else.
func TestLifetime_AfterAbort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		all, abort := context.WithCancel(t.Context())
		defer abort()
		l := newLifetime(all, time.Minute)
		var told, stopped atomic.Int32
		l.AfterAbort(func() { told.Add(1) })
		stop := l.AfterAbort(func() { stopped.Add(1) })
		later(2 * time.Minute)
		l.end()
		if synctest.Wait(); told.Load() != 0 || !stop() {
			t.Error("called before an abort")
		}
		abort()
		if synctest.Wait(); told.Load() != 1 || stopped.Load() != 0 {
			t.Errorf("called %d and %d times, want 1 and 0", told.Load(), stopped.Load())
		}
	})
}

// TestLifetime_CostsNothingUnasked: neither a timer nor a place among the others is taken before somebody waits.
func TestLifetime_CostsNothingUnasked(t *testing.T) {
	t.Parallel()
	l := newLifetime(t.Context(), time.Minute)
	if l.Err() != nil || l.Value(t) != nil || !l.AfterAbort(func() {})() {
		t.Error("it is over")
	}
	if l.end(); l.made != nil {
		t.Error("a context was made for nobody")
	}
}
