// Package demo is a small shop, so that there is something to send webhooks about: users, and orders that are
// created and completed.
//
// It shows what a producer of one's own looks like. A [Shop] changes its tables and publishes the event in one
// transaction, so that neither exists without the other. A [Generator] keeps the shop busy.
//
// It is no shop to build on: it knows no stock, no payment and no cancellation.
package demo

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"example.com/signet/pkg/relay"
	"example.com/signet/services/producer/internal/ledger"
	"example.com/signet/services/producer/internal/publish"
)

// Errors of the shop.
var (
	ErrUserNotFound  = errors.New("user not found")
	ErrOrderNotFound = errors.New("order not found")
	ErrCompleted     = errors.New("order is completed already")
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the shop's tables, for relay.Config.
func Migrations() (relay.Migrations, error) {
	files, err := fs.Sub(migrations, "migrations")
	return relay.Migrations{Name: "demo", Files: files}, err
}

// Publisher accepts events together with a change of the shop's tables.
type Publisher interface {
	Publish(ctx context.Context, pub publish.Publication) ([]publish.Receipt, error)
}

// Store reads the shop's tables.
type Store interface {
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Shop is the demo's domain. It is safe for concurrent use.
type Shop struct {
	publisher Publisher
	store     Store
	now       func() time.Time
}

// NewShop makes a shop. now may be nil.
func NewShop(publisher Publisher, store Store, now func() time.Time) *Shop {
	if now == nil {
		now = time.Now
	}
	return &Shop{publisher: publisher, store: store, now: now}
}

// User is a customer.
type User struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// Order is what a customer buys.
type Order struct {
	ID          string
	UserID      string
	AmountMinor int64
	Currency    string // ISO 4217
	Completed   bool
	CreatedAt   time.Time
	CompletedAt time.Time // zero until Completed
}

// All find their row by primary key.
const (
	insertUser  = `INSERT INTO demo_users (id, name, email, created_at) VALUES (?, ?, ?, ?)`
	insertOrder = `INSERT INTO demo_orders (id, user_id, amount_minor, currency, state, created_at, completed_at)
  VALUES (?, ?, ?, ?, 'created', ?, 0)`
	completeOrder = `UPDATE demo_orders SET state = 'completed', completed_at = ? WHERE id = ? AND state = 'created'`
	selectUser    = `SELECT 1 FROM demo_users WHERE id = ?`
	selectOrders  = `SELECT id, user_id, amount_minor, currency, state, created_at, completed_at FROM demo_orders`
	selectOrder   = selectOrders + ` WHERE id = ?`
	latestOrders  = selectOrders + ` WHERE id < ? ORDER BY id DESC LIMIT ?`
)

// CreateUser adds a user and publishes user.created.
func (s *Shop) CreateUser(ctx context.Context, name, email string) (User, publish.Receipt, error) {
	now := s.now()
	user := User{ID: relay.NewID("usr_", now), Name: name, Email: email}
	data, err := json.Marshal(user)
	if err != nil {
		return User{}, publish.Receipt{}, err
	}
	receipt, err := s.publish(ctx, "user.created", data, func(ctx context.Context, tx relay.Tx) error {
		_, err := tx.Exec(ctx, insertUser, user.ID, name, email, now.UnixMicro())
		return err
	})
	return user, receipt, err
}

// CreateOrder adds an order and publishes order.created. ErrUserNotFound: there is no such user.
func (s *Shop) CreateOrder(ctx context.Context, userID string, amountMinor int64, currency string) (Order, publish.Receipt, error) {
	order := Order{
		UserID: userID, AmountMinor: amountMinor, Currency: currency, CreatedAt: s.now().UTC().Truncate(time.Microsecond),
	}
	order.ID = relay.NewID("ord_", order.CreatedAt)
	receipt, err := s.publish(ctx, "order.created", order.data(), func(ctx context.Context, tx relay.Tx) error {
		known, err := exists(ctx, tx, selectUser, userID)
		if err != nil {
			return err
		}
		if !known {
			return fmt.Errorf("%w: %s", ErrUserNotFound, userID)
		}
		_, err = tx.Exec(ctx, insertOrder, order.ID, userID, amountMinor, currency, order.CreatedAt.UnixMicro())
		return err
	})
	return order, receipt, err
}

// CompleteOrder completes an order and publishes order.completed. ErrOrderNotFound, ErrCompleted: it cannot be
// completed.
func (s *Shop) CompleteOrder(ctx context.Context, id string) (Order, publish.Receipt, error) {
	order, err := s.Order(ctx, id)
	if err != nil {
		return Order{}, publish.Receipt{}, err
	}
	order.Completed, order.CompletedAt = true, s.now().UTC().Truncate(time.Microsecond)
	receipt, err := s.publish(ctx, "order.completed", order.data(), func(ctx context.Context, tx relay.Tx) error {
		res, err := tx.Exec(ctx, completeOrder, order.CompletedAt.UnixMicro(), id)
		if err != nil {
			return err
		}
		// Of two that complete it at once, the second finds nothing to change here.
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, fmt.Errorf("%w: %s", ErrCompleted, id))
		}
		return nil
	})
	return order, receipt, err
}

func (s *Shop) publish(
	ctx context.Context, eventType string, data []byte, domain func(context.Context, relay.Tx) error,
) (publish.Receipt, error) {
	receipts, err := s.publisher.Publish(ctx, publish.Publication{
		Source: "demo", Events: []publish.Event{{Type: eventType, Data: data}}, Domain: domain,
	})
	if err != nil {
		return publish.Receipt{}, err
	}
	return receipts[0], nil
}

// data is the order as its events tell it. The amount keeps its two decimals.
func (o Order) data() []byte {
	return fmt.Appendf(nil, `{"order_id":%q,"user_id":%q,"amount":%s,"currency":%q}`,
		o.ID, o.UserID, ledger.FormatMinor(o.AmountMinor), o.Currency)
}

// Order reads one order. ErrOrderNotFound: there is none of that id.
func (s *Shop) Order(ctx context.Context, id string) (Order, error) {
	orders, err := s.orders(ctx, selectOrder, id)
	if err != nil {
		return Order{}, err
	}
	if len(orders) == 0 {
		return Order{}, fmt.Errorf("%w: %s", ErrOrderNotFound, id)
	}
	return orders[0], nil
}

// afterEveryID sorts behind every order's id.
const afterEveryID = "ord_~"

// Orders lists orders, the newest first: at most limit of those before the order with the id before, or of all
// when that is empty.
func (s *Shop) Orders(ctx context.Context, limit int, before string) ([]Order, error) {
	if before == "" {
		before = afterEveryID
	}
	return s.orders(ctx, latestOrders, before, limit)
}

func (s *Shop) orders(ctx context.Context, query string, args ...any) (orders []Order, err error) {
	rows, err := s.store.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("orders: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var o Order
		var state string
		var created, completed int64
		if err := rows.Scan(&o.ID, &o.UserID, &o.AmountMinor, &o.Currency, &state, &created, &completed); err != nil {
			return nil, fmt.Errorf("orders: %w", err)
		}
		o.CreatedAt = time.UnixMicro(created).UTC()
		if o.Completed = state == "completed"; o.Completed {
			o.CompletedAt = time.UnixMicro(completed).UTC()
		}
		orders = append(orders, o)
	}
	return orders, rows.Err()
}

func exists(ctx context.Context, tx relay.Tx, query string, args ...any) (found bool, err error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	return rows.Next(), rows.Err()
}
