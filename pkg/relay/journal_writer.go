package relay

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// enter takes over into the journal what a transaction has made of it.
func (w *writer) enter(t *txn) {
	if !t.journaling() {
		return
	}
	for _, g := range t.offering {
		w.journal.claimed(g)
	}
	w.journal.add(t.journaled, t.keys)
	w.journal.unkey(t.unkeyed)
	w.journal.remove(t.unfolded)
}

// journaling says whether the transaction changes what is in the journal.
func (t *txn) journaling() bool { return len(t.journaled)+len(t.offering)+len(t.unfolded) > 0 }

// commit commits, and takes over what follows from it. Who reads the totals sees both or neither.
func (w *writer) commit(ctx context.Context, t *txn) error {
	if t.journaling() {
		w.journal.view.Lock()
		defer w.journal.view.Unlock()
	}
	if err := t.commit(ctx); err != nil {
		return fmt.Errorf("%w: commit: %w", ErrUnavailable, err)
	}
	w.committed(t)
	return nil
}

// retract takes back that deliveries of a group were claimed.
func (g *group) retract() {
	g.waiting, g.remote = 0, false
	for i := range g.entries {
		for k := range g.entries[i].members {
			g.entries[i].members[k].born = false
		}
	}
}

// hold takes out of a group of operations the outcomes of deliveries that have no row yet: they are recorded with it.
func (w *writer) hold(group []*op) []*op {
	if w.journal == nil {
		return group
	}
	rest := group[:0]
	for _, o := range group {
		if o.outcome == nil || o.effect != nil || !w.journal.hold(o) {
			rest = append(rest, o)
		}
	}
	return rest
}

// unfold goes on with the journal, if it is its turn.
func (w *writer) unfold(process bool) {
	j := w.journal
	if j == nil || j.empty() {
		return
	}
	awaited := j.awaited()
	if !process && !awaited && !j.pressed && !j.outcomes() || j.wait(time.Now()) != 0 {
		return
	}
	if err := w.advance(awaited || j.pressed && !w.courtesy.quick()); err != nil {
		j.retryAt = time.Now().Add(unfoldRetry)
		j.tell(err)
	}
}

// alongside records the outcomes that wait in the journal in a transaction that is committed for another reason.
func (w *writer) alongside(ctx context.Context, t *txn) error {
	engine, ok := w.engine.(*sqliteEngine)
	if !ok || !w.journal.outcomes() || w.journal.wait(time.Now()) != 0 {
		return nil
	}
	_, err := engine.advance(ctx, t, false)
	return err
}

var errNoJournal = errors.New("relay: this engine has no journal")

// advance is one step of the journal; with all, whatever its deliveries may wait for.
func (w *writer) advance(all bool) error {
	engine, ok := w.engine.(*sqliteEngine)
	if !ok {
		return errNoJournal
	}
	var progress bool
	err := w.transact(context.Background(), func(ctx context.Context, t *txn) (err error) {
		if progress, err = engine.advance(ctx, t, all); progress {
			w.cfg.reach(beforeRows)
		}
		return err
	})
	if err == nil && progress {
		w.cfg.reach(afterRows)
	}
	w.journal.stalled = err == nil && !progress
	return err
}

// journalWait is for how long the journal has nothing to do; negative: until something is told.
func (w *writer) journalWait(now time.Time, process bool) time.Duration {
	j := w.journal
	wait := j.wait(now)
	if j.unmerged.len() == 0 || wait == 0 {
		return wait
	}
	idle := max(0, w.courtesy.left(now), j.retryAt.Sub(now))
	if j.keysDue(process, idle == 0) {
		return max(0, j.retryAt.Sub(now))
	}
	if wait < 0 || idle < wait {
		return max(idle, time.Millisecond)
	}
	return wait
}

// merge puts keys of messages into their table, if it is time.
func (w *writer) merge(process bool) {
	now := time.Now()
	if w.journal == nil || w.journal.retryAt.After(now) || !w.journal.keysDue(process, !w.courtesy.crowded(now)) {
		return
	}
	if err := w.mergeKeys(); err != nil {
		w.journal.retryAt = now.Add(unfoldRetry)
	}
}

func (w *writer) mergeKeys() error {
	engine, ok := w.engine.(*sqliteEngine)
	if !ok {
		return errNoJournal
	}
	var n int
	err := w.transact(context.Background(), func(ctx context.Context, t *txn) (err error) {
		n, err = engine.mergeKeys(ctx, t)
		return err
	})
	if err == nil {
		w.journal.merged(n)
	}
	return err
}

// leaveJournal makes the rows of everything in the journal that was claimed, so that nothing is lost that is known of it.
func (w *writer) leaveJournal() {
	for j := w.journal; j != nil && !j.empty() && j.groups[0].offered; {
		if w.advance(true) != nil {
			return
		}
	}
	for w.journal != nil && w.journal.unmerged.len() > 0 {
		if w.mergeKeys() != nil { // the next process does it
			return
		}
	}
}
