package relay

import (
	"context"
	"errors"
	"time"
)

// enter takes over into the journal what a transaction has made of it.
func (w *writer) enter(t *txn) {
	if w.journal == nil || len(t.journaled)+len(t.offering)+len(t.unfolded) == 0 {
		return
	}
	for _, g := range t.offering {
		g.offered, g.bornAt = true, time.Now()
	}
	w.journal.add(t.journaled, t.keys)
	w.journal.remove(t.unfolded)
	reportAll(t.held, nil)
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
	if urgent := j.awaited() || j.full(); !process && !urgent || j.wait(time.Now()) != 0 {
		return
	}
	if err := w.advance(j.awaited()); err != nil {
		j.retryAt = time.Now().Add(unfoldRetry)
		j.tell(err)
	}
}

// advance is one step of the journal; with all, whatever its deliveries may wait for.
func (w *writer) advance(all bool) error {
	engine, ok := w.engine.(*sqliteEngine)
	if !ok {
		return errors.New("relay: this engine has no journal")
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

// leaveJournal makes the rows of everything in the journal that was claimed, so that nothing is lost that is known of it.
func (w *writer) leaveJournal() {
	for j := w.journal; j != nil && !j.empty() && j.groups[0].offered; {
		if w.advance(true) != nil {
			return
		}
	}
}
