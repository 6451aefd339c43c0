package books_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"example.com/signet/pkg/relay"
	"example.com/signet/services/receiver/internal/books"
)

// entries are more than one statement takes, with every kind of repetition among them.
func entries() []books.OrderEntry {
	var all []books.OrderEntry
	for i := range 150 {
		e := books.OrderEntry{
			Event: books.Event{MessageID: fmt.Sprintf("msg_%d", i)},
			Order: books.Order{OrderID: fmt.Sprintf("o%d", i), AmountMinor: int64(100 + i), Currency: "EUR"},
		}
		switch i % 10 {
		case 3: // another message about the order before
			e.Order.OrderID = fmt.Sprintf("o%d", i-1)
		case 6: // the same message again
			e = all[i-1]
		case 8: // a replay of what was posted
			e = all[i-1]
			e.Event.Replay = true
		}
		all = append(all, e)
	}
	return all
}

// TestPostOrders_isPostOrderOneAfterAnother posts the same entries both ways, in two databases.
func TestPostOrders_isPostOrderOneAfterAnother(t *testing.T) {
	t.Parallel()
	one, many := open(t), open(t)
	var want, got []books.Result
	inTx(t, one, func(ctx context.Context, tx relay.Tx) error {
		want = nil
		for _, e := range entries() {
			posting, totals, err := books.PostOrder(ctx, tx, e.Event, e.Order)
			if err != nil {
				return err
			}
			want = append(want, books.Result{Posting: posting, Totals: totals})
		}
		return nil
	})
	inTx(t, many, func(ctx context.Context, tx relay.Tx) (err error) {
		got, err = books.PostOrders(ctx, tx, entries())
		return err
	})
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%d: %+v, want %+v", i, got[i], want[i])
		}
	}
	a, _, errA := books.NewReader(one).Orders(t.Context(), "", 1000)
	b, _, errB := books.NewReader(many).Orders(t.Context(), "", 1000)
	if errA != nil || errB != nil || len(a) == 0 || !slices.Equal(a, b) {
		t.Errorf("orders are %+v, %v; want %+v, %v", b, errB, a, errA)
	}
}

func TestPostUsers_isPostUserOneAfterAnother(t *testing.T) {
	t.Parallel()
	var users []books.UserEntry
	for _, e := range entries() {
		users = append(users, books.UserEntry{Event: e.Event, UserID: "u" + e.Order.OrderID})
	}
	one, many := open(t), open(t)
	var want, got []books.Result
	inTx(t, one, func(ctx context.Context, tx relay.Tx) error {
		want = nil
		for _, e := range users {
			posting, totals, err := books.PostUser(ctx, tx, e.Event, e.UserID)
			if err != nil {
				return err
			}
			want = append(want, books.Result{Posting: posting, Totals: totals})
		}
		return nil
	})
	inTx(t, many, func(ctx context.Context, tx relay.Tx) (err error) {
		got, err = books.PostUsers(ctx, tx, users)
		return err
	})
	if !slices.Equal(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}
