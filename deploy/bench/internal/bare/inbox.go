package bare

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"
	_ "github.com/jackc/pgx/v5/stdlib" // a driver
	_ "modernc.org/sqlite"             // the other one
)

// maxGroup is how many webhooks an inbox keeps in one transaction, and how many may wait for the next one.
const maxGroup = 512

// Inbox is the least that keeps what it answers for: the handler of [Ingest], and one writer that puts whatever waits into a
// table, in one transaction, under the message's id as its key, before any of it is answered. applying, it also does
// something about each message, once, in the same transaction: a row in another table. There are no retries, no
// records of attempts, no counters and no way to see or replay anything.
//
// database is a postgres:// URL or the path of an SQLite file, which is written as safely as ours is and has its defaults
// otherwise. GET /count answers how many messages are there.
func Inbox(ctx context.Context, listener net.Listener, secret, database string, applying bool) error {
	b, err := openInbox(ctx, database, applying)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- b.write(ctx) }()
	app := webhooks(secret, func(c *fiber.Ctx) error {
		e := entry{id: strings.Clone(c.Get("webhook-id")), body: c.Body(), kept: make(chan struct{})}
		b.queue <- e
		<-e.kept
		return nil
	})
	app.Get("/count", func(c *fiber.Ctx) error {
		var n int64
		if err := b.db.QueryRowContext(ctx, "SELECT count(*) FROM inbox").Scan(&n); err != nil {
			return err
		}
		return c.SendString(strconv.FormatInt(n, 10))
	})
	go func() { failed <- app.Listener(listener) }()
	return <-failed
}

type inbox struct {
	db       *sql.DB
	writer   *sql.Conn
	queue    chan entry
	keep     func(ctx context.Context, group []entry) error // in one transaction
	applying bool
}

type entry struct {
	id   string
	body []byte
	kept chan struct{} // closed: it is on the disk
}

func openInbox(ctx context.Context, database string, applying bool) (*inbox, error) {
	driver, bytes, prepare := "sqlite", "BLOB", (*inbox).keepEach
	if strings.HasPrefix(database, "postgres://") {
		driver, bytes, prepare = "pgx", "bytea", (*inbox).keepAtOnce
	} else {
		database = "file:" + database + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
	}
	db, err := sql.Open(driver, database)
	if err != nil {
		return nil, err
	}
	b := &inbox{db: db, queue: make(chan entry, maxGroup), applying: applying}
	if b.writer, err = db.Conn(ctx); err != nil {
		return nil, err
	}
	if err := b.safe(ctx, driver); err != nil {
		return nil, err
	}
	for _, table := range []string{"inbox (id text PRIMARY KEY, body " + bytes + ")", "applied (id text PRIMARY KEY, amount bigint)"} {
		if _, err := b.writer.ExecContext(ctx, "CREATE TABLE "+table); err != nil {
			return nil, err
		}
	}
	b.keep, err = prepare(b, ctx)
	return b, err
}

// safe reads back from the connection that a commit is on the disk when it is over.
func (b *inbox) safe(ctx context.Context, driver string) error {
	question, want := "SHOW synchronous_commit", "on"
	if driver == "sqlite" {
		question, want = "SELECT journal_mode || ' ' || synchronous FROM pragma_journal_mode, pragma_synchronous", "wal 2"
	}
	var got string
	if err := b.writer.QueryRowContext(ctx, question).Scan(&got); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%s: %q, not %q", question, got, want)
	}
	return nil
}

// write keeps one group after another.
func (b *inbox) write(ctx context.Context) error {
	for first := range b.queue {
		group := []entry{first}
		for len(group) < maxGroup && len(b.queue) > 0 {
			group = append(group, <-b.queue)
		}
		if err := b.keep(ctx, group); err != nil {
			return fmt.Errorf("keep %d messages: %w", len(group), err)
		}
		for _, e := range group {
			close(e.kept)
		}
	}
	return nil
}

// keepEach is for a database in this process, where a statement costs little.
func (b *inbox) keepEach(ctx context.Context) (func(context.Context, []entry) error, error) {
	//nolint:sqlclosecheck // they are used as long as this process runs
	keep, err := b.writer.PrepareContext(ctx, "INSERT INTO inbox (id, body) VALUES (?, ?) ON CONFLICT DO NOTHING")
	if err != nil {
		return nil, err
	}
	//nolint:sqlclosecheck // as above
	apply, err := b.writer.PrepareContext(ctx, "INSERT INTO applied (id, amount) VALUES (?, 4999) ON CONFLICT DO NOTHING")
	return func(ctx context.Context, group []entry) error {
		_, err := b.writer.ExecContext(ctx, "BEGIN IMMEDIATE")
		for i := 0; i < len(group) && err == nil; i++ {
			if _, err = keep.ExecContext(ctx, group[i].id, group[i].body); err == nil && b.applying {
				_, err = apply.ExecContext(ctx, group[i].id)
			}
		}
		if err == nil {
			_, err = b.writer.ExecContext(ctx, "COMMIT")
		}
		return err
	}, err
}

// keepAtOnce is for one that is a round trip away: a statement by itself is a transaction.
func (b *inbox) keepAtOnce(ctx context.Context) (func(context.Context, []entry) error, error) {
	text := "INSERT INTO inbox SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT DO NOTHING"
	if b.applying {
		text = "WITH kept AS (" + text + " RETURNING id) INSERT INTO applied SELECT id, 4999 FROM kept ON CONFLICT DO NOTHING"
	}
	//nolint:sqlclosecheck // it is used as long as this process runs
	statement, err := b.writer.PrepareContext(ctx, text)
	return func(ctx context.Context, group []entry) error {
		ids, bodies := make([]string, len(group)), make([][]byte, len(group))
		for i, e := range group {
			ids[i], bodies[i] = e.id, e.body
		}
		_, err := statement.ExecContext(ctx, ids, bodies)
		return err
	}, err
}
