package relay

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
	"modernc.org/sqlite" // also registers the driver
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// lockFile makes this process the database's only owner. The lock lies in a file of its own, because SQLite's
// own locks are released when any descriptor of the database is closed.
func lockFile(path string) (*flock.Flock, error) {
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	got, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("relay: lock %s: %w", path, err)
	}
	if !got {
		return nil, fmt.Errorf("%w: %s", ErrLocked, path)
	}
	return lock, nil
}

// createFile makes an absent database file, and its folder, readable by its owner only: it holds what was sent
// to us. SQLite gives its side files the same mode. The answer is the file's real path, so that two links to one
// file are one.
func createFile(path string) (string, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return path, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return path, err
	}
	if err := f.Close(); err != nil {
		return path, err
	}
	return filepath.EvalSymlinks(path)
}

func dsn(path string, pragmas ...string) string {
	q := url.Values{"_pragma": pragmas}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

// openWriter opens the one connection that writes. With synchronous=FULL a commit returns after the WAL is
// synced: that is the promise's foundation, so it is read back rather than assumed.
func openWriter(ctx context.Context, path string) (*sql.DB, *sql.Conn, error) {
	db, err := sql.Open("sqlite", dsn(path, "busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)",
		"temp_store(MEMORY)", "foreign_keys(ON)", "cache_size(-16384)", "journal_size_limit(67108864)"))
	if err != nil {
		return nil, nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	d, err := readDurability(ctx, conn)
	if err == nil && d != wantDurability {
		err = fmt.Errorf("journal_mode is %q and synchronous %q, which cannot promise durability here", d.JournalMode, d.Synchronous)
	}
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close(), db.Close())
	}
	return db, conn, nil
}

func openReaders(path string, n int) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(path, "busy_timeout(5000)", "query_only(ON)", "temp_store(MEMORY)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// Durability is what the live writer's connection says of itself.
type Durability struct {
	JournalMode string // "wal"
	Synchronous string // "full": a commit waits for the disk
}

var wantDurability = Durability{JournalMode: "wal", Synchronous: "full"}

// Durability reads the pragmas back from the connection that writes.
func (s *Store) Durability(ctx context.Context) (d Durability, err error) {
	err = s.write(ctx, func(ctx context.Context, t *txn) error {
		d, err = readDurability(ctx, t.conn)
		return err
	})
	return d, err
}

func readDurability(ctx context.Context, conn *sql.Conn) (Durability, error) {
	var d Durability
	var level int
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&d.JournalMode); err != nil {
		return d, err
	}
	if err := conn.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&level); err != nil {
		return d, err
	}
	levels := []string{"off", "normal", "full", "extra"}
	if level < 0 || level >= len(levels) {
		return d, fmt.Errorf("synchronous level %d is unknown", level)
	}
	d.Synchronous = levels[level]
	return d, nil
}

// classify marks the engine's own failures (disk full, read-only, I/O, corrupt) as ErrUnavailable; what is
// wrong with a statement or its values stays as it is.
func classify(err error) error {
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return err
	}
	switch se.Code() & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT,
		sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}
