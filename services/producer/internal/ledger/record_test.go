package ledger_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"example.com/signet/pkg/relay"
	"example.com/signet/services/producer/internal/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a transaction in which each statement would be a round trip.
type server struct{ relay.Tx }

func (server) RoundTrips() bool { return true }

// bookings have more rows than one statement takes, no power of two of them, and repetitions within a call and of a call
// before. They are of two calls, and books is what they come to.
func bookings() (calls [2][]ledger.Booking, books ledger.Books) {
	for call := range calls {
		for i := range 187 {
			n := 99*call + i // every number from 99 to 186 comes in both calls, as the same kind
			b := ledger.Booking{MessageID: fmt.Sprintf("msg_%d_%d", call, i)}
			if i%3 == 0 {
				b.Entry.User = fmt.Sprint("u", n)
			} else {
				b.Entry = ledger.Entry{Order: fmt.Sprint("o", n), Minor: int64(n), Currency: "EUR"}
			}
			calls[call] = append(calls[call], b)
			if i%10 == 0 {
				calls[call] = append(calls[call], b)
			}
		}
	}
	seen := map[string]bool{}
	for _, b := range append(calls[0][:len(calls[0]):len(calls[0])], calls[1]...) {
		if key := b.Entry.User + b.Entry.Order; !seen[key] {
			seen[key] = true
			if b.Entry.User != "" {
				books.Users++
			} else {
				books.OrdersCompleted++
				books.RevenueMinor += b.Entry.Minor
			}
		}
	}
	return calls, books
}

// TestRecord_theFirstOfEachCounts enters the same rows in statements of one and in statements of many.
func TestRecord_theFirstOfEachCounts(t *testing.T) {
	t.Parallel()
	calls, want := bookings()
	for name, as := range map[string]func(relay.Tx) relay.Tx{
		"one by one": func(tx relay.Tx) relay.Tx { return tx },
		"together":   func(tx relay.Tx) relay.Tx { return server{tx} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			migrations, err := ledger.Migrations()
			if err != nil {
				t.Fatal(err)
			}
			store, err := relay.Open(t.Context(), relay.Config{
				URL: "sqlite:" + filepath.Join(t.TempDir(), "l.db"), Migrations: []relay.Migrations{migrations},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := store.Close(); err != nil {
					t.Error(err)
				}
			}()
			for _, call := range append(calls[:], nil) { // the last enters nothing
				err := store.AppendTx(t.Context(), func(ctx context.Context, tx *relay.OutboxTx) error {
					if tx.RoundTrips() {
						t.Error("SQLite is said to be a server")
					}
					return ledger.Record(ctx, as(tx), call)
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if got, err := ledger.Read(t.Context(), store); err != nil || got != want {
				t.Errorf("the books are %+v, %v; want %+v", got, err, want)
			}
		})
	}
}
