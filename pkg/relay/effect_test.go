package relay_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

// counting is an effect that increments the counter named by the message's body.
func counting(ctx context.Context, tx relay.Tx, job relay.Job) relay.Outcome {
	if _, err := tx.Exec(ctx, increment, string(job.Message.Body)); err != nil {
		return relay.Retry(err)
	}
	return relay.Delivered("counted")
}

// TestEffect_CommitsTogetherWithItsCompletion makes the completion fail after the effect has run. An effect
// with a transaction of its own would have left its increment behind, and be applied a second time.
func TestEffect_CommitsTogetherWithItsCompletion(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a")
		f.exec(`UPDATE fault SET on_completion = 1`)
		var calls atomic.Int64
		seen := f.dispatch(runners{"a": relay.Effect(func(ctx context.Context, tx relay.Tx, job relay.Job) relay.Outcome {
			calls.Add(1)
			return counting(ctx, tx, job)
		})})
		id := f.append(relay.Draft{Body: []byte("effect"), Targets: []string{"a"}}).ID
		if o := next(t, seen); o.State != relay.Pending {
			t.Fatalf("state %s although the completion was refused", o.State)
		}
		if n := f.count("effect"); n != 0 {
			t.Fatalf("the effect is there %d times although its delivery is not completed", n)
		}
		f.exec(`UPDATE fault SET on_completion = 0`)
		f.clock.advance(2 * time.Second)
		if o := next(t, seen); o.State != relay.Done {
			t.Fatalf("state %s", o.State)
		}
		if n, d := f.count("effect"), f.only(id); n != 1 || d.State != relay.Done || d.Attempts != 2 {
			t.Errorf("the effect is there %d times, want once; delivery %+v", n, d)
		}
		if calls.Load() < 2 {
			t.Errorf("the effect ran %d times: this test proved nothing", calls.Load())
		}
		f.balanced()
	})
}

func TestEffect_AnythingButDeliveredIsRolledBack(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		for name, out := range map[string]relay.Outcome{"retry": relay.Retry(errDown), "permanent": relay.Permanent(errDown)} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f := open(t, e)
				f.target("a")
				seen := f.dispatch(runners{"a": relay.Effect(func(ctx context.Context, tx relay.Tx, job relay.Job) relay.Outcome {
					counting(ctx, tx, job)
					return out
				})})
				f.append(relay.Draft{Body: []byte("effect"), Targets: []string{"a"}})
				if o := next(t, seen); o.State == relay.Done || f.count("effect") != 0 {
					t.Errorf("state %s, effect there %d times", o.State, f.count("effect"))
				}
				f.balanced()
			})
		}
	})
}

// TestEffect_OneThatFailsHarmsNoOther queues good and bad effects so that they share transactions.
func TestEffect_OneThatFailsHarmsNoOther(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e, func(c *relay.Config) {
			c.EffectTimeout = 500 * time.Millisecond
			c.Schedule = relay.Schedule{0}
		})
		f.target("a")
		hang := make(chan struct{})
		defer close(hang)
		var late atomic.Value
		effect := func(ctx context.Context, tx relay.Tx, job relay.Job) relay.Outcome {
			switch out := counting(ctx, tx, job); job.Message.Type {
			case "error":
				return relay.Retry(errDown)
			case "statement":
				_, err := tx.Exec(ctx, `INSERT INTO no_such_table VALUES (1)`)
				return relay.Delivered(err.Error()) // hides the failure
			case "panic":
				panic("effect")
			case "slow statement": // counts to a number it never reaches; its time runs out in the middle
				rows, err := tx.Query(ctx, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n`)
				if err == nil {
					rows.Next()
					err = rows.Err()
				}
				return relay.Delivered(err.Error())
			case "hang":
				<-hang
				_, err := tx.Exec(context.Background(), increment, "late")
				late.Store(err)
				return out
			default:
				return out
			}
		}
		bad := []string{"error", "statement", "panic", "slow statement", "hang"}
		const good = 40
		for i := range good {
			f.append(relay.Draft{Type: "good", Body: []byte("good"), Targets: []string{"a"}})
			if i%8 == 0 {
				f.append(relay.Draft{Type: bad[i/8], Body: []byte("bad"), Targets: []string{"a"}})
			}
		}
		seen := f.dispatch(runners{"a": relay.Effect(effect)})
		ingest := make(chan error, 1)
		go func() { // appends go on meanwhile
			for range 50 {
				if _, err := f.Append(context.Background(), relay.Draft{Source: "s", Type: "t"}); err != nil {
					ingest <- err
					return
				}
			}
			ingest <- nil
		}()
		states := map[string]relay.State{}
		for range good + len(bad) {
			o := next(t, seen)
			if o.Job.Message.Type == "good" {
				if o.State != relay.Done {
					t.Errorf("a good effect is %s: %v", o.State, o.Outcome.Err)
				}
				continue
			}
			states[o.Job.Message.Type] = o.State
		}
		for _, name := range bad {
			if states[name] != relay.Failed {
				t.Errorf("%s: %s, want failed", name, states[name])
			}
		}
		if err := <-ingest; err != nil {
			t.Errorf("an append failed beside effects: %v", err)
		}
		if n, m := f.count("good"), f.count("bad"); n != good || m != 0 {
			t.Errorf("%d good and %d bad effects are there, want %d and 0", n, m, good)
		}
		f.balanced()
	})
}

func TestEffect_TransactionIsOverAfterItsTime(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e, func(c *relay.Config) { c.EffectTimeout = 50 * time.Millisecond; c.Schedule = relay.Schedule{0} })
		f.target("a")
		resume, result := make(chan struct{}), make(chan error, 1)
		seen := f.dispatch(runners{"a": relay.Effect(func(_ context.Context, tx relay.Tx, _ relay.Job) relay.Outcome {
			<-resume
			_, err := tx.Exec(context.Background(), increment, "late")
			result <- err
			return relay.Delivered("")
		})})
		f.append(relay.Draft{Targets: []string{"a"}})
		if o := next(t, seen); o.State != relay.Failed || !strings.Contains(o.Outcome.Err.Error(), "longer than allowed") {
			t.Errorf("observed %s: %v", o.State, o.Outcome.Err)
		}
		close(resume)
		if err := <-result; !errors.Is(err, relay.ErrTxDone) {
			t.Errorf("a statement after its time answered %v, want ErrTxDone", err)
		}
		if f.count("late") != 0 {
			t.Error("a statement after its time took effect")
		}
	})
}
