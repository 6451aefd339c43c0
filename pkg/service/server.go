package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"go.uber.org/zap"
)

const (
	defaultBodyLimit = 1 << 20
	headerLimit      = 8 << 10 // request line and headers
	maxConnections   = 16 << 10

	readTimeout  = 15 * time.Second // for a whole request, headers and body
	writeTimeout = 30 * time.Second // for a whole reply
	idleTimeout  = 75 * time.Second // between requests
)

// ServerOptions describe one listening HTTP server.
type ServerOptions struct {
	Addr      string      // "host:port"; an empty host is every interface, port 0 a free one
	BodyLimit int         // most bytes of a request's body, 1 MiB when 0 or less
	Log       *zap.Logger // for panics and failures; nil is silent
	// Errors writes the reply for a request that failed: one that no route matched (404, 405), that could not be
	// read (400, 408, 413, 431, 501), or whose handler returned an error or panicked. err may be of any kind; its
	// text is fit for clients only when it is a *fiber.Error. When the request could not be read, c has at best
	// the method and the path. Nil: [Problem] documents.
	Errors func(c *fiber.Ctx, status int, err error) error
}

// Server is one HTTP listener with the routes of its App.
//
// A whole request must arrive within 15 s, its headers within 8 KiB, its body within the limit; a reply must be
// taken within 30 s (a handler that streams for longer moves its connection's write deadline itself). Handlers
// run only once the whole body is in memory, as it was sent: use BodyRaw or [ReadBody], because Body inflates
// past every limit. Memory for a body grows with what has arrived. A client whose request is refused half-way
// can still read the reply.
type Server struct {
	App *fiber.App // add routes before Start

	options  ServerOptions
	bodies   *bodies
	listener *listener
	served   chan struct{} // closed when the accept loop has ended
	failed   chan error
}

// NewServer makes a server; [Server.Start] opens its port.
func NewServer(o ServerOptions) *Server {
	if o.BodyLimit <= 0 {
		o.BodyLimit = defaultBodyLimit
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Errors == nil {
		o.Errors = problems
	}
	s := &Server{options: o, bodies: newBodies(o.BodyLimit), served: make(chan struct{}), failed: make(chan error, 1)}
	s.App = fiber.New(fiber.Config{
		DisableStartupMessage:        true,
		CaseSensitive:                true,
		BodyLimit:                    o.BodyLimit,
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true, // a parsed form cannot be had back as the bytes that were signed
		ReadBufferSize:               headerLimit,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		Concurrency:                  maxConnections,
		ErrorHandler:                 s.fail,
	})
	inner := s.App.Server()
	inner.Handler = s.handler(inner.Handler)
	inner.ErrorHandler = s.unreadable(inner.ErrorHandler)
	return s
}

// Start opens the port and serves it until [Server.Stop]. An address that cannot be had is reported here.
func (s *Server) Start() error {
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "tcp", s.options.Addr)
	if err != nil {
		return fmt.Errorf("listen on %q: %w", s.options.Addr, err)
	}
	s.listener = newListener(l)
	go func() {
		defer close(s.served)
		if err := s.App.Listener(s.listener); err != nil {
			s.failed <- fmt.Errorf("serve %s: %w", s.Addr(), err)
		}
	}()
	return nil
}

// Addr is the address the server listens on, with the port it was given; before Start, the one it was asked for.
func (s *Server) Addr() string {
	if s.listener == nil {
		return s.options.Addr
	}
	return s.listener.Addr().String()
}

// Failed yields the error that ended the server, if anything but [Server.Stop] does.
func (s *Server) Failed() <-chan error { return s.failed }

// Stop closes the port and waits for the requests under way. Requests still arriving have one second left.
// When ctx ends first its error is returned, and handlers may still be running. It is called once; on a server
// that was not started it does nothing.
func (s *Server) Stop(ctx context.Context) error {
	if s.listener == nil {
		return nil
	}
	s.listener.stop()
	// fasthttp closes only a listener it has begun to serve, which may be still to come.
	err := s.listener.Close()
	if err = errors.Join(err, s.App.ShutdownWithContext(ctx)); err != nil {
		return fmt.Errorf("stop %s: %w", s.Addr(), err)
	}
	select {
	case <-s.served:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop %s: %w", s.Addr(), ctx.Err())
	}
}

