package http1_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"example.com/signet/services/producer/internal/egress"
	"example.com/signet/services/producer/internal/http1"
)

// peer is one connection as a scripted server sees it.
type peer struct {
	net.Conn

	in     *bufio.Reader
	number int // of the connection, from 0
	server *server
}

// request reads one request and answers its body. False: there is none any more.
func (p *peer) request() ([]byte, bool) {
	r, err := http.ReadRequest(p.in)
	if err != nil {
		return nil, false
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, false
	}
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	p.server.requests = append(p.server.requests, r)
	return body, true
}

// say writes as it stands.
func (p *peer) say(text string) { _, _ = io.WriteString(p, text) }

// reset ends the connection with a TCP reset.
func (p *peer) reset() {
	if tcp, ok := p.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = p.Close()
}

// server is a real listener whose connections run a script.
type server struct {
	net.Listener

	mu       sync.Mutex
	requests []*http.Request
	closed   chan struct{} // one value for each connection that its script has closed
	done     chan struct{} // the test is over
	peers    []*peer
	running  sync.WaitGroup
}

// serve runs script on each connection, and closes that afterwards.
func serve(t *testing.T, script func(*peer)) *server {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: l, closed: make(chan struct{}, 1000), done: make(chan struct{})}
	s.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			p := &peer{Conn: c, in: bufio.NewReader(c), number: len(s.peers), server: s}
			s.peers = append(s.peers, p)
			s.mu.Unlock()
			s.running.Go(func() {
				script(p)
				_ = p.Close()
				s.closed <- struct{}{}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		close(s.done)
		s.mu.Lock()
		for _, p := range s.peers {
			_ = p.Close()
		}
		s.mu.Unlock()
		s.running.Wait()
	})
	return s
}

func (s *server) url() string { return "http://" + s.Addr().String() + "/hook" }

// connections is how many there were, seen the number of requests.
func (s *server) connections() (connections, seen int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.peers), len(s.requests)
}

// awaitClosed waits until a script has closed its connection, and the kernel has told the client's side.
func (s *server) awaitClosed(t *testing.T) {
	t.Helper()
	select {
	case <-s.closed:
	case <-time.After(10 * time.Second):
		t.Fatal("no connection was closed")
	}
}

// transports are the old way and the new one, from the same base.
func transports(t *testing.T, change func(*http.Transport)) map[string]http.RoundTripper {
	t.Helper()
	base := func() *http.Transport {
		allow, err := egress.ParseAllowList("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		b := egress.NewGuard(allow).Transport()
		if change != nil {
			change(b)
		}
		t.Cleanup(b.CloseIdleConnections)
		return b
	}
	direct := http1.New(base())
	t.Cleanup(direct.CloseIdleConnections)
	return map[string]http.RoundTripper{"net/http": base(), "http1": direct}
}

// onlyHTTP1 is a transport of ours whose base counts what reaches it.
func onlyHTTP1(t *testing.T, change func(*http.Transport)) (*http1.Transport, *dials) {
	t.Helper()
	counted := &dials{}
	base := &http.Transport{DialContext: counted.dial, MaxIdleConnsPerHost: 100}
	if change != nil {
		change(base)
	}
	direct := http1.New(base)
	t.Cleanup(direct.CloseIdleConnections)
	return direct, counted
}

// dials counts connections, and those that are open.
type dials struct {
	mu         sync.Mutex
	made, open int
}

func (d *dials) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.made++
	d.open++
	return &countedConn{TCPConn: c.(*net.TCPConn), of: d}, nil
}

func (d *dials) count() (made, open int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.made, d.open
}

type countedConn struct {
	*net.TCPConn

	of   *dials
	once sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(func() {
		c.of.mu.Lock()
		defer c.of.mu.Unlock()
		c.of.open--
	})
	return c.TCPConn.Close()
}
