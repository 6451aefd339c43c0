package relay

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errInterrupted is the outcome of an attempt that was cut off because the process stops.
var errInterrupted = errors.New("interrupted: the process is stopping")

// startPaced begins an attempt of a delivery that is held, if its target's pace lets it; or else gives it back.
func (d *Dispatcher) startPaced(l *lane, k *task) {
	wait, ok := l.admit(d.store.cfg.Now())
	if ok {
		d.start(l, k)
		return
	}
	d.running.Add(1)
	go func() {
		defer d.over(k)
		d.giveBack(wait, k)
	}()
}

// start begins an attempt.
func (d *Dispatcher) start(l *lane, k *task) {
	d.running.Add(1)
	l.size += (len(k.job.Message.Body) + len(k.job.Message.Headers) - l.size) / 8
	if l.runner.effect != nil {
		d.apply(l.runner, k)
		return
	}
	k.runner = l.runner
	l.slots.add(k)
	d.fill(l)
}

// fill begins attempts while there are places for them.
func (d *Dispatcher) fill(l *lane) {
	for k := l.slots.begin(); k != nil; k = l.slots.begin() {
		d.crew.do(func() { d.run(l, k) })
	}
}

// run performs attempts outside the database, one after another while there is one for their place, and has their
// outcomes recorded.
func (d *Dispatcher) run(l *lane, k *task) {
	defer func() {
		if k == nil {
			return
		}
		if next := l.slots.next(); next != nil { // the runner has ended its goroutine
			d.crew.do(func() { d.run(l, next) })
		}
	}()
	for ; k != nil; k = l.slots.next() {
		d.attempt(l, k)
	}
}

func (d *Dispatcher) attempt(l *lane, k *task) {
	defer d.over(k)
	if d.begins.Err() != nil {
		d.giveBack(0, k)
		return
	}
	if now := d.store.cfg.Now(); l.closed.Load() || l.quiet(now) > 0 { // since it was claimed
		d.giveBack(max(l.quiet(now), 0), k)
		return
	}
	turn, wait, ok := l.breaker.begin(d.store.cfg.Now())
	if !ok { // it opened since
		d.giveBack(wait, k)
		return
	}
	d.runRemote(l, turn, k)
}

// notBegun gives back what has waited for a place in vain: the process stops, or so much of the lease has passed that an
// attempt might outlast it.
func (d *Dispatcher) notBegun(waited []*task) {
	if len(waited) == 0 {
		return
	}
	d.giveBack(0, waited...)
	for _, k := range waited {
		d.over(k)
	}
}

func (d *Dispatcher) runRemote(l *lane, turn int64, k *task) {
	r := d.result(k)
	r.lane = l
	ctx := newLifetime(d.attempts, k.runner.patience(k.claimed.until.Sub(r.started)))
	r.outcome = callRemote(ctx, k.runner.remote, k.job)
	ctx.end()
	if d.attempts.Err() != nil && r.outcome.Verdict == VerdictRetry {
		r.outcome, r.interrupted = Retry(errInterrupted), true
	}
	now := d.store.cfg.Now()
	r.took = now.Sub(r.started)
	if r.outcome.Throttle {
		l.quietUntil.Store(now.Add(min(max(r.outcome.RetryAfter, time.Second), maxRetryAfter)).UnixMicro())
	}
	if r.outcome.Disable != "" {
		l.disabling.Add(1)
		l.closed.Store(true)
	}
	if l.breaker.end(turn, r.outcome.Verdict, r.interrupted, now) {
		d.breakerMoved(l, r, now)
	}
	d.record(r)
}

