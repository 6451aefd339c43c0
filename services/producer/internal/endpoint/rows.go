package endpoint

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// row is an endpoint as the table holds it.
type row struct {
	id, name            string
	declared, withdrawn bool
	url                 string
	events              []string
	scheme, tenant      string
	sealed              []byte
	createdAt           time.Time
}

// The table is small and read whole, or by its primary key.
const (
	selectRows = `SELECT id, name, declared, withdrawn, url, events, scheme, tenant, secret, created_at FROM endpoints`
	selectRow  = selectRows + ` WHERE id = ?`
	insertRow  = `INSERT INTO endpoints (id, name, declared, withdrawn, url, events, scheme, tenant, secret, created_at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	updateRow = `UPDATE endpoints SET withdrawn = ?, url = ?, events = ?, scheme = ?, tenant = ?, secret = ? WHERE id = ?`
)

// querier is what reads the table, in a transaction or outside.
type querier interface {
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// execer is what writes it.
type execer interface {
	Exec(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func readRows(ctx context.Context, from querier, query string, args ...any) (all []row, err error) {
	rows, err := from.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("endpoints: %w", err)
	}
	defer func() {
		if err = errors.Join(err, rows.Close()); err != nil {
			err = fmt.Errorf("endpoints: %w", err)
		}
	}()
	for rows.Next() {
		var r row
		var events string
		var created int64
		if err := rows.Scan(&r.id, &r.name, &r.declared, &r.withdrawn, &r.url, &events, &r.scheme, &r.tenant, &r.sealed, &created); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(events), &r.events); err != nil {
			return nil, fmt.Errorf("%s: events: %w", r.id, err)
		}
		r.createdAt = time.UnixMicro(created).UTC()
		all = append(all, r)
	}
	return all, rows.Err()
}

const selectChanges = `SELECT n FROM endpoint_changes`

// readChanges says how often the endpoints have changed. On SQLite, where one process has the database, that is always
// the same.
func readChanges(ctx context.Context, from querier) (n int64, err error) {
	rows, err := from.Query(ctx, selectChanges)
	if err != nil {
		return 0, fmt.Errorf("endpoints: %w", err)
	}
	defer func() {
		if err = errors.Join(err, rows.Err(), rows.Close()); err != nil {
			err = fmt.Errorf("endpoints: %w", err)
		}
	}()
	for rows.Next() {
		err = rows.Scan(&n)
	}
	return n, err
}

// errDeclaredMeanwhile: another process with the same configuration was first.
var errDeclaredMeanwhile = errors.New("an endpoint of that name was declared meanwhile")

func (r row) insert(ctx context.Context, tx execer) error {
	events, err := json.Marshal(r.events)
	if err != nil {
		return err
	}
	res, err := tx.Exec(ctx, insertRow, r.id, r.name, r.declared, r.withdrawn, r.url, string(events), r.scheme, r.tenant,
		r.sealed, r.createdAt.UnixMicro())
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errDeclaredMeanwhile)
	}
	return nil
}

func (r row) update(ctx context.Context, tx execer) error {
	events, err := json.Marshal(r.events)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, updateRow, r.withdrawn, r.url, string(events), r.scheme, r.tenant, r.sealed, r.id)
	return err
}
