package relay

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// claimGroup gives deliveries of a group that waits in the journal to the dispatcher. That counts their attempts, so it is
// written down.
func (e *sqliteEngine) claimGroup(ctx context.Context, t *txn, g *group) error {
	if err := e.decode(ctx, t, g); err != nil {
		return err
	}
	var born []byte
	for i := range g.entries {
		n := &g.entries[i]
		for k := range n.members {
			leased := n.Delay == 0 && n.OrderingKey == "" && t.offers.take(n.Deliveries[k].Target)
			if leased {
				g.waiting++
			}
			n.members[k].born = leased
			born = append(born, byte(number(leased)))
		}
	}
	t.offering = append(t.offering, g)
	if g.waiting == 0 {
		return nil
	}
	e.give(t, g)
	return t.exec(ctx, insertJournalClaim, g.seq, born)
}

// advance goes on with what waits in the journal, in its order: it gives deliveries to the dispatcher, and makes the rows
// of what is through. With all, it makes rows whatever they might wait for. It says whether there was anything to do.
func (e *sqliteEngine) advance(ctx context.Context, t *txn, all bool) (progress bool, err error) {
	made, blocked := 0, false
	for _, g := range e.journal.groups {
		if made >= unfoldSlice {
			break
		}
		if !g.offered && !all {
			if ok, err := e.readable(ctx, t, g); err != nil {
				return progress, err
			} else if !ok {
				continue
			}
			switch e.chance(t, g) {
			case chanceLater:
				return progress, nil
			case chanceNow:
				if err := e.claimGroup(ctx, t, g); err != nil {
					return progress, err
				}
				progress = true
			case chanceNever:
			}
		}
		if blocked = blocked || !all && g.waiting > 0 && time.Since(g.bornAt) < e.journal.patience(g); blocked {
			if g.waiting == 0 {
				break
			}
			continue
		}
		if err := e.unfold(ctx, t, g); err != nil {
			return progress, fmt.Errorf("unfold the journal: %w", err)
		}
		made += g.messages
		progress = true
	}
	return progress, nil
}

// ahead claims the next groups of the journal for which there is room, in a transaction that is committed for another reason.
func (e *sqliteEngine) ahead(ctx context.Context, t *txn) error {
	for _, g := range e.journal.waiting() {
		if g.offered || slices.Contains(t.unfolded, g) || slices.Contains(t.offering, g) {
			continue
		}
		if ok, err := e.readable(ctx, t, g); err != nil {
			return err
		} else if !ok {
			continue
		}
		if e.chance(t, g) != chanceNow {
			return nil
		}
		if err := e.claimGroup(ctx, t, g); err != nil {
			return err
		}
	}
	return nil
}

// chance is what a group's deliveries to targets inside the database may hope for.
type chance int

const (
	chanceNever chance = iota // nobody is there to take them
	chanceNow
	chanceLater // when those that run have made room
)

// chance asks whether the dispatcher has room for a group.
func (e *sqliteEngine) chance(t *txn, g *group) chance {
	counts := map[string]int{}
	for i := range g.entries {
		n := &g.entries[i]
		if n.Delay > 0 || n.OrderingKey != "" {
			continue
		}
		for _, d := range n.Deliveries {
			counts[d.Target]++
		}
	}
	return t.offers.chance(counts)
}
