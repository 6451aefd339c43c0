package books

import (
	"context"
	"database/sql"
	"math/bits"
	"strings"

	"example.com/signet/pkg/relay"
)

// OrderEntry is a completed order to be entered.
type OrderEntry struct {
	Event Event
	Order Order // of which the id, the amount and the currency count
}

// UserEntry is a created user to be entered.
type UserEntry struct {
	Event  Event
	UserID string
}

// Result is what an entry came to. Totals are those after it, and zero when nothing changed.
type Result struct {
	Posting Posting
	Totals  Totals
}

// maxRows is how many rows one statement enters.
const maxRows = 64

// Both are repeated rows of a statement like postOrder and postUser. The rows are about different orders and users.
const (
	orderRow   = `(?, ?, ?, ?, 1, ?)`
	postOrders = `INSERT INTO orders (order_id, message_id, amount_minor, currency, applied, revenue_minor) VALUES `
	ordersTail = ` ON CONFLICT (order_id) DO UPDATE SET applied = orders.applied + 1, revenue_minor = orders.revenue_minor + excluded.revenue_minor
WHERE orders.message_id = excluded.message_id RETURNING order_id, applied`

	userRow   = `(?, ?, 1)`
	postUsers = `INSERT INTO users (user_id, message_id, applied) VALUES `
	usersTail = ` ON CONFLICT (user_id) DO UPDATE SET applied = users.applied + 1
WHERE users.message_id = excluded.message_id RETURNING user_id, applied`
)

// PostOrders enters many orders with few statements. It comes to what PostOrder does for one after another.
func PostOrders(ctx context.Context, tx relay.Tx, entries []OrderEntry) ([]Result, error) {
	return postAll(ctx, tx, len(entries), batch{
		head: postOrders, row: orderRow, tail: ordersTail,
		event: func(i int) (string, Event) { return entries[i].Order.OrderID, entries[i].Event },
		args: func(i int) []any {
			o := entries[i].Order
			return []any{o.OrderID, entries[i].Event.MessageID, o.AmountMinor, o.Currency, o.AmountMinor}
		},
		add: func(i int) Totals { return Totals{OrdersCompleted: 1, RevenueMinor: entries[i].Order.AmountMinor} },
		one: func(i int) (Posting, Totals, error) { return PostOrder(ctx, tx, entries[i].Event, entries[i].Order) },
	})
}

// PostUsers enters many users with few statements. It comes to what PostUser does for one after another.
func PostUsers(ctx context.Context, tx relay.Tx, entries []UserEntry) ([]Result, error) {
	return postAll(ctx, tx, len(entries), batch{
		head: postUsers, row: userRow, tail: usersTail,
		event: func(i int) (string, Event) { return entries[i].UserID, entries[i].Event },
		args:  func(i int) []any { return []any{entries[i].UserID, entries[i].Event.MessageID} },
		add:   func(int) Totals { return Totals{Users: 1} },
		one:   func(i int) (Posting, Totals, error) { return PostUser(ctx, tx, entries[i].Event, entries[i].UserID) },
	})
}

// batch says how entries of one kind are entered.
type batch struct {
	head, row, tail string
	event           func(i int) (key string, e Event)
	args            func(i int) []any
	add             func(i int) Totals // what the i-th adds to the books
	one             func(i int) (Posting, Totals, error)
}

func postAll(ctx context.Context, tx relay.Tx, n int, b batch) ([]Result, error) {
	results := make([]Result, n)
	for from := 0; from < n; {
		size := b.chunk(from, n)
		var err error
		if size == 1 {
			results[from].Posting, results[from].Totals, err = b.one(from)
		} else {
			err = b.post(ctx, tx, from, results[from:from+size])
		}
		if err != nil {
			return nil, err
		}
		from += size
	}
	return results, nil
}

// chunk is how many entries the next statement takes: a power of two, so that there are few different statements to
// prepare, without replays, and no two about one key, which a statement cannot change twice.
func (b batch) chunk(from, n int) int {
	seen := map[string]bool{}
	i := from
	for ; i < min(n, from+maxRows); i++ {
		key, e := b.event(i)
		if e.Replay || seen[key] {
			break
		}
		seen[key] = true
	}
	return 1 << (bits.Len(uint(max(i-from, 1))) - 1)
}

// post enters as many rows as there are results, beginning with the from-th.
func (b batch) post(ctx context.Context, tx relay.Tx, from int, results []Result) error {
	query := b.head + strings.Repeat(b.row+", ", len(results)-1) + b.row + b.tail
	args := make([]any, 0, 5*len(results))
	for i := range results {
		args = append(args, b.args(from+i)...)
	}
	found, err := all(ctx, tx, scanApplied, query, args...)
	if err != nil {
		return err
	}
	times := make(map[string]int64, len(found))
	for _, f := range found {
		times[f.key] = f.n
	}
	var sum Totals
	for i := range results {
		key, _ := b.event(from + i)
		if results[i].Posting = postingOf(times[key]); results[i].Posting != Unchanged {
			sum = sum.plus(b.add(from + i))
		}
	}
	if len(found) == 0 {
		return nil
	}
	after, err := one(ctx, tx, scanTotals, addToBooks, sum.Users, sum.OrdersCompleted, sum.RevenueMinor)
	if err != nil {
		return err
	}
	for i := len(results) - 1; i >= 0; i-- { // as they were after each of them
		if results[i].Posting == Unchanged {
			continue
		}
		results[i].Totals = after
		after = after.minus(b.add(from + i))
	}
	return nil
}

func postingOf(applied int64) Posting {
	switch applied {
	case 0:
		return Unchanged
	case 1:
		return Posted
	}
	return Repeated
}

func (t Totals) plus(o Totals) Totals {
	return Totals{t.Users + o.Users, t.OrdersCompleted + o.OrdersCompleted, t.RevenueMinor + o.RevenueMinor}
}

func (t Totals) minus(o Totals) Totals {
	return Totals{t.Users - o.Users, t.OrdersCompleted - o.OrdersCompleted, t.RevenueMinor - o.RevenueMinor}
}

// applied is how often the message of a row has taken effect.
type applied struct {
	key string
	n   int64
}

func scanApplied(rows *sql.Rows) (a applied, err error) {
	err = rows.Scan(&a.key, &a.n)
	return a, err
}
