package relay

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxError  = 512  // bytes of an error kept with a delivery
	maxDetail = 1024 // bytes of a detail kept with an attempt
)

const releaseDelivery = `UPDATE deliveries SET state = 'pending', next_at = ?, lease_until = 0, attempts = attempts - 1, updated_at = ?
  WHERE seq = ? AND lease_token = ? AND state = 'delivering'`

// result is one attempt that is over.
type result struct {
	*task
	lane     *lane // nil for an effect
	outcome  Outcome
	schedule Schedule
	announce func(TargetChange) []*prepared // nil: nothing tells that its target is disabled
	started  time.Time
	took     time.Duration

	merged      bool // recorded together with its delivery's row
	interrupted bool // cut off because the process stops: due again at once

	// What recording it made of the delivery. err is ErrLeaseLost when somebody else holds it by now.
	state    State
	nextAt   time.Time
	disabled *TargetChange // its target was disabled by it
	err      error
}

// next is when the delivery is due again, as the database has it.
func (r *result) next() int64 {
	if r.nextAt.IsZero() {
		return 0
	}
	return r.nextAt.UnixMicro()
}

func (r *result) reason() string {
	if r.outcome.Err == nil {
		return ""
	}
	return cut(r.outcome.Err.Error(), maxError)
}

func (r *result) detail() string { return cut(r.outcome.Detail, maxDetail) }

// settle records attempts and moves their deliveries on. For one whose lease somebody else holds by now nothing is
// changed, and its err is ErrLeaseLost.
func (t *txn) settle(ctx context.Context, results []*result) error {
	if len(results) == 0 {
		return nil
	}
	for _, r := range results {
		r.state, r.nextAt = t.verdict(r)
		r.err = nil
	}
	if err := t.engine.settle(ctx, t, results); err != nil {
		return err
	}
	var finished []int64 // of those with an ordering key
	for _, r := range results {
		if r.err != nil || r.merged {
			continue
		}
		t.conclude(Delivering, r)
		if r.claimed.orderingKey != "" && r.state == Done {
			finished = append(finished, r.claimed.seq)
		}
	}
	return t.nextHeads(ctx, finished)
}

// conclude does what follows from an outcome that is recorded; what follows for its target comes with flush.
func (t *txn) conclude(from State, r *result) {
	target := r.claimed.delivery.TargetID
	t.moved(target, from, r.state, 1)
	if r.claimed.orderingKey != "" { // it is free now, and the claim after this attempt may have come too early
		t.due[target] = struct{}{}
	}
	r.disabled = nil
	t.concluded = append(t.concluded, r)
}

func (t *txn) verdict(r *result) (State, time.Time) {
	switch r.outcome.Verdict {
	case VerdictDelivered:
		return Done, time.Time{}
	case VerdictPermanent:
		return Failed, time.Time{}
	}
	if r.interrupted {
		return Pending, t.now
	}
	spent := r.claimed.delivery.Attempts - r.claimed.budgetFrom
	if next, ok := r.schedule.next(spent, t.now, r.outcome.RetryAfter); ok {
		return Pending, next
	}
	return Failed, time.Time{}
}

// unclaim gives a lease back whose attempt was never begun; the attempt does not count. The delivery is due again
// after a while.
func (t *txn) unclaim(ctx context.Context, c claimed, after time.Duration) error {
	if err := t.engine.locate(ctx, t, &c); err != nil {
		return err
	}
	n, err := t.changed(ctx, releaseDelivery, t.now.Add(after).UnixMicro(), t.now.UnixMicro(), c.seq, c.token)
	if err == nil && n > 0 {
		t.moved(c.delivery.TargetID, Delivering, Pending, 1)
	}
	return err
}

// cut makes text fit for the database: valid UTF-8, without NUL, of at most limit bytes.
func cut(text string, limit int) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "�"), "\x00", "�")
	if len(text) <= limit {
		return text
	}
	text = text[:limit]
	for len(text) > 0 {
		if r, size := utf8.DecodeLastRuneInString(text); r != utf8.RuneError || size > 1 {
			break
		}
		text = text[:len(text)-1]
	}
	return text
}
