package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"example.com/signet/services/producer/internal/app"
	"example.com/signet/services/producer/internal/endpoint"
	"example.com/signet/services/producer/internal/keyring"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func TestApp_frame(t *testing.T) {
	t.Parallel()
	p := start(t, settings(t))
	for _, tt := range []struct {
		name, url, token, accept string
		want                     int
		contains                 string
	}{
		{"index", p.Addr() + "/", "", "", 200, `"version"`},
		{"index for people", p.Addr() + "/", "", "text/html", 200, "<h1>"},
		{"health", p.Addr() + "/health", "", "", 200, "healthy"},
		{"live", p.Addr() + "/livez", "", "", 200, ""},
		{"ready", p.Addr() + "/readyz", "", "", 200, ""},
		{"admin health", p.AdminAddr() + "/readyz", "", "", 200, ""},
		{"metrics", p.AdminAddr() + "/metrics", "", "", 200, "go_goroutines"},
		{"no metrics for publishers", p.Addr() + "/metrics", "", "", 404, ""},
		{"no token", p.Addr() + "/api/v1/stats", "", "", 401, "bearer token"},
		{"wrong token", p.Addr() + "/api/v1/stats", "wrong", "", 401, ""},
		{"token", p.Addr() + "/api/v1/stats", apiToken, "", 200, `"domain"`},
		{"no demo", p.Addr() + "/demo/orders", apiToken, "", 404, ""},
		{"specification", p.Addr() + "/api/openapi.json", "", "", 200, `"/api/v1/events/batch"`},
	} {
		request, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+tt.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", tt.accept)
		if tt.token != "" {
			request.Header.Set("Authorization", "Bearer "+tt.token)
		}
		response, err := p.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || response.Body.Close() != nil {
			t.Fatal(err)
		}
		if response.StatusCode != tt.want || !strings.Contains(string(body), tt.contains) {
			t.Errorf("%s: %d %.200s", tt.name, response.StatusCode, body)
		}
	}
}

// The shapes other programs rely on.
func TestApp_shapes(t *testing.T) {
	t.Parallel()
	p := start(t, settings(t))
	to := newSink(t, status(http.StatusBadRequest))
	keys := func(raw json.RawMessage) []string {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(raw, &members); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		var names []string
		for name := range members {
			names = append(names, name)
		}
		slices.Sort(names)
		return names
	}
	var raw json.RawMessage
	p.must(http.StatusCreated, "POST", "/api/v1/endpoints", map[string]any{"url": to.URL, "name": "n"}, &raw)
	want := []string{"concurrency", "created_at", "declared", "events", "id", "name", "rate_limit", "scheme", "secret", "state", "tenant", "url"}
	if got := keys(raw); !slices.Equal(got, want) {
		t.Errorf("created endpoint: %q", got)
	}
	event := p.publish(`{"type":"a","data":1}`)
	p.settled(event.ID, "failed")
	for path, want := range map[string][]string{
		"/api/v1/endpoints":  {"breaker", "concurrency", "created_at", "declared", "events", "id", "name", "rate_limit", "scheme", "state", "tenant", "url"},
		"/api/v1/deliveries": {"attempts", "endpoint_id", "id", "last_error", "last_status", "message_id", "next_at", "state", "type"},
	} {
		var list struct {
			Items []json.RawMessage
			Next  *string
		}
		p.must(http.StatusOK, "GET", path, nil, &list)
		if len(list.Items) != 1 || list.Next == nil {
			t.Fatalf("%s: %+v", path, list)
		}
		if got := keys(list.Items[0]); !slices.Equal(got, want) {
			t.Errorf("%s: %q", path, got)
		}
	}
	var totals struct{ Deliveries, Domain json.RawMessage }
	p.must(http.StatusOK, "GET", "/api/v1/stats", nil, &totals)
	if got := keys(totals.Deliveries); !slices.Equal(got, []string{"cancelled", "delivered", "delivering", "failed", "paused", "pending"}) {
		t.Errorf("states: %q", got)
	}
	if got := keys(totals.Domain); !slices.Equal(got, []string{"orders_completed", "revenue_minor", "users"}) {
		t.Errorf("domain: %q", got)
	}
}

