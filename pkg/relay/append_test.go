package relay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

func TestStore_AppendKeepsBytesAndMakesDeliveries(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a", "b")
		body := []byte("{\"a\": \"\x00\xff\" }\r\n")
		r := f.append(relay.Draft{Body: body, Headers: []byte("h: 1"), Targets: []string{"a", "b"}, DedupeKey: "k", Tenant: "t"})
		m := must(f.Message(t.Context(), r.ID))(t)
		if !bytes.Equal(m.Body, body) || string(m.Headers) != "h: 1" || m.Tenant != "t" {
			t.Errorf("stored %q with headers %q, tenant %q", m.Body, m.Headers, m.Tenant)
		}
		if r.Deliveries != 2 || len(m.Deliveries) != 2 || m.Deliveries[0].State != relay.Pending {
			t.Errorf("receipt %+v, deliveries %+v", r, m.Deliveries)
		}
		if !m.CreatedAt.Equal(f.clock.Now()) {
			t.Errorf("created at %v, the clock says %v", m.CreatedAt, f.clock.Now())
		}
		f.balanced()
	})
}

// Who appends uses the draft's memory again at once.
func TestStore_AppendKeepsNothingOfADraft(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a")
		var stored sync.Map // id → what was sent
		var callers sync.WaitGroup
		for i := range 32 {
			callers.Go(func() {
				body, headers := make([]byte, 64), make([]byte, 8)
				for k := range 10 {
					text := fmt.Sprintf("%064d", i*10+k)
					copy(body, text)
					copy(headers, text[56:])
					receipts, err := f.Append(t.Context(), relay.Draft{Source: "s", Type: "t", Headers: headers, Body: body, Targets: []string{"a"}})
					if err != nil {
						t.Error(err)
						return
					}
					stored.Store(receipts[0].ID, text)
				}
			})
		}
		callers.Wait()
		for id, text := range stored.Range {
			m := must(f.Message(t.Context(), id.(string)))(t)
			if string(m.Body) != text || string(m.Headers) != text.(string)[56:] {
				t.Errorf("%s became %q with headers %q, sent was %q", id, m.Body, m.Headers, text)
			}
		}
	})
}

func TestStore_AppendReportsDuplicates(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a")
		first := f.append(relay.Draft{DedupeKey: "k", Targets: []string{"a"}})
		if again := f.append(relay.Draft{DedupeKey: "k", Targets: []string{"a"}}); !again.Duplicate || again.ID != first.ID {
			t.Errorf("second append answered %+v, want a duplicate of %s", again, first.ID)
		}
		if other := f.append(relay.Draft{Source: "other", DedupeKey: "k"}); other.Duplicate {
			t.Error("keys of two sources are one")
		}
		batch := must(f.Append(t.Context(), relay.Draft{Source: "s", Type: "t", DedupeKey: "x"}, relay.Draft{Source: "s", Type: "t", DedupeKey: "x"}))(t)
		if batch[0].Duplicate || !batch[1].Duplicate || batch[1].ID != batch[0].ID {
			t.Errorf("within one batch: %+v", batch)
		}
		if n := f.number(`SELECT count(*) FROM messages`); n != 3 {
			t.Errorf("%d messages stored, want 3", n)
		}
		f.balanced()
	})
}

func TestStore_AppendRefusesInvalidDrafts(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		tests := map[string]struct {
			draft relay.Draft
			names string
		}{
			"no source":           {relay.Draft{Type: "t"}, "source"},
			"no type":             {relay.Draft{Source: "s"}, "type"},
			"long type":           {relay.Draft{Source: "s", Type: strings.Repeat("x", relay.MaxType+1)}, "type"},
			"NUL in key":          {relay.Draft{Source: "s", Type: "t", DedupeKey: "a\x00b"}, "dedupe key"},
			"invalid UTF-8":       {relay.Draft{Source: "s", Type: "t\xff"}, "type"},
			"control in tenant":   {relay.Draft{Source: "s", Type: "t", Tenant: "a\nb"}, "tenant"},
			"long ordering key":   {relay.Draft{Source: "s", Type: "t", OrderingKey: strings.Repeat("x", relay.MaxKey+1)}, "ordering key"},
			"too many deliveries": {relay.Draft{Source: "s", Type: "t", Targets: make([]string, relay.MaxTargets+1)}, "targets"},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				good := relay.Draft{Source: "s", Type: "t"}
				_, err := f.Append(t.Context(), good, tt.draft)
				if !errors.Is(err, relay.ErrInvalid) || !strings.Contains(err.Error(), tt.names) {
					t.Errorf("error %v does not name %q", err, tt.names)
				}
			})
		}
		if n := f.number(`SELECT count(*) FROM messages`); n != 0 {
			t.Errorf("%d messages stored beside invalid ones, want none", n)
		}
	})
}

func TestStore_ConcurrentAppendsAreEachStoredOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a")
		const writers, each = 16, 50
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					// every key is used by two writers
					key := fmt.Sprintf("%d-%d", w/2, i)
					if _, err := f.Append(context.Background(), relay.Draft{Source: "s", Type: "t", DedupeKey: key, Targets: []string{"a"}}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if n := f.number(`SELECT count(*) FROM messages`); n != writers/2*each {
			t.Errorf("%d messages, want %d", n, writers/2*each)
		}
		f.balanced()
	})
}

func TestStore_OneAppendThatFailsDoesNotFailItsGroup(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		id := relay.NewMessageID(f.clock.Now())
		f.append(relay.Draft{ID: id})
		results := make([]error, 64)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() {
				d := relay.Draft{Source: "s", Type: "t"}
				if i%8 == 0 {
					d.ID = id // taken: the engine refuses it
				}
				_, results[i] = f.Append(context.Background(), d)
			})
		}
		wg.Wait()
		for i, err := range results {
			if bad := i%8 == 0; bad != (err != nil) {
				t.Errorf("append %d: %v", i, err)
			}
		}
		if n := f.number(`SELECT count(*) FROM messages`); n != 1+56 {
			t.Errorf("%d messages, want 57", n)
		}
		f.balanced()
	})
}

func TestStore_AppendGivenUpIsNotStored(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var accepted int
		for range 200 {
			if _, err := f.Append(ctx, relay.Draft{Source: "s", Type: "t"}); err == nil {
				accepted++ // the commit had begun, so its result was awaited
			} else if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		if n := f.number(`SELECT count(*) FROM messages`); n != accepted {
			t.Errorf("%d messages stored, %d were reported as accepted", n, accepted)
		}
	})
}

func TestStore_AppendTxCommitsBothOrNothing(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a")
		boom := errors.New("boom")
		for _, want := range []error{boom, nil} {
			err := f.AppendTx(t.Context(), func(ctx context.Context, tx *relay.OutboxTx) error {
				if _, err := tx.Exec(ctx, increment, "orders"); err != nil {
					return err
				}
				if _, err := tx.Append(ctx, relay.Draft{Source: "s", Type: "t", Targets: []string{"a"}}); err != nil {
					return err
				}
				return want
			})
			if !errors.Is(err, want) {
				t.Fatalf("AppendTx answered %v, want %v", err, want)
			}
		}
		if n, m := f.count("orders"), f.number(`SELECT count(*) FROM messages`); n != 1 || m != 1 {
			t.Errorf("%d rows and %d messages, want 1 and 1", n, m)
		}
		f.balanced()
	})
}

func TestStore_AppendTxKeepsDedupeKeys(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a")
		var got []relay.Receipt
		appending := func(keys ...string) {
			err := f.AppendTx(t.Context(), func(ctx context.Context, tx *relay.OutboxTx) (err error) {
				drafts := make([]relay.Draft, len(keys))
				for i, key := range keys {
					drafts[i] = relay.Draft{Source: "s", Type: "t", DedupeKey: key, Targets: []string{"a"}}
				}
				got, err = tx.Append(ctx, drafts...)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		appending("k1", "", "k1", "k2")
		first := got
		if !first[2].Duplicate || first[2].ID != first[0].ID || first[0].Duplicate || first[1].Duplicate || first[3].Deliveries != 1 {
			t.Errorf("within one transaction: %+v", first)
		}
		appending("k3", "k2")
		if got[0].Duplicate || !got[1].Duplicate || got[1].ID != first[3].ID {
			t.Errorf("in the next one: %+v", got)
		}
		if r := f.append(relay.Draft{Source: "s", DedupeKey: "k3"}); !r.Duplicate || r.ID != got[0].ID {
			t.Errorf("outside: %+v", r)
		}
		if n, d := f.number(`SELECT count(*) FROM messages`), f.number(`SELECT count(*) FROM deliveries`); n != 4 || d != 4 {
			t.Errorf("%d messages and %d deliveries, want 4 and 4", n, d)
		}
		f.balanced()
	})
}

func TestStore_AfterAFailedStatementTheTransactionIsOver(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		err := f.AppendTx(t.Context(), func(ctx context.Context, tx *relay.OutboxTx) error {
			if _, err := tx.Exec(ctx, `INSERT INTO no_such_table VALUES (1)`); err == nil {
				t.Error("a statement on a missing table succeeded")
			}
			if _, err := tx.Exec(ctx, increment, "orders"); !errors.Is(err, relay.ErrTxDone) {
				t.Errorf("the next statement answered %v, want ErrTxDone", err)
			}
			return nil // the failure is ignored, and must not be committed
		})
		if err == nil || f.count("orders") != 0 {
			t.Errorf("AppendTx answered %v with %d rows", err, f.count("orders"))
		}
	})
}

