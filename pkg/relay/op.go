package relay

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// The life of an operation: its caller may withdraw it only while the writer has not taken it, so that what
// was reported as given up is never committed.
const (
	opQueued int32 = iota
	opTaken
	opWithdrawn
)

// op is one operation waiting for the writer: drafts, an outcome, a function or an effect.
type op struct {
	drafts  []*prepared // to append
	outcome *result     // to record; of an effect, what it answered
	run     func(ctx context.Context, t *txn) error
	effect  effectOp
	after   func(error) // called once with the result of the commit
	done    chan error  // or this gets it
	state   atomic.Int32
	tries   int // of an effect, alone

	delivery bool            // the effect of a delivery: nobody waits for it
	part     *outboxed       // nil, or it may run together with others of its outbox
	bundle   *bundled        // nil, or it may run together with others of its target
	group    *group          // of the journal, in which its delivery is; or nil
	accepted time.Time       // when the delivery was made
	lease    time.Time       // of that delivery, by this process's clock: not begun after it
	until    context.Context // nil, or not begun after this has ended
}

var errWithdrawn = errors.New("relay: the operation is not to begin any more")

// newOp makes an operation of the engine's own statements. It may run twice, after a rollback.
func newOp(run func(context.Context, *txn) error) *op {
	return &op{run: run, done: make(chan error, 1)}
}

func newAppendOp(drafts []*prepared) *op { return &op{drafts: drafts, done: make(chan error, 1)} }

// effectOp runs foreign code and answers which outcome has to be recorded after it, in the same transaction; nil is
// none. What an effect found out reaches that only as this answer: an effect that was given up on may still be
// running when another one runs.
type effectOp func(ctx context.Context, u *userTx) (*result, error)

func newEffectOp(effect effectOp) *op {
	return &op{effect: effect, done: make(chan error, 1)}
}

// perform does what a group of engine operations asks for. Drafts and outcomes of all of them go to the engine
// together; none of a group depends on another, as their callers wait at the same time.
func perform(ctx context.Context, t *txn, group []*op) error {
	var drafts []*prepared
	var outcomes []*result
	for _, o := range group {
		drafts = append(drafts, o.drafts...)
		if o.outcome != nil {
			outcomes = append(outcomes, o.outcome)
		}
	}
	if len(drafts) > 0 {
		if err := t.engine.append(ctx, t, drafts); err != nil {
			return err
		}
	}
	if err := t.settle(ctx, outcomes); err != nil {
		return err
	}
	for _, o := range group {
		if o.run == nil {
			continue
		}
		if err := o.run(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// take claims the operation for the writer; false when its caller has withdrawn it, or it is not to begin any more.
func (o *op) take() bool {
	if !o.state.CompareAndSwap(opQueued, opTaken) {
		return false
	}
	if o.until != nil && o.until.Err() != nil {
		o.report(errWithdrawn)
		return false
	}
	return true
}

// withdraw takes the operation back for its caller; false when the writer has it.
func (o *op) withdraw() bool { return o.state.CompareAndSwap(opQueued, opWithdrawn) }

func (o *op) report(err error) {
	if err == nil && o.outcome != nil {
		err = o.outcome.err
	}
	if o.after != nil {
		o.after(err)
		return
	}
	o.done <- err
}
