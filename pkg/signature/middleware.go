package signature

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// defaultMaxBody is how many bytes of a body a Middleware reads unless told.
const defaultMaxBody = 1 << 20

// RequestVerifier is what Middleware asks about requests. Verifier and Detector
// satisfy it.
type RequestVerifier interface {
	Verify(r Request, now time.Time) (Match, error)
	Handshake(r Request, now time.Time) (reply Reply, ok bool, err error)
}

// MiddlewareOption changes how a Middleware is made.
type MiddlewareOption func(*middleware)

// WithClock sets where the time comes from, instead of time.Now.
func WithClock(now func() time.Time) MiddlewareOption {
	return func(m *middleware) { m.now = now }
}

// WithPublicURL sets the address under which senders know the server, such as
// https://hooks.example.com or, behind a proxy that takes a part of the path
// away, https://example.com/hooks. The path and query of each request are
// appended, as they arrived. Schemes that sign the URL verify nothing without
// it: what a request says of its own host is not believed.
func WithPublicURL(base string) MiddlewareOption {
	return func(m *middleware) { m.base = strings.TrimRight(base, "/") }
}

// WithMaxBody sets how many bytes a body may have, 1 MiB by default. Zero and
// less mean the default. What a provider may send is Info.MaxBody.
func WithMaxBody(bytes int64) MiddlewareOption {
	return func(m *middleware) {
		if bytes > 0 {
			m.maxBody = bytes
		}
	}
}

// WithRefusal sets a function that is told of each refused request and why, for
// a log or a metric: the errors of Verify and Handshake, *http.MaxBytesError for
// a body that is too large, or what broke the body off, all wrapped. It is
// called before the reply is written, which says nothing of the reason. The
// request's body must not be read.
func WithRefusal(refused func(r *http.Request, reason error)) MiddlewareOption {
	return func(m *middleware) { m.refused = refused }
}

// Middleware makes handlers that receive proven requests only, for servers of
// net/http. It reads the body, answers handshakes itself, and passes everything
// that verifies on: with the same body to read again, neither decompressed nor
// changed, and with the Match that MatchFrom returns.
//
// The others are answered with JSON and a status: 401 for a signature that does
// not verify, whatever the reason, 413 for a body that is too large, 400 for one
// that breaks off.
//
// It does not remember ids: a request that verifies may be a replay of another.
// Nor does it bound how long a body may take: set http.Server.ReadTimeout.
func Middleware(v RequestVerifier, opts ...MiddlewareOption) func(http.Handler) http.Handler {
	m := &middleware{verifier: v, now: time.Now, maxBody: defaultMaxBody, refused: func(*http.Request, error) {}}
	for _, set := range opts {
		set(m)
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(w, r, next) })
	}
}

type middleware struct {
	verifier RequestVerifier
	now      func() time.Time
	base     string
	maxBody  int64
	refused  func(*http.Request, error)
}

// matchKey is the context's key for the Match.
type matchKey struct{}

// MatchFrom returns what a Middleware proved of the request with this context.
func MatchFrom(ctx context.Context) (match Match, ok bool) {
	match, ok = ctx.Value(matchKey{}).(Match)
	return match, ok
}

func (m *middleware) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	body, err := m.read(w, r)
	if err != nil {
		m.refuseBody(w, r, err)
		return
	}
	now := m.now()
	request := Request{Method: r.Method, URL: m.publicURL(r), Header: r.Header, Body: body}
	reply, ok, err := m.verifier.Handshake(request, now)
	if err == nil && ok {
		answer(w, reply)
		return
	}
	var match Match
	if err == nil {
		match, err = m.verifier.Verify(request, now)
	}
	if err != nil {
		m.refused(r, err)
		refuse(w, http.StatusUnauthorized, "invalid_signature", "Invalid signature")
		return
	}
	proven := r.WithContext(context.WithValue(r.Context(), matchKey{}, match))
	proven.Body = io.NopCloser(bytes.NewReader(body))
	proven.ContentLength = int64(len(body))
	next.ServeHTTP(w, proven)
}

// read returns the whole body. One that announces too much is not begun.
func (m *middleware) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > m.maxBody {
		return nil, fmt.Errorf("%d bytes: %w", r.ContentLength, &http.MaxBytesError{Limit: m.maxBody})
	}
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, m.maxBody))
	if err != nil {
		return nil, fmt.Errorf("reading the body: %w", err)
	}
	return body, nil
}

// publicURL appends the path and query to the base, as they stand in the
// request line, for the sender signed that spelling. Without a base they stand
// alone, which no sender signs, but which holds the challenge of a handshake.
func (m *middleware) publicURL(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return m.base + r.RequestURI
	}
	return m.base + r.URL.RequestURI() // written with a host, or made by a test
}

func (m *middleware) refuseBody(w http.ResponseWriter, r *http.Request, err error) {
	m.refused(r, err)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		refuse(w, http.StatusRequestEntityTooLarge, "body_too_large", "Body too large")
		return
	}
	refuse(w, http.StatusBadRequest, "bad_request", "Bad request")
}

// refuse writes a constant reply: nothing in it comes from the request.
func refuse(w http.ResponseWriter, status int, code, message string) {
	body := fmt.Appendf(nil, `{"status":"error","code":%q,"message":%q}`, code, message)
	answer(w, Reply{Status: status, ContentType: "application/json", Body: body})
}

// answer writes a reply. A sender that is gone before it is no fault of ours.
func answer(w http.ResponseWriter, reply Reply) {
	if reply.ContentType != "" {
		w.Header().Set("Content-Type", reply.ContentType)
	}
	w.WriteHeader(reply.Status)
	if len(reply.Body) > 0 {
		_, _ = w.Write(reply.Body)
	}
}
