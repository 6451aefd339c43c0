// Package books keeps the receiver's projection of the events it took in: which users exist, which orders were
// completed, and the revenue they add up to.
//
// The handlers post to it inside a delivery's transaction; the admin API reads it. Rows are keyed by user and
// by order: the first message about one counts, whatever comes after changes nothing. Postings are increments,
// so that a message which took effect twice would be seen (see the migration). Amounts of all currencies are
// added up as they are; the books of one shop have one currency.
package books

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"example.com/signet/pkg/relay"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the tables of the books, for relay.Config.
func Migrations() relay.Migrations {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil { // only for a malformed path
		panic(err)
	}
	return relay.Migrations{Name: "books", Files: files}
}

// Posting is what a message did to the books.
type Posting int

// What posting a message can come to.
const (
	Unchanged Posting = iota // another message, or an earlier attempt that is being replayed, was first
	Posted                   // the first about its user or order
	Repeated                 // the same message again: its effect happened more than once
)

// Event is what every posting needs to know of its message.
type Event struct {
	MessageID string
	Replay    bool // asked for explicitly: it repeats something that was delivered, so it never counts again
}

// User is a row of the users.
type User struct {
	UserID  string
	Applied int64
}

// Order is a row of the orders.
type Order struct {
	OrderID      string
	AmountMinor  int64
	Currency     string // ISO 4217, or empty
	Applied      int64
	RevenueMinor int64
}

// Totals are the sums over all rows, kept with every posting.
type Totals struct {
	Users           int64
	OrdersCompleted int64
	RevenueMinor    int64
}

// Both find their row by primary key. The second arm counts the same message again, never another one.
const (
	postUser = `INSERT INTO users (user_id, message_id, applied) VALUES (?, ?, 1)
ON CONFLICT (user_id) DO UPDATE SET applied = users.applied + 1
WHERE users.message_id = excluded.message_id AND ? = 0
RETURNING applied`

	postOrder = `INSERT INTO orders (order_id, message_id, amount_minor, currency, applied, revenue_minor) VALUES (?, ?, ?, ?, 1, ?)
ON CONFLICT (order_id) DO UPDATE SET applied = orders.applied + 1, revenue_minor = orders.revenue_minor + excluded.revenue_minor
WHERE orders.message_id = excluded.message_id AND ? = 0
RETURNING applied`

	addToBooks = `UPDATE books SET users = users + ?, orders_completed = orders_completed + ?, revenue_minor = revenue_minor + ?
WHERE id = 1 RETURNING users, orders_completed, revenue_minor`

	readBooks = `SELECT users, orders_completed, revenue_minor FROM books WHERE id = 1`
)

// PostUser enters a created user. The totals are those after it, and zero when nothing changed.
func PostUser(ctx context.Context, tx relay.Tx, e Event, userID string) (Posting, Totals, error) {
	posting, err := post(ctx, tx, postUser, userID, e.MessageID, flag(e.Replay))
	if err != nil || posting == Unchanged {
		return posting, Totals{}, err
	}
	totals, err := one(ctx, tx, scanTotals, addToBooks, 1, 0, 0)
	return posting, totals, err
}

// PostOrder enters a completed order. Of o only the id, the amount and the currency count. The totals are those
// after it, and zero when nothing changed.
func PostOrder(ctx context.Context, tx relay.Tx, e Event, o Order) (Posting, Totals, error) {
	posting, err := post(ctx, tx, postOrder, o.OrderID, e.MessageID, o.AmountMinor, o.Currency, o.AmountMinor, flag(e.Replay))
	if err != nil || posting == Unchanged {
		return posting, Totals{}, err
	}
	totals, err := one(ctx, tx, scanTotals, addToBooks, 0, 1, o.AmountMinor)
	return posting, totals, err
}

func post(ctx context.Context, tx relay.Tx, query string, args ...any) (Posting, error) {
	applied, err := one(ctx, tx, scanCount, query, args...)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Unchanged, nil
	case err != nil:
		return Unchanged, err
	case applied > 1:
		return Repeated, nil
	}
	return Posted, nil
}

// querier is the part of a transaction, and of the store, that reads.
type querier interface {
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// one runs a query that answers at most one row; none is sql.ErrNoRows.
func one[T any](ctx context.Context, q querier, scan func(*sql.Rows) (T, error), query string, args ...any) (T, error) {
	var none T
	found, err := all(ctx, q, scan, query, args...)
	if err != nil {
		return none, err
	}
	if len(found) == 0 {
		return none, sql.ErrNoRows
	}
	return found[0], nil
}

// all reads every row, and so runs a statement that both writes and answers to its end.
func all[T any](ctx context.Context, q querier, scan func(*sql.Rows) (T, error), query string, args ...any) (items []T, err error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("books: %w", err)
	}
	defer func() {
		if closeErr := rows.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("books: %w", closeErr)
		}
	}()
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("books: %w", err)
		}
		items = append(items, item)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("books: %w", err)
	}
	return items, nil
}

func scanCount(rows *sql.Rows) (int64, error) {
	var n int64
	err := rows.Scan(&n)
	return n, err
}

func scanTotals(rows *sql.Rows) (Totals, error) {
	var t Totals
	err := rows.Scan(&t.Users, &t.OrdersCompleted, &t.RevenueMinor)
	return t, err
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
