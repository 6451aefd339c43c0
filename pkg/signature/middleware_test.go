package signature_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

const (
	replyInvalid  = `{"status":"error","code":"invalid_signature","message":"Invalid signature"}`
	replyTooLarge = `{"status":"error","code":"body_too_large","message":"Body too large"}`
	replyBroken   = `{"status":"error","code":"bad_request","message":"Bad request"}`
)

func atTestTime() time.Time { return testTime }

// seen is what the handler behind a middleware was given.
type seen struct {
	match   signature.Match
	ok      bool
	body    []byte
	length  int64
	refused error
}

// guarded starts a server with a middleware, and a place for what it sees. One
// request at a time, please.
func guarded(t *testing.T, v signature.RequestVerifier, opts ...signature.MiddlewareOption) (*httptest.Server, *seen) {
	t.Helper()
	got := &seen{}
	opts = append([]signature.MiddlewareOption{
		signature.WithClock(atTestTime),
		signature.WithRefusal(func(_ *http.Request, reason error) { got.refused = reason }),
	}, opts...)
	server := httptest.NewServer(signature.Middleware(v, opts...)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.match, got.ok = signature.MatchFrom(r.Context())
		got.length = r.ContentLength
		var err error
		if got.body, err = io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusTeapot)
	})))
	t.Cleanup(server.Close)
	return server, got
}

// send makes the request over the network and returns its status and body.
func send(t *testing.T, server *httptest.Server, request signature.Request, body io.Reader) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/in?b=2&a=1", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = cloneOf(request)
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := response.Header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("X-Content-Type-Options: %q", got)
	}
	return response, string(text)
}

func TestMiddleware_Verify(t *testing.T) {
	t.Parallel()
	out := signature.Outgoing{ID: testID, Time: testTime, Body: testBody}
	genuine := signed(t, signer(t, "standard", plainSecret), out)
	tests := []struct {
		name    string
		request signature.Request
		body    []byte
		want    error
	}{
		{"genuine", genuine, testBody, nil},
		{"said to be compressed", with(genuine, "Content-Encoding", "gzip"), testBody, nil},
		{"other body", genuine, []byte("{}"), signature.ErrMismatch},
		{"no body", genuine, nil, signature.ErrMismatch},
		{"unsigned", without(genuine, "Webhook-Signature"), testBody, signature.ErrMissing},
		{"malformed", with(genuine, "Webhook-Id", "a.b"), testBody, signature.ErrMalformed},
		{"header twice", with(genuine, "Webhook-Id", testID, testID), testBody, signature.ErrMalformed},
		{"old", signed(t, signer(t, "standard", plainSecret), signature.Outgoing{ID: testID, Time: testTime.Add(-time.Hour), Body: testBody}), testBody, signature.ErrTooOld},
		{"of two schemes", merged(genuine, signed(t, signer(t, "github", plainSecret), out)), testBody, signature.ErrAmbiguous},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server, got := guarded(t, detector(t, nil, plainSecret))
			response, text := send(t, server, test.request, bytes.NewReader(test.body))
			wantError(t, got.refused, test.want)
			if test.want == nil {
				want := signature.Match{Scheme: "standard", ID: testID, IDSigned: true, Timestamp: testTime.UTC()}
				if response.StatusCode != http.StatusTeapot || got.match != want || !got.ok || !bytes.Equal(got.body, test.body) || got.length != int64(len(test.body)) {
					t.Errorf("status %d, %+v", response.StatusCode, got)
				}
				return
			}
			if response.StatusCode != http.StatusUnauthorized || text != replyInvalid || response.Header.Get("Content-Type") != "application/json" {
				t.Errorf("status %d, %q, %v", response.StatusCode, text, response.Header)
			}
			if got.ok || got.body != nil {
				t.Errorf("the handler was asked: %+v", got)
			}
		})
	}
}

// chunked hides the length, so that it is not announced.
func chunked(body []byte) io.Reader { return io.MultiReader(bytes.NewReader(body)) }

