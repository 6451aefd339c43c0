package relay

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	stagedLook  = time.Second          // between two looks whether other processes have left something in the journal
	stagedAgain = 5 * time.Millisecond // until what another process is at may be done
)

// staged is what one process knows of PostgreSQL's journal. Its rows are made when no crowd is there, and while one is, in
// the part of the time that effects get; but what is in it neither grows beyond bounds nor waits for long: appends go past
// it then.
type staged struct {
	messages atomic.Int64  // about how many wait, going by what this process has appended and unfolded
	late     atomic.Bool   // the oldest have waited for too long
	nudge    chan struct{} // something was appended
	now      func() time.Time

	// The unfolding writer's own.
	lookAt, retryAt time.Time

	mu     sync.Mutex
	untold []error // damage, for report
}

func newStaged(now func() time.Time) *staged { return &staged{nudge: make(chan struct{}, 1), now: now} }

// room says whether more may go through the journal.
func (s *staged) room() bool { return !s.late.Load() && s.messages.Load() < journalMessages }

// add takes note of what was appended.
func (s *staged) add(messages int) {
	s.messages.Add(int64(messages))
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}

// took takes note of rows of the journal whose messages have theirs now.
func (s *staged) took(rows []stagedRow) {
	if len(rows) == 0 {
		return
	}
	n := 0
	for _, r := range rows {
		n += len(r.messages)
	}
	for old := s.messages.Load(); !s.messages.CompareAndSwap(old, max(0, old-int64(n))); old = s.messages.Load() {
	}
	// The clock of the database said when that was. Where this process's is far from it, nothing is thought to be late.
	age := s.now().Sub(time.UnixMicro(rows[0].at))
	s.late.Store(age > journalAge && age < 100*journalAge)
}

// empty takes note that nothing was there, when so many were thought to be.
func (s *staged) empty(thought int64) {
	s.messages.Add(-thought)
	s.late.Store(false)
}

func (s *staged) damaged(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.untold = append(s.untold, err)
}

// report answers the damage that it has not answered before.
func (s *staged) report() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	untold := s.untold
	s.untold = nil
	return untold
}

// wait is for how long there is nothing to be done, when whoever appends is to be left alone for a while.
func (s *staged) wait(now time.Time, courtesy time.Duration) time.Duration {
	wait := max(0, s.retryAt.Sub(now))
	switch {
	case !s.room():
		return wait
	case s.messages.Load() <= 0 && s.lookAt.After(now):
		return max(wait, s.lookAt.Sub(now))
	}
	return max(wait, courtesy)
}

// unstage makes the rows of some of what is in the journal, if it is time.
func (w *writer) unstage() {
	s, now := w.staged, time.Now()
	if s == nil || s.wait(now, w.courtesy.wait(now)) > 0 {
		return
	}
	e, ok := w.engine.(*postgresEngine)
	if !ok {
		return
	}
	thought := s.messages.Load()
	n, err := e.unfold(math.MaxInt64, func(f func(context.Context, *txn) error) error {
		return w.transact(context.Background(), func(ctx context.Context, t *txn) error {
			err := f(ctx, t)
			if err == nil && len(t.due) > 0 {
				w.cfg.reach(beforeRows)
			}
			return err
		})
	})
	switch {
	case err != nil:
		s.retryAt = time.Now().Add(unfoldRetry)
	case n == 0:
		s.empty(thought)
		s.lookAt = time.Now().Add(stagedLook)
	default:
		s.lookAt = time.Time{} // there may be more
		w.cfg.reach(afterRows)
	}
}

// unstaged makes the rows of everything that was in the journal when it was called.
func (s *Store) unstaged(ctx context.Context, e *postgresEngine) error {
	first, bound, err := journalBounds(ctx, s.callers)
	for err == nil && first > 0 && first <= bound {
		var n int
		n, err = e.unfold(bound, func(f func(context.Context, *txn) error) error { return s.write(ctx, f) })
		if err == nil && n == 0 { // somebody else is at it
			select {
			case <-time.After(stagedAgain):
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		if err == nil {
			first, _, err = journalBounds(ctx, s.callers)
		}
	}
	return err
}

// unclear holds for messages of which one may have the id of another in the journal: its caller chose it, and it looks like
// one of this engine's making.
func unclear(drafts []*prepared) bool {
	return slices.ContainsFunc(drafts, func(p *prepared) bool {
		_, _, ours := foldableID(p.ID)
		return p.given && ours
	})
}
