package relay

import (
	"context"
	"slices"
)

// Outbox appends messages together with what a service notes of them in its own tables: both or neither. It does what
// [Store.AppendTx] does for one purpose only, and so lets callers who wait at the same time share the statements of their
// notes as well as the transaction.
type Outbox struct {
	store *Store
	note  NoteFunc
}

// Appended is what one caller of [Outbox.Append] has appended.
type Appended struct {
	Note     any       // the caller's
	Receipts []Receipt // of his drafts, in their order
}

// NoteFunc notes what several callers have appended, in the transaction that appends it. When it fails, panics or takes
// longer than Config.EffectTimeout, everything is rolled back and it is given each caller's alone, so that none fails
// another. It may be called again after a rollback, so it must have no effect but through tx. all is never empty.
type NoteFunc func(ctx context.Context, tx Tx, all []Appended) error

// NewOutbox makes an outbox whose notes are made by a function.
func (s *Store) NewOutbox(note NoteFunc) *Outbox { return &Outbox{store: s, note: note} }

// outboxed is a caller's part of a transaction.
type outboxed struct {
	outbox *Outbox
	drafts []*prepared
	note   any
}

// Append stores messages with their deliveries, and has note noted, all of it or nothing. What is said of [Store.Append]
// and [Store.AppendTx] holds for it; the function's own error comes back as it is.
func (o *Outbox) Append(ctx context.Context, note any, drafts ...Draft) ([]Receipt, error) {
	ready, err := o.store.prepare(drafts)
	if err != nil {
		return nil, err
	}
	part := &outboxed{outbox: o, drafts: ready, note: note}
	op := newEffectOp(func(ctx context.Context, u *userTx) (*result, error) {
		return nil, o.apply(ctx, u, part)
	})
	op.part = part
	if err := o.store.effects.do(ctx, op); err != nil {
		return nil, err
	}
	return receipts(ready), nil
}

// apply appends what some callers bring, and notes it. It touches their drafts only as long as the transaction is its own:
// one that took too long is tried again, while this may still be running.
func (o *Outbox) apply(ctx context.Context, u *userTx, parts ...*outboxed) error {
	all := make([]Appended, len(parts))
	err := u.guard(ctx, func(context.Context) error {
		var drafts []*prepared
		for _, part := range parts {
			for _, p := range part.drafts { // it may have been tried before
				p.keyed, p.place, p.receipt = false, place{}, Receipt{}
			}
			drafts = append(drafts, part.drafts...)
		}
		if err := u.t.engine.stage(u.all, u.t, drafts); err != nil {
			return err
		}
		for i, part := range parts {
			all[i] = Appended{Note: part.note, Receipts: receipts(part.drafts)}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return o.note(ctx, u, all)
}

// partsOf is how many of a group's operations, from the first one on, are parts of one outbox.
func partsOf(group []*op) int {
	n := slices.IndexFunc(group, func(o *op) bool { return o.part == nil || o.part.outbox != group[0].part.outbox })
	if n < 0 {
		return len(group)
	}
	return n
}

// outboxes makes one call of several parts.
func outboxes(group []*op) func(context.Context, *userTx) (*result, error) {
	parts := make([]*outboxed, len(group))
	for i, o := range group {
		parts[i] = o.part
	}
	return func(ctx context.Context, u *userTx) (*result, error) {
		return nil, parts[0].outbox.apply(ctx, u, parts...)
	}
}
