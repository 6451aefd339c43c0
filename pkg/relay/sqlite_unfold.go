package relay

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"example.com/signet/pkg/relay/internal/record"
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

// unfold makes the rows of a group, with the outcomes that are known by now; those of its messages that are over are
// folded instead. One that is damaged is passed over.
func (e *sqliteEngine) unfold(ctx context.Context, t *txn, g *group) error {
	if slices.Contains(t.unfolded, g) {
		return nil
	}
	if ok, err := e.readable(ctx, t, g); !ok {
		return err
	}
	f := &folding{folded: folded{seq: g.seq, message: e.lastMessage + 1, delivery: e.lastDelivery + 1, at: g.at}}
	for i := range g.entries {
		n := &g.entries[i]
		e.place(n)
		var outcomes []record.Outcome
		over := false
		if len(e.journal.damaged) == 0 { // what is folded comes before all that is not, and those are not
			outcomes, over = t.foldable(g, n)
		}
		if f.add(n, outcomes); over {
			t.fold(n)
		} else if err := e.unfoldEntry(ctx, t, g, n); err != nil {
			return err
		}
		if err := e.unkey(ctx, t, g, n); err != nil {
			return err
		}
	}
	if err := f.write(ctx, t, e); err != nil {
		return err
	}
	if err := t.exec(ctx, deleteJournalClaim, g.seq); err != nil {
		return err
	}
	t.unfolded = append(t.unfolded, g)
	return nil
}

// place gives a message and its deliveries their positions.
func (e *sqliteEngine) place(n *entry) {
	n.seq = e.nextMessage()
	for k := range n.members {
		n.members[k].seq = e.nextDelivery()
	}
}

// unkey has a message's key put into its table later.
func (e *sqliteEngine) unkey(ctx context.Context, t *txn, g *group, n *entry) error {
	if n.DedupeKey == "" {
		return nil
	}
	if e.journal.unmerged.len()+len(t.unkeyed) == 0 {
		if err := t.exec(ctx, notMerged, n.seq-1); err != nil {
			return err
		}
	}
	t.unkeyed = append(t.unkeyed, &keyRow{source: n.Source, key: n.DedupeKey, id: n.ID, at: g.at, seq: n.seq})
	return nil
}

func (e *sqliteEngine) unfoldEntry(ctx context.Context, t *txn, g *group, n *entry) error {
	if err := e.insertMessage(ctx, t, n.seq, n.Message, g.at); err != nil {
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

// insertMessage makes a row of a message that was never folded.
func (e *sqliteEngine) insertMessage(ctx context.Context, t *txn, seq int64, m *record.Message, at int64) error {
	if m.ID > e.lastRow && strings.HasPrefix(m.ID, messagePrefix) {
		e.lastRow = strings.Clone(m.ID)
	}
	return insertMessageOf(ctx, t, seq, m, at)
}

func insertMessageOf(ctx context.Context, t *txn, seq int64, m *record.Message, at int64) error {
	return t.exec(ctx, insertMessage, seq, m.ID, m.Source, m.Type, m.DedupeKey, m.OrderingKey, m.Tenant, notNil(m.Headers), notNil(m.Body), at)
}

// insertSettled makes the row of a delivery whose first attempt is over.
const insertSettled = `INSERT INTO deliveries (seq, id, message_seq, target_id, state, attempts, budget_from, next_at,
  lease_until, lease_token, ordering_key, last_status, last_error, replay_of, created_at, updated_at)
  VALUES (?, ?, ?, ?, ?, 1, 0, ?, 0, 1, ?, ?, ?, '', ?, ?)`

func (e *sqliteEngine) unfoldMember(ctx context.Context, t *txn, g *group, n *entry, k int) error {
	m, id, target, due, now := &n.members[k], n.Deliveries[k].ID, n.Deliveries[k].Target, g.at+n.Delay, t.now.UnixMicro()
	r := t.outcomeOf(m)
	switch {
	case r == nil && m.born:
		t.moved(target, "", Delivering, 1)
		return t.exec(ctx, insertLeased, m.seq, id, n.seq, target, due, t.now.Add(e.lease).UnixMicro(), g.at, now)
	case r == nil:
		t.moved(target, "", Pending, 1)
		return t.exec(ctx, insertDelivery, m.seq, id, n.seq, target, due, n.OrderingKey, g.at, g.at)
	}
	r.state, r.nextAt = t.verdict(r)
	err := t.exec(ctx, insertSettled, m.seq, id, n.seq, target, string(r.state), r.next(), n.OrderingKey, r.outcome.StatusCode, r.reason(), g.at, now)
	if err != nil {
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
