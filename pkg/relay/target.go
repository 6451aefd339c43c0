package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

func (t Target) validate() error {
	if !validTargetID(t.ID) {
		return fmt.Errorf("%w target id: not 1 to %d bytes of text", ErrInvalid, MaxKey)
	}
	if t.Concurrency < 0 || t.Concurrency > MaxConcurrency {
		return fmt.Errorf("%w target concurrency: %d, want 0 to %d", ErrInvalid, t.Concurrency, MaxConcurrency)
	}
	return validRate(t.Rate)
}

func validTargetID(id string) bool {
	return id != "" && len(id) <= MaxKey && printable(id)
}

const (
	upsertTarget = `INSERT INTO targets (id, enabled, disabled_reason, concurrency, rate, created_at) VALUES (?, 1, '', ?, ?, ?)
  ON CONFLICT (id) DO UPDATE SET concurrency = excluded.concurrency, rate = excluded.rate`
	enableTarget  = `UPDATE targets SET enabled = 1, disabled_reason = '', failing_since = 0 WHERE id = ?`
	disableTarget = `UPDATE targets SET enabled = 0, disabled_reason = ? WHERE id = ?`
	selectTargets = `SELECT id, enabled, disabled_reason, concurrency, rate, failing_since, created_at FROM targets`

	moveTargetsVersion = `UPDATE targets_version SET version = version + 1`
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
	return t.exec(ctx, upsertTarget, target.ID, target.Concurrency, target.Rate, t.now.UnixMicro())
}

// SetTarget enables or disables a target. While it is disabled its deliveries are kept as paused. Reason is
// for people and is dropped when enabled. ErrNotFound: there is no such target.
func (s *Store) SetTarget(ctx context.Context, id string, enabled bool, reason string) error {
	return s.write(ctx, func(ctx context.Context, t *txn) error { return setTarget(ctx, t, id, enabled, reason) })
}

func setTarget(ctx context.Context, t *txn, id string, enabled bool, reason string) error {
	query, args := disableTarget, []any{reason, id}
	if enabled {
		query, args = enableTarget, []any{id}
	}
	n, err := t.changed(ctx, query, args...)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("%w: target %s", ErrNotFound, id)
	}
	t.targetsChanged = true
	if enabled {
		t.conditions[id] = condition{}
	}
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

// scanner is a row: *sql.Row and *sql.Rows.
type scanner interface{ Scan(into ...any) error }

func scanTarget(row scanner) (t Target, err error) {
	var failing, created int64
	err = row.Scan(&t.ID, &t.Enabled, &t.DisabledReason, &t.Concurrency, &t.Rate, &failing, &created)
	if failing > 0 {
		t.FailingSince = time.UnixMicro(failing).UTC()
	}
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
