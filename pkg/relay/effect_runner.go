package relay

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// effectRunner runs effects one after another in a goroutine of its own, so that one that hangs does not stop the writer.
// The goroutine is kept: a new one for each effect would grow its stack anew each time.
type effectRunner struct {
	work chan func()
}

var errGoexit = errors.New("relay: effect ended its goroutine")

// run runs an effect until its time is over; then its transaction is taken from it, and it is left alone.
func (e *effectRunner) run(all context.Context, t *txn, o *op, limit time.Duration) (*result, error) {
	ctx, cancel := context.WithTimeout(all, limit)
	defer cancel()
	u := &userTx{t: t, ctx: ctx, all: all}
	type answer struct {
		outcome *result
		err     error
	}
	answers := make(chan answer, 1)
	e.start(func() {
		a := answer{err: errGoexit} // unless it returns
		defer func() {
			if p := recover(); p != nil {
				a.err = fmt.Errorf("relay: effect panicked: %v", p)
			}
			answers <- a
		}()
		a.outcome, a.err = o.effect(ctx, u)
	})
	var a answer
	select {
	case a = <-answers:
	case <-ctx.Done():
		a.err = errTooSlow
	}
	if errors.Is(a.err, errTooSlow) || errors.Is(a.err, errGoexit) { // the goroutine is lost
		e.stop()
	}
	if failed := u.close(); a.err == nil || t.engine.contended(failed) { // whatever the effect made of it
		a.err = failed
	}
	return a.outcome, a.err
}

func (e *effectRunner) start(f func()) {
	if e.work == nil {
		work := make(chan func())
		e.work = work
		go func() {
			for f := range work {
				f()
			}
		}()
	}
	e.work <- f
}

// stop lets the goroutine end when what it runs is over.
func (e *effectRunner) stop() {
	if e.work != nil {
		close(e.work)
		e.work = nil
	}
}
