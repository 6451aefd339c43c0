package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"example.com/signet/pkg/relay/internal/record"
)

// postgresEngine is a database that any number of processes share. Each transaction takes a connection from the pool,
// which replaces those that broke: a database that was away needs nothing from us when it is back.
type postgresEngine struct {
	writers, forCallers, forEngine *sql.DB
	dialect                        dialect
	listening                      *pgx.ConnConfig // nil: LISTEN is not wanted
	schema                         string          // in which the tables are

	// idle is after how long the server ends a transaction whose client is silent, so that one that was stopped in the
	// middle does not hold its locks for ever; patience, how long a statement waits for another's locks.
	idle, patience time.Duration
	begin          string // see beginning

	staged  *staged
	scratch []byte // of the writer that appends, for rows of the journal
	packer  record.Packer
	wary    int // see appendStaged
}

// Connections of one store that write: one for each of its writers, and one to spare for what is read back.
const postgresWriters = 6

// listenParam in a database URL turns LISTEN off.
const listenParam = "listen"

// connectTime bounds a connection attempt where the URL does not (connect_timeout).
const connectTime = 5 * time.Second

func openPostgres(ctx context.Context, cfg Config) (_ *postgresEngine, err error) {
	conn, err := pgx.ParseConfig(cfg.URL)
	if err != nil { // its text may hold the password
		return nil, fmt.Errorf("%w database URL: not a PostgreSQL connection URI", ErrInvalid)
	}
	if conn.DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol {
		return nil, fmt.Errorf("%w database URL: with default_query_exec_mode=simple_protocol a statement could be several", ErrInvalid)
	}
	if conn.ConnectTimeout == 0 {
		conn.ConnectTimeout = connectTime
	}
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = "signet"
	}
	if conn.RuntimeParams["synchronous_commit"] == "" {
		conn.RuntimeParams["synchronous_commit"] = "on"
	}
	listen := conn.RuntimeParams[listenParam]
	delete(conn.RuntimeParams, listenParam) // the server would not know it
	if listen != "" && listen != "on" && listen != "off" {
		return nil, fmt.Errorf("%w database URL: %s is %q, want on or off", ErrInvalid, listenParam, listen)
	}
	// Behind a transaction pooler any connection may be brought what another one listens to, and would keep it.
	conn.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) {}
	e := &postgresEngine{staged: newStaged(cfg.Now), idle: cfg.EffectTimeout + cfg.AppendWait, patience: max(cfg.EffectTimeout/2, time.Millisecond)}
	e.begin = e.beginning()
	if listen != "off" {
		e.listening = conn.Copy()
		e.listening.OnNotification = nil
		e.listening.RuntimeParams["application_name"] += " listen"
	}
	callers := 2 * max(2, runtime.GOMAXPROCS(0))
	e.writers, e.forCallers, e.forEngine = pool(conn, postgresWriters), pool(conn, callers), pool(conn, 1)
	if err := e.check(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("relay: open PostgreSQL: %w", e.classify(err)), e.close())
	}
	return e, nil
}

func pool(conn *pgx.ConnConfig, n int) *sql.DB {
	db := stdlib.OpenDB(*conn, stdlib.OptionAfterConnect(confirmDurable))
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db
}

// confirmDurable reads back from each new connection that commits wait for the disk: that is the promise's
// foundation, so it is not assumed.
func confirmDurable(ctx context.Context, conn *pgx.Conn) error {
	var level string
	if err := conn.QueryRow(ctx, "SELECT current_setting('synchronous_commit')").Scan(&level); err != nil {
		return err
	}
	if !durableLevel(level) {
		return fmt.Errorf("synchronous_commit is %q, which cannot promise durability", level)
	}
	return nil
}

func durableLevel(level string) bool { return level == "on" || level == "remote_apply" }

// oldestPostgres is the oldest version that has all that the statements use, as server_version_num writes it: 12 brought
// WITH … AS MATERIALIZED. https://www.postgresql.org/docs/12/release-12.html
const oldestPostgres = 12 * 10_000

func tooOld(version string) error {
	return fmt.Errorf("the server is PostgreSQL %s, want %d or later", version, oldestPostgres/10_000)
}