func TestApp_deliveryFilters(t *testing.T) {
	t.Parallel()
	p := start(t, settings(t))
	good, bad := newSink(t, nil), newSink(t, status(http.StatusInternalServerError))
	g := p.endpoint(map[string]any{"url": good.URL})
	p.endpoint(map[string]any{"url": bad.URL, "events": []string{"b"}})
	a, b := p.publish(`{"type":"a","data":1}`), p.publish(`{"type":"b","data":1}`)
	p.eventually("all are over", func() bool {
		s := p.stats()
		return s.Deliveries["delivered"] == 2 && s.Deliveries["failed"] == 1
	}, func() any { return p.stats() })
	future := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for query, want := range map[string]int{
		"": 3, "message=" + a.ID: 1, "message=" + b.ID: 2, "endpoint=" + g.ID: 2, "state=failed": 1, "type=b": 2,
		"type=b&state=delivered": 1, "since=" + future: 0, "until=" + future: 3, "limit=2": 2, "type=none": 0,
	} {
		if got := p.deliveries(query); len(got) != want {
			t.Errorf("%q: %d deliveries, not %d", query, len(got), want)
		}
	}
	var page struct {
		Items []deliveryAnswer
		Next  string
	}
	p.must(http.StatusOK, "GET", "/api/v1/deliveries?limit=2", nil, &page)
	rest := p.deliveries("limit=2&cursor=" + page.Next)
	if len(rest) != 1 || page.Next == "" || rest[0].ID == page.Items[0].ID || rest[0].ID == page.Items[1].ID {
		t.Errorf("pages: %+v, then %+v", page, rest)
	}
	for _, query := range []string{"state=lost", "limit=0", "limit=201", "since=yesterday", "cursor=!"} {
		if got := p.call("GET", "/api/v1/deliveries?"+query, nil, nil); got != http.StatusUnprocessableEntity {
			t.Errorf("%q: %d", query, got)
		}
	}
}

func TestApp_refusesEndpoints(t *testing.T) {
	t.Parallel()
	p := start(t, settings(t))
	for field, spec := range map[string]map[string]any{
		"url":         {"url": "ftp://example.com/"},
		"events":      {"url": "https://example.com/", "events": []string{"a*b"}},
		"scheme":      {"url": "https://example.com/", "scheme": "morse"},
		"secret":      {"url": "https://example.com/", "secret": "whsec_!"},
		"tenant":      {"url": "https://example.com/", "tenant": "a\x00"},
		"name":        {"url": "https://example.com/", "name": strings.Repeat("n", 300)},
		"concurrency": {"url": "https://example.com/", "concurrency": -1},
		"rate_limit":  {"url": "https://example.com/", "rate_limit": -1},
	} {
		var problem struct{ Errors []struct{ Location string } }
		if got := p.call("POST", "/api/v1/endpoints", spec, &problem); got != 422 || len(problem.Errors) != 1 || problem.Errors[0].Location != "body."+field {
			t.Errorf("%s: %d %+v", field, got, problem)
		}
	}
	for _, path := range []string{"/api/v1/endpoints/ep_none/disable", "/api/v1/endpoints/ep_none/enable"} {
		if got := p.call("POST", path, nil, nil); got != http.StatusNotFound {
			t.Errorf("%s: %d", path, got)
		}
	}
}

