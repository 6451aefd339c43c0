package relay_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/relay/relaytest"
)

func TestPostgres_DurabilityIsReadBack(t *testing.T) {
	t.Parallel()
	f := open(t, postgres)
	if d := must(f.Durability(t.Context()))(t); d.Synchronous != "on" || d.JournalMode != "wal" {
		t.Errorf("the connection that writes has %+v", d)
	}
	for _, level := range []string{"off", "local", "remote_write"} {
		_, err := relay.Open(t.Context(), relay.Config{URL: f.cfg.URL + "&synchronous_commit=" + level})
		if err == nil || !strings.Contains(err.Error(), "cannot promise durability") {
			t.Errorf("synchronous_commit=%s: %v", level, err)
		}
	}
}

func TestPostgres_OpenRefuses(t *testing.T) {
	t.Parallel()
	url := relaytest.Postgres(t)
	for name, tt := range map[string]struct {
		url, says string
		is        error
	}{
		"not a URL":       {"postgres://u:geheim@h:x/d", "not a PostgreSQL connection URI", relay.ErrInvalid},
		"no such server":  {"postgres://u:geheim@127.0.0.1:1/d", "", relay.ErrUnavailable},
		"no such schema":  {url + "&search_path=nowhere", "search_path", nil},
		"simple protocol": {url + "&default_query_exec_mode=simple_protocol", "simple_protocol", relay.ErrInvalid},
	} {
		began := time.Now()
		s, err := relay.Open(t.Context(), relay.Config{URL: tt.url})
		if err == nil {
			t.Errorf("%s: was opened", name)
			_ = s.Close()
			continue
		}
		if !strings.Contains(err.Error(), tt.says) || tt.is != nil && !errors.Is(err, tt.is) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
	}
}

