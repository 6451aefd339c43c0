package relay

import (
	"context"
	"time"

	"example.com/signet/pkg/relay/internal/record"
)

const (
	insertFolded = `INSERT INTO folded (seq, message, messages, delivery, deliveries, created_at, updated_at, first_id, last_id, about, outcomes)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	selectLastFolded = `SELECT coalesce(max(last_id), '') FROM folded`
	selectLastRow    = "SELECT coalesce(max(id), '') FROM messages WHERE id >= 'msg_' AND id < 'msg`'" // all with that prefix
	selectPositions  = `SELECT max(coalesce((SELECT max(seq) FROM messages), 0), coalesce((SELECT message + messages - 1 FROM folded ORDER BY seq DESC LIMIT 1), 0)),
  max(coalesce((SELECT max(seq) FROM deliveries), 0), coalesce((SELECT delivery + deliveries - 1 FROM folded ORDER BY seq DESC LIMIT 1), 0))`
)

// foldSkew is how far an id's time may be from when its message was appended, if that is to be folded: a row of the journal
// is found by the range of its ids, which must not be wide.
const foldSkew = 5 * time.Second

// readPositions finds out which positions and ids were given out last.
func (e *sqliteEngine) readPositions(ctx context.Context, t *txn) error {
	if err := t.scan(ctx, selectPositions, nil, &e.lastMessage, &e.lastDelivery); err != nil {
		return err
	}
	if err := t.scan(ctx, selectLastRow, nil, &e.lastRow); err != nil {
		return err
	}
	return t.scan(ctx, selectLastFolded, nil, &e.lastFolded)
}

// nextMessage and nextDelivery give out positions. What a transaction that is rolled back had stays a gap.
func (e *sqliteEngine) nextMessage() int64 {
	e.lastMessage++
	return e.lastMessage
}

func (e *sqliteEngine) nextDelivery() int64 {
	e.lastDelivery++
	return e.lastDelivery
}

// folding is a group on its way to be folded.
type folding struct {
	folded

	deliveries  int
	over        int // messages that are to be folded
	ended       int64
	first, last string // of their ids
}

// foldable answers what became of a message's deliveries, if all of them were delivered with their first attempts. It
// changes nothing.
func (t *txn) foldable(g *group, n *entry) ([]record.Outcome, bool) {
	if !near(n.ID, g.at) {
		return nil, false
	}
	outcomes := make([]record.Outcome, len(n.members))
	for k := range n.members {
		r := t.merged[&n.members[k]]
		if held := n.members[k].held; r == nil && held != nil {
			r = held.outcome
		}
		if r == nil || r.outcome.Verdict != VerdictDelivered || r.outcome.Err != nil || !near(n.Deliveries[k].ID, g.at) {
			return nil, false
		}
		outcomes[k] = record.Outcome{
			Started: r.started.UnixMicro(), Took: r.took.Microseconds(), Ended: t.now.UnixMicro(), Status: r.outcome.StatusCode, Detail: r.detail(),
		}
	}
	return outcomes, true
}

// near says that an id is of the engine's form and of about that time.
func near(id string, at int64) bool {
	_, made, ours := foldableID(id)
	return ours && time.UnixMicro(at).Sub(made).Abs() < foldSkew
}

// fold concludes the attempts of a message that is folded, as unfoldEntry does those of one that gets rows.
func (t *txn) fold(n *entry) {
	t.deltas[messagesTotal]++
	for k := range n.members {
		m := &n.members[k]
		r := t.outcomeOf(m)
		r.state, r.nextAt = t.verdict(r)
		r.claimed.seq = m.seq
		t.conclude("", r)
	}
}

// add takes a group's next message, with what became of it; nil: it gets rows.
func (f *folding) add(n *entry, outcomes []record.Outcome) {
	f.messages = append(f.messages, *n.Message)
	f.outcomes = append(f.outcomes, outcomes)
	f.deliveries += len(n.members)
	if outcomes == nil {
		return
	}
	f.over++
	f.widen(n.ID)
	f.ended = max(f.ended, f.at)
	for k := range outcomes {
		f.widen(n.Deliveries[k].ID)
		f.ended = max(f.ended, outcomes[k].Ended)
	}
}

func (f *folding) widen(id string) {
	key, _, _ := foldableID(id)
	if f.first == "" || key < f.first {
		f.first = key
	}
	f.last = max(f.last, key)
}

// write folds the group, or removes its row of the journal where all of its messages have rows.
func (f *folding) write(ctx context.Context, t *txn, e *sqliteEngine) error {
	if f.over == 0 {
		return t.exec(ctx, deleteJournal, f.seq)
	}
	e.lastFolded = max(e.lastFolded, f.last)
	if f.over < len(f.messages) {
		if err := f.repack(ctx, t); err != nil {
			return err
		}
	}
	return t.exec(ctx, insertFolded, f.seq, f.message, len(f.messages), f.delivery, f.deliveries, f.at, f.ended, f.first, f.last,
		about(f.messages), f.outcomes.Encode(f.at))
}