func TestStore_ClosedAnswersUnavailable(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.append(relay.Draft{})
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Append(t.Context(), relay.Draft{Source: "s", Type: "t"}); !errors.Is(err, relay.ErrUnavailable) {
			t.Errorf("append after close: %v", err)
		}
		f.reopen()
		if n := f.number(`SELECT count(*) FROM messages`); n != 1 {
			t.Errorf("%d messages after reopening, want 1", n)
		}
	})
}

// TestStore_AppendRefusesWhatNoDatabaseHolds: however well it packs, a payload that is too large for a row is refused by name.
func TestStore_AppendRefusesWhatNoDatabaseHolds(t *testing.T) {
	f := open(t, journaled)
	_, err := f.Append(t.Context(), relay.Draft{Source: "s", Type: "t", Body: make([]byte, relay.MaxPayload), Headers: []byte("{}")})
	if !errors.Is(err, relay.ErrInvalid) || !strings.Contains(err.Error(), "body") {
		t.Errorf("appended: %v", err)
	}
	f.append(relay.Draft{})
}

// TestStore_AppendRefusesTakenIDs: of whatever form the id is and in whatever order ids come, and whether the first message
// waits in the journal, is folded, has rows, or has them again.
func TestStore_AppendRefusesTakenIDs(t *testing.T) {
	for _, e := range []engine{sqlite, journaled} {
		t.Run(string(e), func(t *testing.T) {
			t.Parallel()
			f := open(t, e)
			f.target("a")
			now := f.clock.Now()
			made := func(after time.Duration) string { return relay.NewMessageID(now.Add(after)) }
			var ids []string
			appended := func(some ...string) {
				for _, id := range some {
					f.append(relay.Draft{ID: id, Targets: []string{"a"}})
				}
				ids = append(ids, some...)
			}
			refused := func(when string) {
				t.Helper()
				for _, id := range ids {
					if _, err := f.Append(t.Context(), relay.Draft{ID: id, Source: "s", Type: "t"}); !errors.Is(err, relay.ErrInvalid) || !strings.Contains(err.Error(), "another message has it") {
						t.Errorf("%s, %q was appended: %v", when, id, err)
					}
				}
			}
			appended(made(0), made(time.Second), made(-time.Second), "plain", "msg", "msg_", "Msg_1")
			refused("waiting")
			stop := f.run(runners{"a": answer(relay.Delivered(""))})
			eventually(t, "what was there is delivered", func() bool {
				return must(f.Stats(t.Context()))(t).Deliveries[relay.Done] == int64(len(ids))
			})
			appended(made(2*time.Second), made(time.Second), made(0)) // with the dispatcher at hand
			eventually(t, "all are delivered", func() bool {
				return must(f.Stats(t.Context()))(t).Deliveries[relay.Done] == int64(len(ids))
			})
			refused("delivered")
			stop()
			reopen := func() {
				t.Helper()
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
				f.reopen()
			}
			reopen()
			refused("reopened")
			if n := must(f.Folded(t.Context()))(t); e == journaled && n == 0 {
				t.Fatal("nothing is folded")
			}
			if err := f.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			refused("with rows")
			reopen()
			refused("with rows, reopened")
			f.append(relay.Draft{ID: relay.NewMessageID(now.Add(time.Minute))})
		})
	}
}
