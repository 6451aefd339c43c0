package relay_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

// TestEffect_CannotLeaveItsTransaction: whatever foreign code tries, it neither commits by itself, nor changes
// what durability rests on, nor touches what the engine keeps.
func TestEffect_CannotLeaveItsTransaction(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.target("a")
	id := f.append(relay.Draft{Targets: []string{"a"}}).ID
	for _, query := range []string{
		"COMMIT", "ROLLBACK", "SELECT 1; COMMIT", "SAVEPOINT s", "PRAGMA query_only = ON", "PRAGMA synchronous = OFF",
		"ATTACH ':memory:' AS other", "DELETE FROM messages", "UPDATE deliveries SET state = 'delivered'",
		"UPDATE Totals SET n = 0", "DROP TABLE counters", "CREATE TRIGGER x AFTER INSERT ON counters BEGIN SELECT 1; END",
	} {
		for range 2 { // the second time from whatever is kept of the first
			err := f.AppendTx(t.Context(), func(ctx context.Context, tx *relay.OutboxTx) error {
				if _, err := tx.Exec(ctx, increment, "escaped"); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, query)
				return err
			})
			if err == nil {
				t.Errorf("%s was allowed", query)
			}
		}
	}
	if n, d := f.count("escaped"), f.only(id); n != 0 || d.State != relay.Pending {
		t.Errorf("the counter is %d, the delivery %s; want nothing changed", n, d.State)
	}
	if d := must(f.Durability(t.Context()))(t); d.Synchronous != "full" {
		t.Errorf("the writer is at synchronous=%s", d.Synchronous)
	}
	err := f.AppendTx(t.Context(), func(ctx context.Context, tx *relay.OutboxTx) error {
		rows, err := tx.Query(ctx, `SELECT id FROM messages WHERE id = ? ORDER BY id;`, id)
		if err != nil || !rows.Next() {
			t.Errorf("reading the engine's tables: %v", err)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	f.balanced()
}

// TestEffect_ThatEndsItsGoroutineHasNoEffect: neither a return nor a panic.
func TestEffect_ThatEndsItsGoroutineHasNoEffect(t *testing.T) {
	t.Parallel()
	f := open(t, func(c *relay.Config) { c.Schedule = relay.Schedule{0} })
	f.target("a")
	seen := f.dispatch(runners{"a": relay.Effect(func(ctx context.Context, tx relay.Tx, job relay.Job) relay.Outcome {
		counting(ctx, tx, job)
		runtime.Goexit()
		return relay.Delivered("")
	})})
	f.append(relay.Draft{Body: []byte("gone"), Targets: []string{"a"}})
	if o := next(t, seen); o.State != relay.Failed || f.count("gone") != 0 {
		t.Errorf("state %s, effect there %d times", o.State, f.count("gone"))
	}
}

// TestEffect_SlowRowsDoNotStopIngest: the driver interrupts no statement once its first row is there.
func TestEffect_SlowRowsDoNotStopIngest(t *testing.T) {
	t.Parallel()
	f := open(t, func(c *relay.Config) { c.EffectTimeout = 100 * time.Millisecond; c.Schedule = relay.Schedule{0} })
	f.target("a")
	seen := f.dispatch(runners{"a": relay.Effect(func(ctx context.Context, tx relay.Tx, _ relay.Job) relay.Outcome {
		rows, err := tx.Query(ctx, `SELECT 1 UNION ALL SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n)`)
		if err != nil {
			return relay.Permanent(err)
		}
		for rows.Next() {
			continue
		}
		return relay.Delivered("")
	})})
	f.append(relay.Draft{Targets: []string{"a"}})
	if o := next(t, seen); o.State != relay.Failed {
		t.Errorf("state %s", o.State)
	}
	f.append(relay.Draft{}) // the writer goes on
}

func TestDispatcher_PrefetchedDeliveriesHeedDisableAndThrottle(t *testing.T) {
	t.Parallel()
	gone, slow := relay.Permanent(errDown), relay.Retry(errDown)
	gone.Disable = "410"
	slow.Throttle, slow.RetryAfter = true, time.Minute
	for name, out := range map[string]relay.Outcome{"disable": gone, "throttle": slow} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t)
			if err := f.PutTarget(t.Context(), relay.Target{ID: "a", Concurrency: 1}); err != nil {
				t.Fatal(err)
			}
			for range 10 {
				f.append(relay.Draft{Targets: []string{"a"}})
			}
			var calls atomic.Int64
			seen := f.dispatch(runners{"a": relay.Remote(func(context.Context, relay.Job) relay.Outcome {
				calls.Add(1)
				return out
			})})
			next(t, seen)
			eventually(t, "what was claimed is given back", func() bool {
				return f.number(`SELECT count(*) FROM deliveries WHERE state = 'delivering'`) == 0
			})
			if n := calls.Load(); n != 1 {
				t.Errorf("%d attempts, want only the one that was answered so", n)
			}
			if n := f.number(`SELECT sum(attempts) FROM deliveries`); n != 1 {
				t.Errorf("%d attempts counted, want 1", n)
			}
			f.balanced()
		})
	}
}

func TestDispatcher_StopIsNotHeldUpByARunnerThatIgnoresIt(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.target("a")
	began, release := make(chan struct{}), make(chan struct{})
	d := relay.NewDispatcher(f.Store, relay.DispatcherConfig{Resolver: runners{"a": relay.Remote(func(context.Context, relay.Job) relay.Outcome {
		close(began)
		<-release
		return relay.Delivered("")
	})}})
	f.append(relay.Draft{Targets: []string{"a"}})
	d.Start()
	<-began
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if start := time.Now(); d.Stop(ctx) == nil || time.Since(start) > 5*time.Second {
		t.Errorf("Stop took %v", time.Since(start))
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	close(release)
	f.reopen()
	if f.Recovered() != 1 {
		t.Errorf("%d leases taken back, want 1", f.Recovered())
	}
}

func TestOpen_ValidatesItsConfiguration(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*relay.Config){
		"lease":          func(c *relay.Config) { c.Lease = -1 },
		"append wait":    func(c *relay.Config) { c.AppendWait = -1 },
		"effect timeout": func(c *relay.Config) { c.EffectTimeout = -1 },
		"schedule":       func(c *relay.Config) { c.Schedule = relay.Schedule{-1} },
	} {
		cfg := relay.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "x.db")}
		change(&cfg)
		if _, err := relay.Open(t.Context(), cfg); !errors.Is(err, relay.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}

func TestOpen_ALinkIsTheSameDatabase(t *testing.T) {
	t.Parallel()
	f := open(t)
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(f.path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := relay.Open(t.Context(), relay.Config{URL: "sqlite:" + link}); !errors.Is(err, relay.ErrLocked) {
		t.Errorf("opened through a link: %v, want ErrLocked", err)
	}
}
