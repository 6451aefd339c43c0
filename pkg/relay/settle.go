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

const (
	settleDelivery = `UPDATE deliveries SET state = ?, next_at = ?, lease_until = 0, last_status = ?, last_error = ?, updated_at = ?
  WHERE seq = ? AND lease_token = ? AND state = 'delivering'`
	insertAttempt = `INSERT INTO attempts (delivery_seq, number, started_at, duration, status, error, detail)
  VALUES (?, ?, ?, ?, ?, ?, ?)`
	releaseDelivery = `UPDATE deliveries SET state = 'pending', next_at = ?, lease_until = 0, attempts = attempts - 1, updated_at = ?
  WHERE seq = ? AND lease_token = ? AND state = 'delivering'`
)

// result is one attempt that is over.
type result struct {
	claimed claimed
	job     Job
	lane    *lane // nil for an effect
	outcome Outcome
	started time.Time
	took    time.Duration

	interrupted bool // cut off because the process stops: due again at once
}

// settle records an attempt and moves its delivery on. ErrLeaseLost: somebody else holds it by now, and
// nothing was changed.
func (t *txn) settle(ctx context.Context, r result, schedule Schedule) (State, time.Time, error) {
	state, nextAt := t.verdict(r, schedule)
	var next int64
	if !nextAt.IsZero() {
		next = nextAt.UnixMicro()
	}
	reason := ""
	if r.outcome.Err != nil {
		reason = cut(r.outcome.Err.Error(), maxError)
	}
	d := r.claimed.delivery
	n, err := t.changed(ctx, settleDelivery, string(state), next, r.outcome.StatusCode, reason, t.now.UnixMicro(), r.claimed.seq, r.claimed.token)
	if err != nil {
		return state, nextAt, err
	}
	if n == 0 {
		return state, nextAt, ErrLeaseLost
	}
	if err := t.exec(ctx, insertAttempt, r.claimed.seq, d.Attempts, r.started.UnixMicro(), r.took.Microseconds(),
		r.outcome.StatusCode, reason, cut(r.outcome.Detail, maxDetail)); err != nil {
		return state, nextAt, err
	}
	t.moved(d.TargetID, Delivering, state, 1)
	if r.outcome.Disable != "" {
		err = setTarget(ctx, t, d.TargetID, false, cut(r.outcome.Disable, maxError))
	}
	return state, nextAt, err
}

func (t *txn) verdict(r result, schedule Schedule) (State, time.Time) {
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
	if next, ok := schedule.next(spent, t.now, r.outcome.RetryAfter); ok {
		return Pending, next
	}
	return Failed, time.Time{}
}

// release gives a lease back whose attempt was never begun; the attempt does not count. The delivery is due
// again at the given time.
func (t *txn) release(ctx context.Context, c claimed, due time.Time) error {
	n, err := t.changed(ctx, releaseDelivery, due.UnixMicro(), t.now.UnixMicro(), c.seq, c.token)
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