// handler reads the body, runs the routes and survives their panics.
func (s *Server) handler(routes fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		defer s.recover(ctx)
		if ambiguousLength(&ctx.Request.Header) {
			s.refuse(ctx, fiber.NewError(fiber.StatusBadRequest, "the request has both a Content-Length and a Transfer-Encoding"))
			return
		}
		if err := s.bodies.receive(ctx); err != nil {
			s.refuse(ctx, bodyError(err))
			return
		}
		if !knownMethod(ctx.Method()) {
			s.reply(ctx, fiber.ErrNotImplemented)
			return
		}
		routes(ctx)
		if err, failed := ctx.UserValue(failure{}).(error); failed {
			ctx.RemoveUserValue(failure{}) // values may outlive the request on a kept connection
			s.log(ctx, err)
		}
	}
}

// unreadable replies to requests whose headers fasthttp could not read.
func (s *Server) unreadable(inner func(*fasthttp.RequestCtx, error)) func(*fasthttp.RequestCtx, error) {
	return func(ctx *fasthttp.RequestCtx, err error) {
		defer s.recover(ctx)
		if !isTimeout(err) { // a client that stopped sending has nothing left to read
			markRefused(ctx)
		}
		inner(ctx, err)
	}
}

// ambiguousLength says whether the request states its length in two ways. A proxy in front may believe the other
// one, and take the end of the body for the next request (RFC 9112, section 6.1).
func ambiguousLength(h *fasthttp.RequestHeader) bool {
	const chunked = -1
	return h.ContentLength() == chunked && bytes.Contains(bytes.ToLower(h.RawHeaders()), []byte("content-length:"))
}

// bodyError is the reply's error for a body that could not be read.
func bodyError(err error) error {
	switch {
	case errors.Is(err, ErrBodyTooLarge):
		return err
	case isTimeout(err):
		return fiber.ErrRequestTimeout
	default:
		return fiber.NewError(fiber.StatusBadRequest, "the request's body could not be read")
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// refuse replies before the whole request has been read, and so ends the connection.
func (s *Server) refuse(ctx *fasthttp.RequestCtx, err error) {
	ctx.Request.ResetBody() // or whoever words the reply could read the rest of it
	s.reply(ctx, err)
	ctx.SetConnectionClose()
	if !errors.Is(err, fiber.ErrRequestTimeout) {
		markRefused(ctx)
	}
}

func markRefused(ctx *fasthttp.RequestCtx) {
	if c, ok := ctx.Conn().(*connection); ok {
		c.refused.Store(true)
	}
}

// reply answers outside the routes.
func (s *Server) reply(ctx *fasthttp.RequestCtx, cause error) {
	c := s.App.AcquireCtx(ctx)
	defer s.App.ReleaseCtx(c)
	if err := s.fail(c, cause); err != nil {
		s.log(ctx, err)
		ctx.Error("", fiber.StatusInternalServerError)
	}
}

// fail is Fiber's error handler: it finds the status and lets the service word the reply.
func (s *Server) fail(c *fiber.Ctx, err error) error {
	status, expected := statusOf(err)
	if !expected {
		s.log(c.Context(), err)
	}
	return s.options.Errors(c, status, err)
}

// statusOf is the reply's status for an error, and whether the error is of a kind made for replies.
func statusOf(err error) (status int, expected bool) {
	var known *fiber.Error
	switch {
	case errors.Is(err, ErrBodyTooLarge):
		return fiber.StatusRequestEntityTooLarge, true
	case errors.As(err, &known):
		return known.Code, true
	default:
		return fiber.StatusInternalServerError, false
	}
}

// knownMethod says whether Fiber has routes for a method; others it would answer in plain text.
func knownMethod(method []byte) bool {
	for _, known := range fiber.DefaultMethods {
		if string(method) == known {
			return true
		}
	}
	return false
}
