package relay

import (
	"context"
	"sync/atomic"
)

// The life of an operation: its caller may withdraw it only while the writer has not taken it, so that what
// was reported as given up is never committed.
const (
	opQueued int32 = iota
	opTaken
	opWithdrawn
)

// op is one operation waiting for the writer. Exactly one of run and effect is set.
type op struct {
	run    func(ctx context.Context, t *txn) error // the engine's own statements; may run twice, after a rollback
	effect effectOp
	after  func(error) // called once with the result of the commit
	done   chan error  // or this gets it
	state  atomic.Int32
}

func newOp(run func(context.Context, *txn) error) *op {
	return &op{run: run, done: make(chan error, 1)}
}

// effectOp runs foreign code and answers what the engine has to do after it, in the same transaction; nil is
// nothing. What an effect found out reaches that only as this answer: an effect that was given up on may still
// be running when another one runs.
type effectOp func(ctx context.Context, u *userTx) (finish func(context.Context, *txn) error, err error)

func newEffectOp(effect effectOp) *op {
	return &op{effect: effect, done: make(chan error, 1)}
}

// take claims the operation for the writer; false when its caller has withdrawn it.
func (o *op) take() bool { return o.state.CompareAndSwap(opQueued, opTaken) }

// withdraw takes the operation back for its caller; false when the writer has it.
func (o *op) withdraw() bool { return o.state.CompareAndSwap(opQueued, opWithdrawn) }

func (o *op) report(err error) {
	if o.after != nil {
		o.after(err)
		return
	}
	o.done <- err
}
