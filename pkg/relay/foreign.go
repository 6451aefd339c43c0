package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"modernc.org/sqlite"
)

// maxForeignStatements bounds how many prepared statements of foreign code are kept.
const maxForeignStatements = 256

// foreignStatements prepares and keeps the statements of foreign code, apart from the engine's own. While one of
// them is used, SQLite asks whether it is allowed: it may read everything and change the service's tables, but
// neither end the transaction, nor change the connection's settings, nor touch the engine's tables.
type foreignStatements struct {
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt
	running atomic.Bool
}

func newForeignStatements(conn *sql.Conn) (*foreignStatements, error) {
	f := &foreignStatements{conn: conn, stmts: map[string]*sql.Stmt{}}
	err := conn.Raw(func(driver any) error {
		registerer, ok := driver.(sqlite.AuthorizerRegisterer)
		if !ok {
			return errors.New("the driver has no authorizer")
		}
		return registerer.RegisterAuthorizer(f.authorize)
	})
	return f, err
}

func (f *foreignStatements) authorize(action sqlite.AuthorizerActionCode, table, _, _, _ string) sqlite.AuthorizerReturnCode {
	if !f.running.Load() {
		return sqlite.AuthorizerOK
	}
	switch action {
	case sqlite.AuthRead, sqlite.AuthSelect, sqlite.AuthFunction, sqlite.AuthRecursive:
		return sqlite.AuthorizerOK
	case sqlite.AuthInsert, sqlite.AuthUpdate, sqlite.AuthDelete:
		if !isEngineTable(table) {
			return sqlite.AuthorizerOK
		}
	}
	return sqlite.AuthorizerDeny
}

func isEngineTable(name string) bool {
	switch strings.ToLower(name) {
	case "folded", "journal", "journal_claims", "journal_keys", "messages", "dedupe_keys", "kept_keys", "targets", "targets_version", "deliveries", "attempts",
		"totals", "positions", "pulse", "schema_migrations":
		return true
	}
	return strings.HasPrefix(strings.ToLower(name), "sqlite_")
}

// exec runs a statement of foreign code.
func (f *foreignStatements) exec(ctx context.Context, query string, args []any) (sql.Result, error) {
	f.running.Store(true)
	defer f.running.Store(false)
	st, err := f.stmt(ctx, query, query)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

// query runs a query of foreign code. The driver can interrupt a statement only until its first row is there,
// so a SELECT is made to find all of its rows before it answers the first. What cannot be written so (INSERT …
// RETURNING) does all its work before the first row by itself.
func (f *foreignStatements) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	f.running.Store(true)
	defer f.running.Store(false)
	whole := strings.TrimRight(strings.TrimSpace(query), "; \t\n")
	st, err := f.stmt(ctx, query, "WITH whole AS MATERIALIZED ("+whole+"\n) SELECT * FROM whole")
	if err != nil {
		st, err = f.stmt(ctx, query, query)
	}
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

// stmt prepares text, or finds it prepared under the name of query.
func (f *foreignStatements) stmt(ctx context.Context, query, text string) (*sql.Stmt, error) {
	if st, ok := f.stmts[query]; ok {
		return st, nil
	}
	if len(f.stmts) >= maxForeignStatements {
		if err := f.close(); err != nil {
			return nil, fmt.Errorf("forget statements: %w", err)
		}
	}
	st, err := f.conn.PrepareContext(ctx, text)
	if err == nil {
		f.stmts[query] = st
	}
	return st, err
}

func (f *foreignStatements) close() error {
	var errs []error
	for query, st := range f.stmts {
		errs = append(errs, st.Close())
		delete(f.stmts, query)
	}
	return errors.Join(errs...)
}
