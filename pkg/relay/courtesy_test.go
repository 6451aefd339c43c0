package relay_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

// TestEffect_GiveWayToAppendsButGoOn: callers crowd in to append while a backlog of slow effects is there. The effects
// get a small part of the time, and none of them fails for it.
func TestEffect_GiveWayToAppendsButGoOn(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
	f.target("a")
	for range 200 {
		f.append(relay.Draft{Targets: []string{"a"}})
	}
	var busy, applied atomic.Int64
	var appended atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for range 4 * 16 {
		callers.Go(func() {
			for ctx.Err() == nil {
				if _, err := f.Append(context.Background(), relay.Draft{Source: "s", Type: "t"}); err != nil {
					t.Error(err)
				}
				appended.Add(1)
			}
		})
	}
	eventually(t, "there is a crowd", func() bool { return appended.Load() > 500 })
	began := time.Now()
	f.dispatch(runners{"a": relay.Effect(func(ctx context.Context, tx relay.Tx, job relay.Job) relay.Outcome {
		start := time.Now()
		<-time.After(time.Millisecond) // what an effect takes
		busy.Add(int64(time.Since(start)))
		applied.Add(1)
		return counting(ctx, tx, job)
	})})
	eventually(t, "all is applied", func() bool {
		return f.number(`SELECT count(*) FROM deliveries WHERE state = 'delivered'`) == 200
	})
	took := time.Since(began)
	cancel()
	callers.Wait()
	t.Logf("%v of %v in %d effects beside %d appends", time.Duration(busy.Load()), took, applied.Load(), appended.Load())
	if part := float64(busy.Load()) / float64(took); part > 0.5 {
		t.Errorf("effects had %.0f %% of the time", 100*part)
	}
	f.balanced()
}

// TestStore_ATransactionThatRunsAloneIsNotStarved: one that fails makes those it shared a transaction with run alone,
// while others keep coming.
func TestStore_ATransactionThatRunsAloneIsNotStarved(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for range 16 {
		callers.Go(func() {
			for ctx.Err() == nil {
				err := f.AppendTx(context.Background(), func(ctx context.Context, tx *relay.OutboxTx) error {
					_, err := tx.Exec(ctx, increment, "good")
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	failed := make(chan struct{})
	go func() {
		defer close(failed)
		for range 50 {
			err := f.AppendTx(context.Background(), func(ctx context.Context, tx *relay.OutboxTx) error {
				_, err := tx.Exec(ctx, increment, "bad")
				return errors.Join(err, errDown)
			})
			if !errors.Is(err, errDown) {
				t.Errorf("answered %v", err)
			}
		}
	}()
	select {
	case <-failed:
	case <-time.After(30 * time.Second):
		t.Error("it did not run")
	}
	cancel()
	callers.Wait()
	if n := f.count("bad"); n != 0 {
		t.Errorf("%d that failed took effect", n)
	}
}
