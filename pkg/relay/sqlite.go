package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"modernc.org/sqlite" // also registers the driver
	sqlite3 "modernc.org/sqlite/lib"

	"example.com/signet/pkg/relay/internal/record"
)

// sqliteEngine is a database in a file, which one process owns. All of its transactions run on one connection.
type sqliteEngine struct {
	name       string // the file's, without its folder
	now        func() time.Time
	lease      time.Duration
	lock       *flock.Flock
	db         *sql.DB
	writer     *sqliteSession
	journal    *journal
	forCallers *sql.DB
	forEngine  *sql.DB

	// Memory for the next row of the journal.
	scratch []byte
	packer  record.Packer

	// The positions given out last, and the highest ids, of those with the engine's prefix, of what is folded and of what has
	// rows, or higher ones; the writer's.
	lastMessage, lastDelivery int64
	lastFolded, lastRow       string

	stopFilter context.CancelFunc // and waits
}

// openSQLite opens the file at path, which it makes when it is absent.
func openSQLite(ctx context.Context, path string, cfg Config) (_ *sqliteEngine, err error) {
	e := &sqliteEngine{name: filepath.Base(path), now: cfg.Now, lease: cfg.Lease, journal: newJournal(cfg.Lease)}
	_, _ = sqlite.Fdatasync(true) // as durable as fsync, without the file's times; where it does not exist, fsync stays
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("relay: open %s: %w", path, err), e.close())
		}
	}()
	if path, err = createFile(path); err != nil {
		return nil, err
	}
	if e.lock, err = lockFile(path); err != nil {
		return nil, err
	}
	if err = examine(ctx, path); err != nil {
		return nil, err
	}
	db, conn, err := openWriter(ctx, path)
	if err != nil {
		return nil, err
	}
	e.db = db
	if e.writer, err = newSQLiteSession(conn, cfg.Now); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	e.writer.wal.path = path
	if e.forCallers, err = openReaders(path, 2*max(2, runtime.GOMAXPROCS(0))); err != nil {
		return nil, err
	}
	e.forEngine, err = openReaders(path, 1)
	return e, err
}

func (e *sqliteEngine) log() *journal { return e.journal }

func (e *sqliteEngine) damaged() []error { return e.journal.report() }

func (e *sqliteEngine) missing(ctx context.Context, q querier, what, id string) error {
	return e.journal.missing(ctx, q, what, id)
}

func (e *sqliteEngine) folds() *folds {
	callers, _ := e.readers()
	return &folds{callers}
}

func (e *sqliteEngine) session(context.Context) (session, error) { return e.writer, nil }

func (*sqliteEngine) translate(query string) string { return query }

func (e *sqliteEngine) migrate(ctx context.Context, sets []Migrations, now time.Time) error {
	conn := e.writer.conn
	run := func(ctx context.Context, s script) error {
		_, err := conn.ExecContext(ctx, s.text)
		return err
	}
	return migrator{engine: "sqlite", table: createMigrations, conn: conn, run: run, to: e.translate}.migrate(ctx, sets, now)
}

func (e *sqliteEngine) readers() (callers, engineReader reader) {
	anything := func(string) error { return nil } // the connections are read-only
	return reader{db: e.forCallers, check: anything, to: e.translate}, reader{db: e.forEngine, check: anything, to: e.translate, direct: true}
}

// filter begins to fill the filter of keys, in a goroutine that close waits for.
func (e *sqliteEngine) filter(appending *crowd) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	j := e.journal
	running.Go(func() { e.keepFilter(ctx, j, appending) })
	e.stopFilter = func() { cancel(); running.Wait() }
}

func (e *sqliteEngine) close() error {
	if e.stopFilter != nil {
		e.stopFilter()
	}
	var errs []error
	if e.writer != nil {
		errs = append(errs, e.writer.close())
	}
	for _, db := range []*sql.DB{e.db, e.forCallers, e.forEngine} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if e.lock != nil {
		errs = append(errs, e.lock.Close())
	}
	return errors.Join(errs...)
}

// lockFile makes this process the database's only owner. The lock lies in a file of its own, because SQLite's
// own locks are released when any descriptor of the database is closed.
func lockFile(path string) (*flock.Flock, error) {
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	got, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if !got {
		return nil, ErrLocked
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

// busyTimeout is how long a statement waits for another connection's locks.
const busyTimeout = 5 * time.Second

// openWriter opens the one connection that writes. With synchronous=FULL a commit returns after the WAL is
// synced: that is the promise's foundation, so it is read back rather than assumed.
func openWriter(ctx context.Context, path string) (*sql.DB, *sql.Conn, error) {
	db, err := sql.Open("sqlite", dsn(path, fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "journal_mode(WAL)",
		"synchronous(FULL)", "temp_store(MEMORY)", "foreign_keys(ON)", "cache_size(-8192)",
		fmt.Sprintf("wal_autocheckpoint(%d)", walCheckpoint), fmt.Sprintf("journal_size_limit(%d)", walLimit)))
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

var wantDurability = Durability{JournalMode: "wal", Synchronous: "full"}

// durability reads the pragmas back from the connection that writes, between two of its transactions.
func (e *sqliteEngine) durability(ctx context.Context) (Durability, error) {
	return readDurability(ctx, e.writer.conn)
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

func (*sqliteEngine) contended(error) bool { return false } // there is no other

// classify finds disk full, read-only, I/O, corrupt and the like, and names the file.
func (e *sqliteEngine) classify(err error) error {
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return err
	}
	switch se.Code() & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT,
		sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL:
		if errors.Is(err, ErrUnavailable) {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		return fmt.Errorf("%w: %s: %w", ErrUnavailable, e.name, err)
	}
	return err
}
