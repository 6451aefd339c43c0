package app_test

import (
	"flag"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/signet/pkg/relay/relaytest"
	"example.com/signet/pkg/signature"
)

var outageTime = flag.Duration("outage", 5*time.Second, "how long TestApp_postgresAway keeps the server away")

// senders post orders until they are stopped, and post each one again until it is taken.
type senders struct {
	r       *rig
	stopped atomic.Bool
	running sync.WaitGroup

	taken, refused atomic.Int64
	mu             sync.Mutex
	ids            map[string]string // of the messages, by the event's id
}

func (r *rig) senders(n int) *senders {
	s := &senders{r: r, ids: map[string]string{}}
	r.t.Cleanup(s.stop)
	signer, err := signature.NewSigner("standard", secret)
	if err != nil {
		r.t.Fatal(err)
	}
	for w := range n {
		s.running.Go(func() {
			for i := 0; !s.stopped.Load(); i++ {
				s.send(signer, fmt.Sprintf("evt_%d-%d", w, i))
				<-time.After(5 * time.Millisecond) // the disk is small
			}
		})
	}
	return s
}

func (s *senders) send(signer *signature.Signer, id string) {
	body := fmt.Sprintf(`{"type":"order.completed","data":{"order_id":%q,"amount":1.25}}`, id)
	for !s.stopped.Load() {
		h := header("Content-Type", "application/json")
		if err := signer.Sign(signature.Outgoing{ID: id, Time: time.Now(), Method: http.MethodPost, Body: []byte(body)}, h); err != nil {
			s.r.t.Error(err)
			return
		}
		switch got := s.r.post("/webhook", body, h); {
		case got.status == http.StatusOK:
			var a accepted
			decode(s.r.t, got.body, &a)
			s.mu.Lock()
			s.ids[id] = a.ID
			s.mu.Unlock()
			s.taken.Add(1)
			return
		case got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "1" || !strings.Contains(got.body, `"code":"unavailable"`):
			s.r.t.Errorf("answered %d %v %s", got.status, got.header, got.body)
			return
		}
		s.refused.Add(1)
		<-time.After(5 * time.Millisecond) // instead of the second that was asked for
	}
}

// more waits until n more are taken.
func (s *senders) more(n int64) {
	s.r.t.Helper()
	from := s.taken.Load()
	eventually(s.r.t, fmt.Sprintf("%d more are taken", n), func() bool { return s.taken.Load() >= from+n })
}

// health is the status of GET /health.
func (r *rig) health() int {
	return r.do(r.request(http.MethodGet, "http://"+r.Addr()+"/health", nil, nil)).status
}

// through lets a fault begin and end: 503 from everything meanwhile, and all as before after it.
func (s *senders) through(fault func(), lasts <-chan time.Time, end func()) {
	t := s.r.t
	t.Helper()
	s.more(30)
	fault()
	refused := s.refused.Load()
	eventually(t, "webhooks are refused", func() bool { return s.refused.Load() > refused })
	eventually(t, "/health is 503", func() bool { return s.r.health() == http.StatusServiceUnavailable })
	if got := s.r.do(s.r.request(http.MethodGet, "http://"+s.r.Addr()+"/livez", nil, nil)); got.status != http.StatusOK {
		t.Errorf("/livez answered %d", got.status)
	}
	taken := s.taken.Load()
	if lasts != nil {
		<-lasts
	}
	if n := s.taken.Load() - taken; n != 0 {
		t.Errorf("%d webhooks were taken meanwhile", n)
	}
	end()
	s.more(30)
	eventually(t, "/health is 200", func() bool { return s.r.health() == http.StatusOK })
}

// stop ends the senders. What was under way is answered.
func (s *senders) stop() {
	s.stopped.Store(true)
	s.running.Wait()
}

// complete finds each message that was acknowledged, and each event once. Some were stored without their sender being
// told, as many as gave up asking: fewer than there are senders.
func (s *senders) complete(r *rig, n int64) {
	r.t.Helper()
	for event, id := range s.ids {
		if got := r.admin(http.MethodGet, "/api/v1/messages/"+id, nil); got.status != http.StatusOK {
			r.t.Errorf("%s was acknowledged as %s; asked for it now: %d", event, id, got.status)
		}
	}
	if got, want := int64(r.stats().Messages), int64(len(s.ids)); got < want || got > want+n {
		r.t.Errorf("%d messages, %d were acknowledged", got, want)
	}
}

// TestApp_fileFaults: while the database's file cannot be written webhooks are answered with 503 and Retry-After, and
// so is /health. When it can, all goes on by itself; nothing that was acknowledged is lost, and all of it takes effect.
func TestApp_fileFaults(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T) (dir string, begin, end func()){
		"disk full": func(t *testing.T) (string, func(), func()) {
			disk := relaytest.SmallDisk(t, "64m")
			return disk.Dir, disk.Fill, disk.Clear
		},
		"read-only": func(t *testing.T) (string, func(), func()) {
			file := filepath.Join(t.TempDir(), "receiver.db")
			var undo func()
			return filepath.Dir(file), func() { undo = relaytest.Immutable(t, file, file+"-wal") }, func() { undo() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, begin, end := prepare(t)
			first := launch(t, dir, "WEBHOOK_SECRET="+secret)
			s := first.senders(8)
			for range 2 {
				s.through(begin, nil, end)
			}
			s.stop()
			s.complete(first, 0)
			first.stop()
			second := launch(t, dir, "WEBHOOK_SECRET="+secret) // takes back the leases whose end could not be written
			defer second.stop()
			s.complete(second, 0)
			eventually(t, "every order has taken effect once", func() bool {
				all, n := second.stats(), int64(len(s.ids))
				return all.Domain.OrdersCompleted == n && all.Domain.RevenueMinor == 125*n && all.Deliveries["delivered"] == n
			})
			t.Logf("%d taken, %d refused", s.taken.Load(), s.refused.Load())
		})
	}
}

// TestApp_postgresAway is the same with a server that is stopped, or crashes, and is started again.
func TestApp_postgresAway(t *testing.T) {
	t.Parallel()
	server := relaytest.PrivateServer(t)
	r := launch(t, t.TempDir(), "WEBHOOK_SECRET="+secret, "RECEIVER_DATABASE_URL="+server.URL, "RECEIVER_ADMIN_TOKEN=token of this test")
	defer r.stop()
	s := r.senders(8)
	defer s.stop()
	s.through(server.Stop, time.After(*outageTime), server.Start)
	s.through(server.Crash, time.After(*outageTime), server.Start)
	s.stop()
	s.complete(r, 8)
	t.Logf("%d taken, %d refused", s.taken.Load(), s.refused.Load())
}
