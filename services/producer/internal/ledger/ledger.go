// Package ledger keeps the producer's books: which users it told of, which completed orders, and the revenue
// they add up to.
//
// Entries are recorded in the transaction that appends their message, so the books tell exactly what was
// accepted for sending. A receiver that keeps the same books has the same totals once nothing is pending; that
// is how a lost or doubled webhook would show. The rules by which an event counts are therefore the receiver's:
// the first event about a user or an order does, and what is not understood does not.
package ledger

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

// Migrations are the ledger's tables, for relay.Config.
func Migrations() (relay.Migrations, error) {
	files, err := fs.Sub(migrations, "migrations")
	return relay.Migrations{Name: "ledger", Files: files}, err
}

// Books are the totals over everything recorded.
type Books struct {
	Users           int64
	OrdersCompleted int64
	RevenueMinor    int64 // of all currencies, added up as they are
}

// All find their row by primary key.
const (
	insertUser  = `INSERT INTO ledger_users (user_id, message_id) VALUES (?, ?) ON CONFLICT (user_id) DO NOTHING`
	insertOrder = `INSERT INTO ledger_orders (order_id, amount_minor, currency, message_id) VALUES (?, ?, ?, ?)
  ON CONFLICT (order_id) DO NOTHING`
	addUser   = `UPDATE ledger_books SET users = users + 1 WHERE id = 1`
	addOrder  = `UPDATE ledger_books SET orders_completed = orders_completed + 1, revenue_minor = revenue_minor + ? WHERE id = 1`
	readBooks = `SELECT users, orders_completed, revenue_minor FROM ledger_books WHERE id = 1`
)

// Record enters what a message says, in the transaction that appends it.
func Record(ctx context.Context, tx relay.Tx, messageID string, e Entry) error {
	if e.User != "" {
		return once(ctx, tx, insertUser, []any{e.User, messageID}, addUser)
	}
	return once(ctx, tx, insertOrder, []any{e.Order, e.Minor, e.Currency, messageID}, addOrder, e.Minor)
}

// once adds to the totals if the row is new.
func once(ctx context.Context, tx relay.Tx, insert string, row []any, add string, args ...any) error {
	res, err := tx.Exec(ctx, insert, row...)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	fresh, err := res.RowsAffected()
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if fresh == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, add, args...); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// reader is what reads the tables outside of a transaction.
type reader interface {
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Read reads the totals.
func Read(ctx context.Context, from reader) (b Books, err error) {
	rows, err := from.Query(ctx, readBooks)
	if err != nil {
		return b, fmt.Errorf("ledger: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if rows.Next() {
		if err := rows.Scan(&b.Users, &b.OrdersCompleted, &b.RevenueMinor); err != nil {
			return b, fmt.Errorf("ledger: %w", err)
		}
	}
	return b, rows.Err()
}
