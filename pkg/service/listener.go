package service

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	lingerTotal  = 10 * time.Second // longest time a refused request is still read
	lingerIdle   = 2 * time.Second  // longest pause in it
	lingerBytes  = 64 << 20         // most of it that is read
	lingerAtOnce = 256              // connections lingering at a time; more are closed outright

	stopGrace = time.Second // time a request under way has to arrive once the server stops

	acceptRetry = 50 * time.Millisecond
)

// listener accepts connections that can close without losing the reply, and that stop waiting for input when
// the server stops. It survives the moments when the process is out of file descriptors.
type listener struct {
	net.Listener
	lingering chan struct{} // one token for each connection that lingers
	closed    chan struct{}
	closing   func() error // closes the Listener, once
	stopBy    atomic.Int64 // Unix nanoseconds after which nothing is read any more; 0 while running

	mu   sync.Mutex
	open map[*connection]struct{}
}

func newListener(l net.Listener) *listener {
	closed := make(chan struct{})
	return &listener{
		Listener:  l,
		lingering: make(chan struct{}, lingerAtOnce),
		closed:    closed,
		closing: sync.OnceValue(func() error {
			close(closed)
			return l.Close()
		}),
		open: map[*connection]struct{}{},
	}
}

// Accept waits for the next connection. fasthttp takes every error for the end of the listener, so those that
// pass are waited out here.
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err == nil {
			return l.track(conn), nil
		}
		if !passing(err) {
			return nil, err
		}
		retry := time.NewTimer(acceptRetry)
		select {
		case <-retry.C:
		case <-l.closed:
			retry.Stop()
			return nil, net.ErrClosed
		}
	}
}

func passing(err error) bool {
	for _, errno := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// Close stops accepting. It may be called more than once.
func (l *listener) Close() error { return l.closing() }

// stop gives every open connection a last deadline for its input, so that a silent client cannot hold up the
// end of the process. Handlers are not affected: by the time they run, their request has been read.
func (l *listener) stop() {
	by := time.Now().Add(stopGrace)
	l.stopBy.Store(by.UnixNano())
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		_ = c.Conn.SetReadDeadline(by) // fails only on a connection that is closed already
	}
}

func (l *listener) track(conn net.Conn) *connection {
	c := &connection{Conn: conn, listener: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[c] = struct{}{}
	return c
}

func (l *listener) forget(c *connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
}

// connection is one client's connection.
type connection struct {
	net.Conn
	listener *listener
	refused  atomic.Bool // a reply was sent before the whole request was read
	hungUp   atomic.Bool // reading has met the end of the client's input
}

// Read reads what the client sends.
func (c *connection) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if errors.Is(err, io.EOF) {
		c.hungUp.Store(true)
	}
	return n, err
}

// SetReadDeadline sets the deadline for reading, but no later than the listener's own end.
func (c *connection) SetReadDeadline(t time.Time) error {
	if err := c.Conn.SetReadDeadline(t); err != nil {
		return err
	}
	// Looked at after the deadline was set: a stop in between must not be overwritten.
	if nanos := c.listener.stopBy.Load(); nanos != 0 {
		if by := time.Unix(0, nanos); t.IsZero() || t.After(by) {
			return c.Conn.SetReadDeadline(by)
		}
	}
	return nil
}

// Close closes the connection. Where a reply was sent before the whole request was read, the rest is read and
// dropped first, within bounds: a socket closed with unread input resets the connection, and the client would
// lose the reply that tells it what was wrong.
func (c *connection) Close() error {
	defer c.listener.forget(c)
	if c.refused.Swap(false) {
		c.linger()
	}
	return c.Conn.Close()
}

func (c *connection) linger() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return
	}
	select {
	case c.listener.lingering <- struct{}{}:
		defer func() { <-c.listener.lingering }()
	default:
		return
	}
	if half.CloseWrite() != nil {
		return
	}
	rest := &pausing{conn: c, until: time.Now().Add(lingerTotal)}
	_, _ = io.CopyN(io.Discard, rest, lingerBytes) // whatever ends it, the connection is closed next
}

// pausing reads from a connection until a point in time, or until nothing has come for lingerIdle.
type pausing struct {
	conn  *connection
	until time.Time
}

func (p *pausing) Read(b []byte) (int, error) {
	next := time.Now().Add(lingerIdle)
	if next.After(p.until) {
		next = p.until
	}
	if err := p.conn.SetReadDeadline(next); err != nil {
		return 0, err
	}
	return p.conn.Conn.Read(b)
}
