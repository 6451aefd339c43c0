package relay

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// sqliteSession is the connection that writes, with its prepared statements. All transactions share it, one after
// another.
type sqliteSession struct {
	conn    *sql.Conn
	now     func() time.Time
	stmts   map[string]*sql.Stmt
	foreign *foreignStatements
}

func newSQLiteSession(conn *sql.Conn, now func() time.Time) (*sqliteSession, error) {
	foreign, err := newForeignStatements(conn)
	return &sqliteSession{conn: conn, now: now, stmts: map[string]*sql.Stmt{}, foreign: foreign}, err
}

func (s *sqliteSession) begin(ctx context.Context) (time.Time, error) {
	now := s.now()
	_, err := s.exec(ctx, "BEGIN IMMEDIATE", nil)
	return now, err
}

func (s *sqliteSession) commit(ctx context.Context) error {
	_, err := s.exec(ctx, "COMMIT", nil)
	return err
}

func (s *sqliteSession) rollback() { _, _ = s.exec(context.Background(), "ROLLBACK", nil) }

func (s *sqliteSession) release() {}

func (s *sqliteSession) exec(ctx context.Context, query string, args []any) (sql.Result, error) {
	st, err := s.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
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
	return errors.Join(append(errs, s.conn.Close())...)
}
