package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"example.com/signet/pkg/signature"
)

// sink answers as the path says: /status/500, /fail/2 (500 twice, then 200), /busy/1 (503 and a Retry-After of that, once), /held
// (no answer before a script says open), /moved, /chatty/1 (500 once, and after it on the same connection what nobody asked
// for), anything else 200.
type sink struct {
	*httptest.Server

	mu    sync.Mutex
	seen  []*http.Request
	sent  []string
	paths map[string]int
	held  chan struct{}
	once  sync.Once
}

type sinkKey struct{}

func newSink() *sink {
	s := &sink{paths: map[string]int{}, held: make(chan struct{})}
	s.Server = httptest.NewServer(s)
	return s
}

func (s *sink) release() { s.once.Do(func() { close(s.held) }) }

func (s *sink) Close() {
	s.release()
	s.Server.Close()
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20)) // of what is larger nobody asks for the rest
	_, _ = io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	s.seen, s.sent = append(s.seen, r), append(s.sent, string(text))
	n := s.paths[r.URL.Path]
	s.paths[r.URL.Path]++
	s.mu.Unlock()
	kind, argument, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	argument, _, _ = strings.Cut(argument, "/") // more of the path only sets it apart
	number, _ := strconv.Atoi(argument)
	switch {
	case kind == "moved":
		w.Header().Set("Location", "/elsewhere?key=hunter2\u009b31m=hunter2")
		w.WriteHeader(http.StatusMovedPermanently)
	case kind == "status":
		w.WriteHeader(number)
	case kind == "fail" && n < number:
		w.WriteHeader(http.StatusInternalServerError)
	case kind == "busy" && n == 0:
		w.Header().Set("Retry-After", argument)
		w.WriteHeader(http.StatusServiceUnavailable)
	case kind == "held":
		<-s.held
	case kind == "chatty" && n < number:
		chatter(w)
		return
	}
	_, _ = io.WriteString(w, "thanks")
}

// chatter answers 500, and goes on with a line that no request asked for. The connection stays open for as long as the
// client wants it.
func chatter(w http.ResponseWriter) {
	connection, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // the client gets an answer that it does not expect
	}
	defer connection.Close()
	_, _ = io.WriteString(connection, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\nby the way, hello\r\n")
	_, _ = io.Copy(io.Discard, buffered)
}

func sinkOf(ts *testscript.TestScript) *sink { return ts.Value(sinkKey{}).(*sink) }

// last is the latest request, and its body.
func (s *sink) last(ts *testscript.TestScript) (*http.Request, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) == 0 {
		ts.Fatalf("nothing was received")
	}
	return s.seen[len(s.seen)-1], s.sent[len(s.sent)-1]
}

// received N: so many requests have come.
func received(ts *testscript.TestScript, _ bool, args []string) {
	s := sinkOf(ts)
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := strconv.Itoa(len(s.seen)); got != args[0] {
		ts.Fatalf("%s requests, not %s", got, args[0])
	}
}

// waitfor N: so many requests come within ten seconds.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	s := sinkOf(ts)
	poll(ts, fmt.Sprintf("%d requests", want), func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.seen) >= want
	})
}

// [!] body FILE: the last request's body is, byte for byte, the file's content.
func body(ts *testscript.TestScript, neg bool, args []string) {
	_, got := sinkOf(ts).last(ts)
	if (got == ts.ReadFile(args[0])) == neg {
		ts.Fatalf("the body is %q", got)
	}
}

// text TEXT: the last request's body is that.
func text(ts *testscript.TestScript, _ bool, args []string) {
	if _, got := sinkOf(ts).last(ts); got != args[0] {
		ts.Fatalf("the body is %q", got)
	}
}

// header NAME VALUE: the last request has it.
func header(ts *testscript.TestScript, neg bool, args []string) {
	r, _ := sinkOf(ts).last(ts)
	if got := r.Header.Get(args[0]); (got == args[1]) == neg {
		ts.Fatalf("%s is %q", args[0], got)
	}
}

// [!] verify SCHEME SECRET: the last request's signature.
func verify(ts *testscript.TestScript, neg bool, args []string) {
	r, text := sinkOf(ts).last(ts)
	verifier, err := signature.NewVerifier(args[0], []string{args[1]})
	ts.Check(err)
	_, err = verifier.Verify(signature.Request{Method: r.Method, URL: sinkOf(ts).URL + r.URL.String(), Header: r.Header, Body: []byte(text)}, time.Now())
	if (err == nil) == neg {
		ts.Fatalf("verify: %v", err)
	}
}

// ids N: all requests together carry so many different ids in webhook-id.
func ids(ts *testscript.TestScript, _ bool, args []string) {
	s := sinkOf(ts)
	s.mu.Lock()
	defer s.mu.Unlock()
	different := map[string]bool{}
	for _, r := range s.seen {
		if id := r.Header.Get("Webhook-Id"); id != "" {
			different[id] = true
		}
	}
	if got := strconv.Itoa(len(different)); got != args[0] {
		ts.Fatalf("%s ids: %v", got, different)
	}
}
