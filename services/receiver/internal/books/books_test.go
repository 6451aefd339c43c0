package books_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/signet/pkg/relay"
	"example.com/signet/services/receiver/internal/books"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) *relay.Store {
	t.Helper()
	store, err := relay.Open(t.Context(), relay.Config{
		URL: "sqlite:" + filepath.Join(t.TempDir(), "r.db"), Migrations: []relay.Migrations{books.Migrations()},
		EffectTimeout: 30 * time.Second, // some tests post hundreds of rows in one transaction
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// inTx runs f in a committed transaction.
func inTx(t *testing.T, store *relay.Store, f func(context.Context, relay.Tx) error) {
	t.Helper()
	err := store.AppendTx(t.Context(), func(ctx context.Context, tx *relay.OutboxTx) error { return f(ctx, tx) })
	if err != nil {
		t.Fatal(err)
	}
}

func TestPostOrder(t *testing.T) {
	t.Parallel()
	store := open(t)
	for _, step := range []struct {
		name   string
		event  books.Event
		amount int64
		want   books.Posting
		totals books.Totals
	}{
		{"first", books.Event{MessageID: "msg_1"}, 500, books.Posted, books.Totals{OrdersCompleted: 1, RevenueMinor: 500}},
		{"replay", books.Event{MessageID: "msg_1", Replay: true}, 500, books.Unchanged, books.Totals{}},
		{"another message", books.Event{MessageID: "msg_2"}, 900, books.Unchanged, books.Totals{}},
		{"the same message again", books.Event{MessageID: "msg_1"}, 500, books.Repeated, books.Totals{OrdersCompleted: 2, RevenueMinor: 1000}},
	} {
		inTx(t, store, func(ctx context.Context, tx relay.Tx) error {
			got, totals, err := books.PostOrder(ctx, tx, step.event, books.Order{OrderID: "o1", AmountMinor: step.amount, Currency: "EUR"})
			if got != step.want || totals != step.totals {
				t.Errorf("%s: %v, %+v; want %v, %+v", step.name, got, totals, step.want, step.totals)
			}
			return err
		})
	}
	orders, next, err := books.NewReader(store).Orders(t.Context(), "", 10)
	want := []books.Order{{OrderID: "o1", AmountMinor: 500, Currency: "EUR", Applied: 2, RevenueMinor: 1000}}
	if err != nil || next != "" || !slices.Equal(orders, want) {
		t.Errorf("orders are %+v, %q, %v", orders, next, err)
	}
}

func TestPostUser(t *testing.T) {
	t.Parallel()
	store := open(t)
	for _, step := range []struct {
		event books.Event
		want  books.Posting
	}{
		{books.Event{MessageID: "msg_1"}, books.Posted},
		{books.Event{MessageID: "msg_2"}, books.Unchanged},
		{books.Event{MessageID: "msg_1", Replay: true}, books.Unchanged},
		{books.Event{MessageID: "msg_1"}, books.Repeated},
	} {
		inTx(t, store, func(ctx context.Context, tx relay.Tx) error {
			got, _, err := books.PostUser(ctx, tx, step.event, "u1")
			if got != step.want {
				t.Errorf("%+v: %v, want %v", step.event, got, step.want)
			}
			return err
		})
	}
	totals, err := books.NewReader(store).Totals(t.Context())
	if err != nil || totals != (books.Totals{Users: 2}) {
		t.Errorf("totals are %+v, %v", totals, err)
	}
}

func TestReader_pages(t *testing.T) {
	t.Parallel()
	store := open(t)
	reader := books.NewReader(store)
	if users, next, err := reader.Users(t.Context(), "", 5); err != nil || len(users) != 0 || next != "" {
		t.Errorf("an empty list is %v, %q, %v", users, next, err)
	}
	const n = 23
	inTx(t, store, func(ctx context.Context, tx relay.Tx) error {
		for i := range n {
			if _, _, err := books.PostUser(ctx, tx, books.Event{MessageID: "m"}, fmt.Sprintf("user %02d €", i)); err != nil {
				return err
			}
		}
		return nil
	})
	for _, limit := range []int{1, 5, 22, 23, 24} {
		var seen []string
		for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
			users, next, err := reader.Users(t.Context(), cursor, limit)
			if err != nil || len(users) > limit || len(users) == 0 {
				t.Fatalf("limit %d: %d users, %v", limit, len(users), err)
			}
			for _, u := range users {
				seen = append(seen, u.UserID)
			}
			cursor = next
		}
		if len(seen) != n || !slices.IsSorted(seen) {
			t.Errorf("limit %d: saw %v", limit, seen)
		}
	}
	if _, _, err := reader.Orders(t.Context(), "not a cursor!", 5); !errors.Is(err, books.ErrCursor) {
		t.Errorf("a bad cursor is %v", err)
	}
}
