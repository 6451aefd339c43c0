package relay_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"example.com/signet/pkg/relay"
)

var errNote = errors.New("this note is refused")

// noting counts what is noted under the names that come as notes; "bad" is refused.
func noting(calls *atomic.Int64) relay.NoteFunc {
	return func(ctx context.Context, tx relay.Tx, all []relay.Appended) error {
		calls.Add(1)
		for _, one := range all {
			name, _ := one.Note.(string)
			if name == "bad" {
				return errNote
			}
			for _, r := range one.Receipts {
				if r.Duplicate {
					continue
				}
				if _, err := tx.Exec(ctx, increment, name); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// TestOutbox: what is appended and what is noted of it are there together, whoever shares the transaction; what one
// caller brings that is refused fails nobody else; a duplicate is noted once.
func TestOutbox(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a")
		var calls atomic.Int64
		outbox := f.NewOutbox(noting(&calls))
		const callers = 60
		errs := make([]error, callers)
		got := make([][]relay.Receipt, callers)
		var crowd sync.WaitGroup
		for i := range callers {
			crowd.Go(func() {
				note := "good"
				if i%10 == 9 {
					note = "bad"
				}
				draft := relay.Draft{Source: "s", Type: "t", DedupeKey: fmt.Sprint(i % 40), Targets: []string{"a"}}
				got[i], errs[i] = outbox.Append(t.Context(), note, draft, relay.Draft{Source: "s", Type: "second"})
			})
		}
		crowd.Wait()
		first := map[int]string{}
		for i := range callers {
			switch bad := i%10 == 9; {
			case bad != errors.Is(errs[i], errNote) || !bad && errs[i] != nil:
				t.Fatalf("caller %d: %v", i, errs[i])
			case bad:
				continue
			case len(got[i]) != 2 || got[i][1].Duplicate:
				t.Errorf("caller %d was answered %+v", i, got[i])
			case !got[i][0].Duplicate:
				first[i%40] = got[i][0].ID
			}
		}
		for i := range callers {
			if i%10 != 9 && got[i][0].ID != first[i%40] {
				t.Errorf("caller %d was answered %+v, the first with its key is %s", i, got[i], first[i%40])
			}
		}
		if n := f.number(`SELECT count(*) FROM messages`); n != 36+54 || f.count("good") != n || f.count("bad") != 0 {
			t.Errorf("%d messages, %d notes, %d refused ones", n, f.count("good"), f.count("bad"))
		}
		f.balanced()
	})
}

// TestOutbox_InvalidDraft names the draft, and stores nothing.
func TestOutbox_InvalidDraft(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		var calls atomic.Int64
		if _, err := f.NewOutbox(noting(&calls)).Append(t.Context(), "good", relay.Draft{Source: "s"}); !errors.Is(err, relay.ErrInvalid) || calls.Load() != 0 {
			t.Errorf("%v, %d calls", err, calls.Load())
		}
	})
}

// TestOutbox_SharesCalls: callers who wait while the writer is busy are noted by few calls.
func TestOutbox_SharesCalls(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		var calls atomic.Int64
		outbox := f.NewOutbox(noting(&calls))
		busy, free := make(chan struct{}), make(chan struct{})
		var crowd sync.WaitGroup
		crowd.Go(func() {
			err := f.AppendTx(t.Context(), func(context.Context, *relay.OutboxTx) error { close(busy); <-free; return nil })
			if err != nil {
				t.Error(err)
			}
		})
		<-busy
		for range 50 {
			crowd.Go(func() {
				if _, err := outbox.Append(t.Context(), "n", relay.Draft{Source: "s", Type: "t"}); err != nil {
					t.Error(err)
				}
			})
		}
		eventually(t, "all of them wait", func() bool { return f.Queued() == 50 })
		close(free)
		crowd.Wait()
		if n := calls.Load(); n > 5 || f.count("n") != 50 {
			t.Errorf("%d calls noted %d", n, f.count("n"))
		}
	})
}
