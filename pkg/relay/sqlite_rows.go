package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

func (e *sqliteEngine) append(ctx context.Context, t *txn, drafts []*prepared) error {
	if e.journaling(t) {
		err := e.appendJournal(ctx, t, drafts)
		if !errors.Is(err, errCollision) {
			return err
		}
		if err := e.unfoldAll(ctx, t); err != nil {
			return err
		}
	}
	return e.appendRows(ctx, t, drafts)
}

// journaling says whether drafts go through the journal: while a crowd is there, and as long as anything is in it, so that
// nothing overtakes what is. Only there the keys of what is damaged are known.
func (e *sqliteEngine) journaling(t *txn) bool {
	return t.crowd || !e.journal.empty() || len(e.journal.damaged) > 0
}

func (e *sqliteEngine) appendRows(ctx context.Context, t *txn, drafts []*prepared) error {
	for _, p := range drafts {
		if err := e.appendOne(ctx, t, p); err != nil {
			return fmt.Errorf("append: %w", err)
		}
	}
	return nil
}

func (e *sqliteEngine) stage(ctx context.Context, t *txn, drafts []*prepared) error {
	if !e.journaling(t) {
		return e.appendRows(ctx, t, drafts)
	}
	for _, p := range drafts {
		known, err := e.known(ctx, t, p)
		if err != nil {
			return err
		}
		if !known {
			p.keyed = true
			p.accepted()
			t.staged = append(t.staged, p)
		}
	}
	return nil
}

const (
	insertKey = `INSERT INTO dedupe_keys (source, key, message_id, created_at) VALUES (?, ?, ?, ?)
  ON CONFLICT (source, key) DO NOTHING`
	insertMessage = `INSERT INTO messages (seq, id, source, type, dedupe_key, ordering_key, tenant, headers, body, created_at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	insertDelivery = `INSERT INTO deliveries (seq, id, message_seq, target_id, state, attempts, budget_from, next_at,
  lease_until, lease_token, ordering_key, last_status, last_error, replay_of, created_at, updated_at)
  VALUES (?, ?, ?, ?, 'pending', 0, 0, ?, 0, 0, ?, 0, '', '', ?, ?)`
	// insertLeased counts the attempt and takes the first token, as a claim does.
	insertLeased = `INSERT INTO deliveries (seq, id, message_seq, target_id, state, attempts, budget_from, next_at,
  lease_until, lease_token, ordering_key, last_status, last_error, replay_of, created_at, updated_at)
  VALUES (?, ?, ?, ?, 'delivering', 1, 0, ?, ?, 1, '', 0, '', '', ?, ?)`
)

func (e *sqliteEngine) appendOne(ctx context.Context, t *txn, p *prepared) error {
	now := t.now.UnixMicro()
	if p.DedupeKey != "" {
		h := e.journal.hash(p.Source, p.DedupeKey)
		if first := e.journal.unmerged.find(h, p.Source, p.DedupeKey); first != nil {
			return duplicateOf(ctx, t, p, first.id)
		}
		fresh, err := t.changed(ctx, insertKey, p.Source, p.DedupeKey, p.ID, now)
		if err != nil {
			return err
		}
		if fresh == 0 {
			return duplicate(ctx, t, p)
		}
		t.fresh(h, p)
	}
	if p.given {
		if err := e.unused(ctx, t, p.ID); err != nil {
			return err
		}
	}
	m, seq := p.recorded(), e.nextMessage()
	if err := e.insertMessage(ctx, t, seq, &m, now); err != nil {
		return err
	}
	for i := range p.Targets {
		if err := e.appendDelivery(ctx, t, p, i, seq); err != nil {
			return err
		}
	}
	t.deltas[messagesTotal]++
	p.accepted()
	return nil
}

func (e *sqliteEngine) appendDelivery(ctx context.Context, t *txn, p *prepared, i int, message int64) error {
	now, due, target, seq := t.now.UnixMicro(), t.now.Add(p.delay).UnixMicro(), p.Targets[i], e.nextDelivery()
	if !t.offered(p, target) {
		t.moved(target, "", Pending, 1)
		return t.exec(ctx, insertDelivery, seq, p.deliveries[i], message, target, due, p.OrderingKey, now, now)
	}
	t.born = append(t.born, t.birth(p, i, message, seq, e.lease))
	t.moved(target, "", Delivering, 1)
	return t.exec(ctx, insertLeased, seq, p.deliveries[i], message, target, due, t.now.Add(e.lease).UnixMicro(), now, now)
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

const (
	settleDelivery = `UPDATE deliveries SET state = coalesce(?, 'delivered'), next_at = ?, lease_until = 0, last_status = ?,
  last_error = coalesce(?, ''), updated_at = ?
  WHERE seq = ? AND lease_token = ? AND state = 'delivering'`
	insertAttempt = `INSERT INTO attempts (delivery_seq, number, started_at, duration, status, error, detail)
  VALUES (?, ?, ?, ?, ?, coalesce(?, ''), coalesce(?, ''))`
)

func (e *sqliteEngine) settle(ctx context.Context, t *txn, results []*result) error {
	if err := e.merge(ctx, t, results); err != nil {
		return err
	}
	now := t.now.UnixMicro()
	for _, r := range results {
		if r.merged {
			continue
		}
		c := r.claimed
		n, err := t.changed(ctx, settleDelivery, unless(r.state, Done), r.next(), r.outcome.StatusCode, unless(r.reason(), ""), now, c.seq, c.token)
		if err != nil {
			return err
		}
		if n == 0 {
			r.err = ErrLeaseLost
			continue
		}
		if err := insertAttemptOf(ctx, t, r); err != nil {
			return err
		}
	}
	return nil
}

func insertAttemptOf(ctx context.Context, t *txn, r *result) error {
	c := r.claimed
	return t.exec(ctx, insertAttempt, c.seq, c.delivery.Attempts, r.started.UnixMicro(), r.took.Microseconds(),
		r.outcome.StatusCode, unless(r.reason(), ""), unless(r.detail(), ""))
}

// unless is nothing for what a statement has by itself: to hand over a text costs SQLite's driver memory of its own.
func unless[T ~string](text, usual T) any {
	if text == usual {
		return nil
	}
	return string(text)
}

// merge records the outcomes of deliveries that are in the journal together with their rows, and finds the rows of those
// that were.
func (e *sqliteEngine) merge(ctx context.Context, t *txn, results []*result) error {
	var last *group
	for _, r := range results {
		p := r.claimed.place
		r.merged = p.group != nil && !p.group.done && !slices.Contains(t.unfolded, p.group)
		switch {
		case r.merged:
			if t.merged == nil {
				t.merged = map[*member]*result{}
			}
			t.merged[p.member()] = r
			if last == nil || last.seq < p.group.seq {
				last = p.group
			}
		case p.group != nil:
			r.claimed.seq = p.member().seq
		}
	}
	if last == nil {
		return nil
	}
	return e.unfoldTo(ctx, t, last)
}

// confirm: nobody else claims, so what the statement saw is what there is.
func (*sqliteEngine) confirm(_ context.Context, _ *txn, claims []*task) ([]*task, error) {
	return claims, nil
}

const addTotal = `INSERT INTO totals (target_id, state, shard, n) VALUES (?, ?, ?, ?)
  ON CONFLICT (target_id, state, shard) DO UPDATE SET n = totals.n + excluded.n`

func (*sqliteEngine) addTotals(ctx context.Context, t *txn, changes []change) error {
	for _, c := range changes {
		if err := t.exec(ctx, addTotal, c.target, string(c.state), t.shard, c.n); err != nil {
			return err
		}
	}
	return nil
}
