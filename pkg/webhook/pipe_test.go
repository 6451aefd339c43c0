package webhook_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"example.com/signet/pkg/webhook"
)

// pipes is a listener whose connections are pipes, so that a real server and a real client can meet under the
// fake clock of synctest.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// call is a request as it arrived, and when.
type call struct {
	at   time.Time
	body string
}

// bubble is a server in a synctest bubble, and a client that reaches it and nothing else.
type bubble struct {
	mu    sync.Mutex
	calls []call

	server    http.Server
	transport *http.Transport
	client    *webhook.Client
	served    chan struct{}
}

const bubbleURL = "http://receiver.test/hook"

// newBubble answers the n-th request (from 0) with answer. It must be stopped within the bubble.
func newBubble(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request), opts ...webhook.Option) *bubble {
	t.Helper()
	b := &bubble{served: make(chan struct{})}
	b.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		n := len(b.calls)
		b.calls = append(b.calls, call{time.Now(), string(body)})
		b.mu.Unlock()
		answer(n, w, r)
	})
	listener := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	b.transport = &http.Transport{DialContext: listener.dial}
	var err error
	b.client, err = webhook.New(append([]webhook.Option{webhook.WithHTTPClient(&http.Client{Transport: b.transport})}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(b.served)
		_ = b.server.Serve(listener)
	}()
	return b
}

func (b *bubble) stop() {
	_ = b.client.Close()
	b.transport.CloseIdleConnections()
	_ = b.server.Close()
	<-b.served
}
