package relay

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

const (
	createMigrations = `CREATE TABLE IF NOT EXISTS schema_migrations (
  name TEXT NOT NULL, file TEXT NOT NULL, applied_at INTEGER NOT NULL, PRIMARY KEY (name, file))`
	countMigration = `SELECT count(*) FROM schema_migrations WHERE name = ? AND file = ?`
	// What services have tables here. The engine's own set is everybody's.
	listSets        = `SELECT DISTINCT name FROM schema_migrations WHERE name <> 'relay' ORDER BY name`
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

// errOthers: the database has another service's tables, and none of this one's.
var errOthers = errors.New("it is another service's database")

// ours refuses a database that another service has made: it would be given this one's tables beside the other's, and both
// would deliver each other's messages.
func (m migrator) ours(ctx context.Context, sets []Migrations) error {
	var there []string
	err := m.locked(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, m.to(listSets))
		if err != nil {
			return err
		}
		there, err = collect(rows, func(row scanner) (name string, err error) { return name, row.Scan(&name) })
		return err
	})
	if err != nil || len(sets) == 1 || len(there) == 0 {
		return err
	}
	if slices.ContainsFunc(sets, func(set Migrations) bool { return slices.Contains(there, set.Name) }) {
		return nil
	}
	return fmt.Errorf("%w: it has tables of %s", errOthers, strings.Join(there, ", "))
}

// migrate runs the files that this database has not seen, each in a transaction with its record.
func (m migrator) migrate(ctx context.Context, sets []Migrations, now time.Time) error {
	if err := m.ours(ctx, sets); err != nil {
		return err
	}
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

func (m migrator) migrateFile(ctx context.Context, s script, now time.Time) error {
	return m.locked(ctx, func(tx *sql.Tx) error {
		var seen int
		if err := tx.QueryRowContext(ctx, m.to(countMigration), s.set, s.file).Scan(&seen); err != nil || seen > 0 {
			return err
		}
		if err := m.run(ctx, s); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, m.to(insertMigration), s.set, s.file, now.UnixMicro())
		return err
	})
}

// locked runs f in a transaction in which no other process migrates, and the table of what was run is there.
func (m migrator) locked(ctx context.Context, f func(*sql.Tx) error) (err error) {
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
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}
