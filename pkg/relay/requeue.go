package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

const (
	selectState = `SELECT seq, target_id, state FROM deliveries WHERE id = ? /*lock*/`
	requeue     = `UPDATE deliveries SET state = 'pending', behind = 0, next_at = ?, budget_from = attempts, updated_at = ? WHERE seq = ?`
	cancel      = `UPDATE deliveries SET state = 'cancelled', next_at = 0, updated_at = ? WHERE seq = ?`
)

// stored is what a change asked for by hand needs to know of a delivery.
type stored struct {
	seq    int64
	target string
	state  State
}

func (t *txn) lookUp(ctx context.Context, id string) (d stored, err error) {
	err = t.scan(ctx, selectState, []any{id}, &d.seq, &d.target, &d.state)
	if folds := t.engine.folds(); folds != nil && errors.Is(err, sql.ErrNoRows) {
		thawed, failed := folds.thaw(ctx, t, id)
		if failed != nil {
			return d, failed
		}
		if thawed {
			err = t.scan(ctx, selectState, []any{id}, &d.seq, &d.target, &d.state)
		}
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = t.engine.missing(ctx, t, "delivery", id)
	}
	return d, err
}

// requeue makes a delivery due now, with its whole schedule before it.
func (t *txn) requeue(ctx context.Context, d stored) error {
	now := t.now.UnixMicro()
	if err := t.exec(ctx, requeue, now, now, d.seq); err != nil {
		return err
	}
	t.moved(d.target, d.state, Pending, 1)
	return nil
}

// Retry makes a delivery due now: one that failed or was cancelled, or one that waits for its next attempt.
// It keeps its id and its history and gets its whole schedule again. ErrState: it is delivered (replay it) or
// an attempt is running. ErrNotFound: there is no such delivery.
func (s *Store) Retry(ctx context.Context, deliveryID string) (Delivery, error) {
	if err := s.settled(ctx); err != nil {
		return Delivery{}, err
	}
	err := s.write(ctx, func(ctx context.Context, t *txn) error {
		d, err := t.lookUp(ctx, deliveryID)
		if err != nil {
			return err
		}
		if d.state == Done || d.state == Delivering {
			return fmt.Errorf("%w: %s", ErrState, d.state)
		}
		return t.requeue(ctx, d)
	})
	if err != nil {
		return Delivery{}, err
	}
	d, _, err := s.Delivery(ctx, deliveryID)
	return d, err
}

// Replay repeats a delivery that is over. One that failed or was cancelled is retried, as [Store.Retry] does;
// one that was delivered stays as it is, and a new delivery of the same message to the same target is made,
// with ReplayOf set. ErrState: it is not over yet.
func (s *Store) Replay(ctx context.Context, deliveryID string) (Delivery, error) {
	if err := s.settled(ctx); err != nil {
		return Delivery{}, err
	}
	id := deliveryID
	err := s.write(ctx, func(ctx context.Context, t *txn) error {
		d, err := t.lookUp(ctx, deliveryID)
		if err != nil {
			return err
		}
		switch d.state {
		case Failed, Cancelled:
			id = deliveryID
			return t.requeue(ctx, d)
		case Done:
			id = s.ids.next(deliveryPrefix, t.now)
			t.moved(d.target, "", Pending, 1)
			_, err := t.engine.replay(ctx, t, []replayed{{selected{seq: d.seq, target: d.target}, id, t.now.UnixMicro()}})
			return err
		}
		return fmt.Errorf("%w: %s", ErrState, d.state)
	})
	if err != nil {
		return Delivery{}, err
	}
	d, _, err := s.Delivery(ctx, id)
	return d, err
}

// Cancel ends a delivery that waits or has failed; it can be retried later. ErrState: it is delivered, or an
// attempt is running.
func (s *Store) Cancel(ctx context.Context, deliveryID string) error {
	if err := s.settled(ctx); err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, t *txn) error {
		d, err := t.lookUp(ctx, deliveryID)
		if err != nil {
			return err
		}
		if d.state != Pending && d.state != Failed {
			return fmt.Errorf("%w: %s", ErrState, d.state)
		}
		if err := t.exec(ctx, cancel, t.now.UnixMicro(), d.seq); err != nil {
			return err
		}
		t.moved(d.target, d.state, Cancelled, 1)
		t.due[d.target] = struct{}{} // its ordering key may be free now
		return t.nextHeads(ctx, []int64{d.seq})
	})
}
