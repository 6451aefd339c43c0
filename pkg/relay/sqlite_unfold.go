package relay

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
)

// unfoldTo makes the rows of a group, and of all before it.
func (e *sqliteEngine) unfoldTo(ctx context.Context, t *txn, last *group) error {
	for _, g := range e.journal.groups {
		if g.seq > last.seq {
			break
		}
		if err := e.unfold(ctx, t, g); err != nil {
			return fmt.Errorf("unfold the journal: %w", err)
		}
	}
	return nil
}

func (e *sqliteEngine) unfoldAll(ctx context.Context, t *txn) error {
	if e.journal.empty() {
		return nil
	}
	return e.unfoldTo(ctx, t, e.journal.groups[len(e.journal.groups)-1])
}

// unfold makes the rows of a group, with the outcomes that are known by now.
func (e *sqliteEngine) unfold(ctx context.Context, t *txn, g *group) error {
	if slices.Contains(t.unfolded, g) {
		return nil
	}
	if err := e.decode(ctx, t, g); err != nil {
		return err
	}
	for i := range g.entries {
		n := &g.entries[i]
		if err := e.unfoldEntry(ctx, t, g, n); err != nil {
			return err
		}
		if n.DedupeKey != "" {
			if e.journal.unmerged.len()+len(t.unkeyed) == 0 {
				if err := t.exec(ctx, notMerged, n.seq-1); err != nil {
					return err
				}
			}
			t.unkeyed = append(t.unkeyed, &keyRow{
				source: n.Source, key: n.DedupeKey, id: n.ID, at: g.at, seq: n.seq,
			})
		}
	}
	if err := t.exec(ctx, deleteJournal, g.seq); err != nil {
		return err
	}
	if err := t.exec(ctx, deleteJournalClaim, g.seq); err != nil {
		return err
	}
	t.unfolded = append(t.unfolded, g)
	return nil
}

func (e *sqliteEngine) unfoldEntry(ctx context.Context, t *txn, g *group, n *entry) error {
	res, err := t.execResult(ctx, insertMessage, n.ID, n.Source, n.Type, n.DedupeKey, n.OrderingKey, n.Tenant,
		notNil(n.Headers), notNil(n.Body), g.at)
	if err != nil {
		return err
	}
	if n.seq, err = res.LastInsertId(); err != nil {
		return err
	}
	t.deltas[messagesTotal]++
	for k := range n.members {
		if err := e.unfoldMember(ctx, t, g, n, k); err != nil {
			return err
		}
	}
	return nil
}

// insertSettled makes the row of a delivery whose first attempt is over.
const insertSettled = `INSERT INTO deliveries (id, message_seq, target_id, state, attempts, budget_from, next_at,
  lease_until, lease_token, ordering_key, last_status, last_error, replay_of, created_at, updated_at)
  VALUES (?, ?, ?, ?, 1, 0, ?, 0, 1, ?, ?, ?, '', ?, ?)`

func (e *sqliteEngine) unfoldMember(ctx context.Context, t *txn, g *group, n *entry, k int) (err error) {
	m, target, due := &n.members[k], n.Deliveries[k].Target, g.at+n.Delay
	r := t.outcomeOf(m)
	var res sql.Result
	switch {
	case r != nil:
		r.state, r.nextAt = t.verdict(r)
		res, err = t.execResult(ctx, insertSettled, n.Deliveries[k].ID, n.seq, target, string(r.state), r.next(), n.OrderingKey,
			r.outcome.StatusCode, r.reason(), g.at, t.now.UnixMicro())
	case m.born:
		t.moved(target, "", Delivering, 1)
		res, err = t.execResult(ctx, insertLeased, n.Deliveries[k].ID, n.seq, target, due, t.now.Add(e.lease).UnixMicro(), g.at, t.now.UnixMicro())
	default:
		t.moved(target, "", Pending, 1)
		res, err = t.execResult(ctx, insertDelivery, n.Deliveries[k].ID, n.seq, target, due, n.OrderingKey, g.at, g.at)
	}
	if err != nil {
		return err
	}
	if m.seq, err = res.LastInsertId(); err != nil || r == nil {
		return err
	}
	r.claimed.seq = m.seq
	if err := insertAttemptOf(ctx, t, r); err != nil {
		return err
	}
	t.conclude("", r)
	return nil
}

// locate finds the row of a delivery that was claimed in the journal.
func (e *sqliteEngine) locate(ctx context.Context, t *txn, c *claimed) error {
	g := c.place.group
	if g == nil {
		return nil
	}
	if !g.done && !slices.Contains(t.unfolded, g) {
		if err := e.unfoldTo(ctx, t, g); err != nil {
			return err
		}
	}
	c.seq = c.place.member().seq
	return nil
}
