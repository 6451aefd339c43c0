package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// prepared is a draft with the ids its rows will have, and then with its receipt.
type prepared struct {
	Draft
	deliveries []string
	first      [1]string     // memory for these, where there is one
	delay      time.Duration // before its first attempts
	keyed      bool          // its dedupe key is stored already, or known to be new
	given      bool          // its id is not of this store's making
	place      place         // in the journal
	receipt    Receipt
}

func (p *prepared) accepted() { p.receipt = Receipt{ID: p.ID, Deliveries: len(p.Targets)} }

func receipts(drafts []*prepared) []Receipt {
	all := make([]Receipt, len(drafts))
	for i, p := range drafts {
		all[i] = p.receipt
	}
	return all
}

// Append stores messages together with one delivery for each of their targets: all of them or none. When it
// returns nil everything is on disk. ErrInvalid names the field of the draft that is wrong; ErrUnavailable
// means that nothing was stored and that the same call may succeed later. When ctx ends first nothing was
// stored either, unless the commit had begun: then its result is awaited. The drafts, and the memory they point to,
// are the caller's again when it returns, but for the texts in Targets.
//
// On PostgreSQL the answer to a commit can be lost: with the connection, or because it does not come in time while the
// server waits for a lock or its disk. The error is ErrUnavailable then too,
// although the messages may be there: appending them again is safe with dedupe keys, and without keys may store
// them twice.
func (s *Store) Append(ctx context.Context, drafts ...Draft) ([]Receipt, error) {
	ready, err := s.prepare(drafts)
	if err != nil {
		return nil, err
	}
	if err := s.appends.do(ctx, newAppendOp(ready)); err != nil {
		return nil, err
	}
	return receipts(ready), nil
}

func (s *Store) prepare(drafts []Draft) ([]*prepared, error) {
	now := s.cfg.Now()
	ready, all := room(len(drafts))
	for i := range drafts {
		p := &all[i]
		p.Draft, p.delay, p.given = drafts[i], s.cfg.Schedule[0], drafts[i].ID != ""
		if err := p.validate(); err != nil {
			return nil, fmt.Errorf("draft %d: %w", i, err)
		}
		if !p.given {
			p.ID = s.ids.next(messagePrefix, now)
		}
		if p.deliveries = p.first[:]; len(p.Targets) != 1 {
			p.deliveries = make([]string, len(p.Targets))
		}
		for k := range p.deliveries {
			p.deliveries[k] = s.ids.next(deliveryPrefix, now)
		}
		ready[i] = p
	}
	return ready, nil
}

// room is for n drafts. Most come alone.
func room(n int) ([]*prepared, []prepared) {
	if n != 1 {
		return make([]*prepared, n), make([]prepared, n)
	}
	one := &struct {
		ready [1]*prepared
		all   [1]prepared
	}{}
	return one.ready[:], one.all[:]
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
		case !printable(f.value):
			return fmt.Errorf("%w %s: not UTF-8, or with control characters", ErrInvalid, f.name)
		}
	}
	if n := len(d.Headers) + len(d.Body); n > MaxPayload {
		return fmt.Errorf("%w body: %d bytes with its headers, at most %d", ErrInvalid, n, MaxPayload)
	}
	return validTargets(d.Targets)
}

// printable says that text is UTF-8 without control characters.
func printable(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' { // nearly none has such
			return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
		}
	}
	return true
}

func validTargets(targets []string) error {
	if len(targets) > MaxTargets {
		return fmt.Errorf("%w targets: %d, at most %d", ErrInvalid, len(targets), MaxTargets)
	}
	if len(targets) == 1 && validTargetID(targets[0]) {
		return nil
	}
	seen := make(map[string]struct{}, len(targets))
	for i, id := range targets {
		if seen[id] = struct{}{}; !validTargetID(id) || len(seen) <= i {
			return fmt.Errorf("%w targets: %d is empty, too long, not text, or named twice", ErrInvalid, i)
		}
	}
	return nil
}

const (
	selectKey = `SELECT message_id FROM dedupe_keys WHERE source = ? AND key = ?`
	// deliveries_message serves this.
	reviveFailed = `UPDATE deliveries SET state = 'pending', behind = 0, next_at = ?, budget_from = attempts, updated_at = ?
  WHERE message_seq = (SELECT seq FROM messages WHERE id = ?) AND state = 'failed' RETURNING target_id`
)

// duplicate answers a draft whose key is taken. A sender that redelivers what had failed wants it tried again.
func duplicate(ctx context.Context, t *txn, p *prepared) error {
	p.receipt = Receipt{Duplicate: true}
	err := t.scan(ctx, selectKey, []any{p.Source, p.DedupeKey}, &p.receipt.ID)
	if errors.Is(err, sql.ErrNoRows) { // its window ended just now
		return t.engine.append(ctx, t, []*prepared{p})
	}
	if err != nil {
		return err
	}
	return duplicateOf(ctx, t, p, p.receipt.ID)
}

// duplicateOf answers a draft whose key is that of a message.
func duplicateOf(ctx context.Context, t *txn, p *prepared, id string) error {
	p.receipt = Receipt{ID: id, Duplicate: true}
	if !p.Redeliver {
		return nil
	}
	now := t.now.UnixMicro()
	rows, err := t.query(ctx, reviveFailed, now, now, p.receipt.ID)
	if err != nil {
		return err
	}
	return eachTarget(rows, func(target string) { t.moved(target, Failed, Pending, 1) })
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
