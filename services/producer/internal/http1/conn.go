package http1

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

// conn is one connection. One exchange at a time has it, and the goroutine of that one alone.
type conn struct {
	born time.Time // connected
	net.Conn

	t      *Transport
	to     place
	secret *tls.ConnectionState // nil without TLS
	in     *bufio.Reader        // while there is an exchange
	left   int64                // bytes that may still be read
	socket prober
	expire func()      // ends what the exchange waits for
	stop   func() bool // unhooks expire from the exchange's context

	since        time.Time // idle since then; the rest is the pool's as well
	older, newer *conn
}

func newConn(t *Transport, to place, over net.Conn) *conn {
	c := &conn{Conn: over, t: t, to: to, born: time.Now()}
	c.expire = func() { _ = c.SetDeadline(longPast) }
	if s, ok := over.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			c.socket.raw = raw
		}
	}
	return c
}

// secure does the TLS handshake.
func (c *conn) secure(ctx context.Context, config *tls.Config, host string, timeout time.Duration) error {
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName = host
	}
	ctx, cancel := handshakeContext(ctx, timeout)
	defer cancel()
	over := tls.Client(c.Conn, config)
	if err := over.HandshakeContext(ctx); err != nil {
		return err
	}
	state := over.ConnectionState()
	c.Conn, c.secret = over, &state
	return nil
}

// Read serves the buffered reader. It stops at the bound on an answer's headers.
func (c *conn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, fmt.Errorf("the answer's headers are longer than %d bytes", c.t.maxHeader)
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.Conn.Read(p)
	c.left -= int64(n)
	return n, err
}

// alive reports whether the connection can be used again, until deadline: the server has not closed it, and has sent
// nothing that nobody asked for.
func (c *conn) alive(deadline time.Time) bool {
	return c.SetDeadline(deadline) == nil && c.socket.silent()
}

var longPast = time.Unix(1, 0)

// readers are pooled, so that an idle connection keeps no buffer.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}

// aborter is a context that tells of its end for less when that is not its deadline: the connection has that itself.
type aborter interface {
	AfterAbort(f func()) (stop func() bool)
}

func afterAbort(ctx context.Context, f func()) (stop func() bool) {
	if a, ok := ctx.(aborter); ok {
		return a.AfterAbort(f)
	}
	return context.AfterFunc(ctx, f)
}

// exchange sends a request and reads the head of its answer, on a connection that has the deadline of the request's
// context. It is free again when the answer's body has been read, and closed when that is closed earlier or anything
// goes wrong.
func (c *conn) exchange(r *http.Request, request []byte) (*http.Response, *broken) {
	ctx := r.Context()
	c.stop = afterAbort(ctx, c.expire)
	c.in = readers.Get().(*bufio.Reader)
	c.in.Reset(c)
	written, sendErr := c.Write(request)
	if written == 0 && sendErr != nil {
		c.finish(false)
		return nil, &broken{reason: reason(ctx, sendErr)}
	}
	// A server may have answered, and closed, before it had read everything: that is an answer all the same.
	answer, err := c.head(r)
	if err != nil {
		b := &broken{reason: reason(ctx, err), written: true, answered: c.left < c.t.maxHeader}
		c.finish(false)
		return nil, b
	}
	answer.TLS = c.secret
	reusable := sendErr == nil && !answer.Close && answer.StatusCode != http.StatusSwitchingProtocols
	if answer.Body == http.NoBody {
		c.finish(reusable)
	} else {
		answer.Body = &body{from: answer.Body, c: c, reusable: reusable}
	}
	return answer, nil
}

// head reads answers until there is one that is final. All their headers together keep the bound.
func (c *conn) head(r *http.Request) (*http.Response, error) {
	c.left = c.t.maxHeader
	for {
		answer, err := http.ReadResponse(c.in, r)
		if err != nil {
			return nil, err
		}
		if answer.StatusCode >= http.StatusOK || answer.StatusCode == http.StatusSwitchingProtocols {
			c.left = math.MaxInt64
			return answer, nil
		}
	}
}

// reason finds what ended an exchange: its context, rather than what that did to the connection.
func reason(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return context.DeadlineExceeded // the connection's clock was a moment faster
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the connection was closed before the answer had come: %w", err)
	default:
		return err
	}
}

// finish ends an exchange.
func (c *conn) finish(reusable bool) {
	// What the context's end does to the connection would hit the next exchange.
	reusable = c.stop() && reusable && c.in.Buffered() == 0
	c.in.Reset(nil)
	readers.Put(c.in)
	c.in = nil
	if !reusable || !c.t.idle.put(c) {
		c.close()
	}
}

func (c *conn) close() { _ = c.Close() }

// body frees its connection at its end. It must not be read and closed at the same time.
type body struct {
	from     io.ReadCloser
	c        *conn // nil: freed
	reusable bool
}

func (b *body) Read(p []byte) (int, error) {
	if b.c == nil {
		return 0, b.ended()
	}
	n, err := b.from.Read(p)
	if err != nil {
		b.free(b.reusable && errors.Is(err, io.EOF))
	}
	return n, err
}

// Close closes the connection when the body was not read to its end: reading on could take for ever.
func (b *body) Close() error {
	if b.c != nil {
		b.free(false)
	}
	b.from = nil
	return nil
}

func (b *body) ended() error {
	if b.from == nil {
		return http.ErrBodyReadAfterClose
	}
	return io.EOF
}

func (b *body) free(reusable bool) {
	b.c.finish(reusable)
	b.c = nil
}
