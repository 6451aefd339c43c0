package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"time"
)

// Config opens a [Store]. Zero values mean the defaults named here.
type Config struct {
	URL        string           // "sqlite:" and a path, relative or absolute; the file is made when absent
	Schedule   Schedule         // DefaultSchedule
	Now        func() time.Time // time.Now
	Migrations []Migrations     // the service's own tables, in the same database

	EffectTimeout time.Duration // how long an effect may hold the database: 250 ms
	Lease         time.Duration // how long a claimed delivery is held: 60 s; longer than any attempt may take
	AppendWait    time.Duration // how long an append waits for a place in the queue: 2 s
}

// Migrations are a service's own tables: files named "0001_name.sql", each run once, in the order of their
// names, in the same database as the engine's.
type Migrations struct {
	Name  string // distinguishes this set from others; never changes
	Files fs.FS
}

// Store is the durable log: messages, deliveries and attempts. It is safe for concurrent use.
type Store struct {
	cfg     Config
	ids     *ids
	lock    io.Closer
	writer  *writer
	readers *sql.DB // for callers
	// engineReader is the dispatcher's own: callers who hold all readers do not hold up deliveries.
	engineReader *sql.DB
	wake         *wakeups
	recovered    int
}

func (c Config) validate() error {
	for name, d := range map[string]time.Duration{"effect timeout": c.EffectTimeout, "lease": c.Lease, "append wait": c.AppendWait} {
		if d < 0 {
			return fmt.Errorf("%w %s: %v is negative", ErrInvalid, name, d)
		}
	}
	return c.Schedule.validate()
}

func (c Config) withDefaults() Config {
	if len(c.Schedule) == 0 {
		c.Schedule = DefaultSchedule()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.EffectTimeout == 0 {
		c.EffectTimeout = 250 * time.Millisecond
	}
	if c.Lease == 0 {
		c.Lease = time.Minute
	}
	if c.AppendWait == 0 {
		c.AppendWait = 2 * time.Second
	}
	return c
}

// Open opens the database, brings its tables up to date and takes back the leases of the process that had it
// before. ErrLocked: another process has it now. A file that is not a database, or a file system that cannot
// do what durability needs (WAL), is an error.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	path, ok := strings.CutPrefix(cfg.URL, "sqlite:")
	if !ok || path == "" || strings.HasPrefix(path, ":memory:") {
		return nil, fmt.Errorf("%w database URL: want sqlite: and a file's path", ErrInvalid)
	}
	s := &Store{cfg: cfg, ids: newIDs(), wake: newWakeups()}
	if err := s.open(ctx, path); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, path string) error {
	path, err := createFile(path)
	if err != nil {
		return fmt.Errorf("relay: create %s: %w", path, err)
	}
	lock, err := lockFile(path)
	if err != nil {
		return err
	}
	s.lock = lock
	db, conn, err := openWriter(ctx, path)
	if err != nil {
		return fmt.Errorf("relay: open %s: %w", path, err)
	}
	if s.writer, err = newWriter(db, conn, s.cfg, s.wake); err != nil {
		return errors.Join(fmt.Errorf("relay: open %s: %w", path, err), conn.Close(), db.Close())
	}
	engine, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	for _, m := range append([]Migrations{{Name: "relay", Files: engine}}, s.cfg.Migrations...) {
		if err := migrate(ctx, conn, m, s.cfg.Now()); err != nil {
			return fmt.Errorf("relay: migrate %s: %w", path, err)
		}
	}
	if s.readers, err = openReaders(path, 2*max(2, runtime.GOMAXPROCS(0))); err == nil {
		s.engineReader, err = openReaders(path, 1)
	}
	if err != nil {
		return fmt.Errorf("relay: open %s: %w", path, err)
	}
	s.writer.start()
	return s.takeBack(ctx)
}

// Close waits for what is being written, then closes the database. Calls after it answer ErrUnavailable.
func (s *Store) Close() error {
	var errs []error
	if s.writer != nil {
		errs = append(errs, s.writer.stop())
	}
	for _, db := range []*sql.DB{s.readers, s.engineReader} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

const beat = `UPDATE pulse SET n = n + 1`

// Ping reports whether the store can write now: it commits a change through the writer.
func (s *Store) Ping(ctx context.Context) error {
	return s.write(ctx, func(ctx context.Context, t *txn) error { return t.exec(ctx, beat) })
}

// Recovered is how many deliveries were found under the leases of the process before and taken back.
func (s *Store) Recovered() int { return s.recovered }

// Query reads the service's own tables, outside of any transaction. Writing through it fails.
func (s *Store) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return s.readers.QueryContext(ctx, query, args...)
}

// write runs one engine operation in a transaction shared with others, and waits for its commit.
func (s *Store) write(ctx context.Context, run func(context.Context, *txn) error) error {
	return s.writer.do(ctx, newOp(run))
}
