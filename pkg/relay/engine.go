package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// engine is the database behind a store: what differs between SQLite and PostgreSQL. Everything else is written
// once, in SQLite's dialect; translate makes it the engine's own.
type engine interface {
	// session is a connection for one transaction; its owner releases it.
	session(ctx context.Context) (session, error)
	// rows holds what is done to many rows at once.
	rows
	// translate turns a statement of the common dialect into the engine's.
	translate(query string) string
	// classify marks the engine's own failures as ErrUnavailable; what is wrong with a statement or its values
	// stays as it is.
	classify(err error) error
	// contended says that a statement had to give way to another process, and may go through the next time.
	contended(err error) bool
	migrate(ctx context.Context, sets []Migrations, now time.Time) error
	durability(ctx context.Context) (Durability, error)
	// keyed sees to it that the dedupe keys of messages up to a position are where they belong.
	keyed(ctx context.Context, t *txn, seq int64) error
	// ahead uses a transaction to claim what waits in the journal, and for which there is room.
	ahead(ctx context.Context, t *txn) error
	// log is the engine's journal; nil: it has none.
	log() *journal
	// damaged is what has turned out to be damaged in the journal since it was asked for.
	damaged() []error
	// missing says what it means that nothing with an id was found elsewhere.
	missing(ctx context.Context, q querier, what, id string) error
	// folds is what the engine has folded; nil: it folds nothing.
	folds() *folds
	// callers reads for a service, and engineReader for the dispatcher: callers who hold all of their connections
	// do not hold up deliveries.
	readers() (callers, engineReader reader)
	close() error
}

// rows are the changes that come by the hundred. Each engine makes them in the way that costs it least: SQLite
// with one prepared statement a row, PostgreSQL with one statement a group.
type rows interface {
	// append stores drafts, and fills in their receipts.
	append(ctx context.Context, t *txn, drafts []*prepared) error
	// stage is append for a transaction in which foreign code goes on afterwards: receipts are there at once, the
	// rows at the latest when the transaction is flushed.
	stage(ctx context.Context, t *txn, drafts []*prepared) error
	// settle records outcomes; one that lost its lease changes nothing and says so in its err.
	settle(ctx context.Context, t *txn, results []*result) error
	// confirm gives back those of the claims whose ordering key turns out not to be free, and answers the others.
	confirm(ctx context.Context, t *txn, claims []*task) ([]*task, error)
	// locate finds the row of a delivery that was claimed before it had one.
	locate(ctx context.Context, t *txn, c *claimed) error
	// replay makes new deliveries of old ones that are locked, unless they are there, and answers the targets of those it made.
	replay(ctx context.Context, t *txn, copies []replayed) (made []string, err error)
	// addTotals changes the totals, in the order given.
	addTotals(ctx context.Context, t *txn, changes []change) error
}

// session is a connection with one transaction on it.
type session interface {
	// begin starts the transaction and says what the time is: on PostgreSQL, by the database's clock.
	begin(ctx context.Context) (time.Time, error)
	commit(ctx context.Context) error
	// rollback is best effort: a failed statement may have ended the transaction already.
	rollback()
	exec(ctx context.Context, query string, args []any) (sql.Result, error)
	query(ctx context.Context, query string, args []any) (*sql.Rows, error)
	// foreignExec and foreignQuery run statements of foreign code, which are guarded.
	foreignExec(ctx context.Context, query string, args []any) (sql.Result, error)
	foreignQuery(ctx context.Context, query string, args []any) (*sql.Rows, error)
	release()
}

// atOnce is an engine that can append without a transaction around it.
type atOnce interface {
	// appendAtOnce stores drafts in one round trip, and leaves to later those that are duplicates. False: they are
	// too many for that, and nothing was done.
	appendAtOnce(ctx context.Context, t *txn, drafts []*prepared) (later []*prepared, done bool, err error)
}

// change is what is added to one row of the totals.
type change struct {
	total
	n int64
}

// reader runs queries outside of the transactions that write.
type reader struct {
	db    *sql.DB
	tx    *sql.Tx                  // nil, or one that reads: all its queries see the same
	check func(query string) error // refuses statements that are not the store's own
	to    func(query string) string

	direct bool // the driver is SQLite's, and can be asked past database/sql
}

func (r reader) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if r.tx != nil {
		return r.tx.QueryContext(ctx, r.to(query), args...)
	}
	return r.db.QueryContext(ctx, r.to(query), args...)
}

// snapshot reads several times as of one moment, where what is read lies in several places. One who did that at several
// moments would miss what is put from one place into another in between.
func (s *Store) snapshot(ctx context.Context, read func(reader) error) (err error) {
	if s.engine.folds() == nil {
		return read(s.callers)
	}
	r := s.callers
	if r.tx, err = r.db.BeginTx(ctx, nil); err != nil {
		return err
	}
	defer func() { _ = r.tx.Rollback() }() // it has changed nothing
	return read(r)
}

func (r reader) row(ctx context.Context, query string, args ...any) *sql.Row {
	if r.tx != nil {
		return r.tx.QueryRowContext(ctx, r.to(query), args...)
	}
	return r.db.QueryRowContext(ctx, r.to(query), args...)
}

func (r reader) foreign(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	if err := r.check(query); err != nil {
		return nil, err
	}
	return r.query(ctx, query, numbers(args)...)
}

// numbers turns truth values into 1 and 0: the common dialect has no type for them.
func numbers(args []any) []any {
	same := args
	for i, a := range same {
		if b, ok := a.(bool); ok {
			if &args[0] == &same[0] { // the caller's own stays as it is
				args = slices.Clone(same)
			}
			args[i] = number(b)
		}
	}
	return args
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// one reads the single row of a query; sql.ErrNoRows when there is none.
func one(rows *sql.Rows, into ...any) error {
	defer rows.Close() // its error is also rows.Err's
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := rows.Scan(into...); err != nil {
		return err
	}
	return errors.Join(rows.Close(), rows.Err())
}

// Durability is what the live connection that writes says of itself.
type Durability struct {
	JournalMode string // "wal"
	Synchronous string // SQLite: "full"; PostgreSQL: "on" or "remote_apply": a commit waits for the disk
}

// Durability reads back from the connection that writes what commits wait for.
func (s *Store) Durability(ctx context.Context) (Durability, error) {
	d, err := s.engine.durability(ctx)
	if err != nil {
		return d, fmt.Errorf("relay: durability: %w", s.engine.classify(err))
	}
	return d, nil
}
