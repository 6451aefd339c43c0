package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"example.com/signet/pkg/relay/internal/record"
)

// A row of the journal that turns out to be damaged while the store is open is set aside, so that it holds up nothing else:
// appends and the rows behind it go on. Its messages were accepted, so they are not forgotten. They stay in the totals as
// what they were; a duplicate of theirs is refused rather than accepted anew, as is an id that may be theirs; who asks for
// something that is nowhere else is told which row is damaged, and so is DispatcherConfig.Log. Lists and bulk operations
// pass over them. The row stays as it is, for whoever can restore it, and no store opens with it.

// damagedAs marks a group whose row cannot be read, if the error is of that row alone, and says which one it is.
func (j *journal) damagedAs(g *group, err error) error {
	var broken *sqlite.Error
	switch {
	case errors.Is(err, record.ErrDamaged):
		err = fmt.Errorf("read row %d of the journal: %w", g.seq, err)
	case errors.Is(err, sql.ErrNoRows), errors.As(err, &broken) && broken.Code()&0xff == sqlite3.SQLITE_CORRUPT:
		// Not wrapped: it is not the whole database that cannot be used.
		err = fmt.Errorf("read row %d of the journal: %w: %s", g.seq, record.ErrDamaged, err.Error())
	default:
		return fmt.Errorf("read row %d of the journal: %w", g.seq, err)
	}
	g.damage = err
	j.damaged = append(j.damaged, g)
	j.torn.Store(true)
	j.mu.Lock()
	j.untold = append(j.untold, err)
	j.mu.Unlock()
	return err
}

// setAside takes what is damaged out of what waits, between two transactions.
func (j *journal) setAside() {
	if j.aside == len(j.damaged) {
		return
	}
	for _, g := range j.damaged[j.aside:] {
		j.messages -= g.messages
		j.bytes -= g.size
	}
	j.aside = len(j.damaged)
	// What was behind one of them may have been done before it was gone.
	j.groups = slices.DeleteFunc(j.groups, func(g *group) bool { return g.damage != nil || g.done })
	j.stalled = false
	j.moved()
}

// lost is the damaged group of that seq.
func (j *journal) lost(seq int64) (*group, bool) {
	i := slices.IndexFunc(j.damaged, func(g *group) bool { return g.seq == seq })
	if i < 0 {
		return nil, false
	}
	return j.damaged[i], true
}

// mayHave answers the damage of a row that may have a message of that id: its ids are not known, and it is not older.
func (j *journal) mayHave(id string) error {
	_, made, ours := foldableID(id)
	for _, g := range j.damaged {
		if g.unindexed && (!ours || made.Before(time.UnixMicro(g.at).Add(foldSkew))) {
			return g.damage
		}
	}
	return nil
}

// broken says whether anything is damaged. Any goroutine may call it.
func (j *journal) broken() bool { return j != nil && j.torn.Load() }

// report answers the damage that it has not answered before. Any goroutine may call it.
func (j *journal) report() []error {
	if !j.broken() {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	untold := j.untold
	j.untold = nil
	return untold
}

// missing says what it means that nothing with an id was found elsewhere. Any goroutine may call it.
func (j *journal) missing(ctx context.Context, q querier, what, id string) error {
	if j.broken() {
		if _, _, err := findJournaled(ctx, q, id); err != nil {
			return fmt.Errorf("%s %s: %w", what, id, err)
		}
	}
	return fmt.Errorf("%w: %s %s", ErrNotFound, what, id)
}
