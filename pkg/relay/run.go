package relay

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errInterrupted is the outcome of an attempt that was cut off because the process stops.
var errInterrupted = errors.New("interrupted: the process is stopping")

// start begins an attempt.
func (d *Dispatcher) start(l *lane, c claimed, job Job) {
	d.running.Add(1)
	if l.runner.effect != nil {
		d.apply(l.runner.effect, c, job)
		return
	}
	remote, slots := l.runner.remote, l.slots
	d.crew.do(func() { d.run(l, remote, slots, c, job) })
}

// run performs one attempt outside the database and has its outcome recorded.
func (d *Dispatcher) run(l *lane, remote RemoteFunc, slots chan struct{}, c claimed, job Job) {
	defer d.over(c)
	if !d.slot(slots) {
		d.giveBack(0, c)
		return
	}
	defer func() { <-slots }()
	if now := d.store.cfg.Now(); l.closed.Load() || l.quiet(now) > 0 { // since it was claimed
		d.giveBack(max(l.quiet(now), 0), c)
		return
	}
	d.runRemote(l, remote, c, job)
}

// slot waits for a place among the target's running attempts. False: it is better given back, because the
// process stops or so much of the lease has passed that an attempt might outlast it.
func (d *Dispatcher) slot(slots chan struct{}) bool {
	select {
	case slots <- struct{}{}:
		return true
	default:
	}
	patience := time.NewTimer(d.store.cfg.Lease / 2)
	defer patience.Stop()
	select {
	case slots <- struct{}{}:
		return true
	case <-patience.C:
	case <-d.quit:
	}
	return false
}

func (d *Dispatcher) runRemote(l *lane, remote RemoteFunc, c claimed, job Job) {
	r := d.result(c, job)
	r.lane = l
	ctx, cancel := context.WithTimeout(d.attempts, c.until.Sub(r.started))
	r.outcome = callRemote(ctx, remote, job)
	cancel()
	if d.attempts.Err() != nil && r.outcome.Verdict == VerdictRetry {
		r.outcome, r.interrupted = Retry(errInterrupted), true
	}
	now := d.store.cfg.Now()
	r.took = now.Sub(r.started)
	if r.outcome.Throttle {
		l.quietUntil.Store(now.Add(min(max(r.outcome.RetryAfter, time.Second), maxRetryAfter)).UnixMicro())
	}
	if r.outcome.Disable != "" {
		l.closed.Store(true)
	}
	d.record(r)
}

func callRemote(ctx context.Context, f RemoteFunc, job Job) (out Outcome) {
	defer func() {
		if p := recover(); p != nil {
			out = Retry(fmt.Errorf("the runner panicked: %v", p))
		}
	}()
	return f(ctx, job)
}

// notDelivered rolls an effect back and carries its outcome, which is recorded afterwards.
type notDelivered struct{ outcome Outcome }

func (n *notDelivered) Error() string { return "relay: effect answered other than delivered" }

// apply queues a delivery's effect: the effect, the delivery's completion and its attempt are one transaction. With any
// other outcome than delivered the effect is rolled back and the outcome recorded alone. Nothing waits here: when it is
// over, the writer says so.
func (d *Dispatcher) apply(effect EffectFunc, c claimed, job Job) {
	r := d.result(c, job)
	o := newEffectOp(func(ctx context.Context, u *userTx) (*result, error) {
		done := d.result(c, job)
		done.outcome = effect(ctx, u, job)
		if done.outcome.Verdict != VerdictDelivered {
			return nil, &notDelivered{done.outcome}
		}
		done.took = d.store.cfg.Now().Sub(done.started)
		return done, nil
	})
	o.delivery, o.until, o.group = true, d.begins, c.place.group
	o.after = func(err error) {
		if done := o.outcome; err == nil {
			d.cfg.Observe(Observation{Job: job, Outcome: done.outcome, Duration: done.took, State: done.state})
			d.over(c)
			return
		}
		go func() { // the writer must not wait for itself
			defer d.over(c)
			d.notApplied(r, err)
		}()
	}
	if err := d.store.effects.enqueue(context.Background(), o, nil); err != nil {
		d.cfg.Log("apply effect", err)
		d.over(c)
	}
}

// notApplied deals with an effect that left nothing behind.
func (d *Dispatcher) notApplied(r *result, err error) {
	var not *notDelivered
	switch {
	case errors.Is(err, errWithdrawn):
		d.giveBack(0, r.claimed)
		return
	case errors.Is(err, errStopped):
		d.cfg.Log("apply effect", err)
		return
	case errors.Is(err, errNotBegun): // it has not had its chance
		d.cfg.Log("apply effect", err)
		d.giveBack(d.cfg.Poll, r.claimed)
		return
	case errors.Is(err, ErrLeaseLost):
		d.cfg.Log("apply effect", fmt.Errorf("%s: %w", r.job.Delivery.ID, err))
		return
	case errors.As(err, &not):
		r.outcome = not.outcome
	default:
		r.outcome = Retry(err)
	}
	r.took = d.store.cfg.Now().Sub(r.started)
	d.record(r)
}

// over ends what start has begun.
func (d *Dispatcher) over(c claimed) {
	d.finish(c.delivery.TargetID)
	d.running.Done()
}

func (d *Dispatcher) result(c claimed, job Job) *result {
	return &result{claimed: c, job: job, schedule: d.store.cfg.Schedule, started: d.store.cfg.Now()}
}

// record queues an outcome for the next commit. The attempt's slot is free meanwhile; Stop waits for it.
func (d *Dispatcher) record(r *result) {
	o := &op{outcome: r}
	d.running.Add(1)
	o.after = func(err error) {
		defer d.running.Done()
		if err != nil { // the lease runs out, and the attempt is made again
			if r.outcome.Disable != "" && r.lane != nil {
				r.lane.closed.Store(false)
			}
			d.cfg.Log("record outcome", fmt.Errorf("%s: %w", r.job.Delivery.ID, err))
			return
		}
		d.cfg.Observe(Observation{Job: r.job, Outcome: r.outcome, Duration: r.took, State: r.state, NextAt: r.nextAt})
	}
	if err := d.store.changes.enqueue(context.Background(), o, nil); err != nil {
		o.after(err)
	}
}

// giveBack ends the leases of deliveries that were claimed but not begun; they are due again after a while.
func (d *Dispatcher) giveBack(after time.Duration, claims ...claimed) {
	err := d.store.write(context.Background(), func(ctx context.Context, t *txn) error {
		for _, c := range claims {
			if err := t.unclaim(ctx, c, after); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		d.cfg.Log("give back leases", err) // they run out
	}
}

// finish tells the loop that an attempt is over, and never waits for it.
func (d *Dispatcher) finish(target string) {
	d.mu.Lock()
	d.ended[target]++
	d.mu.Unlock()
	select {
	case d.finished <- struct{}{}:
	default:
	}
}
