package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// Config opens a [Store]. Zero values mean the defaults named here.
type Config struct {
	// URL is "sqlite:" and a path, relative or absolute (the file is made when absent), or "postgres://" and the
	// rest of a PostgreSQL connection URI: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
	URL        string
	Schedule   Schedule         // DefaultSchedule
	Now        func() time.Time // time.Now
	Migrations []Migrations     // the service's own tables, in the same database

	EffectTimeout time.Duration // how long an effect may hold the database: 250 ms
	Lease         time.Duration // how long a claimed delivery is held: 60 s; longer than any attempt may take, and than EffectTimeout
	journaled     bool          // everything goes through the journal, for tests
	shortLease    bool          // Lease may be shorter than EffectTimeout, for tests of those who come late
	AppendWait    time.Duration // how long an append waits for a place in the queue: 2 s

	// DisableAfter disables a target of whose attempts none has succeeded since one failed that long ago: 0: never. It
	// is looked at when an attempt fails. Enabling the target gives it as long again.
	DisableAfter time.Duration

	// Note is told once of what costs no more than some waiting, such as a LISTEN that PostgreSQL or a pooler refuses:
	// for a log at its finest level. It may be nil, and is called from a goroutine of the store's own.
	Note func(what string, err error)

	reached func(point) // nil but in tests
}

// Migrations are a service's own tables: files named "0001_name.sql", each run once, in the order of their
// names, in the same database as the engine's. They are written for SQLite, with the types TEXT, INTEGER and BLOB;
// for PostgreSQL these are translated (to TEXT COLLATE "C", BIGINT and BYTEA), and WITHOUT ROWID and STRICT left
// out. A file named "….sqlite.sql" or "….postgres.sql" runs on that engine only, as it is.
type Migrations struct {
	Name  string // distinguishes this set from others; never changes
	Files fs.FS
}

// Store is the durable log: messages, deliveries and attempts. It is safe for concurrent use.
type Store struct {
	cfg    Config
	ids    *ids
	engine engine

	// Each of these commits for itself, so that on PostgreSQL none waits for another's commit: appends, claims,
	// outcomes and what is asked for by hand, and transactions with foreign code in them. On SQLite, where only one
	// connection may write, all of them are the same.
	appends, claims, changes, effects *writer
	rows                              *writer // makes those of what is in PostgreSQL's journal; nil on SQLite

	callers      reader        // for callers
	search       chan struct{} // has room for whoever reads through the journal: one at a time
	engineReader reader        // the dispatcher's own: callers who hold all connections do not hold up deliveries
	wake         *wakeups
	recovered    int
}