func TestMiddleware_MaxBody(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		bound int64
		size  int
		want  int
	}{
		{"at the bound", 100, 100, http.StatusTeapot},
		{"beyond the bound", 100, 101, http.StatusRequestEntityTooLarge},
		{"at the default", 0, 1 << 20, http.StatusTeapot},
		{"beyond the default", 0, 1<<20 + 1, http.StatusRequestEntityTooLarge},
		{"negative is the default", -1, 1<<20 + 1, http.StatusRequestEntityTooLarge},
	}
	for _, test := range tests {
		for spelling, reader := range map[string]func([]byte) io.Reader{"announced": func(b []byte) io.Reader { return bytes.NewReader(b) }, "chunked": chunked} {
			t.Run(test.name+", "+spelling, func(t *testing.T) {
				t.Parallel()
				server, got := guarded(t, verifier(t, "github", plainSecret), signature.WithMaxBody(test.bound))
				body := bytes.Repeat([]byte("x"), test.size)
				request := signed(t, signer(t, "github", plainSecret), signature.Outgoing{Body: body})
				response, text := send(t, server, request, reader(body))
				if response.StatusCode != test.want {
					t.Fatalf("status %d, want %d", response.StatusCode, test.want)
				}
				var tooLarge *http.MaxBytesError
				if test.want != http.StatusTeapot && (text != replyTooLarge || !errors.As(got.refused, &tooLarge) || got.ok) {
					t.Errorf("%q, %v", text, got.refused)
				}
				if test.want == http.StatusTeapot && (got.length != int64(test.size) || !bytes.Equal(got.body, body)) {
					t.Errorf("%d bytes of %d", len(got.body), got.length)
				}
			})
		}
	}
}

// TestMiddleware_BrokenBody ends a chunked body in the middle.
func TestMiddleware_BrokenBody(t *testing.T) {
	t.Parallel()
	server, got := guarded(t, verifier(t, "github", plainSecret))
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := io.WriteString(connection, "POST /in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno length\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusBadRequest || string(text) != replyBroken || got.ok || got.refused == nil {
		t.Errorf("status %d, %q, %v, %+v", response.StatusCode, text, err, got)
	}
}

func TestMiddleware_Handshake(t *testing.T) {
	t.Parallel()
	signedPing := func(key string, body string) signature.Request {
		return signed(t, signer(t, "discord", key), signature.Outgoing{Time: testTime, Body: []byte(body)})
	}
	own := newPair(t, "discord")
	tests := []struct {
		name, key, body string
		status          int
		text, media     string
	}{
		{"with a body", own[0], `{"type":1}`, http.StatusOK, `{"type":1}`, "application/json"},
		{"without a body", own[0], `{"type":0}`, http.StatusNoContent, "", "application/json"},
		{"forged", newPair(t, "discord")[0], `{"type":1}`, http.StatusUnauthorized, replyInvalid, "application/json"},
		{"an event", own[0], `{"type":2}`, http.StatusTeapot, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server, got := guarded(t, verifier(t, "discord", own[1]))
			response, text := send(t, server, signedPing(test.key, test.body), strings.NewReader(test.body))
			if response.StatusCode != test.status || text != test.text || response.Header.Get("Content-Type") != test.media {
				t.Errorf("status %d, %q, %v", response.StatusCode, text, response.Header)
			}
			if got.ok != (test.status == http.StatusTeapot) {
				t.Error("the handler was asked about a handshake, or not about an event")
			}
		})
	}
}

// TestMiddleware_Challenge: a handshake by GET is answered from the query, with
// no public URL known.
func TestMiddleware_Challenge(t *testing.T) {
	t.Parallel()
	handler := signature.Middleware(verifier(t, "dropbox", plainSecret))(http.NotFoundHandler())
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/in?challenge=abc", nil))
	if w.Code != http.StatusOK || w.Body.String() != "abc" || w.Header().Get("Content-Type") != "text/plain" ||
		w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
}

// TestMiddleware_SignedURL: a scheme that signs the URL needs the public one.
func TestMiddleware_SignedURL(t *testing.T) {
	t.Parallel()
	out := compose("twilio", testID, testTime, testBody)
	request := signed(t, signer(t, "twilio", plainSecret), out)
	for base, want := range map[string]int{
		"https://hooks.example.com": http.StatusNotFound, "https://other.example.com": http.StatusUnauthorized, "": http.StatusUnauthorized,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, strings.TrimPrefix(testURL, "https://hooks.example.com"), bytes.NewReader(out.Body))
		r.Host, r.Header = "hooks.example.com", cloneOf(request)
		w := httptest.NewRecorder()
		signature.Middleware(verifier(t, "twilio", plainSecret), signature.WithPublicURL(base))(http.NotFoundHandler()).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: status %d, want %d", base, w.Code, want)
		}
	}
}

// recorder keeps the request that it is asked to verify.
type recorder struct{ asked signature.Request }

func (r *recorder) Handshake(request signature.Request, _ time.Time) (signature.Reply, bool, error) {
	r.asked = request
	return signature.Reply{}, false, nil
}

