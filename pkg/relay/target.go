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

func (t Target) validate() error {
	if !validTargetID(t.ID) {
		return fmt.Errorf("%w target id: not 1 to %d bytes of text", ErrInvalid, MaxKey)
	}
	if t.Concurrency < 0 || t.Concurrency > MaxConcurrency {
		return fmt.Errorf("%w target concurrency: %d, want 0 to %d", ErrInvalid, t.Concurrency, MaxConcurrency)
	}
	return nil
}

func validTargetID(id string) bool {
	return id != "" && len(id) <= MaxKey && utf8.ValidString(id) && !strings.ContainsFunc(id, unicode.IsControl)
}

const (
	upsertTarget = `INSERT INTO targets (id, enabled, disabled_reason, concurrency, created_at) VALUES (?, 1, '', ?, ?)
  ON CONFLICT (id) DO UPDATE SET concurrency = excluded.concurrency`
	updateTarget  = `UPDATE targets SET enabled = ?, disabled_reason = ? WHERE id = ?`
	selectTargets = `SELECT id, enabled, disabled_reason, concurrency, created_at FROM targets`
)

// PutTarget registers a target, or changes the limits of the one with that id; whether that one is enabled
// stays as it is.
func (s *Store) PutTarget(ctx context.Context, target Target) error {
	if err := target.validate(); err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, t *txn) error { return putTarget(ctx, t, target) })
}

func putTarget(ctx context.Context, t *txn, target Target) error {
	t.targetsChanged = true
	return t.exec(ctx, upsertTarget, target.ID, target.Concurrency, t.now.UnixMicro())
}

// SetTarget enables or disables a target. While it is disabled its deliveries are kept as paused. Reason is
// for people and is dropped when enabled. ErrNotFound: there is no such target.
func (s *Store) SetTarget(ctx context.Context, id string, enabled bool, reason string) error {
	return s.write(ctx, func(ctx context.Context, t *txn) error { return setTarget(ctx, t, id, enabled, reason) })
}

func setTarget(ctx context.Context, t *txn, id string, enabled bool, reason string) error {
	if enabled {
		reason = ""
	}
	n, err := t.changed(ctx, updateTarget, number(enabled), reason, id)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("%w: target %s", ErrNotFound, id)
	}
	t.targetsChanged = true
	return nil
}

// Target reads one target. ErrNotFound: there is none of that id.
func (s *Store) Target(ctx context.Context, id string) (Target, error) {
	t, err := scanTarget(s.callers.row(ctx, selectTargets+` WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return t, fmt.Errorf("%w: target %s", ErrNotFound, id)
	}
	return t, err
}

// Targets reads every target, by id.
func (s *Store) Targets(ctx context.Context) ([]Target, error) { return readTargets(ctx, s.callers) }

func readTargets(ctx context.Context, from reader) ([]Target, error) {
	rows, err := from.query(ctx, selectTargets+` ORDER BY id`)
	if err != nil {
		return nil, err
	}
	return collect(rows, scanTarget)
}

const selectWaiting = `SELECT target_id FROM totals WHERE state = 'pending' GROUP BY target_id HAVING sum(n) > 0`

// readWaiting finds the targets that have pending deliveries, due or not.
func readWaiting(ctx context.Context, from reader) (map[string]bool, error) {
	rows, err := from.query(ctx, selectWaiting)
	if err != nil {
		return nil, err
	}
	waiting := map[string]bool{}
	return waiting, eachTarget(rows, func(id string) { waiting[id] = true })
}

// scanner is a row: *sql.Row and *sql.Rows.
type scanner interface{ Scan(into ...any) error }

func scanTarget(row scanner) (t Target, err error) {
	var created int64
	err = row.Scan(&t.ID, &t.Enabled, &t.DisabledReason, &t.Concurrency, &created)
	t.CreatedAt = time.UnixMicro(created).UTC()
	return t, err
}

// collect reads all rows and closes them.
func collect[T any](rows *sql.Rows, scan func(scanner) (T, error)) ([]T, error) {
	defer rows.Close() // its error is also rows.Err's
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}
