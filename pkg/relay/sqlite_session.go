package relay

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"
)

// sqliteSession is the connection that writes, with its prepared statements. All transactions share it, one after
// another.
type sqliteSession struct {
	conn    *sql.Conn
	now     func() time.Time
	stmts   map[string]*sql.Stmt
	direct  map[string]directStmt
	values  []driver.NamedValue // of the statement that runs
	foreign *foreignStatements
	wal     walKeeper
}

func newSQLiteSession(conn *sql.Conn, now func() time.Time) (*sqliteSession, error) {
	foreign, err := newForeignStatements(conn)
	s := &sqliteSession{conn: conn, now: now, foreign: foreign}
	s.stmts, s.direct = map[string]*sql.Stmt{}, map[string]directStmt{}
	return s, err
}

func (s *sqliteSession) begin(ctx context.Context) (time.Time, error) {
	now := s.now()
	_, err := s.exec(ctx, "BEGIN IMMEDIATE", nil)
	return now, err
}

func (s *sqliteSession) commit(ctx context.Context) error {
	_, err := s.exec(ctx, "COMMIT", nil)
	if err == nil {
		s.wal.committed(ctx, s.conn)
	}
	return err
}

func (s *sqliteSession) rollback() { _, _ = s.exec(context.Background(), "ROLLBACK", nil) }

func (s *sqliteSession) release() {}

// exec goes to the driver directly: what database/sql does around a statement costs as much as a small one.
func (s *sqliteSession) exec(ctx context.Context, query string, args []any) (res sql.Result, err error) {
	err = s.conn.Raw(func(conn any) error {
		st, err := s.prepared(ctx, conn, query)
		if err != nil {
			return err
		}
		if err := s.bind(args); err != nil {
			return err
		}
		res, err = st.ExecContext(ctx, s.values)
		return err
	})
	return res, err
}

// find reads a single row, in the same way.
func (s *sqliteSession) find(ctx context.Context, query string, args, into []any) error {
	return s.found(ctx, query, args, func(rows driver.Rows) (err error) {
		defer func() { err = errors.Join(err, rows.Close()) }()
		found := make([]driver.Value, len(rows.Columns()))
		switch err := rows.Next(found); {
		case errors.Is(err, io.EOF):
			return sql.ErrNoRows
		case err != nil:
			return err
		}
		for i := range into {
			switch to := into[i].(type) {
			case *string:
				*to, _ = found[i].(string)
			case *int64:
				*to, _ = found[i].(int64)
			default:
				return fmt.Errorf("column %d cannot be read into %T", i+1, to)
			}
		}
		return nil
	})
}

// bind makes values of arguments, in memory that the next statement uses again.
func (s *sqliteSession) bind(args []any) error {
	s.values = s.values[:0]
	for i, a := range args {
		v, err := driver.DefaultParameterConverter.ConvertValue(a)
		if err != nil {
			return fmt.Errorf("argument %d: %w", i+1, err)
		}
		s.values = append(s.values, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return nil
}

// directStmt is a prepared statement of the driver's.
type directStmt interface {
	driver.StmtExecContext
	driver.StmtQueryContext
}

func (s *sqliteSession) prepared(ctx context.Context, conn any, query string) (directStmt, error) {
	if st, ok := s.direct[query]; ok {
		return st, nil
	}
	preparer, ok := conn.(driver.ConnPrepareContext)
	if !ok {
		return nil, errors.New("the driver does not prepare statements")
	}
	prepared, err := preparer.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	st, ok := prepared.(directStmt)
	if !ok {
		return nil, errors.Join(errors.New("the driver's statements take no context"), prepared.Close())
	}
	s.direct[query] = st
	return st, nil
}

func (s *sqliteSession) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	st, err := s.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

func (s *sqliteSession) foreignExec(ctx context.Context, query string, args []any) (sql.Result, error) {
	return s.foreign.exec(ctx, query, args)
}

func (s *sqliteSession) foreignQuery(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	return s.foreign.query(ctx, query, args)
}

func (s *sqliteSession) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if st, ok := s.stmts[query]; ok {
		return st, nil
	}
	st, err := s.conn.PrepareContext(ctx, query)
	if err == nil {
		s.stmts[query] = st
	}
	return st, err
}

func (s *sqliteSession) close() error {
	errs := []error{s.foreign.close()}
	for _, st := range s.stmts {
		errs = append(errs, st.Close())
	}
	errs = append(errs, s.conn.Raw(func(any) error {
		var errs []error
		for _, st := range s.direct {
			if c, ok := st.(driver.Stmt); ok {
				errs = append(errs, c.Close())
			}
		}
		return errors.Join(errs...)
	}))
	return errors.Join(append(errs, s.conn.Close())...)
}