func TestApp_survivesRestart(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	to := newSink(t, func(n int, w http.ResponseWriter) {
		if n == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	cfg.Schedule = append(cfg.Schedule[:1], 300*time.Millisecond)
	first := start(t, cfg)
	made := first.endpoint(map[string]any{"url": to.URL})
	event := first.publish(`{"type":"order.completed","data":{"order_id":1,"amount":2}}`)
	first.eventually("the first attempt", func() bool { return len(to.requests()) == 1 }, func() any { return nil })
	first.end()

	second := start(t, cfg)
	second.settled(event.ID, "delivered")
	if again := second.stats(); again.Domain.OrdersCompleted != 1 || again.Messages != 1 {
		t.Errorf("stats: %+v", again)
	}
	if a, b := to.requests()[0], to.requests()[1]; string(a.Body) != string(b.Body) || a.Header.Get("Webhook-Id") != b.Header.Get("Webhook-Id") {
		t.Errorf("another webhook: %+v, then %+v", a, b)
	}
	var after endpointAnswer
	second.must(http.StatusOK, "GET", "/api/v1/endpoints/"+made.ID, nil, &after)
	if after.URL != to.URL || after.Secret != "" {
		t.Errorf("endpoint: %+v", after)
	}
}

func TestApp_encryptionKey(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	first := start(t, cfg)
	first.endpoint(map[string]any{"url": "https://example.com/", "secret": secret})
	first.end()
	if info, err := os.Stat(cfg.KeyFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("key file: %v %v", info, err)
	}
	for _, name := range []string{"producer.db", "producer.db-wal"} {
		content, err := os.ReadFile(filepath.Join(filepath.Dir(cfg.KeyFile()), name))
		if err == nil && strings.Contains(string(content), secret[6:]) {
			t.Errorf("the secret lies readable in %s", name)
		}
	}

	other := cfg
	if err := other.EncryptionKey.UnmarshalText([]byte("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")); err != nil {
		t.Fatal(err)
	}
	if err := app.New(other, "test", zap.NewNop()).Start(t.Context()); !errors.Is(err, keyring.ErrWrongKey) {
		t.Errorf("another key: %v", err)
	}
	if err := os.Remove(cfg.KeyFile()); err != nil {
		t.Fatal(err)
	}
	if err := app.New(cfg, "test", zap.NewNop()).Start(t.Context()); !errors.Is(err, keyring.ErrKeyMissing) {
		t.Errorf("no key: %v", err)
	}
	if _, err := os.Stat(cfg.KeyFile()); err == nil {
		t.Error("a key that opens nothing was made")
	}
}

func TestApp_declaredEndpoints(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	old, moved := newSink(t, nil), newSink(t, nil)
	listed := func(p *producer) map[string]endpointAnswer {
		var answer struct{ Items []endpointAnswer }
		p.must(http.StatusOK, "GET", "/api/v1/endpoints", nil, &answer)
		byName := map[string]endpointAnswer{}
		for _, e := range answer.Items {
			byName[e.Name] = e
		}
		return byName
	}
	run := func(specs ...endpoint.Spec) (map[string]endpointAnswer, eventAnswer) {
		cfg.Endpoints = specs
		p := start(t, cfg)
		defer p.end()
		event := p.publish(`{"type":"a","data":1}`)
		if event.Deliveries > 0 {
			p.settled(event.ID, "delivered")
		}
		return listed(p), event
	}
	a := endpoint.Spec{Name: "a", URL: old.URL, Secret: secret, Events: []string{"a"}}
	first, _ := run(a)
	if len(first) != 1 || first["a"].State != "enabled" {
		t.Fatalf("first: %+v", first)
	}

	a.URL, a.Secret = moved.URL, "whsec_"+strings.Repeat("QUJD", 8)
	second, _ := run(a)
	if second["a"].ID != first["a"].ID || second["a"].URL != moved.URL || len(moved.requests()) != 1 {
		t.Errorf("changed in place: %+v", second)
	}

	third, event := run()
	if third["a"].State != "disabled" || !strings.Contains(third["a"].DisabledReason, "no longer declared") || event.Deliveries != 0 {
		t.Errorf("withdrawn: %+v, %+v", third, event)
	}

	fourth, _ := run(a)
	if fourth["a"].State != "enabled" || fourth["a"].ID != first["a"].ID || len(moved.requests()) != 2 {
		t.Errorf("declared again: %+v", fourth)
	}
}

func TestApp_demo(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.Demo = true
	p := start(t, cfg)
	to := newSink(t, nil)
	p.endpoint(map[string]any{"url": to.URL})

	var user struct{ ID string }
	p.must(http.StatusCreated, "POST", "/demo/users", `{"name":"Ada","email":"ada@example.com"}`, &user)
	var order, done struct {
		OrderID     string      `json:"order_id"`
		Amount      json.Number `json:"amount"`
		AmountMinor int64       `json:"amount_minor"`
		State       string
		MessageID   string `json:"message_id"`
	}
	p.must(http.StatusCreated, "POST", "/demo/orders", map[string]any{"user_id": user.ID, "amount": json.Number("19.90")}, &order)
	p.must(http.StatusOK, "POST", "/demo/orders/"+order.OrderID+"/complete", nil, &done)
	if order.State != "created" || done.State != "completed" || done.AmountMinor != 1990 || done.Amount != "19.90" {
		t.Errorf("order: %+v, then %+v", order, done)
	}
	p.settled(done.MessageID, "delivered")
	if s := p.stats(); s.Messages != 3 || s.Domain.Users != 1 || s.Domain.OrdersCompleted != 1 || s.Domain.RevenueMinor != 1990 {
		t.Errorf("stats: %+v", s)
	}
	p.eventually("three webhooks", func() bool { return len(to.requests()) == 3 }, func() any { return nil })
	for _, r := range to.requests() {
		if strings.Contains(string(r.Body), "order.completed") && !strings.Contains(string(r.Body),
			`"data":{"order_id":"`+order.OrderID+`","user_id":"`+user.ID+`","amount":19.90,"currency":"EUR"}`) {
			t.Errorf("body: %s", r.Body)
		}
	}
	checkDemoRefusals(p, user.ID, order.OrderID)
	var orders struct{ Items []struct{ State string } }
	p.must(http.StatusOK, "GET", "/demo/orders", nil, &orders)
	if len(orders.Items) != 1 || orders.Items[0].State != "completed" {
		t.Errorf("orders: %+v", orders)
	}
}

func checkDemoRefusals(p *producer, userID, completedID string) {
	p.t.Helper()
	for body, want := range map[string]int{
		`{"user_id":"usr_none","amount":1}`:                422,
		`{"user_id":"` + userID + `","amount":1.999}`:      422,
		`{"user_id":"` + userID + `","amount":-1}`:         422,
		`{"user_id":"` + userID + `","amount":"1"}`:        422,
		`{"user_id":"` + userID + `"}`:                     422,
		`{"user_id":"` + userID + `","amount":1,"x":true}`: 422,
	} {
		if got := p.call("POST", "/demo/orders", body, nil); got != want {
			p.t.Errorf("%s: %d", body, got)
		}
	}
	if got := p.call("POST", "/demo/orders/"+completedID+"/complete", nil, nil); got != http.StatusConflict {
		p.t.Errorf("completed twice: %d", got)
	}
	if got := p.call("POST", "/demo/orders/ord_none/complete", nil, nil); got != http.StatusNotFound {
		p.t.Errorf("completed none: %d", got)
	}
}

func TestApp_generator(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.Demo, cfg.DemoRate = true, 100
	core, logs := observer.New(zap.InfoLevel)
	p := startLogged(t, cfg, zap.New(core))
	p.eventually("twenty orders", func() bool { return p.stats().Domain.OrdersCompleted >= 20 }, func() any { return p.stats() })
	p.end()
	told := logs.Filter(func(e observer.LoggedEntry) bool {
		return strings.HasPrefix(e.Message, "order ord_") && strings.HasSuffix(e.Message, " completed")
	})
	if told.Len() < 20 {
		t.Errorf("%d orders were told of", told.Len())
	}
}

// An attempt that hangs must not keep the service from ending.
func TestApp_stopsInTime(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	release := make(chan struct{})
	to := newSink(t, func(int, http.ResponseWriter) { <-release })
	t.Cleanup(func() { close(release) })
	p := start(t, cfg)
	p.endpoint(map[string]any{"url": to.URL})
	p.publish(`{"type":"a","data":1}`)
	p.eventually("the attempt", func() bool { return len(to.requests()) == 1 }, func() any { return nil })

	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_ = p.Stop(ctx) // the API's listener may or may not have had the time it wanted
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}
