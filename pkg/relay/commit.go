package relay

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// runEngine commits a group of engine operations. When one of them fails, the group is rolled back and run
// again with a savepoint around each, so that the one fails alone.
func (w *writer) runEngine(group []*op) {
	if len(group) == 0 {
		return
	}
	ctx := context.Background() // an interrupted statement would roll back everybody's work
	err := w.transact(ctx, func(t *txn) error {
		for _, o := range group {
			if err := o.run(ctx, t); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		reportAll(group, nil)
		return
	}
	if len(group) == 1 || errors.Is(err, ErrUnavailable) {
		reportAll(group, err)
		return
	}
	results := make([]error, len(group))
	err = w.transact(ctx, func(t *txn) error {
		for i, o := range group {
			var broken error
			if results[i], broken = t.nested(ctx, o.run); broken != nil {
				return fmt.Errorf("%w: %w", ErrUnavailable, broken)
			}
		}
		return nil
	})
	for i, o := range group {
		o.report(errors.Join(err, results[i]))
	}
}

func reportAll(group []*op, err error) {
	for _, o := range group {
		o.report(err)
	}
}

// errTooSlow: an effect had its time and did not finish.
var errTooSlow = errors.New("relay: effect took longer than allowed")

// runEffects commits a group of effects together. When anything goes wrong, all of it is rolled back and
// each is left to run alone, so that none fails another; but one that used up its time has had its chance.
func (w *writer) runEffects(group []*op) {
	if len(group) == 0 {
		return
	}
	began, last := time.Now(), 0
	err := w.transact(context.Background(), func(t *txn) error {
		for i, o := range group {
			if i > 0 && time.Since(began) > w.cfg.EffectTimeout {
				return nil
			}
			last = i
			if err := runEffect(t, o, w.cfg.EffectTimeout); err != nil {
				return err
			}
		}
		return nil
	})
	done, rest := group[:last+1], group[last+1:]
	switch {
	case err == nil || len(group) == 1:
		reportAll(done, err)
	case errors.Is(err, errTooSlow):
		done[last].report(err)
		rest = append(done[:last:last], rest...)
	default:
		rest = group
	}
	w.alone = append(w.alone, rest...)
}

// runEffect runs one effect in a goroutine of its own, so that one that hangs does not stop the writer: when
// its time is over its transaction is taken from it.
func runEffect(t *txn, o *op, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	u := &userTx{t: t, ctx: ctx}
	type answer struct {
		finish func(context.Context, *txn) error
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		a := answer{err: errors.New("relay: effect ended its goroutine")} // unless it returns
		defer func() {
			if p := recover(); p != nil {
				a.err = fmt.Errorf("relay: effect panicked: %v", p)
			}
			answers <- a
		}()
		a.finish, a.err = o.effect(ctx, u)
	}()
	var a answer
	select {
	case a = <-answers:
	case <-ctx.Done():
		a.err = errTooSlow
	}
	if failed := u.close(); a.err == nil {
		a.err = failed
	}
	if a.err == nil && a.finish != nil {
		a.err = a.finish(context.Background(), t)
	}
	return a.err
}

// transact runs f in a transaction. Any error of f or of the commit rolls all of it back.
func (w *writer) transact(ctx context.Context, f func(*txn) error) error {
	t := newTxn(w.session, w.cfg.Now())
	if err := t.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("%w: begin: %w", ErrUnavailable, err)
	}
	err := f(t)
	if err == nil {
		err = t.flush(ctx)
	}
	if err == nil {
		if err = t.exec(ctx, "COMMIT"); err != nil {
			err = fmt.Errorf("%w: commit: %w", ErrUnavailable, err)
		}
	}
	if err != nil {
		// Best effort: an interrupted or failed statement may have ended the transaction already.
		_ = t.exec(ctx, "ROLLBACK")
		return classify(err)
	}
	w.wake.add(t.due)
	if t.targetsChanged {
		w.wake.targetsChanged()
	}
	return nil
}
