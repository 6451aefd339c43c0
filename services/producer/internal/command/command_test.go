package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/signet/pkg/service"
	"example.com/signet/pkg/signature"
	"example.com/signet/services/producer/internal/command"
)

// See the app's tests for what is left out.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(
		m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

type ran struct {
	out, err string
	status   int
}

// run runs a command and finds its exit status as main does.
func run(t *testing.T, environ []string, in string, args ...string) ran {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stderr")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	failure := command.Run(t.Context(), args, command.Surroundings{Environ: environ, In: strings.NewReader(in), Out: &out, Err: file})
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	told, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	result := ran{out: out.String(), err: string(told)}
	var status command.Status
	var usage service.UsageError
	switch {
	case errors.As(failure, &status):
		result.status = int(status)
	case errors.As(failure, &usage):
		result.status, result.err = service.ExitUsage, result.err+usage.Error()
	case failure != nil:
		result.status, result.err = service.ExitFailure, result.err+failure.Error()
	}
	return result
}

// receiver keeps the last request.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	header http.Header
	body   string
	count  int
}

func newReceiver(t *testing.T, status int) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.header, r.body, r.count = req.Header.Clone(), string(body), r.count+1
		r.mu.Unlock()
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "thanks")
	}))
	t.Cleanup(r.Close)
	return r
}

