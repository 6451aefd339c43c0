package relay

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

const (
	createMigrations = `CREATE TABLE IF NOT EXISTS schema_migrations (
  name TEXT NOT NULL, file TEXT NOT NULL, applied_at INTEGER NOT NULL, PRIMARY KEY (name, file))`
	countMigration  = `SELECT count(*) FROM schema_migrations WHERE name = ? AND file = ?`
	insertMigration = `INSERT INTO schema_migrations (name, file, applied_at) VALUES (?, ?, ?)`
)

// migrations are the engine's own tables, and then the service's.
func (s *Store) migrations() ([]Migrations, error) {
	files, err := fs.Sub(migrationFiles, "migrations")
	return append([]Migrations{{Name: "relay", Files: files}}, s.cfg.Migrations...), err
}

// script is one file of a migration, for the engine it is run on.
type script struct {
	set, file string
	text      string
	own       bool // for this engine only, in its own dialect
}

// migrator runs scripts on one connection.
type migrator struct {
	engine string // "sqlite" or "postgres": files for the other one are left out
	lock   string // runs first in each transaction: no two processes migrate at once
	table  string // makes the table of what was run
	conn   *sql.Conn
	run    func(ctx context.Context, s script) error // in the transaction that is open
	to     func(query string) string
}

// migrate runs the files that this database has not seen, each in a transaction with its record.
func (m migrator) migrate(ctx context.Context, sets []Migrations, now time.Time) error {
	for _, set := range sets {
		files, err := fs.Glob(set.Files, "*.sql")
		if err != nil {
			return err
		}
		for _, name := range files { // Glob sorts
			own := strings.HasSuffix(name, "."+m.engine+".sql")
			if !own && (strings.HasSuffix(name, ".sqlite.sql") || strings.HasSuffix(name, ".postgres.sql")) {
				continue
			}
			text, err := fs.ReadFile(set.Files, name)
			if err == nil {
				err = m.migrateFile(ctx, script{set.Name, name, string(text), own}, now)
			}
			if err != nil {
				return fmt.Errorf("%s/%s: %w", set.Name, name, err)
			}
		}
	}
	return nil
}

func (m migrator) migrateFile(ctx context.Context, s script, now time.Time) (err error) {
	tx, err := m.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	for _, first := range []string{m.lock, m.table} {
		if first == "" {
			continue
		}
		if _, err := tx.ExecContext(ctx, first); err != nil {
			return err
		}
	}
	var seen int
	if err := tx.QueryRowContext(ctx, m.to(countMigration), s.set, s.file).Scan(&seen); err != nil {
		return err
	}
	if seen == 0 {
		if err := m.run(ctx, s); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, m.to(insertMigration), s.set, s.file, now.UnixMicro()); err != nil {
			return err
		}
	}
	return tx.Commit()
}