// breakerMoved tells that a lane's breaker is in another state now.
func (d *Dispatcher) breakerMoved(l *lane, r *result, now time.Time) {
	change := TargetChange{TargetID: r.job.Delivery.TargetID, Event: TargetClosed, Reason: l.breaker.why(r.outcome.Err), At: now}
	if s := l.breaker.status(); s.State == BreakerOpen {
		change.Event, change.Until = TargetOpened, s.Until
	}
	d.cfg.TargetChanged(change)
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
func (d *Dispatcher) apply(runner Runner, k *task) {
	r := d.result(k)
	delivered := func(out Outcome, began time.Time) *result {
		return &result{
			task: k, schedule: r.schedule, announce: r.announce, outcome: out, started: began, took: d.store.cfg.Now().Sub(began),
		}
	}
	o := newEffectOp(func(ctx context.Context, u *userTx) (*result, error) {
		began := d.store.cfg.Now()
		out := runner.effect(ctx, u, k.job)
		if out.Verdict != VerdictDelivered {
			return nil, &notDelivered{out}
		}
		return delivered(out, began), nil
	})
	if runner.effects != nil {
		o.bundle = &bundled{target: k.claimed.delivery.TargetID, apply: runner.effects, task: k, done: delivered, now: d.store.cfg.Now}
	}
	c := &k.claimed
	o.delivery, o.accepted, o.lease, o.until, o.group = true, c.delivery.CreatedAt, c.until, d.begins, c.place.group
	o.after = func(err error) {
		if done := o.outcome; err == nil {
			d.observe(done)
			d.over(k)
			return
		}
		go func() { // the writer must not wait for itself
			defer d.over(k)
			d.notApplied(r, err)
		}()
	}
	if err := d.store.effects.enqueue(context.Background(), o, nil); err != nil {
		d.cfg.Log("apply effect", err)
		d.over(k)
	}
}

// notApplied deals with an effect that left nothing behind.
func (d *Dispatcher) notApplied(r *result, err error) {
	var not *notDelivered
	switch {
	case errors.Is(err, errLate):
		d.cfg.Log("apply effect", fmt.Errorf("%s: %w", r.job.Delivery.ID, err))
		d.giveBack(0, r.task)
		return
	case errors.Is(err, errWithdrawn):
		d.giveBack(0, r.task)
		return
	case errors.Is(err, errStopped):
		d.cfg.Log("apply effect", err)
		return
	case errors.Is(err, errNotBegun): // it has not had its chance
		d.cfg.Log("apply effect", err)
		d.giveBack(d.cfg.Poll, r.task)
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
func (d *Dispatcher) over(k *task) {
	d.finish(k.claimed.delivery.TargetID)
	d.running.Done()
}

func (d *Dispatcher) result(k *task) *result {
	return &result{task: k, schedule: d.store.cfg.Schedule, announce: d.announce, started: d.store.cfg.Now()}
}

// announce prepares the messages that tell of a change. It is called by the writer, which must survive it.
func (d *Dispatcher) announce(change TargetChange) (drafts []*prepared) {
	if d.cfg.Announce == nil {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			d.cfg.Log("announce that a target is disabled", fmt.Errorf("%s: panic: %v", change.TargetID, p))
			drafts = nil
		}
	}()
	drafts, err := d.store.prepare(d.cfg.Announce(change))
	if err != nil {
		d.cfg.Log("announce that a target is disabled", fmt.Errorf("%s: %w", change.TargetID, err))
		return nil
	}
	return drafts
}

// record queues an outcome for the next commit. The attempt's slot is free meanwhile; Stop waits for it.
func (d *Dispatcher) record(r *result) {
	o := &op{outcome: r}
	d.running.Add(1)
	o.after = func(err error) {
		defer d.running.Done()
		if r.outcome.Disable != "" && r.lane != nil {
			if r.lane.disabling.Add(-1); err != nil {
				r.lane.closed.Store(false)
			}
		}
		if err != nil { // the lease runs out, and the attempt is made again
			d.cfg.Log("record outcome", fmt.Errorf("%s: %w", r.job.Delivery.ID, err))
			return
		}
		d.observe(r)
	}
	if err := d.store.changes.enqueue(context.Background(), o, nil); err != nil {
		o.after(err)
	}
}

// observe tells what is committed.
func (d *Dispatcher) observe(r *result) {
	d.cfg.Observe(Observation{Job: r.job, Outcome: r.outcome, Duration: r.took, State: r.state, NextAt: r.nextAt})
	if r.disabled != nil {
		d.cfg.TargetChanged(*r.disabled)
	}
}

// giveBack ends the leases of deliveries that were claimed but not begun; they are due again after a while.
func (d *Dispatcher) giveBack(after time.Duration, claims ...*task) {
	err := d.store.write(context.Background(), func(ctx context.Context, t *txn) error {
		for _, k := range claims {
			if err := t.unclaim(ctx, k.claimed, after); err != nil {
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
