package http1

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

var (
	errControl = errors.New("a control character in the URL")
	errLength  = errors.New("the body is not as long as the request says")
)

const (
	// small is the largest body, in bytes, of a request that is sent before its answer is read: it and its headers fit
	// into the socket's buffers, so that sending never waits for a server which answers without having read.
	small = 32 << 10
	// keptBuffer bounds the buffers that are kept for the next request.
	keptBuffer = small + 16<<10
	// defaultHeader is how many bytes an answer's headers may have where the base sets no bound; net/http's own.
	defaultHeader = 10 << 20
)

// Transport is an http.RoundTripper. It is safe for concurrent use.
type Transport struct {
	base      *http.Transport
	all       bool // goes through base
	tls       *tls.Config
	maxHeader int64
	idle      pool
	buffers   sync.Pool
}

// New makes a transport beside base, which must not be changed afterwards. Of base's settings it keeps the dialer,
// the TLS settings, the timeouts of the handshake and of idle connections, and the bounds on idle connections and on
// headers. Everything goes through a base that has a proxy, a way of its own to make TLS connections, no connections
// that are used twice, or a bound on those in use.
func New(base *http.Transport) *Transport {
	t := &Transport{base: base, tls: &tls.Config{MinVersion: tls.VersionTLS12}, maxHeader: base.MaxResponseHeaderBytes}
	t.all = base.Proxy != nil || base.DialContext == nil || base.DialTLSContext != nil || base.DisableKeepAlives || base.MaxConnsPerHost > 0
	if base.TLSClientConfig != nil {
		t.tls = base.TLSClientConfig.Clone()
	}
	t.tls.NextProtos = []string{"http/1.1"}
	if t.maxHeader <= 0 {
		t.maxHeader = defaultHeader
	}
	t.idle.init(base.MaxIdleConns, base.MaxIdleConnsPerHost, base.IdleConnTimeout)
	t.buffers.New = func() any { return new(bytes.Buffer) }
	return t
}

// CloseIdleConnections closes the connections that wait for another request, base's too.
func (t *Transport) CloseIdleConnections() {
	t.idle.closeAll()
	t.base.CloseIdleConnections()
}

// RoundTrip sends r and reads the head of its answer. It never changes r and closes its body.
//
// Like net/http it sends a request a second time only when the connection had been used before and either nothing of
// the request was written, or no byte of an answer came and r has an Idempotency-Key.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	to := place{r.URL.Scheme, r.URL.Host}
	if !t.takes(r) || to.scheme == "https" && !t.idle.speaks(to) {
		return t.viaBase(to, r)
	}
	request := t.buffers.Get().(*bytes.Buffer)
	defer t.giveBack(request)
	if err := write(request, r); err != nil {
		return nil, err
	}
	c, used, err := t.connection(r.Context(), to)
	if err != nil {
		return nil, err
	}
	answer, broken := c.exchange(r, request.Bytes())
	if used && broken.again(r) {
		if c, err = t.dial(r.Context(), to); err != nil {
			return nil, err
		}
		answer, broken = c.exchange(r, request.Bytes())
	}
	if broken != nil {
		return nil, broken.reason
	}
	return answer, nil
}

func (t *Transport) giveBack(b *bytes.Buffer) {
	if b.Cap() <= keptBuffer {
		b.Reset()
		t.buffers.Put(b)
	}
}

// viaBase lets net/http do it, and learns whether the server speaks HTTP/1.1.
func (t *Transport) viaBase(to place, r *http.Request) (*http.Response, error) {
	answer, err := t.base.RoundTrip(r)
	if err == nil && to.scheme == "https" && answer.ProtoMajor == 1 {
		t.idle.learn(to)
	}
	return answer, err
}

// connection takes an idle connection that is still open, or makes a new one. It has the context's deadline.
func (t *Transport) connection(ctx context.Context, to place) (c *conn, used bool, err error) {
	deadline, _ := ctx.Deadline() // the zero time is none
	for c = t.idle.take(to); c != nil; c = t.idle.take(to) {
		if c.alive(deadline) {
			return c, true, nil
		}
		c.close()
		if ctx.Err() != nil { // it may have been alive, and so may the others
			return nil, false, context.Cause(ctx)
		}
		if !deadline.IsZero() && !time.Now().Before(deadline) { // the context has not noticed yet
			return nil, false, context.DeadlineExceeded
		}
	}
	c, err = t.dial(ctx, to)
	return c, false, err
}

func (t *Transport) dial(ctx context.Context, to place) (*conn, error) {
	host, port := to.host()
	over, err := t.base.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	c := newConn(t, to, over)
	if to.scheme == "https" {
		if err := c.secure(ctx, t.tls, host, t.base.TLSHandshakeTimeout); err != nil {
			_ = over.Close()
			t.idle.forget(to) // it may have given up HTTP/1.1: the next request finds out
			return nil, err
		}
	}
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// broken is how a connection broke before there was an answer.
type broken struct {
	reason   error
	written  bool // some of the request
	answered bool // some of the answer
}

// again reports whether the request may be sent once more on a new connection after an old one broke.
func (b *broken) again(r *http.Request) bool {
	if b == nil || r.Context().Err() != nil {
		return false
	}
	return !b.written || !b.answered && (r.Header["Idempotency-Key"] != nil || r.Header["X-Idempotency-Key"] != nil)
}

// place is where connections go to, as a URL says it.
type place struct{ scheme, hostPort string }

// host splits the place, and adds the port its scheme implies.
func (p place) host() (host, port string) {
	host, port, err := net.SplitHostPort(p.hostPort)
	if err != nil {
		host, port = p.hostPort, ""
		if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
			host = host[1 : len(host)-1]
		}
	}
	switch {
	case port != "":
	case p.scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return host, port
}

// handshakeContext bounds a TLS handshake.
func handshakeContext(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, timeout)
}
