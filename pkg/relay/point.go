package relay

import "context"

// point is a moment in the engine's work. Tests end or stop the process there, to prove what it leaves behind.
type point string

const (
	beforeAppend  point = "before the commit of an append"
	afterAppend   point = "after the commit of an append, before its answer"
	afterClaim    point = "after the commit of a claim"
	afterEffect   point = "after an effect, before its commit"
	beforeOutcome point = "before the commit of an outcome"
	afterOutcome  point = "after the commit of an outcome"
	beforeRows    point = "before the commit that gives the journal's messages their rows"
	afterRows     point = "after the commit that gives the journal's messages their rows"

	amidReading point = "between two readings that belong together" // nothing to end a process at
)

// reach tells a test that the work has come to a point. Outside of tests there is nobody to tell.
func (c *Config) reach(p point) {
	if c.reached != nil {
		c.reached(p)
	}
}

// reach is the same for what a group of operations comes to together.
func (w *writer) reach(group []*op, appending, recording point) {
	if w.cfg.reached == nil {
		return
	}
	for _, o := range group {
		if o.drafts != nil {
			w.cfg.reach(appending)
		}
		if o.outcome != nil {
			w.cfg.reach(recording)
		}
	}
}

// transactFor runs what a group of operations asks for in a transaction.
func (w *writer) transactFor(ctx context.Context, group []*op, f func(context.Context, *txn) error) error {
	err := w.transact(ctx, func(ctx context.Context, t *txn) error {
		err := f(ctx, t)
		if err == nil {
			w.reach(group, beforeAppend, beforeOutcome)
		}
		return err
	})
	if err == nil {
		w.reach(group, afterAppend, afterOutcome)
	}
	return err
}
