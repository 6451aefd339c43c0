package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// EffectsFunc applies several deliveries of one target at once: what it does with tx commits together with the
// completion of all of them. It is for handlers that can put many rows into one statement, which costs a fraction of a
// statement each, on PostgreSQL above all, where each is a round trip.
//
// It answers one outcome for each job, in their order. When any of them is not delivered, when it panics, or when it
// takes longer than Config.EffectTimeout for all of them, everything is rolled back and each job is given to it alone,
// so that none fails another. What is said of [EffectFunc] holds for it too. jobs is never empty, and its caller's.
type EffectsFunc func(ctx context.Context, tx Tx, jobs []Job) []Outcome

// Effects makes a runner for a target inside the database that takes several deliveries at once.
func Effects(f EffectsFunc) Runner {
	return Runner{effects: f, effect: func(ctx context.Context, tx Tx, job Job) Outcome {
		out := f(ctx, tx, []Job{job})
		if len(out) != 1 {
			return Retry(fmt.Errorf("relay: the effect answered one job with %d outcomes", len(out)))
		}
		return out[0]
	}}
}

// bundled is what an effect needs to run together with others of its target.
type bundled struct {
	target string
	apply  EffectsFunc
	task   *task
	done   func(out Outcome, began time.Time) *result
	now    func() time.Time
}

// errApart: the effects that ran together are to be run one by one.
var errApart = errors.New("relay: effects that ran together did not all end well")

// sortBundles brings effects that may run together next to each other. None of a group depends on another: of one
// ordering key there is only one.
func sortBundles(group []*op) {
	slices.SortStableFunc(group, func(a, b *op) int { return cmp.Compare(a.bundleTarget(), b.bundleTarget()) })
}

func (o *op) bundleTarget() string {
	switch {
	case o.part != nil:
		return "\x00" // no target has such an id
	case o.bundle == nil:
		return ""
	}
	return o.bundle.target
}

// errLate: an effect waited for longer than its delivery's lease.
var errLate = fmt.Errorf("%w before the effect began", ErrLeaseLost)

// inTime leaves out the effects of deliveries whose lease has run out while they waited: they would take everybody's
// transaction with them, and each would run alone after that. They are given back unbegun.
func (w *writer) inTime(group []*op) []*op {
	now := w.cfg.Now()
	return slices.DeleteFunc(group, func(o *op) bool {
		late := o.delivery && !o.lease.IsZero() && !now.Before(o.lease)
		if late {
			o.report(errLate)
		}
		return late
	})
}

// bundleSize is how many of the effects, from the first one on, run in one call.
func bundleSize(group []*op) int {
	if group[0].bundle == nil {
		return 1
	}
	n := slices.IndexFunc(group, func(o *op) bool { return o.bundle == nil || o.bundle.target != group[0].bundle.target })
	if n < 0 {
		return len(group)
	}
	return n
}

// runNext runs the first of the effects, together with those behind it that may be, and says how many. Each has its
// outcome then, where it has one to record.
func (w *writer) runNext(ctx context.Context, t *txn, group []*op, limit time.Duration) (n int, outcomes []*result, err error) {
	if group[0].part != nil {
		if n = partsOf(group); n > 1 {
			if _, err = runEffect(ctx, &w.runner, t, outboxes(group[:n]), limit); err != nil {
				err = fmt.Errorf("%w: %w", errApart, err)
			}
			return n, nil, err
		}
	}
	n = bundleSize(group)
	if n == 1 {
		r, err := runEffect(ctx, &w.runner, t, group[0].effect, limit)
		if group[0].outcome = r; r != nil {
			outcomes = append(outcomes, r)
		}
		return 1, outcomes, err
	}
	outcomes, err = runEffect(ctx, &w.runner, t, bundle(group[:n]), limit)
	if err != nil {
		return n, nil, fmt.Errorf("%w: %w", errApart, err)
	}
	for i, r := range outcomes {
		group[i].outcome = r
	}
	return n, outcomes, nil
}

// bundle makes one call of many effects.
func bundle(group []*op) func(context.Context, *userTx) ([]*result, error) {
	jobs := make([]Job, len(group))
	for i, o := range group {
		jobs[i] = o.bundle.task.job
	}
	return func(ctx context.Context, u *userTx) ([]*result, error) {
		first := group[0].bundle
		began := first.now()
		answers := first.apply(ctx, u, jobs)
		if len(answers) != len(group) {
			return nil, fmt.Errorf("%d jobs were answered with %d outcomes", len(group), len(answers))
		}
		results := make([]*result, len(group))
		for i, out := range answers {
			if out.Verdict != VerdictDelivered {
				return nil, &notDelivered{out}
			}
			results[i] = group[i].bundle.done(out, began)
		}
		return results, nil
	}
}
