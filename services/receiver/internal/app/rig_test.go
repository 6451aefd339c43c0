package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"example.com/signet/pkg/relay/relaytest"
	"example.com/signet/pkg/signature"
	"example.com/signet/services/receiver/internal/app"
	"example.com/signet/services/receiver/internal/config"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(relaytest.Main{M: m},
		// fasthttp's: one for each server that looks every 10 s whether it was stopped, and one for ever.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
	)
}

// secret is every rig's default secret.
const secret = "a secret of our own"

// rig is a receiver that runs on free ports, on a database of its own.
type rig struct {
	*app.App

	t    *testing.T
	dir  string
	logs *observer.ObservedLogs
	http *http.Client
}

func environ(dir string, more ...string) []string {
	return append(more, // of two lines with one name the first counts
		"RECEIVER_ADDR=127.0.0.1:0", "RECEIVER_ADMIN_ADDR=127.0.0.1:0",
		"RECEIVER_DATABASE_URL=sqlite:"+filepath.Join(dir, "receiver.db"),
	)
}

// start runs a receiver until the test ends.
func start(t *testing.T, more ...string) *rig {
	t.Helper()
	if strings.HasPrefix(t.Name(), onPostgres+"/") {
		more = append(more, "RECEIVER_DATABASE_URL="+relaytest.Postgres(t), "RECEIVER_ADMIN_TOKEN=token of this test")
	}
	r := launch(t, t.TempDir(), more...)
	t.Cleanup(r.stop)
	return r
}

// launch runs a receiver in dir; the caller stops it.
func launch(t *testing.T, dir string, more ...string) *rig {
	t.Helper()
	cfg, err := config.Load(environ(dir, more...))
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.DebugLevel)
	a, err := app.New(cfg, app.Options{Version: "test", Log: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &rig{App: a, t: t, dir: dir, logs: logs, http: &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}}
}

// ready asks both sides for something.
func (r *rig) ready() {
	r.t.Helper()
	r.stats()
	if got := r.do(r.request(http.MethodGet, "http://"+r.Addr()+"/readyz", nil, nil)); got.status != http.StatusOK {
		r.t.Fatalf("not ready: %d %s", got.status, got.body)
	}
}

func (r *rig) stop() {
	r.http.CloseIdleConnections()
	began := time.Now()
	if err := r.Stop(context.Background()); err != nil {
		r.t.Errorf("stop: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		r.t.Errorf("stopping took %s", took)
	}
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r *rig) do(req *http.Request) reply {
	r.t.Helper()
	resp, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

func (r *rig) request(method, url string, body []byte, header http.Header) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	return req
}

// post sends a webhook with these headers (name, value, …).
func (r *rig) post(path, body string, header http.Header) reply {
	r.t.Helper()
	return r.do(r.request(http.MethodPost, "http://"+r.Addr()+path, []byte(body), header))
}

// admin calls the admin API and decodes the answer, unless into is nil.
func (r *rig) admin(method, path string, into any) reply {
	r.t.Helper()
	header := http.Header{"Authorization": {"Bearer " + r.AdminToken()}}
	got := r.do(r.request(method, "http://"+r.AdminAddr()+path, nil, header))
	if into != nil {
		if got.status != http.StatusOK {
			r.t.Fatalf("%s %s: %d %s", method, path, got.status, got.body)
		}
		decode(r.t, got.body, into)
	}
	return got
}

func decode(t *testing.T, body string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), into); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
}

// eventually tries until the condition holds, and fails after ten seconds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	again := time.NewTicker(3 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatalf("never: %s", what)
		case <-again.C:
		}
	}
}

// sign makes the headers of a signed request, with further ones (name, value, …).
func sign(t *testing.T, scheme, key, body string, more ...string) http.Header {
	t.Helper()
	signer, err := signature.NewSigner(scheme, key)
	if err != nil {
		t.Fatal(err)
	}
	h := header(append([]string{"Content-Type", "application/json"}, more...)...)
	out := signature.Outgoing{ID: "evt_1", Time: time.Now(), Method: http.MethodPost, Body: []byte(body)}
	if err := signer.Sign(out, h); err != nil {
		t.Fatal(err)
	}
	return h
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

// accepted is the contract's reply to what was taken.
type accepted struct {
	Status, Message, ID string
	Duplicate           bool
}

// take posts a webhook that must be accepted, and returns its message's id.
func (r *rig) take(body string, h http.Header) string {
	r.t.Helper()
	got := r.post("/webhook", body, h)
	if got.status != http.StatusOK {
		r.t.Fatalf("not accepted: %d %s", got.status, got.body)
	}
	var a accepted
	decode(r.t, got.body, &a)
	return a.ID
}

func fileMode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}
