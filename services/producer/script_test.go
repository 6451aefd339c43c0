package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"example.com/signet/pkg/signature"
)

// TestMain lets scripts run this binary as the producer's: main is main.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"producer": main})
}

// TestScripts runs testdata/script against a server that keeps what it is sent ($SINK) and against the real receiver,
// where a script starts one. See the commands below for what scripts can ask.
func TestScripts(t *testing.T) {
	t.Parallel()
	receiver := sync.OnceValues(func() (string, error) { return buildReceiver(t) })
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			s := newSink()
			env.Defer(s.Close)
			env.Values[sinkKey{}] = s
			env.Setenv("SINK", s.URL)
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"received": received,
			"body":     body,
			"text":     text,
			"header":   header,
			"verify":   verify,
			"ids":      ids,
			"open":     func(ts *testscript.TestScript, _ bool, _ []string) { sinkOf(ts).release() },
			"waitfor":  waitFor,
			"lines":    manyLines,
			"envsubst": envsubst,
			"receiver": func(ts *testscript.TestScript, _ bool, args []string) { startReceiver(ts, receiver, args[0]) },
			"effects":  effects,
		},
	})
}

// sink answers as the path says: /status/500, /fail/2 (500 twice, then 200), /busy (503 and a Retry-After), /held
// (no answer before a script says open), anything else 200.
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
	text, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.seen, s.sent = append(s.seen, r), append(s.sent, string(text))
	n := s.paths[r.URL.Path]
	s.paths[r.URL.Path]++
	s.mu.Unlock()
	kind, argument, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	argument, _, _ = strings.Cut(argument, "/") // more of the path only sets it apart
	number, _ := strconv.Atoi(argument)
	switch {
	case kind == "status":
		w.WriteHeader(number)
	case kind == "fail" && n < number:
		w.WriteHeader(http.StatusInternalServerError)
	case kind == "busy" && n == 0:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
	case kind == "held":
		<-s.held
	}
	_, _ = io.WriteString(w, "thanks")
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

func poll(ts *testscript.TestScript, what string, done func() bool) {
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("waited in vain for %s", what)
		}
	}
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

// lines FILE N TEXT: a file of so many lines; # in TEXT is the line's number.
func manyLines(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	var text strings.Builder
	for i := range n {
		text.WriteString(strings.ReplaceAll(args[2], "#", strconv.Itoa(i+1)) + "\n")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text.String()), 0o600))
}

// envsubst FILE…: $SINK and $RECEIVER in files become what they stand for.
func envsubst(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

// buildReceiver builds the receiver that stands beside this module.
func buildReceiver(t *testing.T) (string, error) {
	path := filepath.Join(t.TempDir(), "receiver")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".")
	build.Dir = filepath.Join("..", "receiver")
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

const receiverToken = "token of this test"

// startReceiver runs the real receiver until the script ends, as $RECEIVER.
func startReceiver(ts *testscript.TestScript, binary func() (string, error), secret string) {
	path, err := binary()
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, path, "serve")
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 10 * time.Second
	c.Dir = ts.MkAbs(".")
	c.Env = []string{
		"RECEIVER_ADDR=127.0.0.1:0", "RECEIVER_ADMIN_ADDR=127.0.0.1:0", "LOG_FORMAT=json",
		"RECEIVER_ADMIN_TOKEN=" + receiverToken, "WEBHOOK_SECRET=" + secret,
	}
	log, err := c.StderrPipe()
	ts.Check(err)
	ts.Check(c.Start())
	ts.Defer(func() {
		cancel()
		_ = c.Wait()
	})
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var line struct {
			Message string `json:"msg"`
		}
		_ = json.Unmarshal(lines.Bytes(), &line)
		if address, ok := strings.CutPrefix(line.Message, "webhooks: "); ok {
			ts.Setenv("RECEIVER", address)
		}
		if address, ok := strings.CutPrefix(line.Message, "admin API: "); ok {
			ts.Setenv("RECEIVER_API", strings.TrimSuffix(address, "/api/openapi.json"))
		}
		if line.Message == "ready" {
			go func() { _, _ = io.Copy(io.Discard, log) }()
			return
		}
	}
	ts.Fatalf("the receiver did not start: %v", lines.Err())
}

// effects N ORDERS: the receiver has taken in so many webhooks, processed all of them rightly, and knows of so many
// completed orders.
func effects(ts *testscript.TestScript, _ bool, args []string) {
	var seen struct {
		Messages   int            `json:"messages"`
		Deliveries map[string]int `json:"deliveries"`
		Domain     map[string]int `json:"domain"`
	}
	poll(ts, "the receiver to be done", func() bool {
		ts.Check(ask(ts.Getenv("RECEIVER_API")+"/api/v1/stats", &seen))
		return strconv.Itoa(seen.Messages) == args[0] && seen.Deliveries["pending"]+seen.Deliveries["delivering"] == 0
	})
	if seen.Deliveries["failed"] != 0 || strconv.Itoa(seen.Domain["orders_completed"]) != args[1] {
		ts.Fatalf("the receiver says %+v", seen)
	}
}

func ask(url string, into any) error {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+receiverToken)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	_, err = text.ReadFrom(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	return json.Unmarshal(text.Bytes(), into)
}