func TestSend_signs(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("mysecret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const payload = `{"event":"user.created", "data":{"id":123}}`
	tests := []struct {
		name    string
		environ []string
		args    []string
		scheme  string // empty: unsigned
		secret  string
	}{
		{"standard", nil, []string{"--secret", secret}, "standard", secret},
		{"any other", nil, []string{"--secret", "mysecret"}, "github", "mysecret"},
		{"file", nil, []string{"--secret-file", file}, "github", "mysecret"},
		{"environment", []string{"WEBHOOK_SECRET=" + secret}, nil, "standard", secret},
		{"environment's file", []string{"WEBHOOK_SECRET_FILE=" + file}, nil, "github", "mysecret"},
		{"flag over environment", []string{"WEBHOOK_SECRET=other"}, []string{"--secret", "mysecret"}, "github", "mysecret"},
		{"scheme", nil, []string{"--secret", "mysecret", "--scheme", "generic"}, "generic", "mysecret"},
		{"unsigned", nil, nil, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			to := newReceiver(t, http.StatusOK)
			got := run(t, tt.environ, "", append([]string{"send", to.URL, "--payload", payload, "--header", "X-Own: 1"}, tt.args...)...)
			if got.status != 0 || to.body != payload || to.header.Get("X-Own") != "1" {
				t.Fatalf("%+v; body %s, headers %v", got, to.body, to.header)
			}
			for _, line := range []string{"status    success", "attempts  1", `response  200 "thanks"`, "id        msg_"} {
				if !strings.Contains(got.out, line) {
					t.Errorf("no %q in\n%s", line, got.out)
				}
			}
			if strings.Contains(got.err, "unsigned") != (tt.scheme == "") {
				t.Errorf("told: %s", got.err)
			}
			if tt.scheme == "" {
				return
			}
			verifier, err := signature.NewVerifier(tt.scheme, []string{tt.secret})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := verifier.Verify(signature.Request{Method: "POST", URL: to.URL, Header: to.header, Body: []byte(to.body)}, time.Now()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSend_payloads(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "payload.json")
	if err := os.WriteFile(file, []byte(`{"from": "a file"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	to := newReceiver(t, http.StatusOK)
	if got := run(t, nil, "", "send", to.URL, "--payload-file", file); got.status != 0 || to.body != `{"from": "a file"}` {
		t.Errorf("file: %+v %s", got, to.body)
	}
	if got := run(t, nil, `[1]`, "send", to.URL, "--payload-file", "-"); got.status != 0 || to.body != `[1]` {
		t.Errorf("input: %+v %s", got, to.body)
	}
	if got := run(t, nil, "", "send", to.URL, "--payload", "a=1", "--header", "Content-Type: application/x-www-form-urlencoded"); got.status != 0 || to.body != "a=1" {
		t.Errorf("form: %+v %s", got, to.body)
	}
	if got := run(t, nil, "", "send", to.URL, "--payload", `{"x": 1.10}`, "--type", "a.b", "--json", "--secret", secret); got.status != 0 ||
		!strings.HasSuffix(to.body, `,"data":{"x": 1.10}}`) || !strings.Contains(to.body, `"type":"a.b"`) {
		t.Errorf("envelope: %+v %s", got, to.body)
	} else {
		var result struct {
			ID, Status     string
			Attempts       []struct{ Status int }
			ResponseStatus int `json:"response_status"`
		}
		if err := json.Unmarshal([]byte(got.out), &result); err != nil || result.Status != "success" || result.ResponseStatus != 200 ||
			len(result.Attempts) != 1 || !strings.Contains(to.body, `"id":"`+result.ID+`"`) || to.header.Get("Webhook-Id") != result.ID {
			t.Errorf("%s: %v", got.out, err)
		}
	}
}

func TestSend_statuses(t *testing.T) {
	t.Parallel()
	to, broken := newReceiver(t, http.StatusBadRequest), newReceiver(t, http.StatusInternalServerError)
	for name, tt := range map[string]struct {
		args []string
		want int
	}{
		"refused":           {[]string{to.URL, "--payload", "{}"}, 1},
		"gone on failing":   {[]string{broken.URL, "--payload", "{}", "--max-retries", "1"}, 1},
		"nobody there":      {[]string{"http://127.0.0.1:1", "--payload", "{}", "--max-retries", "0"}, 1},
		"no URL":            {[]string{"--payload", "{}"}, 2},
		"bad URL":           {[]string{"ftp://x", "--payload", "{}"}, 2},
		"no payload":        {[]string{to.URL}, 2},
		"two payloads":      {[]string{to.URL, "--payload", "{}", "--payload-file", "-"}, 2},
		"not JSON":          {[]string{to.URL, "--payload", "{"}, 2},
		"missing file":      {[]string{to.URL, "--payload-file", "/nowhere"}, 2},
		"missing secret":    {[]string{to.URL, "--payload", "{}", "--secret-file", "/nowhere"}, 2},
		"bad header":        {[]string{to.URL, "--payload", "{}", "--header", "nothing"}, 2},
		"bad type":          {[]string{to.URL, "--payload", "{}", "--type", "a b"}, 2},
		"bad scheme":        {[]string{to.URL, "--payload", "{}", "--secret", "x", "--scheme", "morse"}, 2},
		"scheme, no secret": {[]string{to.URL, "--payload", "{}", "--scheme", "github"}, 2},
		"bad secret":        {[]string{to.URL, "--payload", "{}", "--secret", "whsec_!"}, 2},
		"negative retries":  {[]string{to.URL, "--payload", "{}", "--max-retries", "-1"}, 2},
		"no timeout":        {[]string{to.URL, "--payload", "{}", "--timeout", "0s"}, 2},
		"unknown flag":      {[]string{to.URL, "--payload", "{}", "--colour"}, 2},
	} {
		if got := run(t, nil, "", append([]string{"send"}, tt.args...)...); got.status != tt.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if broken.count != 2 {
		t.Errorf("%d attempts", broken.count)
	}
	if got := run(t, nil, "", "sned"); got.status != service.ExitUsage {
		t.Errorf("unknown command: %+v", got)
	}
}

// TestInsecure: a certificate that nobody vouches for is refused, unless it is asked for.
func TestInsecure(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	for _, args := range [][]string{
		{"send", server.URL, "--payload", "{}", "--max-retries", "0"},
		{"batch", "-", "--max-retries", "0"},
		{"load", server.URL, "--rate", "10", "--duration", "100ms", "--unsigned"},
		{"doctor", server.URL, "--secret", secret, "--only", "valid"},
	} {
		entry := `{"url":"` + server.URL + `","payload":1}`
		if got := run(t, nil, entry, args...); got.status != 1 {
			t.Errorf("%s: %+v", args[0], got)
		}
		if got := run(t, nil, entry, append(args, "--insecure")...); got.status != 0 {
			t.Errorf("%s --insecure: %+v", args[0], got)
		}
	}
}

func TestSecret(t *testing.T) {
	t.Parallel()
	first, second := run(t, nil, "", "secret"), run(t, nil, "", "secret")
	if first.status != 0 || !strings.HasPrefix(first.out, "whsec_") || first.out == second.out {
		t.Errorf("%+v, %+v", first, second)
	}
	file := filepath.Join(t.TempDir(), "secret")
	if got := run(t, nil, "", "secret", "--file", file, "--quiet"); got.status != 0 || got.out != "" {
		t.Errorf("quiet: %+v", got)
	}
	made := run(t, nil, "", "secret", "--file", file)
	again := run(t, nil, "", "secret", "--file", file)
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o640 || !strings.HasPrefix(made.out, "whsec_") || again.out != made.out {
		t.Errorf("%v %v: %+v, %+v", info, err, made, again)
	}
	if got := run(t, nil, "", "secret", "--scheme", "github"); got.status != 0 || len(strings.TrimSpace(got.out)) != 64 {
		t.Errorf("github: %+v", got)
	}
	for _, args := range [][]string{{"--scheme", "morse"}, {"--quiet"}, {"extra"}} {
		if got := run(t, nil, "", append([]string{"secret"}, args...)...); got.status != service.ExitUsage {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	environ := []string{"PRODUCER_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "p.db")}
	first, second := run(t, environ, "", "token"), run(t, environ, "", "token")
	if first.status != 0 || len(strings.TrimSpace(first.out)) != 64 || first.out != second.out {
		t.Errorf("%+v, %+v", first, second)
	}
	if got := run(t, []string{"PRODUCER_API_TOKEN=abc"}, "", "token"); got.out != "abc\n" {
		t.Errorf("given: %+v", got)
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told, log, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	environ := []string{
		"PRODUCER_ADDR=127.0.0.1:0", "PRODUCER_ADMIN_ADDR=127.0.0.1:0", "LOG_FORMAT=json", "PRODUCER_TYPO=1",
		"PRODUCER_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "p.db"),
	}
	done := make(chan error, 1)
	go func() {
		done <- command.Run(ctx, nil, command.Surroundings{Environ: environ, In: strings.NewReader(""), Out: io.Discard, Err: log})
		_ = log.Close()
	}()
	var address string
	var warned bool
	lines := json.NewDecoder(told)
	for {
		var line struct {
			Message   string `json:"msg"`
			API       string
			Variables []string
		}
		if err := lines.Decode(&line); err != nil {
			break
		}
		warned = warned || len(line.Variables) == 1
		if line.Message == "producer ready" {
			address = strings.TrimSuffix(strings.TrimPrefix(line.API, "http://"), "/api/openapi.json")
			if got := run(t, []string{"PRODUCER_ADDR=" + address}, "", "healthcheck"); got.status != 0 {
				t.Errorf("healthcheck: %+v", got)
			}
			cancel()
		}
	}
	if err := <-done; err != nil || address == "" || !warned {
		t.Errorf("address %q, warned %v: %v", address, warned, err)
	}
	if got := run(t, []string{"PRODUCER_ADDR=" + address}, "", "healthcheck"); got.status != service.ExitFailure {
		t.Errorf("healthcheck of none: %+v", got)
	}
	if got := run(t, []string{"PRODUCER_ADDR=x", "DEMO_RATE=x"}, ""); got.status != 1 || !strings.Contains(got.err, "PRODUCER_ADDR") || !strings.Contains(got.err, "DEMO_RATE") {
		t.Errorf("bad configuration: %+v", got)
	}
}
