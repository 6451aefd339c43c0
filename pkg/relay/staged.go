package relay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	stagedLook  = time.Second          // between two looks whether other processes have left something in the journal
	stagedAgain = 5 * time.Millisecond // until what another process is at may be done
)

// staged is what one process knows of PostgreSQL's journal. A writer of its own makes the rows, one batch in a transaction:
// when no crowd is there, while one is in a part of the time, and at once for whoever waits to read. What is in the journal
// neither grows beyond bounds nor waits for long: appends go past it then.
type staged struct {
	messages atomic.Int64  // about how many wait, as of the last look and what this process has done since
	late     atomic.Bool   // the oldest have waited for too long
	nudge    chan struct{} // something was appended, or somebody waits
	now      func() time.Time

	mu      sync.Mutex
	readers []reading // the seq is 0 until it was looked up
	untold  []error   // for report

	// The unfolding writer's own.
	lookAt, retryAt time.Time
	failing         time.Time // since when nothing has succeeded; zero: it has
	told            bool      // of that
}

func newStaged(now func() time.Time) *staged { return &staged{nudge: make(chan struct{}, 1), now: now} }

// room says whether more may go through the journal.
func (s *staged) room() bool { return !s.late.Load() && s.messages.Load() < journalMessages }

func (s *staged) wake() {
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}

// add takes note of what was appended.
func (s *staged) add(messages int) {
	s.messages.Add(int64(messages))
	s.wake()
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
	s.aged(rows[0].at)
}

// aged goes by when the oldest in the journal was appended. The clock of the database said when that was; where this
// process's is far from it, nothing is thought to be late.
func (s *staged) aged(oldest int64) {
	age := s.now().Sub(time.UnixMicro(oldest))
	s.late.Store(age > journalAge && age < 100*journalAge)
}

// looked takes note of how much is there in all.
func (s *staged) looked(messages, oldest int64) {
	s.messages.Store(messages)
	if s.late.Store(false); messages > 0 {
		s.aged(oldest)
	}
}

func (s *staged) tell(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.untold = append(s.untold, err)
}

// report answers what it has not answered before.
func (s *staged) report() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	untold := s.untold
	s.untold = nil
	return untold
}

// await waits until everything that is in the journal now has its rows. Any goroutine may call it.
func (s *staged) await(ctx context.Context, closed <-chan struct{}) error {
	r := reading{ready: make(chan error, 1)}
	s.mu.Lock()
	s.readers = append(s.readers, r)
	s.mu.Unlock()
	s.wake()
	return r.wait(ctx, closed)
}

// awaiting is how many wait.
func (s *staged) awaiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.readers)
}

// answer tells the first n of those who wait, when the journal reaches from first to last; with an error, all of these.
func (s *staged) answer(n int, first, last int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := s.readers[:0:0]
	for i, r := range s.readers {
		if i < n && r.seq == 0 {
			r.seq = last
		}
		if i < n && (err != nil || first == 0 || first > r.seq) {
			r.ready <- err
			continue
		}
		rest = append(rest, r)
	}
	s.readers = rest
}

// wait is for how long there is nothing to be done, when whoever appends is to be left alone for a while.
func (s *staged) wait(now time.Time, courtesy time.Duration) time.Duration {
	wait := max(0, s.retryAt.Sub(now))
	switch {
	case !s.room() || s.awaiting() > 0:
		return wait
	case s.messages.Load() <= 0 && s.lookAt.After(now):
		return max(wait, s.lookAt.Sub(now))
	}
	return max(wait, courtesy)
}

// failed takes note of a failure. What does not pass by itself is told once.
func (s *staged) failed(err error) {
	now := time.Now()
	s.retryAt = now.Add(unfoldRetry)
	if s.failing.IsZero() {
		s.failing = now
	}
	if !s.told && (!errors.Is(err, ErrUnavailable) || now.Sub(s.failing) > journalAge) {
		s.told = true
		s.tell(fmt.Errorf("make the rows of the journal: %w", err))
	}
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
	if err := w.unstageSome(e); err != nil {
		err = e.classify(err)
		s.failed(err)
		s.answer(s.awaiting(), 0, 0, err)
		return
	}
	s.failing, s.told = time.Time{}, false
}

func (w *writer) unstageSome(e *postgresEngine) error {
	s := w.staged
	if empty, err := w.answerReaders(e); empty || err != nil {
		return err
	}
	most := unfoldHead
	if !s.failing.IsZero() { // it may have been too much
		most = 1
	}
	n, err := e.unfold(most, func(f func(context.Context, *txn) error) error {
		return w.transact(context.Background(), func(ctx context.Context, t *txn) error {
			err := f(ctx, t)
			if err == nil && len(t.due) > 0 {
				w.cfg.reach(beforeRows)
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	if n > 0 {
		w.cfg.reach(afterRows)
		s.lookAt = time.Time{} // there may be more
		_, err := w.answerReaders(e)
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), appendTime)
	defer cancel()
	messages, oldest, err := e.journalTotal(ctx)
	if err != nil {
		return err
	}
	s.looked(messages, oldest)
	s.lookAt = time.Now().Add(stagedLook)
	if messages > 0 { // somebody else is at it
		s.retryAt = time.Now().Add(stagedAgain)
	}
	_, err = w.answerReaders(e)
	return err
}

// answerReaders answers those who have waited for long enough, and says whether it has found the journal empty for them.
func (w *writer) answerReaders(e *postgresEngine) (empty bool, err error) {
	n := w.staged.awaiting()
	if n == 0 {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), appendTime)
	defer cancel()
	first, last, err := e.journalBounds(ctx)
	if err == nil {
		w.staged.answer(n, first, last, nil)
	}
	return err == nil && first == 0, err
}
