package relay

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// directRow is a row as SQLite's driver gives it: what it is made of is the row's own, and need not be copied. Reading it
// through database/sql costs as much as finding it.
type directRow []driver.Value

func (r directRow) Scan(into ...any) error {
	if len(into) != len(r) {
		return fmt.Errorf("%d columns cannot be read into %d values", len(r), len(into))
	}
	for i := range into {
		ok := false
		switch to := into[i].(type) {
		case *string:
			*to, ok = r[i].(string)
		case *int64:
			*to, ok = r[i].(int64)
		case *int:
			var n int64
			n, ok = r[i].(int64)
			*to = int(n)
		case *[]byte:
			*to, ok = r[i].([]byte)
		}
		if !ok {
			return fmt.Errorf("column %d is %T and cannot be read into %T", i+1, r[i], into[i])
		}
	}
	return nil
}

// eachDirect hands over all rows and closes them.
func eachDirect(rows driver.Rows, f func(scanner) error) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	row := make(directRow, len(rows.Columns()))
	for {
		switch err := rows.Next(row); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := f(row); err != nil {
			return err
		}
	}
}

// eachOf is eachDirect for rows that come through database/sql.
func eachOf(rows *sql.Rows, f func(scanner) error) error {
	_, err := collect(rows, func(row scanner) (struct{}, error) { return struct{}{}, f(row) })
	return err
}

// each reads what a query finds, row by row.
func (s *sqliteSession) each(ctx context.Context, query string, args []any, f func(scanner) error) error {
	return s.found(ctx, query, args, func(rows driver.Rows) error { return eachDirect(rows, f) })
}

// found hands over what a query finds; read closes it.
func (s *sqliteSession) found(ctx context.Context, query string, args []any, read func(driver.Rows) error) error {
	return s.conn.Raw(func(conn any) error {
		st, err := s.prepared(ctx, conn, query)
		if err != nil {
			return err
		}
		if err := s.bind(args); err != nil {
			return err
		}
		rows, err := st.QueryContext(ctx, s.values)
		if err != nil {
			return err
		}
		return read(rows)
	})
}

// directly is a session that can read rows past database/sql.
type directly interface {
	each(ctx context.Context, query string, args []any, f func(scanner) error) error
}

// each reads what a query finds, row by row. f must not use the transaction.
func (t *txn) each(ctx context.Context, f func(scanner) error, query string, args ...any) error {
	if d, ok := t.session.(directly); ok {
		return d.each(ctx, query, args, f)
	}
	rows, err := t.session.query(ctx, query, args)
	if err != nil {
		return err
	}
	return eachOf(rows, f)
}

// each reads what a query finds, row by row. f must not use the reader.
func (r reader) each(ctx context.Context, f func(scanner) error, query string, arg string) error {
	if !r.direct || r.tx != nil {
		rows, err := r.query(ctx, query, arg)
		if err != nil {
			return err
		}
		return eachOf(rows, f)
	}
	conn, err := r.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() // it goes back, and says nothing
	return conn.Raw(func(c any) error {
		from, ok := c.(driver.QueryerContext)
		if !ok {
			return errors.New("the driver takes no queries")
		}
		rows, err := from.QueryContext(ctx, r.to(query), []driver.NamedValue{{Ordinal: 1, Value: arg}})
		if err != nil {
			return err
		}
		return eachDirect(rows, f)
	})
}
