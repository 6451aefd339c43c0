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
	if engine, ok := w.engine.(atOnce); ok && w.appendAtOnce(ctx, engine, group) {
		return
	}
	err := errNotBegun
	for tries := 0; tries == 0 || (w.engine.contended(err) && tries < maxTries); tries++ {
		err = w.transactFor(ctx, group, func(ctx context.Context, t *txn) error { return perform(ctx, t, group) })
	}
	if err == nil {
		reportAll(group, nil)
		return
	}
	if len(group) == 1 || errors.Is(err, ErrUnavailable) {
		reportAll(group, err)
		return
	}
	results := make([]error, len(group))
	err = w.transact(ctx, func(ctx context.Context, t *txn) error {
		for i := range group {
			var broken error
			results[i], broken = t.nested(ctx, func(ctx context.Context, t *txn) error { return perform(ctx, t, group[i:i+1]) })
			if broken != nil {
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

// appendAtOnce commits a group in which there is nothing but drafts. False: that could not be, and nothing was done
// that counts.
func (w *writer) appendAtOnce(ctx context.Context, engine atOnce, group []*op) bool {
	var drafts []*prepared
	for _, o := range group {
		if o.drafts == nil {
			return false
		}
		drafts = append(drafts, o.drafts...)
	}
	bounded, cancel := w.bounded(ctx)
	defer cancel()
	s, err := w.engine.session(bounded)
	if err != nil {
		reportAll(group, fmt.Errorf("%w: %w", errNotBegun, err))
		return true
	}
	t := newTxn(w.engine, s, w.shard)
	t.crowd = w.crowd.Load()
	w.reach(group, beforeAppend, beforeOutcome)
	later, done, err := engine.appendAtOnce(bounded, t, drafts)
	s.release()
	if err = w.engine.classify(err); err != nil && !errors.Is(err, ErrUnavailable) {
		return false // one of them is at fault: each is tried by itself
	}
	if err == nil && !done {
		return false
	}
	w.committed(t)
	if err == nil {
		w.reach(group, afterAppend, afterOutcome)
	}
	if err == nil && len(later) > 0 {
		err = w.transact(ctx, func(ctx context.Context, t *txn) error {
			for _, p := range later {
				if err := duplicate(ctx, t, p); err != nil {
					return err
				}
			}
			return nil
		})
	}
	reportAll(group, err)
	return true
}

// maxTries is how often a transaction is tried because another process had what it needed.
const maxTries = 3

// errNotBegun: the database was out of reach before anything of a transaction was done.
var errNotBegun = fmt.Errorf("%w: no transaction", ErrUnavailable)

// errTooSlow: an effect had its time and did not finish.
var errTooSlow = errors.New("relay: effect took longer than allowed")

// runEffects commits a group of effects together. When anything goes wrong, all of it is rolled back and
// each is left to run alone, so that none fails another; but one that used up its time has had its chance.
func (w *writer) runEffects(group []*op) {
	if group = w.inTime(group); len(group) == 0 {
		return
	}
	sortBundles(group)
	began, ran := time.Now(), 0
	err := w.transactFor(context.Background(), group, func(ctx context.Context, t *txn) error {
		var outcomes []*result
		for ran < len(group) && (ran == 0 || time.Since(began) <= w.groupTime) {
			n, ended, err := w.runNext(ctx, t, group[ran:], w.cfg.EffectTimeout)
			ran += n
			if err != nil {
				return err
			}
			w.cfg.reach(afterEffect)
			outcomes = append(outcomes, ended...)
		}
		w.courtesy.ran(ran, time.Since(began))
		if err := t.settle(ctx, outcomes); err != nil {
			return err
		}
		for _, r := range outcomes { // its effect must not stay
			if r.err != nil {
				return r.err
			}
		}
		if len(group) > 1 {
			return w.alongside(ctx, t)
		}
		return nil
	})
	last := max(ran-1, 0)
	done, rest := group[:last+1], group[last+1:]
	switch {
	case errors.Is(err, errNotBegun):
		reportAll(group, err)
		rest = nil
	case len(group) == 1 && w.engine.contended(err) && group[0].tries < maxTries:
		group[0].tries++
		rest = group
	case err == nil || len(group) == 1:
		reportAll(done, err)
	case errors.Is(err, errTooSlow) && !errors.Is(err, errApart):
		done[last].report(err)
		rest = append(done[:last:last], rest...)
	default:
		rest = group
	}
	w.alone = append(w.alone, rest...)
}

// transact runs f in a transaction. Any error of f or of the commit rolls all of it back.
func (w *writer) transact(ctx context.Context, f func(context.Context, *txn) error) error {
	ctx, cancel := w.bounded(ctx)
	defer cancel()
	s, err := w.engine.session(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotBegun, err)
	}
	defer s.release()
	if w.journal != nil {
		defer w.journal.setAside()
	}
	t := newTxn(w.engine, s, w.shard)
	t.offers, t.health, t.crowd = w.wake.offers, w.wake.health, w.crowd.Load()
	if t.now, err = s.begin(ctx); err != nil {
		s.rollback()
		return fmt.Errorf("%w: %w", errNotBegun, err)
	}
	if err = f(ctx, t); err == nil {
		err = t.flush(ctx)
	}
	if err == nil {
		err = w.engine.ahead(ctx, t)
	}
	if err == nil {
		err = w.commit(ctx, t)
	}
	if err != nil {
		s.rollback()
		t.offers.undo(t.born)
		for _, g := range t.offering {
			g.retract()
		}
		return w.engine.classify(err)
	}
	reportAll(t.held, nil)
	return nil
}

// bounded limits how long one transaction may take, where the database can be out of reach.
func (w *writer) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if w.limit == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, w.limit)
}

func (w *writer) committed(t *txn) {
	if w.journal != nil {
		w.journal.stored(t.newKeys)
	}
	w.enter(t)
	w.wake.health.committed(t.conditions)
	if t.targetsChanged { // one may be disabled now
		w.wake.offers.close()
	}
	w.wake.committed(t.due, t.targetsChanged)
	if w.wake.offers.commit(t.born) {
		w.wake.ring()
	}
}
