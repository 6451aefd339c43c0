package relay_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/relay/relaytest"
)

// wire stands between a store and its server. It can hang up on everybody, hold everything back, or hang up just when
// the server has answered.
type wire struct {
	t      *testing.T
	listen net.Listener
	server string

	mu    sync.Mutex
	conns map[net.Conn]bool
	down  bool

	silent    atomic.Bool // nothing gets through, and nobody is told
	swallow   atomic.Bool // what the server says is lost, and the connection with it
	swallowed atomic.Int64
}

// throughWire puts a wire before the database and answers the URL that goes through it.
func throughWire(t *testing.T, database string) (*wire, string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, listen: l, server: u.Host, conns: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { w.carry(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		w.cut(true)
		running.Wait()
	})
	u.Host = l.Addr().String()
	return w, u.String()
}

func (w *wire) carry(client net.Conn) {
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", w.server)
	if err != nil {
		_ = client.Close()
		return
	}
	w.mu.Lock()
	w.conns[client], w.conns[server] = true, true
	down := w.down
	w.mu.Unlock()
	if down {
		_, _ = client.Close(), server.Close()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { w.copy(server, client, nil) })
	both.Go(func() { w.copy(client, server, &w.swallow) })
	both.Wait()
}

func (w *wire) copy(to, from net.Conn, swallow *atomic.Bool) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil && !errors.Is(err, io.EOF) || n == 0 {
			return
		}
		if swallow != nil && swallow.Load() {
			w.swallowed.Add(1)
			return
		}
		if w.silent.Load() {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// cut hangs up on everybody; down: and on whoever calls from now on.
func (w *wire) cut(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
	for c := range w.conns {
		_ = c.Close()
		delete(w.conns, c)
	}
}

func (w *wire) up() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
}

func openThroughWire(t *testing.T) (*fixture, *wire) {
	t.Helper()
	direct := relaytest.Postgres(t)
	w, through := throughWire(t, direct)
	f := newFixture(t, postgres, direct, func(c *relay.Config) {
		c.URL, c.AppendWait, c.EffectTimeout, c.Lease = through, time.Second, 500*time.Millisecond, time.Minute
	})
	f.reopen()
	t.Cleanup(func() {
		w.silent.Store(false)
		w.cut(true)
		_ = f.Close()
	})
	return f, w
}

// delivered waits for a delivery, and lets time pass meanwhile: what was claimed when the connection broke is under a
// lease that nobody holds.
func (f *fixture) delivered(seen <-chan relay.Observation) {
	f.t.Helper()
	eventually(f.t, "a delivery", func() bool {
		select {
		case o := <-seen:
			return o.State == relay.Done
		case <-time.After(100 * time.Millisecond):
			f.clock.advance(f.cfg.Lease + time.Second)
			return false
		}
	})
}

// TestPostgres_OutageIsUnavailableAndHeals: appends answer ErrUnavailable in bounded time while the database cannot be
// reached, in either way of being out of reach, and go through when it is back.
func TestPostgres_OutageIsUnavailableAndHeals(t *testing.T) {
	t.Parallel()
	f, w := openThroughWire(t)
	f.target("a")
	seen := f.dispatch(runners{"a": relay.Effect(counting)})
	stored := 0
	draft := relay.Draft{Source: "s", Type: "t", Body: []byte("counter"), Targets: []string{"a"}}
	for name, outage := range map[string]struct{ begin, end func() }{
		"refused": {func() { w.cut(true) }, w.up},
		"silent":  {func() { w.silent.Store(true) }, func() { w.silent.Store(false); w.cut(false) }},
	} {
		f.append(draft)
		stored++
		next(t, seen)
		outage.begin()
		for range 3 {
			began := time.Now()
			_, err := f.Append(t.Context(), draft)
			if took := time.Since(began); !errors.Is(err, relay.ErrUnavailable) || took > 8*time.Second {
				t.Errorf("%s: %v after %v", name, err, took)
			}
		}
		if err := f.Ping(t.Context()); !errors.Is(err, relay.ErrUnavailable) {
			t.Errorf("%s: ping: %v", name, err)
		}
		if _, err := f.Retry(t.Context(), "dlv_none"); !errors.Is(err, relay.ErrUnavailable) {
			t.Errorf("%s: retry: %v", name, err)
		}
		outage.end()
		eventually(t, name+": an append goes through again", func() bool {
			_, err := f.Append(t.Context(), draft)
			if err != nil && !errors.Is(err, relay.ErrUnavailable) {
				t.Fatal(err)
			}
			return err == nil
		})
		stored++
		f.delivered(seen)
	}
	if n := f.number(`SELECT count(*) FROM messages`); n != stored {
		t.Errorf("%d messages, %d were accepted", n, stored)
	}
	f.balanced()
}

