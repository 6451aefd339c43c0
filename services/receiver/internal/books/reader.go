package books

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
)

// MaxPage is the most rows of one page.
const MaxPage = 1000

// ErrCursor is a cursor that no page answered.
var ErrCursor = errors.New("books: cursor is not one of this list")

// Reader reads the books outside of any transaction.
type Reader struct {
	store querier
}

// NewReader makes a reader over the store that holds the tables.
func NewReader(store querier) *Reader { return &Reader{store: store} }

// Both pages run along the primary key.
const (
	listUsers  = `SELECT user_id, applied FROM users WHERE user_id > ? ORDER BY user_id LIMIT ?`
	listOrders = `SELECT order_id, amount_minor, currency, applied, revenue_minor FROM orders WHERE order_id > ? ORDER BY order_id LIMIT ?`
)

// Totals reads the sums.
func (r *Reader) Totals(ctx context.Context) (Totals, error) {
	return one(ctx, r.store, scanTotals, readBooks)
}

// Users lists users by id. limit is 1 to MaxPage; cursor is "" or what the page before answered as next, which
// is "" after the last.
func (r *Reader) Users(ctx context.Context, cursor string, limit int) (users []User, next string, err error) {
	return page(ctx, r.store, scanUser, func(u User) string { return u.UserID }, listUsers, cursor, limit)
}

// Orders lists orders by id, in pages as Users does.
func (r *Reader) Orders(ctx context.Context, cursor string, limit int) (orders []Order, next string, err error) {
	return page(ctx, r.store, scanOrder, func(o Order) string { return o.OrderID }, listOrders, cursor, limit)
}

// page reads one row more than asked for, to know whether there is a next page.
func page[T any](ctx context.Context, q querier, scan func(*sql.Rows) (T, error), key func(T) string, query, cursor string, limit int) ([]T, string, error) {
	after, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrCursor, err)
	}
	limit = min(max(limit, 1), MaxPage)
	items, err := all(ctx, q, scan, query, string(after), limit+1)
	if err != nil || len(items) <= limit {
		return items, "", err
	}
	items = items[:limit]
	return items, base64.RawURLEncoding.EncodeToString([]byte(key(items[limit-1]))), nil
}

func scanUser(rows *sql.Rows) (User, error) {
	var u User
	err := rows.Scan(&u.UserID, &u.Applied)
	return u, err
}

func scanOrder(rows *sql.Rows) (Order, error) {
	var o Order
	err := rows.Scan(&o.OrderID, &o.AmountMinor, &o.Currency, &o.Applied, &o.RevenueMinor)
	return o, err
}