func (r *recorder) Verify(signature.Request, time.Time) (signature.Match, error) {
	return signature.Match{}, nil
}

// unanswerable has requests that verify and ask for what must not be answered.
type unanswerable struct{ recorder }

func (unanswerable) Handshake(signature.Request, time.Time) (signature.Reply, bool, error) {
	return signature.Reply{}, false, signature.ErrMalformed
}

func TestMiddleware_HandshakeRefused(t *testing.T) {
	t.Parallel()
	server, got := guarded(t, &unanswerable{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	wantError(t, got.refused, signature.ErrMalformed)
	if response.StatusCode != http.StatusUnauthorized || got.ok {
		t.Errorf("status %d, %+v", response.StatusCode, got)
	}
}

// unread is a body that nobody may read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("read")
	return 0, io.EOF
}

func TestMiddleware_AnnouncedTooLarge(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", unread{t})
	r.ContentLength = 1<<20 + 1
	w := httptest.NewRecorder()
	signature.Middleware(verifier(t, "github", plainSecret))(http.NotFoundHandler()).ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", w.Code)
	}
}

func TestMiddleware_PublicURL(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, base, target, want string }{
		{"none", "", "/in?b=2&a=1", "/in?b=2&a=1"},
		{"host", "https://hooks.example.com", "/in?b=2&a=1", "https://hooks.example.com/in?b=2&a=1"},
		{"slash at its end", "https://hooks.example.com/", "/", "https://hooks.example.com/"},
		{"path", "https://example.com/hooks", "/in", "https://example.com/hooks/in"},
		{"escapes as they arrived", "https://example.com", "/a%2fb%20c//d?q=%7e+x&", "https://example.com/a%2fb%20c//d?q=%7e+x&"},
		{"host in the request line", "https://example.com", "http://evil.example/in?a=1", "https://example.com/in?a=1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			asked := &recorder{}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, test.target, strings.NewReader("body"))
			r.Host = "evil.example"
			signature.Middleware(asked, signature.WithPublicURL(test.base))(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
			if asked.asked.URL != test.want || asked.asked.Method != http.MethodPut || string(asked.asked.Body) != "body" {
				t.Errorf("%+v, want %q", asked.asked, test.want)
			}
		})
	}
}

// TestMiddleware_StripPrefix: a server that takes a part of the path away for
// its own handlers changes nothing of what the sender signed.
func TestMiddleware_StripPrefix(t *testing.T) {
	t.Parallel()
	asked := &recorder{}
	handler := signature.Middleware(asked, signature.WithPublicURL("https://example.com"))(http.NotFoundHandler())
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/in/acme?a=1", nil)
	http.StripPrefix("/in", handler).ServeHTTP(httptest.NewRecorder(), r)
	if want := "https://example.com/in/acme?a=1"; asked.asked.URL != want {
		t.Errorf("%q, want %q", asked.asked.URL, want)
	}
}

func TestMiddleware_NoOptionsNoBody(t *testing.T) {
	t.Parallel()
	request := signed(t, signer(t, "github", plainSecret), signature.Outgoing{})
	r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/"}, Header: cloneOf(request)}
	w := httptest.NewRecorder()
	signature.Middleware(verifier(t, "github", plainSecret))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if match, ok := signature.MatchFrom(r.Context()); !ok || match.Scheme != "github" {
			t.Errorf("%+v, %t", match, ok)
		}
		if body, err := io.ReadAll(r.Body); err != nil || len(body) != 0 {
			t.Errorf("%q, %v", body, err)
		}
		w.WriteHeader(http.StatusTeapot)
	})).ServeHTTP(w, r)
	if w.Code != http.StatusTeapot {
		t.Errorf("status %d", w.Code)
	}
	if _, ok := signature.MatchFrom(context.Background()); ok {
		t.Error("a match from nowhere")
	}
}

// TestMiddleware_Clock: the default is the time of day.
func TestMiddleware_Clock(t *testing.T) {
	t.Parallel()
	handler := signature.Middleware(verifier(t, "standard", plainSecret))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	}))
	for at, want := range map[time.Time]int{time.Now(): http.StatusTeapot, testTime: http.StatusUnauthorized} {
		request := signed(t, signer(t, "standard", plainSecret), signature.Outgoing{ID: testID, Time: at, Body: testBody})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(testBody))
		r.Header = cloneOf(request)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("status %d, want %d", w.Code, want)
		}
	}
}
