package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/relay/relaytest"
	"example.com/signet/services/producer/internal/app"
	"example.com/signet/services/producer/internal/config"
	"example.com/signet/services/producer/internal/egress"
)

// The clock of fasthttp's Date header never ends, and what cleans up after its workers notices the end of its
// server only when it wakes next, within ten seconds.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(
		relaytest.Main{M: m},
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

const apiToken = "test-token"

// producer is a running service with everything real: SQLite, both ports, the dispatcher.
type producer struct {
	*app.App
	t      *testing.T
	client *http.Client
}

// settings are a configuration that a test may change before it starts the service.
func settings(t *testing.T) config.Config {
	t.Helper()
	allow, err := egress.ParseAllowList("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Config{
		Addr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", APIToken: apiToken, AllowPrivate: allow,
		DatabaseURL: "sqlite:" + filepath.Join(t.TempDir(), "producer.db"),
		Schedule:    relay.Schedule{0, 5 * time.Millisecond, 5 * time.Millisecond, 5 * time.Millisecond},
	}
	if strings.HasPrefix(t.Name(), onPostgres+"/") {
		cfg.DatabaseURL = relaytest.Postgres(t)
		if err := cfg.EncryptionKey.UnmarshalText([]byte("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")); err != nil {
			t.Fatal(err)
		}
	}
	return cfg
}

func start(t *testing.T, cfg config.Config) *producer {
	t.Helper()
	return startLogged(t, cfg, zap.NewNop())
}

func startLogged(t *testing.T, cfg config.Config, log *zap.Logger) *producer {
	t.Helper()
	p := &producer{App: app.New(cfg, "test", log), t: t, client: &http.Client{Transport: &http.Transport{}}}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	return p
}

// end stops the service; a second time it does nothing.
func (p *producer) end() {
	p.client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		p.t.Errorf("stop: %v", err)
	}
}

// call makes a request to the API and decodes its answer.
func (p *producer) call(method, path string, in, out any, header ...string) int {
	p.t.Helper()
	var body []byte
	switch v := in.(type) {
	case nil:
	case string:
		body = []byte(v)
	default:
		var err error
		if body, err = json.Marshal(v); err != nil {
			p.t.Fatal(err)
		}
	}
	request, err := http.NewRequestWithContext(p.t.Context(), method, "http://"+p.Addr()+path, bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+apiToken)
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := p.client.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			p.t.Fatalf("%s %s: %d %s: %v", method, path, response.StatusCode, answer, err)
		}
	}
	return response.StatusCode
}

// must is call for requests that succeed.
func (p *producer) must(want int, method, path string, in, out any, header ...string) {
	p.t.Helper()
	var answer json.RawMessage
	if got := p.call(method, path, in, &answer, header...); got != want {
		p.t.Fatalf("%s %s: %d, not %d: %s", method, path, got, want, answer)
	}
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			p.t.Fatalf("%s: %v", answer, err)
		}
	}
}

type endpointAnswer struct {
	ID, Secret, URL, Scheme, State, Name string
	Events                               []string
	DisabledReason                       string  `json:"disabled_reason"`
	RateLimit                            float64 `json:"rate_limit"`
	Breaker                              struct {
		State string
		Until time.Time
	}
}

type eventAnswer struct {
	ID         string
	Deliveries int
	Duplicate  bool
}

type deliveryAnswer struct {
	ID         string
	MessageID  string `json:"message_id"`
	EndpointID string `json:"endpoint_id"`
	Type       string
	State      string
	Attempts   int
	NextAt     *time.Time `json:"next_at"`
	LastStatus int        `json:"last_status"`
	LastError  string     `json:"last_error"`
	AttemptLog []struct {
		Number   int
		Status   int
		Error    string
		Response string
	} `json:"attempt_log"`
}

type statsAnswer struct {
	Messages   int64
	Deliveries map[string]int64
	Domain     struct {
		Users           int64
		OrdersCompleted int64 `json:"orders_completed"`
		RevenueMinor    int64 `json:"revenue_minor"`
	}
}

func (p *producer) endpoint(spec map[string]any) (made endpointAnswer) {
	p.t.Helper()
	p.must(http.StatusCreated, "POST", "/api/v1/endpoints", spec, &made)
	return made
}

func (p *producer) publish(event any) (made eventAnswer) {
	p.t.Helper()
	p.must(http.StatusAccepted, "POST", "/api/v1/events", event, &made)
	return made
}

func (p *producer) deliveries(query string) []deliveryAnswer {
	p.t.Helper()
	var answer struct{ Items []deliveryAnswer }
	p.must(http.StatusOK, "GET", "/api/v1/deliveries?"+query, nil, &answer)
	return answer.Items
}

func (p *producer) stats() (s statsAnswer) {
	p.t.Helper()
	p.must(http.StatusOK, "GET", "/api/v1/stats", nil, &s)
	return s
}

// settled waits until the only delivery of a message is in a state.
func (p *producer) settled(messageID, state string) deliveryAnswer {
	p.t.Helper()
	var last []deliveryAnswer
	p.eventually("delivery "+state, func() bool {
		last = p.deliveries("message=" + messageID)
		return len(last) == 1 && last[0].State == state
	}, func() any { return last })
	var one deliveryAnswer
	p.must(http.StatusOK, "GET", "/api/v1/deliveries/"+last[0].ID, nil, &one)
	return one
}

func (p *producer) eventually(what string, holds func() bool, state func() any) {
	p.t.Helper()
	eventually(p.t, what, holds, state)
}

func eventually(t *testing.T, what string, holds func() bool, state func() any) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatalf("never: %s; last seen %+v", what, state())
		case <-tick.C:
		}
	}
}

// received is one request as it arrived at a sink.
type received struct {
	Header http.Header
	Body   []byte
}

// sink is a real receiver.
type sink struct {
	*httptest.Server
	mu   sync.Mutex
	seen []received
}

// newSink answers the n-th request, from 0, as answer does; nil is 200.
func newSink(t *testing.T, answer func(n int, w http.ResponseWriter)) *sink {
	t.Helper()
	s := &sink{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		n := len(s.seen)
		s.seen = append(s.seen, received{r.Header.Clone(), body})
		s.mu.Unlock()
		if answer != nil {
			answer(n, w)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *sink) requests() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.seen...)
}

func status(code int) func(int, http.ResponseWriter) {
	return func(_ int, w http.ResponseWriter) { w.WriteHeader(code) }
}
