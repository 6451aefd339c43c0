package relay

import (
	"context"
	"slices"
	"time"

	"example.com/signet/pkg/relay/internal/record"
)

const (
	// folded_delivery serves this.
	selectFoldedAt = foldedColumns + ` WHERE f.seq = (SELECT seq FROM folded WHERE delivery <= ? AND deliveries > 0 ORDER BY delivery DESC LIMIT 1)
  AND f.delivery + f.deliveries > ?`
	updateFolded = `UPDATE folded SET outcomes = ? WHERE seq = ?`
	deleteFolded = `DELETE FROM folded WHERE seq = ?`
)

// thaw gives the message that has an id, or a delivery of that id, its rows. False: it is not folded.
func (*folds) thaw(ctx context.Context, t *txn, id string) (bool, error) {
	f, i, ok, err := findFolded(ctx, t, id)
	if err != nil || !ok {
		return false, err
	}
	return true, f.thaw(ctx, t, i)
}

// thawDeliveries gives the messages of some deliveries their rows. Those that have some are left alone.
func (a *folds) thawDeliveries(ctx context.Context, t *txn, seqs []int64) error {
	if a == nil {
		return nil
	}
	left := slices.Clone(seqs)
	slices.Sort(left)
	for len(left) > 0 {
		var of *folded
		err := eachFolded(ctx, t, selectFoldedAt, []any{left[0], left[0]}, func(f folded) bool { of = &f; return false })
		if err != nil {
			return err
		}
		if of == nil { // it has a row
			left = left[1:]
			continue
		}
		starts := of.starts()
		var entries []int
		n := 0
		for ; n < len(left) && left[n] < starts[len(starts)-1]; n++ {
			i, _ := slices.BinarySearch(starts, left[n]+1)
			if i--; of.outcomes[i] != nil && !slices.Contains(entries, i) {
				entries = append(entries, i)
			}
		}
		if left = left[max(1, n):]; len(entries) == 0 {
			continue
		}
		if err := of.thaw(ctx, t, entries...); err != nil {
			return err
		}
	}
	return nil
}

// thaw gives messages of a row their rows.
func (f *folded) thaw(ctx context.Context, t *txn, entries ...int) error {
	starts := f.starts()
	for _, i := range entries {
		if err := f.thawOne(ctx, t, i, starts[i]); err != nil {
			return err
		}
		f.outcomes[i] = nil
	}
	if !slices.ContainsFunc(f.outcomes, func(o []record.Outcome) bool { return o != nil }) {
		return f.drop(ctx, t)
	}
	if err := f.repack(ctx, t); err != nil {
		return err
	}
	return t.exec(ctx, updateFolded, f.outcomes.Encode(f.at), f.seq)
}

// repack writes the row of the journal anew, without the payloads of messages that have rows: once those are removed,
// nothing of them is to be left.
func (f *folded) repack(ctx context.Context, t *txn) error {
	b := record.Begin(nil, f.at, len(f.messages))
	for i := range f.messages {
		m := f.messages[i]
		if f.outcomes[i] == nil {
			m.Headers, m.Body = nil, nil
		}
		b = m.Append(b)
	}
	return t.exec(ctx, updateJournal, record.Pack(b), f.seq)
}

func (f *folded) thawOne(ctx context.Context, t *txn, i int, delivery int64) error {
	n, seq := &f.messages[i], f.message+int64(i)
	if err := insertMessageOf(ctx, t, seq, n, f.at); err != nil {
		return err
	}
	for k, d := range n.Deliveries {
		o := &f.outcomes[i][k]
		err := t.exec(ctx, insertSettled, delivery+int64(k), d.ID, seq, d.Target, string(Done), 0, n.OrderingKey, o.Status, "", f.at, o.Ended)
		if err != nil {
			return err
		}
		if err := t.exec(ctx, insertAttempt, delivery+int64(k), 1, o.Started, o.Took, o.Status, "", o.Detail); err != nil {
			return err
		}
	}
	return nil
}

// drop removes a row of which nothing is folded any more.
func (f *folded) drop(ctx context.Context, t *txn) error {
	if err := t.exec(ctx, deleteFolded, f.seq); err != nil {
		return err
	}
	return t.exec(ctx, deleteJournal, f.seq)
}

const (
	// What holds the newest positions stays: they must not be given out again. What is from the future, of a clock that was
	// wrong, is passed over.
	selectOldest = foldedColumns + ` WHERE f.seq = (SELECT seq FROM folded WHERE updated_at <= ? ORDER BY seq LIMIT 1) AND f.updated_at < ?
  AND (EXISTS (SELECT 1 FROM folded g WHERE g.seq > f.seq) OR (SELECT max(seq) FROM messages) >= f.message + f.messages)
  AND (f.deliveries = 0 OR EXISTS (SELECT 1 FROM folded g WHERE g.seq > f.seq AND g.deliveries > 0)
    OR (SELECT max(seq) FROM deliveries) >= f.delivery + f.deliveries)`
	keepFoldedKey = `INSERT INTO kept_keys (message_seq, source, key, created_at)
  SELECT ?, source, key, created_at FROM dedupe_keys WHERE source = ? AND key = ? AND message_id = ?`
)

// removeOldest removes the oldest folded row of the journal, if all its messages were over before some time.
func (*folds) removeOldest(ctx context.Context, t *txn, before time.Time) (removed Removed, err error) {
	var old *folded
	err = eachFolded(ctx, t, selectOldest, []any{t.now.UnixMicro(), before.UnixMicro()}, func(f folded) bool { old = &f; return false })
	if err != nil || old == nil {
		return removed, err
	}
	if err := t.engine.keyed(ctx, t, old.message+int64(len(old.messages))); err != nil {
		return removed, err
	}
	removed.Deliveries = map[State]int64{}
	for i := range old.messages {
		m := &old.messages[i]
		if old.outcomes[i] == nil {
			continue
		}
		if m.DedupeKey != "" {
			if err := t.exec(ctx, keepFoldedKey, old.message+int64(i), m.Source, m.DedupeKey, m.ID); err != nil {
				return Removed{}, err
			}
		}
		removed.Messages++
		for _, d := range m.Deliveries {
			removed.Deliveries[Done]++
			t.deltas[total{d.Target, removedPrefix + Done}]++
		}
	}
	t.deltas[removedTotal] += removed.Messages
	return removed, old.drop(ctx, t)
}