// check opens the first connection, and looks for what would make everything else fail for no visible reason.
func (e *postgresEngine) check(ctx context.Context) error {
	var schema sql.NullString
	var encoding, version string
	var number int
	err := e.writers.QueryRowContext(ctx, `SELECT current_schema(), current_setting('server_encoding'),
  current_setting('server_version'), current_setting('server_version_num')::int`).Scan(&schema, &encoding, &version, &number)
	switch {
	case err != nil:
		return err
	case number < oldestPostgres:
		return tooOld(version)
	case !schema.Valid:
		return errors.New("the schema in search_path does not exist")
	case encoding != "UTF8":
		return fmt.Errorf("the database's encoding is %s, want UTF8", encoding)
	}
	e.schema = schema.String
	return nil
}

func (e *postgresEngine) durability(ctx context.Context) (Durability, error) {
	d := Durability{JournalMode: "wal"}
	err := e.writers.QueryRowContext(ctx, "SELECT current_setting('synchronous_commit')").Scan(&d.Synchronous)
	return d, err
}

func (e *postgresEngine) translate(query string) string { return e.dialect.translate(query) }

func (e *postgresEngine) readers() (callers, engineReader reader) {
	check := func(query string) error { return e.dialect.guard(query, true) }
	return reader{db: e.forCallers, check: check, to: e.translate}, reader{db: e.forEngine, check: check, to: e.translate}
}

func (e *postgresEngine) close() error {
	return errors.Join(e.writers.Close(), e.forCallers.Close(), e.forEngine.Close())
}

// migrateLock is taken by everybody who migrates, whatever the version: any number that nobody else uses.
const migrateLock = `SELECT pg_advisory_xact_lock(7311720941)`

func (e *postgresEngine) migrate(ctx context.Context, sets []Migrations, now time.Time) error {
	conn, err := e.writers.Conn(ctx)
	if err != nil {
		return err
	}
	run := func(ctx context.Context, s script) error {
		if !s.own {
			s.text = tablesToPostgres(s.text)
		}
		return onWire(conn, func(wire *pgconn.PgConn) error {
			return wire.Exec(ctx, s.text).Close()
		})
	}
	m := migrator{
		engine: "postgres", lock: migrateLock, table: tablesToPostgres(createMigrations), conn: conn, run: run, to: e.translate,
	}
	return errors.Join(m.migrate(ctx, sets, now), conn.Close())
}

// onWire lends out the connection under database/sql.
func onWire(conn *sql.Conn, f func(*pgconn.PgConn) error) error {
	return conn.Raw(func(driver any) error {
		c, ok := driver.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("the driver is %T", driver)
		}
		return f(c.Conn().PgConn())
	})
}

// classify takes for the engine's own failure whatever did not come from the server, and of what did, its classes of
// connections, resources, intervention and internal errors:
// https://www.postgresql.org/docs/current/errcodes-appendix.html
func (*postgresEngine) classify(err error) error {
	if err == nil || errors.Is(err, ErrUnavailable) {
		return err
	}
	if pe := (*pgconn.PgError)(nil); errors.As(err, &pe) {
		switch {
		case strings.HasPrefix(pe.Code, "57P"), // shutting down, starting up; 57014 is a statement that was cancelled
			pe.Code == "25006",                     // read-only: a standby, or a server that is being failed over
			pe.Code == "25P03", pe.Code == "25P04", // the server gave up waiting for us
			pe.Code == "55P03", // it waited for a lock in vain: somebody has the whole table, or all of them are slow
			slices.Contains([]string{"08", "53", "58", "XX"}, pe.Code[:min(2, len(pe.Code))]):
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return err
	}
	if lost(err) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// contended finds deadlocks, serialization failures, and locks that were waited for too long.
func (*postgresEngine) contended(err error) bool {
	pe := (*pgconn.PgError)(nil)
	return errors.As(err, &pe) && slices.Contains([]string{"40001", "40P01", "55P03"}, pe.Code)
}

// newShard picks a shard of the totals. Two writers with the same one wait for each other's commits, nothing worse.
func newShard() int64 { return 1 + rand.Int64N(64) }
