package relay_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

// rare is how often the dispatchers here look by themselves: what they find before came from a notification.
const rare = time.Hour

// listening is how many connections to the test's own database listen.
const listening = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '% listen' AND query LIKE 'LISTEN%'`

// dispatchEvery runs a dispatcher with a poll of its own.
func (f *fixture) dispatchEvery(poll time.Duration, r runners) <-chan relay.Observation {
	f.t.Helper()
	seen := make(chan relay.Observation, 4096)
	d := relay.NewDispatcher(f.Store, relay.DispatcherConfig{
		Resolver: r, Poll: poll, Observe: func(o relay.Observation) { seen <- o },
		Log: func(what string, err error) { f.t.Logf("dispatcher: %s: %v", what, err) },
	})
	d.Start()
	f.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := d.Stop(ctx); err != nil {
			f.t.Error(err)
		}
	})
	return seen
}

// notes gathers what a store notes.
type notes struct {
	mu  sync.Mutex
	all []error
}

func (n *notes) add(_ string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, err)
}

func (n *notes) taken() []error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]error(nil), n.all...)
}

// TestPostgres_NotificationsSaveWaiting: a dispatcher that would look again in an hour hears of what another store has
// appended, of a target it did not know, and of one that was disabled and is enabled again.
func TestPostgres_NotificationsSaveWaiting(t *testing.T) {
	t.Parallel()
	var noted notes
	f := open(t, postgres, func(c *relay.Config) { c.Note = noted.add })
	g := f.beside()
	f.target("a")
	eventually(t, "both listen", func() bool { return f.number(listening) == 2 })
	seen := g.dispatchEvery(rare, runners{"a": answer(relay.Delivered("")), "b": relay.Effect(counting)})
	for range 3 {
		id := f.append(relay.Draft{Targets: []string{"a"}}).ID
		if o := next(t, seen); o.Job.Message.ID != id || o.State != relay.Done {
			t.Errorf("%+v", o)
		}
	}
	f.target("b")
	f.append(relay.Draft{Body: []byte("b"), Targets: []string{"b"}})
	if o := next(t, seen); o.Job.Delivery.TargetID != "b" {
		t.Errorf("%+v", o)
	}
	if err := f.SetTarget(t.Context(), "a", false, "test"); err != nil {
		t.Fatal(err)
	}
	f.append(relay.Draft{Targets: []string{"a"}})
	if err := f.SetTarget(t.Context(), "a", true, ""); err != nil {
		t.Fatal(err)
	}
	if o := next(t, seen); o.Job.Delivery.TargetID != "a" {
		t.Errorf("%+v", o)
	}
	if all := noted.taken(); len(all) > 0 {
		t.Errorf("noted although nothing was wrong: %v", all)
	}
}

// TestPostgres_NotificationsOfManyTargets: what does not fit into one notification comes with the next ones.
func TestPostgres_NotificationsOfManyTargets(t *testing.T) {
	t.Parallel()
	f := open(t, postgres)
	g := f.beside()
	run := runners{}
	var targets []string
	for i := range 80 {
		id := strings.Repeat("<é", 60) + strconv.Itoa(i) // over 30 kB in all, as JSON
		targets, run[id] = append(targets, id), answer(relay.Delivered(""))
	}
	f.target(targets...)
	eventually(t, "both listen", func() bool { return f.number(listening) == 2 })
	seen := g.dispatchEvery(rare, run)
	f.append(relay.Draft{Targets: targets})
	for range targets {
		if o := next(t, seen); o.State != relay.Done {
			t.Errorf("%+v", o)
		}
	}
}

// TestPostgres_WithoutNotifications: without LISTEN the poll finds the work, and after a lost connection there is
// another one.
func TestPostgres_WithoutNotifications(t *testing.T) {
	t.Parallel()
	t.Run("off", func(t *testing.T) {
		t.Parallel()
		f := open(t, postgres, func(c *relay.Config) { c.URL, c.Now = c.URL+"&listen=off", time.Now })
		g := f.beside()
		f.target("a")
		seen := g.dispatchEvery(20*time.Millisecond, runners{"a": answer(relay.Delivered(""))})
		for range 3 { // the first one may be found at the start
			f.append(relay.Draft{Targets: []string{"a"}})
			if o := next(t, seen); o.State != relay.Done {
				t.Errorf("%+v", o)
			}
		}
		if n := f.number(listening); n != 0 {
			t.Errorf("%d connections listen", n)
		}
		_, err := relay.Open(t.Context(), relay.Config{URL: strings.Replace(f.cfg.URL, "listen=off", "listen=perhaps", 1)})
		if !errors.Is(err, relay.ErrInvalid) || !strings.Contains(err.Error(), "listen") {
			t.Errorf("listen=perhaps: %v", err)
		}
	})
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		var noted notes
		f := open(t, postgres)
		g := f.beside(func(c *relay.Config) { c.Note, c.Now = noted.add, time.Now })
		f.target("a")
		eventually(t, "both listen", func() bool { return f.number(listening) == 2 })
		execute(t, f.cfg.URL, strings.Replace(listening, "count(*)", "pg_terminate_backend(pid)", 1))
		seen := g.dispatchEvery(20*time.Millisecond, runners{"a": answer(relay.Delivered(""))})
		for range 3 { // the first one may be found at the start
			f.append(relay.Draft{Targets: []string{"a"}})
			if o := next(t, seen); o.State != relay.Done {
				t.Errorf("%+v", o)
			}
		}
		eventually(t, "both listen again", func() bool { return f.number(listening) == 2 })
		eventually(t, "it is noted", func() bool { return len(noted.taken()) == 1 })
	})
}

// TestPostgres_SilentListen plays a pooler that takes a LISTEN and brings no notification.
func TestPostgres_SilentListen(t *testing.T) {
	t.Parallel()
	f := open(t, postgres)
	f.target("a")
	var noted notes
	g := f.beside(func(c *relay.Config) { c.URL, c.Note, c.Now = silent(t, c.URL), noted.add, time.Now })
	seen := g.dispatchEvery(50*time.Millisecond, runners{"a": answer(relay.Delivered(""))})
	for range 3 {
		f.append(relay.Draft{Targets: []string{"a"}})
		if o := next(t, seen); o.State != relay.Done {
			t.Errorf("%+v", o)
		}
	}
	eventually(t, "it is noted", func() bool { return len(noted.taken()) > 0 })
	eventually(t, "only the other one listens", func() bool { return f.number(listening) == 1 })
	if all := noted.taken(); len(all) != 1 || !strings.Contains(all[0].Error(), "transaction pooler") {
		t.Errorf("noted: %v", all)
	}
}

// silent is the URL of a proxy that leaves out the server's notifications.
func silent(t *testing.T, to string) string {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	server := u.Host
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { withoutNotifications(client, server) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		open.Wait()
	})
	u.Host = l.Addr().String()
	return u.String()
}

// withoutNotifications passes on everything but NotificationResponse ('A'):
// https://www.postgresql.org/docs/current/protocol-message-formats.html
func withoutNotifications(client net.Conn, server string) {
	defer client.Close()
	to, err := new(net.Dialer).Dial("tcp", server)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		_, _ = io.Copy(to, client)
		_ = to.(*net.TCPConn).CloseWrite()
	}()
	var head [5]byte
	for {
		if _, err := io.ReadFull(to, head[:]); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(to, body); err != nil {
			return
		}
		if head[0] == 'A' {
			continue
		}
		if _, err := client.Write(append(head[:], body...)); err != nil {
			return
		}
	}
}
