package relay

import (
	"context"
)

// recoverJournal takes in what the process before left in the journal. What it had claimed gets its rows at once, leased,
// so that the leases can be taken back.
func (e *sqliteEngine) recoverJournal(ctx context.Context, t *txn) error {
	if err := e.readPositions(ctx, t); err != nil {
		return err
	}
	if err := e.recoverKeys(ctx, t); err != nil {
		return err
	}
	if err := t.scan(ctx, lastJournal, nil, &e.journal.last); err != nil {
		return err
	}
	e.journal.appended.Store(e.journal.last)
	e.journal.unfolded.Store(e.journal.last)
	rows, err := t.query(ctx, listJournal)
	if err != nil {
		return err
	}
	type stored struct {
		seq     int64
		size    int
		claimed bool
	}
	found, err := collect(rows, func(row scanner) (s stored, err error) {
		return s, row.Scan(&s.seq, &s.size, &s.claimed)
	})
	if err != nil {
		return err
	}
	var last *group
	for _, s := range found {
		g := &group{seq: s.seq, size: s.size}
		born, err := e.recoverGroup(ctx, t, g, s.claimed)
		if err != nil {
			return err
		}
		if e.journal.add([]*group{g}, nil); born {
			last = g
		}
	}
	if !e.journal.empty() { // who reads waits for these
		e.journal.unfolded.Store(e.journal.groups[0].seq - 1)
	}
	if last == nil {
		return nil
	}
	return e.unfoldTo(ctx, t, last)
}

// recoverGroup reads a group, and says whether any of its deliveries was claimed.
func (e *sqliteEngine) recoverGroup(ctx context.Context, t *txn, g *group, claimed bool) (born bool, err error) {
	if err := e.decode(ctx, t, g); err != nil {
		return false, err
	}
	var flags []byte
	if claimed {
		if err := t.scan(ctx, selectJournalClaim, []any{g.seq}, &flags); err != nil {
			return false, err
		}
	}
	n := 0
	for i := range g.entries {
		entry := &g.entries[i]
		if entry.DedupeKey != "" {
			h := e.journal.hash(entry.Source, entry.DedupeKey)
			e.journal.keys[h] = place{group: g, entry: i}.spot()
			e.journal.filter.own.add(h) // it comes into the table later
		}
		for k := range entry.members {
			m := &entry.members[k]
			if m.born = m.born || n < len(flags) && flags[n] == 1; m.born {
				born, g.offered = true, true
				g.waiting++ // so that what is known of it stays in memory
			}
			n++
		}
	}
	if g.recount(); !born {
		g.entries = nil
	}
	return born, nil
}
