package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// prepared is a draft with the ids its rows will have.
type prepared struct {
	Draft
	deliveries []string
	now        int64
	due        int64
}

// Append stores messages together with one delivery for each of their targets: all of them or none. When it
// returns nil everything is on disk. ErrInvalid names the field of the draft that is wrong; ErrUnavailable
// means that nothing was stored and that the same call may succeed later. When ctx ends first nothing was
// stored either, unless the commit had begun: then its result is awaited.
func (s *Store) Append(ctx context.Context, drafts ...Draft) ([]Receipt, error) {
	ready, err := s.prepare(drafts)
	if err != nil {
		return nil, err
	}
	var receipts []Receipt
	err = s.write(ctx, func(ctx context.Context, t *txn) error {
		receipts, err = appendAll(ctx, t, ready)
		return err
	})
	if err != nil {
		return nil, err
	}
	return receipts, nil
}

func (s *Store) prepare(drafts []Draft) ([]prepared, error) {
	now := s.cfg.Now()
	ready := make([]prepared, len(drafts))
	for i, d := range drafts {
		if err := d.validate(); err != nil {
			return nil, fmt.Errorf("draft %d: %w", i, err)
		}
		if d.ID == "" {
			d.ID = s.ids.next(messagePrefix, now)
		}
		p := prepared{Draft: d, now: now.UnixMicro(), due: now.Add(s.cfg.Schedule[0]).UnixMicro()}
		p.deliveries = make([]string, len(d.Targets))
		for k := range p.deliveries {
			p.deliveries[k] = s.ids.next(deliveryPrefix, now)
		}
		ready[i] = p
	}
	return ready, nil
}

func (d *Draft) validate() error {
	fields := []struct {
		name, value string
		limit       int
		required    bool
	}{
		{"id", d.ID, MaxKey, false},
		{"source", d.Source, MaxSource, true},
		{"type", d.Type, MaxType, true},
		{"dedupe key", d.DedupeKey, MaxDedupeKey, false},
		{"ordering key", d.OrderingKey, MaxKey, false},
		{"tenant", d.Tenant, MaxKey, false},
	}
	for _, f := range fields {
		switch {
		case f.required && f.value == "":
			return fmt.Errorf("%w %s: empty", ErrInvalid, f.name)
		case len(f.value) > f.limit:
			return fmt.Errorf("%w %s: %d bytes, at most %d", ErrInvalid, f.name, len(f.value), f.limit)
		case !utf8.ValidString(f.value) || strings.ContainsFunc(f.value, unicode.IsControl):
			return fmt.Errorf("%w %s: not UTF-8, or with control characters", ErrInvalid, f.name)
		}
	}
	return validTargets(d.Targets)
}

func validTargets(targets []string) error {
	if len(targets) > MaxTargets {
		return fmt.Errorf("%w targets: %d, at most %d", ErrInvalid, len(targets), MaxTargets)
	}
	seen := make(map[string]struct{}, len(targets))
	for i, id := range targets {
		if seen[id] = struct{}{}; !validTargetID(id) || len(seen) <= i {
			return fmt.Errorf("%w targets: %d is empty, too long, not text, or named twice", ErrInvalid, i)
		}
	}
	return nil
}

func appendAll(ctx context.Context, t *txn, ready []prepared) ([]Receipt, error) {
	receipts := make([]Receipt, len(ready))
	for i := range ready {
		r, err := appendOne(ctx, t, &ready[i])
		if err != nil {
			return nil, fmt.Errorf("append: %w", err)
		}
		receipts[i] = r
	}
	return receipts, nil
}

const (
	insertKey = `INSERT INTO dedupe_keys (source, key, message_id, created_at) VALUES (?, ?, ?, ?)
  ON CONFLICT (source, key) DO NOTHING`
	selectKey     = `SELECT message_id FROM dedupe_keys WHERE source = ? AND key = ?`
	insertMessage = `INSERT INTO messages (id, source, type, dedupe_key, ordering_key, tenant, headers, body, created_at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	insertDelivery = `INSERT INTO deliveries (id, message_seq, target_id, state, attempts, budget_from, next_at,
  lease_until, lease_token, ordering_key, last_status, last_error, replay_of, created_at, updated_at)
  VALUES (?, ?, ?, 'pending', 0, 0, ?, 0, 0, ?, 0, '', ?, ?, ?)`
	// deliveries_message serves this.
	reviveFailed = `UPDATE deliveries SET state = 'pending', next_at = ?, budget_from = attempts, updated_at = ?
  WHERE message_seq = (SELECT seq FROM messages WHERE id = ?) AND state = 'failed' RETURNING target_id`
)

func appendOne(ctx context.Context, t *txn, p *prepared) (Receipt, error) {
	if p.DedupeKey != "" {
		fresh, err := t.changed(ctx, insertKey, p.Source, p.DedupeKey, p.ID, p.now)
		if err != nil {
			return Receipt{}, err
		}
		if fresh == 0 {
			return duplicate(ctx, t, p)
		}
	}
	res, err := t.execResult(ctx, insertMessage, p.ID, p.Source, p.Type, p.DedupeKey, p.OrderingKey, p.Tenant,
		notNil(p.Headers), notNil(p.Body), p.now)
	if err != nil {
		return Receipt{}, err
	}
	seq, err := res.LastInsertId()
	if err != nil {
		return Receipt{}, err
	}
	for i, target := range p.Targets {
		if err := t.exec(ctx, insertDelivery, p.deliveries[i], seq, target, p.due, p.OrderingKey, "", p.now, p.now); err != nil {
			return Receipt{}, err
		}
		t.moved(target, "", Pending, 1)
	}
	t.deltas[messagesTotal]++
	return Receipt{ID: p.ID, Deliveries: len(p.Targets)}, nil
}

// duplicate answers a draft whose key is taken. A sender that redelivers what had failed wants it tried again.
func duplicate(ctx context.Context, t *txn, p *prepared) (Receipt, error) {
	r := Receipt{Duplicate: true}
	if err := t.scan(ctx, selectKey, []any{p.Source, p.DedupeKey}, &r.ID); err != nil {
		return r, err
	}
	if !p.Redeliver {
		return r, nil
	}
	rows, err := t.query(ctx, reviveFailed, p.now, p.now, r.ID)
	if err != nil {
		return r, err
	}
	return r, eachTarget(rows, func(target string) { t.moved(target, Failed, Pending, 1) })
}

func eachTarget(rows *sql.Rows, f func(string)) error {
	var target string
	for rows.Next() {
		if err := rows.Scan(&target); err != nil {
			return errors.Join(err, rows.Close())
		}
		f(target)
	}
	return errors.Join(rows.Err(), rows.Close())
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
