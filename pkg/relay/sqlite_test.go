package relay_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

func TestStore_DurabilityIsReadBackFromTheLiveWriter(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
	f.append(relay.Draft{})
	got := must(f.Durability(t.Context()))(t)
	if want := (relay.Durability{JournalMode: "wal", Synchronous: "full"}); got != want {
		t.Fatalf("the connection that writes has %+v, want %+v", got, want)
	}
}

func TestOpen_RefusesWhatItCannotPromiseOn(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
	if _, err := relay.Open(t.Context(), f.cfg); !errors.Is(err, relay.ErrLocked) {
		t.Errorf("a second owner of the file: %v, want ErrLocked", err)
	}
	notADatabase := t.TempDir() + "/text.db"
	if err := os.WriteFile(notADatabase, bytes.Repeat([]byte("this is not a database\n"), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"sqlite:" + notADatabase, "sqlite:", "sqlite::memory:", "postgres://x", ""} {
		if s, err := relay.Open(t.Context(), relay.Config{URL: url}); err == nil {
			t.Errorf("%q was opened", url)
			_ = s.Close()
		}
	}
}

func TestStore_TakesBackTheLeasesOfItsPredecessor(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite, func(c *relay.Config) { c.Schedule = relay.Schedule{0, time.Second} })
	f.target("a")
	id := f.append(relay.Draft{Targets: []string{"a"}}).ID
	for attempt := 1; attempt <= 2; attempt++ {
		began, release := make(chan struct{}), make(chan struct{})
		d := relay.NewDispatcher(f.Store, relay.DispatcherConfig{Resolver: runners{"a": relay.Remote(func(context.Context, relay.Job) relay.Outcome {
			close(began)
			<-release
			return relay.Delivered("too late")
		})}})
		d.Start()
		<-began
		if err := f.Close(); err != nil { // with the attempt running, as in a crash
			t.Fatal(err)
		}
		close(release)
		if err := d.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.reopen()
		if f.Recovered() != 1 {
			t.Errorf("%d leases taken back, want 1", f.Recovered())
		}
		want := map[int]relay.State{1: relay.Pending, 2: relay.Failed}[attempt]
		if got := f.only(id); got.State != want || got.Attempts != attempt {
			t.Errorf("after crash %d: %+v, want %s", attempt, got, want)
		}
		f.balanced()
	}
}

// TestEffect_CannotLeaveItsTransaction: whatever foreign code tries, it neither commits by itself, nor changes
// what durability rests on, nor touches what the engine keeps.
func TestEffect_CannotLeaveItsTransaction(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
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

func TestDispatcher_StopIsNotHeldUpByARunnerThatIgnoresIt(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
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

// TestOpen_ALeaseIsLongerThanAnEffect: or an effect that takes its time would always be rolled back.
func TestOpen_ALeaseIsLongerThanAnEffect(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lease, effect time.Duration
		refused       string // both, as they are given or by default
	}{
		"the defaults":             {0, 0, ""},
		"longer by a little":       {251 * time.Millisecond, 0, ""},
		"as long":                  {time.Second, time.Second, "invalid lease: 1s is not longer than the effect timeout of 1s"},
		"shorter":                  {time.Second, 2 * time.Second, "invalid lease: 1s is not longer than the effect timeout of 2s"},
		"shorter than the default": {100 * time.Millisecond, 0, "invalid lease: 100ms is not longer than the effect timeout of 250ms"},
		"the default is shorter":   {0, time.Hour, "invalid lease: 1m0s is not longer than the effect timeout of 1h0m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := relay.Open(t.Context(), relay.Config{URL: sqlite.url(t), Lease: tt.lease, EffectTimeout: tt.effect})
			if tt.refused == "" {
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, relay.ErrInvalid) || !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("%v, want %q", err, tt.refused)
			}
		})
	}
}

// TestOpen_AnotherServicesDatabase: what one service has made is not given another one's tables.
func TestOpen_AnotherServicesDatabase(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		cfg := f.cfg
		cfg.Migrations = []relay.Migrations{migration("other", "CREATE TABLE other (n INTEGER)")}
		if s, err := relay.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "another service's database: it has tables of") {
			t.Errorf("opened: %v, %v", s, err)
		}
		f.reopen() // and nothing is spoilt
		f.append(relay.Draft{})
	})
}

func TestOpen_ALinkIsTheSameDatabase(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(strings.TrimPrefix(f.cfg.URL, "sqlite:"), link); err != nil {
		t.Fatal(err)
	}
	if _, err := relay.Open(t.Context(), relay.Config{URL: "sqlite:" + link}); !errors.Is(err, relay.ErrLocked) {
		t.Errorf("opened through a link: %v, want ErrLocked", err)
	}
}