// TestPostgres_LostAnswerIsAnErrorAndNoDouble: the connection breaks after the server has committed and before it has
// said so. The append is reported as failed, is there, and is found by its key.
func TestPostgres_LostAnswerIsAnErrorAndNoDouble(t *testing.T) {
	t.Parallel()
	f, w := openThroughWire(t)
	f.append(relay.Draft{}) // the connections are there
	f.exec(increment, "others")
	draft := relay.Draft{Source: "s", Type: "t", DedupeKey: "k"}
	for i, appending := range []func() error{
		func() (err error) {
			// A connection on which the statement was not prepared before loses another answer, and appends nothing.
			for range 20 {
				w.swallow.Store(true)
				_, err = f.Append(t.Context(), draft)
				w.swallow.Store(false)
				if !errors.Is(err, relay.ErrUnavailable) || f.number(`SELECT count(*) FROM messages WHERE dedupe_key = 'k'`) > 0 {
					break
				}
			}
			return err
		},
		func() error {
			return f.AppendTx(t.Context(), func(ctx context.Context, tx *relay.OutboxTx) error {
				if _, err := tx.Exec(ctx, increment, "orders"); err != nil {
					return err
				}
				_, err := tx.Append(ctx, relay.Draft{Source: "s", Type: "t", DedupeKey: "k2"})
				w.swallow.Store(true) // from here on: the end of the transaction
				return err
			})
		},
	} {
		err := appending()
		w.swallow.Store(false)
		if !errors.Is(err, relay.ErrUnavailable) || w.swallowed.Load() == 0 {
			t.Fatalf("%d: %v with %d answers lost", i, err, w.swallowed.Swap(0))
		}
	}
	r := f.append(draft)
	if n := f.number(`SELECT count(*) FROM messages WHERE dedupe_key = 'k'`); n != 1 || !r.Duplicate {
		t.Errorf("%d messages after the same again, %+v", n, r)
	}
	messages, orders := f.number(`SELECT count(*) FROM messages WHERE dedupe_key = 'k2'`), f.count("orders")
	if messages != orders {
		t.Errorf("%d messages and %d orders, want both or none", messages, orders)
	}
	f.balanced()
}

// TestPostgres_ServerEndsAllConnections is what a restart of the server is to the store.
func TestPostgres_ServerEndsAllConnections(t *testing.T) {
	t.Parallel()
	f := open(t, postgres, func(c *relay.Config) { c.Lease = time.Minute })
	f.target("a")
	seen := f.dispatch(runners{"a": relay.Effect(counting)})
	f.append(relay.Draft{Body: []byte("counter"), Targets: []string{"a"}})
	next(t, seen)
	execute(t, f.cfg.URL, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	eventually(t, "an append goes through again", func() bool {
		_, err := f.Append(t.Context(), relay.Draft{Source: "s", Type: "t", Body: []byte("counter"), Targets: []string{"a"}})
		if err != nil && !errors.Is(err, relay.ErrUnavailable) {
			t.Fatal(err)
		}
		return err == nil
	})
	f.delivered(seen)
	f.balanced()
}