// TestPostgres_ManyOpenAtOnce: all of them migrate the same empty database.
func TestPostgres_ManyOpenAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, postgres, relaytest.Postgres(t))
	const stores = 10
	var wg sync.WaitGroup
	for i := range stores {
		wg.Go(func() {
			s, err := relay.Open(t.Context(), f.cfg)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := s.Append(t.Context(), relay.Draft{Source: "s", Type: "t", DedupeKey: fmt.Sprint(i)}); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	f.reopen()
	t.Cleanup(func() { _ = f.Close() })
	if n := f.number(`SELECT count(*) FROM messages`); n != stores {
		t.Errorf("%d messages, want %d", n, stores)
	}
	f.balanced()
}

// TestPostgres_TwoStoresShareTheWork: every delivery is claimed by one of them only, and keys of the two agree.
func TestPostgres_TwoStoresShareTheWork(t *testing.T) {
	t.Parallel()
	f := open(t, postgres)
	g := f.beside()
	f.target("a")
	const writers, each = 8, 40
	var mu sync.Mutex
	first := map[string]string{}
	fresh := 0
	var wg sync.WaitGroup
	for w := range writers {
		store := []*fixture{f, g}[w%2]
		wg.Go(func() {
			for i := range each {
				key := fmt.Sprintf("%d-%d", w/2, i) // of two writers, one on each store
				got, err := store.Append(context.Background(), relay.Draft{Source: "s", Type: "t", DedupeKey: key, Body: []byte("counter"), Targets: []string{"a"}})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if id, known := first[key]; known && id != got[0].ID {
					t.Errorf("%s has the ids %s and %s", key, id, got[0].ID)
				}
				first[key] = got[0].ID
				if !got[0].Duplicate {
					fresh++
				}
				mu.Unlock()
			}
		})
	}
	var calls sync.Map
	runner := relay.Effect(func(ctx context.Context, tx relay.Tx, job relay.Job) relay.Outcome {
		calls.Store(job.Delivery.ID, true)
		return counting(ctx, tx, job)
	})
	seenF, seenG := f.dispatch(runners{"a": runner}), g.dispatch(runners{"a": runner})
	wg.Wait()
	if fresh != writers/2*each {
		t.Errorf("%d appends were told they are the first, want %d", fresh, writers/2*each)
	}
	eventually(t, "everything is delivered", func() bool { return f.count("counter") == writers/2*each })
	t.Logf("one store delivered %d, the other %d", len(seenF), len(seenG))
	if n := f.number(`SELECT count(*) FROM attempts`); n != writers/2*each {
		t.Errorf("%d attempts, want one for each", n)
	}
	f.balanced()
}

// TestPostgres_LateHolderIsRefused: a holder outlives its lease, and another store has the delivery by then. Neither
// its effect nor its outcome count.
func TestPostgres_LateHolderIsRefused(t *testing.T) {
	t.Parallel()
	f := open(t, postgres, func(c *relay.Config) {
		c.Lease, c.EffectTimeout = time.Minute, 20*time.Second
		c.URL += "&listen=off" // the slow one hears nothing of the lease's end
	})
	g := f.beside(func(c *relay.Config) { // ten minutes ahead of the first one
		c.Now = func() time.Time { return f.clock.Now().Add(10 * time.Minute) }
	})
	f.target("effect", "remote")
	began, resume := make(chan string, 2), make(chan struct{})
	late := make(chan error, 4)
	slow := relay.NewDispatcher(f.Store, relay.DispatcherConfig{
		Poll: time.Hour, // it finds out nothing by itself
		Resolver: runners{
			"effect": relay.Effect(func(ctx context.Context, tx relay.Tx, job relay.Job) relay.Outcome {
				began <- "effect"
				<-resume
				return counting(ctx, tx, job)
			}),
			"remote": relay.Remote(func(context.Context, relay.Job) relay.Outcome {
				began <- "remote"
				<-resume
				return relay.Permanent(errDown)
			}),
		},
		Log: func(_ string, err error) { late <- err },
	})
	slow.Start()
	id := f.append(relay.Draft{Body: []byte("once"), Targets: []string{"effect", "remote"}}).ID
	<-began
	<-began
	seen := g.dispatch(runners{"effect": relay.Effect(counting), "remote": answer(relay.Delivered("mine"))})
	select {
	case o := <-seen:
		t.Fatalf("claimed under another's lease: %+v", o)
	case <-time.After(200 * time.Millisecond):
	}
	f.clock.advance(59 * time.Second)
	select {
	case o := <-seen:
		t.Fatalf("claimed before the lease ran out: %+v", o)
	case <-time.After(200 * time.Millisecond):
	}
	f.clock.advance(2 * time.Second)
	for range 2 {
		if o := next(t, seen); o.State != relay.Done || o.Job.Delivery.Attempts != 2 {
			t.Errorf("after the lease: %+v", o)
		}
	}
	close(resume)
	for range 2 {
		if err := <-late; !errors.Is(err, relay.ErrLeaseLost) {
			t.Errorf("the late holder was told %v", err)
		}
	}
	if err := slow.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if n := f.count("once"); n != 1 {
		t.Errorf("the effect is there %d times", n)
	}
	for _, d := range must(f.Message(t.Context(), id))(t).Deliveries {
		if d.State != relay.Done || d.Attempts != 2 {
			t.Errorf("%+v", d)
		}
	}
	f.balanced()
}

// TestPostgres_SequenceFollowsCommits: whatever a reader has seen, nothing appears before it later. Numbers have no
// gaps, so at every moment the highest is also how many there are.
func TestPostgres_SequenceFollowsCommits(t *testing.T) {
	t.Parallel()
	f := open(t, postgres)
	g := f.beside()
	f.target("a")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 8 {
		store := []*fixture{f, g}[w%2]
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				draft := relay.Draft{Source: "s", Type: "t", Targets: []string{"a"}}
				var err error
				switch {
				case w < 4:
					_, err = store.Append(context.Background(), draft)
				default: // every other one is rolled back
					boom := errors.New("boom")
					err = store.AppendTx(context.Background(), func(ctx context.Context, tx *relay.OutboxTx) error {
						if _, err := tx.Append(ctx, draft); err != nil {
							return err
						}
						if _, err := tx.Exec(ctx, increment, fmt.Sprint(w)); err != nil || i%2 == 0 {
							return errors.Join(err, boom)
						}
						return nil
					})
					if errors.Is(err, boom) {
						err = nil
					}
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	eventually(t, "two hundred messages", func() bool {
		if n := f.number(`SELECT coalesce(max(seq), 0) - count(*) FROM messages`); n != 0 {
			t.Errorf("%d messages with a lower number are yet to come", n)
		}
		if n := f.number(`SELECT coalesce(max(seq), 0) - count(*) FROM deliveries`); n != 0 {
			t.Errorf("%d deliveries with a lower number are yet to come", n)
		}
		return f.number(`SELECT count(*) FROM messages`) >= 200
	})
	close(stop)
	wg.Wait()
	f.balanced()
}

// TestPostgres_OneKeyAtATimeAcrossStores: two stores deliver many short keys, in order and never two of a key at once.
func TestPostgres_OneKeyAtATimeAcrossStores(t *testing.T) {
	t.Parallel()
	f := open(t, postgres)
	g := f.beside()
	f.target("a")
	const keys, each = 5, 12
	for i := range each {
		for k := range keys {
			f.append(relay.Draft{OrderingKey: fmt.Sprint(k), Body: []byte(fmt.Sprint(i)), Targets: []string{"a"}})
		}
	}
	var mu sync.Mutex
	running, order := map[string]int{}, map[string]string{}
	runner := relay.Remote(func(_ context.Context, job relay.Job) relay.Outcome {
		key := job.Message.OrderingKey
		mu.Lock()
		if running[key]++; running[key] > 1 {
			t.Errorf("two of key %s run at once", key)
		}
		order[key] += string(job.Message.Body) + " "
		mu.Unlock()
		<-time.After(time.Millisecond)
		mu.Lock()
		running[key]--
		mu.Unlock()
		return relay.Delivered("")
	})
	f.dispatch(runners{"a": runner})
	g.dispatch(runners{"a": runner})
	eventually(t, "everything is delivered", func() bool {
		return f.number(`SELECT count(*) FROM deliveries WHERE state <> 'delivered'`) == 0
	})
	for key, got := range order {
		if want := "0 1 2 3 4 5 6 7 8 9 10 11 "; got != want {
			t.Errorf("key %s: %s", key, got)
		}
	}
	f.balanced()
}

// TestPostgres_ClaimOfABlockedKeyIsGivenBack plays another process that is in the middle of claiming a later delivery
// of a key, unseen, while an earlier one that was cancelled is retried.
func TestPostgres_ClaimOfABlockedKeyIsGivenBack(t *testing.T) {
	t.Parallel()
	f := open(t, postgres)
	f.target("a")
	first := f.only(f.append(relay.Draft{OrderingKey: "k", Targets: []string{"a"}}).ID)
	second := f.only(f.append(relay.Draft{OrderingKey: "k", Targets: []string{"a"}}).ID)
	if err := f.Cancel(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	other, err := pgx.Connect(t.Context(), f.cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	for _, statement := range []string{
		`BEGIN`,
		`UPDATE deliveries SET state = 'delivering', lease_token = lease_token + 1, lease_until = 1 << 62 WHERE id = '` + second.ID + `'`,
		`SELECT pg_advisory_xact_lock(hashtextextended('a:k', 0))`,
	} {
		if _, err := other.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	if _, err := f.Retry(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	seen := f.dispatch(runners{"a": answer(relay.Delivered(""))})
	eventually(t, "the claim waits", func() bool {
		return f.number(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`) == 1
	})
	if _, err := other.Exec(t.Context(), `COMMIT`); err != nil {
		t.Fatal(err)
	}
	select {
	case o := <-seen:
		t.Fatalf("two of one key at once: %+v", o)
	case <-time.After(200 * time.Millisecond):
	}
	if d := f.only(first.MessageID); d.State != relay.Pending || d.Attempts != 0 {
		t.Errorf("given back: %+v", d)
	}
}

// TestPostgres_WithoutPreparedStatements is how a store runs behind a pooler that knows none.
func TestPostgres_WithoutPreparedStatements(t *testing.T) {
	t.Parallel()
	f := open(t, postgres, func(c *relay.Config) { c.URL += "&default_query_exec_mode=exec" })
	f.target("a", "b")
	seen := f.dispatch(runners{"a": relay.Effect(counting), "b": answer(relay.Delivered(""))})
	for range 2 {
		f.append(relay.Draft{DedupeKey: "k", OrderingKey: "o", Body: []byte("counter"), Targets: []string{"a", "b"}})
	}
	f.exec(increment, "orders")
	for range 2 {
		if o := next(t, seen); o.State != relay.Done {
			t.Errorf("%+v", o)
		}
	}
	f.balanced()
}
