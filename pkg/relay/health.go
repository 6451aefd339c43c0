package relay

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// DefaultDisableAfter is how long a target may fail before it is disabled, where a service knows nothing better.
const DefaultDisableAfter = 120 * time.Hour

// TargetEvent is what happened to a target.
type TargetEvent string

// What can happen to a target without anybody asking for it.
const (
	TargetOpened   TargetEvent = "opened"   // its breaker: attempts are held back
	TargetClosed   TargetEvent = "closed"   // its breaker: attempts are made again
	TargetDisabled TargetEvent = "disabled" // it said so, or it has failed for too long; its deliveries are paused
)

// TargetChange tells what happened to a target, or in DispatcherConfig.Announce what is about to.
type TargetChange struct {
	TargetID string
	Event    TargetEvent
	Reason   string    // for people
	Until    time.Time // when an opened one is tried again; zero otherwise
	At       time.Time // by the database's clock, where the engine disabled it
}

// health is what this process knows of how long targets have been failing. What counts is in the database: this only
// saves statements, none of which is made for an attempt that succeeds at a target that does not fail. Times are Unix
// microseconds by the database's clock.
type health struct {
	limit time.Duration // 0: targets are never disabled, and nothing is kept

	mu    sync.Mutex
	since map[string]int64 // targets whose attempts fail
	good  map[string]int64 // when an attempt succeeded here
}

func newHealth(limit time.Duration) *health {
	return &health{limit: limit, since: map[string]int64{}, good: map[string]int64{}}
}

func (h *health) failingSince(target string) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.since[target]
}

// committed takes note of what a transaction has changed.
func (h *health) committed(changes map[string]condition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for target, c := range changes {
		if c.since == 0 {
			delete(h.since, target)
		} else {
			h.since[target] = c.since
		}
		if c.good > 0 {
			h.good[target] = c.good
		}
	}
}

// condition is a target's after a transaction. good is 0 where nothing succeeded.
type condition struct{ since, good int64 }

const (
	setFailing = `UPDATE targets SET failing_since = ? WHERE id = ? AND failing_since = 0`
	setAnew    = `UPDATE targets SET failing_since = ? WHERE id = ? AND failing_since <> ?`
	disable    = `UPDATE targets SET enabled = 0, disabled_reason = ? WHERE id = ? AND enabled = 1`
	// disableFailing looks again: another process may have seen the target succeed.
	disableFailing = disable + ` AND failing_since > 0 AND failing_since <= ?`
	// targets_failing serves this.
	selectFailing = `SELECT id, failing_since FROM targets WHERE failing_since > 0`
	resetFailing  = `UPDATE targets SET failing_since = 0 WHERE id = ? AND failing_since = ?`
)

// judge disables targets whose outcomes ask for it, and those that have failed for too long.
func (t *txn) judge(ctx context.Context, results []*result) error {
	byTarget := map[string][]*result{}
	for _, r := range results {
		if r.err == nil && (t.health.limit > 0 || r.outcome.Disable != "") {
			byTarget[r.claimed.delivery.TargetID] = append(byTarget[r.claimed.delivery.TargetID], r)
		}
	}
	for _, target := range slices.Sorted(maps.Keys(byTarget)) { // everybody locks targets in the same order
		of := byTarget[target]
		for _, r := range of {
			if r.outcome.Disable == "" {
				continue
			}
			if err := t.disable(ctx, r, disable, cut(r.outcome.Disable, maxError), target); err != nil {
				return err
			}
		}
		if t.health.limit == 0 {
			continue
		}
		if err := t.judgeFailures(ctx, target, of); err != nil {
			return err
		}
	}
	return nil
}

// judgeFailures keeps since when a target fails, going by its outcomes in the order they came.
func (t *txn) judgeFailures(ctx context.Context, target string, of []*result) error {
	now, known := t.now.UnixMicro(), t.health.failingSince(target)
	if c, ok := t.conditions[target]; ok {
		known = c.since
	}
	after := condition{since: known}
	var last *result
	for _, r := range of {
		switch {
		case r.outcome.Verdict == VerdictDelivered:
			after, last = condition{good: now}, nil
		case !r.interrupted:
			last = r
		}
	}
	switch {
	case last == nil && after.good == 0: // all were interrupted
		return nil
	case last == nil:
		t.conditions[target] = after
		if known == 0 {
			return nil
		}
		return t.exec(ctx, setAnew, 0, target, 0)
	case after.since == 0:
		after.since = now
		t.conditions[target] = after
		if after.good > 0 {
			return t.exec(ctx, setAnew, now, target, now)
		}
		return t.exec(ctx, setFailing, now, target)
	case now-after.since < t.health.limit.Microseconds():
		return nil
	}
	since := time.UnixMicro(after.since).UTC().Truncate(time.Second)
	reason := fmt.Sprintf("no attempt has succeeded since %s, for more than %v", since.Format(time.RFC3339), t.health.limit)
	if last.outcome.Err != nil {
		reason += ": " + last.outcome.Err.Error()
	}
	return t.disable(ctx, last, disableFailing, cut(reason, maxError), target, now-t.health.limit.Microseconds())
}

// disable disables the target of a result unless it is disabled already, notes with the result that it did, and appends
// what announces it.
func (t *txn) disable(ctx context.Context, r *result, query, reason string, args ...any) error {
	n, err := t.changed(ctx, query, append([]any{reason}, args...)...)
	if err != nil || n == 0 {
		return err
	}
	t.targetsChanged = true
	r.disabled = &TargetChange{TargetID: r.claimed.delivery.TargetID, Event: TargetDisabled, Reason: reason, At: t.now.UTC()}
	if r.announce == nil {
		return nil
	}
	if drafts := r.announce(*r.disabled); len(drafts) > 0 {
		return t.engine.stage(ctx, t, drafts)
	}
	return nil
}

// readFailing learns what other processes, or this one before it was started anew, know of targets that fail. Where an
// attempt has succeeded here since, the target does not fail: the other one could not know.
func (s *Store) readFailing(ctx context.Context) error {
	if s.wake.health.limit == 0 {
		return nil
	}
	rows, err := s.engineReader.query(ctx, selectFailing)
	if err != nil {
		return err
	}
	since := map[string]int64{}
	_, err = collect(rows, func(row scanner) (struct{}, error) {
		var id string
		var at int64
		err := row.Scan(&id, &at)
		since[id] = at
		return struct{}{}, err
	})
	if err != nil {
		return err
	}
	wrong := s.wake.health.learn(since)
	if len(wrong) == 0 {
		return nil
	}
	return s.write(ctx, func(ctx context.Context, t *txn) error {
		for _, id := range slices.Sorted(maps.Keys(wrong)) {
			if err := t.exec(ctx, resetFailing, id, wrong[id]); err != nil {
				return err
			}
		}
		return nil
	})
}

// learn takes over what the database says, and answers what it does not know yet: those that have succeeded here since.
func (h *health) learn(since map[string]int64) map[string]int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	wrong := map[string]int64{}
	for id, at := range since {
		if h.good[id] > at {
			wrong[id] = at
		}
	}
	h.since = since
	return wrong
}