// validate finds what is wrong with a configuration that has its defaults.
func (c Config) validate() error {
	for name, d := range map[string]time.Duration{"effect timeout": c.EffectTimeout, "lease": c.Lease, "append wait": c.AppendWait, "disable after": c.DisableAfter} {
		if d < 0 {
			return fmt.Errorf("%w %s: %v is negative", ErrInvalid, name, d)
		}
	}
	if c.Lease <= c.EffectTimeout && !c.shortLease {
		return fmt.Errorf("%w lease: %v is not longer than the effect timeout of %v, so that an effect which takes its time would lose its delivery to another holder and be rolled back",
			ErrInvalid, c.Lease, c.EffectTimeout)
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
	if c.Note == nil {
		c.Note = func(string, error) {}
	}
	return c
}

// Open opens the database and brings its tables up to date; several processes may do so at once. On SQLite it takes
// back the leases of the process that had the database before; ErrLocked: another process has it now. A file that
// is not a database, or a database that cannot do what durability needs (WAL; synchronous_commit), is an error.
// ErrInvalid names the field of cfg that is wrong; a Lease no longer than EffectTimeout is.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg.Now = steadyClock(cfg.Now)
	s := &Store{cfg: cfg, ids: newIDs(), search: make(chan struct{}, 1), wake: newWakeups(newHealth(cfg.DisableAfter))}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// appendTime is how long a group of appends may take on PostgreSQL, connecting included; those behind it wait for
// Config.AppendWait. A server that is merely busy should not look like one that is gone.
const appendTime = 5 * time.Second

// changesTime is how long the engine's own changes may take on PostgreSQL. Nobody who sent something waits for them,
// and a database that is merely slow must let them come to their end.
const changesTime = 30 * time.Second

func (s *Store) open(ctx context.Context) error {
	path, isFile := strings.CutPrefix(s.cfg.URL, "sqlite:")
	switch {
	case isFile && path != "" && !strings.HasPrefix(path, ":memory:"):
		e, err := openSQLite(ctx, path, s.cfg)
		if err != nil {
			return err
		}
		s.engine = e
		s.appends = newWriter(e, s.cfg, s.wake, 0, 0)
		s.claims, s.changes, s.effects = s.appends, s.appends, s.appends
	case strings.HasPrefix(s.cfg.URL, "postgres://"), strings.HasPrefix(s.cfg.URL, "postgresql://"):
		e, err := openPostgres(ctx, s.cfg)
		if err != nil {
			return err
		}
		s.engine, s.wake.others = e, newNotifier(e, s.wake, s.ids.next("", time.Now()), s.cfg.Note)
		s.appends = newWriter(e, s.cfg, s.wake, newShard(), max(s.cfg.AppendWait, appendTime))
		s.claims = newWriter(e, s.cfg, s.wake, newShard(), changesTime)
		s.changes = newWriter(e, s.cfg, s.wake, newShard(), changesTime)
		s.effects = newWriter(e, s.cfg, s.wake, newShard(), 2*s.cfg.EffectTimeout+max(s.cfg.AppendWait, appendTime))
		s.rows = newWriter(e, s.cfg, s.wake, newShard(), changesTime)
		s.appends.cheap, s.rows.staged = e.staged.room, e.staged
	default:
		return fmt.Errorf("%w database URL: want sqlite: and a file's path, or postgres:// and a server", ErrInvalid)
	}
	sets, err := s.migrations()
	if err == nil {
		err = s.engine.migrate(ctx, sets, s.cfg.Now())
	}
	if err != nil {
		return fmt.Errorf("relay: migrate: %w", s.engine.classify(err))
	}
	s.callers, s.engineReader = s.engine.readers()
	for _, w := range s.writers() {
		w.start()
	}
	if err := s.readJournal(ctx); err != nil {
		return err
	}
	if !isFile { // other processes may be at work
		s.wake.others.start()
		return nil
	}
	return s.takeBack(ctx)
}

// writers lists each writer once.
func (s *Store) writers() []*writer {
	if s.appends == s.effects {
		return []*writer{s.appends}
	}
	return []*writer{s.appends, s.claims, s.changes, s.effects, s.rows}
}

// Close waits for what is being written, then closes the database. Calls after it answer ErrUnavailable.
func (s *Store) Close() error {
	if s.engine == nil {
		return nil
	}
	for _, w := range s.writers() {
		w.stop()
	}
	if s.wake.others != nil {
		s.wake.others.close()
	}
	return s.engine.close()
}

// readJournal takes in what is in the journal, where there is one.
func (s *Store) readJournal(ctx context.Context) error {
	e, ok := s.engine.(*sqliteEngine)
	if !ok {
		return nil
	}
	if err := s.appends.do(ctx, newOp(e.recoverJournal)); err != nil {
		return err
	}
	e.filter(s.wake.crowd)
	return nil
}

// rowsWait is how long a list waits for what was appended before it, and who asks for something by its id for that one's
// rows. While more is appended than can be worked off, or no rows can be made, lists may lag, and what is asked for by its id
// is shown as the journal has it.
const rowsWait = 5 * time.Second

// mostlySettled is settled, for a while, and unless rows cannot be made.
func (s *Store) mostlySettled(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, rowsWait)
	defer cancel()
	if err := s.settled(bounded); err != nil && (ctx.Err() != nil || errors.Is(err, errStopped)) {
		return err
	}
	return nil
}

// settled waits until everything that was appended before has its rows, so that reading finds it.
func (s *Store) settled(ctx context.Context) error {
	if e, ok := s.engine.(*postgresEngine); ok {
		return e.staged.await(ctx, s.rows.stopped)
	}
	return s.engine.log().await(ctx, s.appends.stopped)
}

const beat = `UPDATE pulse SET n = n + 1`

// Ping reports whether the store can write now: it commits a change, in the way that messages are appended.
func (s *Store) Ping(ctx context.Context) error {
	return s.appends.do(ctx, newOp(func(ctx context.Context, t *txn) error { return t.exec(ctx, beat) }))
}

// Recovered is how many deliveries were found under the leases of the process before and taken back.
func (s *Store) Recovered() int { return s.recovered }

// Query reads the service's own tables, outside of any transaction. Writing through it fails. Of the engine's tables it
// shows what is there, which may be less than what was accepted.
func (s *Store) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return s.callers.foreign(ctx, query, args)
}

// write runs one engine operation in a transaction shared with others, and waits for its commit.
func (s *Store) write(ctx context.Context, run func(context.Context, *txn) error) error {
	return s.changes.do(ctx, newOp(run))
}
