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

// All find their rows by primary key.
const (
	insertUsers  = `INSERT INTO ledger_users (user_id, message_id) VALUES %s ON CONFLICT (user_id) DO NOTHING`
	insertOrders = `INSERT INTO ledger_orders (order_id, amount_minor, currency, message_id) VALUES %s ON CONFLICT (order_id) DO NOTHING`
	addToBooks   = `UPDATE ledger_books SET users = users + ?, orders_completed = orders_completed + ?,
  revenue_minor = revenue_minor + ? WHERE id = 1`
	readBooks = `SELECT users, orders_completed, revenue_minor FROM ledger_books WHERE id = 1`
)

// Made once: a statement of many rows is long, and is asked for with every publication.
var (
	userStatements  = makeStatements(insertUsers, 2, "0")
	orderStatements = makeStatements(insertOrders, 4, "amount_minor")
)

// Booking is an entry and the message it was in.
type Booking struct {
	MessageID string
	Entry     Entry
}

// Record enters what messages say, in the transaction that appends them.
func Record(ctx context.Context, tx relay.Tx, bookings []Booking) error {
	if len(bookings) == 0 {
		return nil
	}
	users, orders := table{statements: userStatements}, table{statements: orderStatements}
	for _, b := range bookings {
		if e := b.Entry; e.User != "" {
			users.rows = append(users.rows, row{values: []any{e.User, b.MessageID}})
		} else {
			orders.rows = append(orders.rows, row{values: []any{e.Order, e.Minor, e.Currency, b.MessageID}, amount: e.Minor})
		}
	}
	newUsers, _, err := users.add(ctx, tx)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	newOrders, revenue, err := orders.add(ctx, tx)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if newUsers+newOrders == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, addToBooks, newUsers, newOrders, revenue); err != nil {
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
