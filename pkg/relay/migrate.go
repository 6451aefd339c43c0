package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

const (
	createMigrations = `CREATE TABLE IF NOT EXISTS schema_migrations (
  name TEXT NOT NULL, file TEXT NOT NULL, applied_at INTEGER NOT NULL, PRIMARY KEY (name, file))`
	countMigration  = `SELECT count(*) FROM schema_migrations WHERE name = ? AND file = ?`
	insertMigration = `INSERT INTO schema_migrations (name, file, applied_at) VALUES (?, ?, ?)`
)

// migrate runs the files of one set that this database has not seen, each in a transaction with its record.
func migrate(ctx context.Context, conn *sql.Conn, m Migrations, now time.Time) error {
	if _, err := conn.ExecContext(ctx, createMigrations); err != nil {
		return err
	}
	files, err := fs.Glob(m.Files, "*.sql")
	if err != nil {
		return err
	}
	for _, name := range files { // Glob sorts
		if err := migrateFile(ctx, conn, m, name, now); err != nil {
			return fmt.Errorf("%s/%s: %w", m.Name, name, err)
		}
	}
	return nil
}

func migrateFile(ctx context.Context, conn *sql.Conn, m Migrations, name string, now time.Time) (err error) {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	var seen int
	if err := tx.QueryRowContext(ctx, countMigration, m.Name, name).Scan(&seen); err != nil {
		return err
	}
	if seen == 0 {
		script, err := fs.ReadFile(m.Files, name)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, string(script)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, insertMigration, m.Name, name, now.UnixMicro()); err != nil {
			return err
		}
	}
	return tx.Commit()
}
