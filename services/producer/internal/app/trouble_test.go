package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"example.com/signet/pkg/relay"
)

// metrics reads what the admin port shows.
func (p *producer) metrics() string {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://"+p.AdminAddr()+"/metrics", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	response, err := p.client.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

func (p *producer) read(id string) (e endpointAnswer) {
	p.t.Helper()
	p.must(http.StatusOK, "GET", "/api/v1/endpoints/"+id, nil, &e)
	return e
}

// An endpoint that only fails is disabled in the end, and the tenant's others are told, once.
func TestTrouble_disabledAfterFailingForTooLong(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.DisableAfter, cfg.Schedule = 100*time.Millisecond, relay.Schedule{0, 20 * time.Millisecond}
	for range 60 {
		cfg.Schedule = append(cfg.Schedule, 20*time.Millisecond)
	}
	core, lines := observer.New(zap.WarnLevel)
	p := startLogged(t, cfg, zap.New(core))
	bad, good, others := newSink(t, status(http.StatusInternalServerError)), newSink(t, nil), newSink(t, nil)
	failing := p.endpoint(map[string]any{"url": bad.URL, "name": "failing", "tenant": "acme"})
	told := p.endpoint(map[string]any{"url": good.URL, "tenant": "acme", "events": []string{"endpoint.*"}})
	p.endpoint(map[string]any{"url": others.URL, "tenant": "other"})
	event := p.publish(`{"type":"a","data":1,"tenant":"acme"}`)
	p.settled(event.ID, "paused")
	var after endpointAnswer
	p.eventually("it is disabled", func() bool { after = p.read(failing.ID); return after.State == "disabled" }, func() any { return after })
	if !strings.HasPrefix(after.DisabledReason, "no attempt has succeeded since ") || !strings.Contains(after.DisabledReason, "500") {
		t.Errorf("reason: %s", after.DisabledReason)
	}
	p.eventually("the other endpoint is told", func() bool { return len(good.requests()) > 0 }, func() any { return nil })
	var envelope struct {
		Type string
		Data struct {
			EndpointID string `json:"endpoint_id"`
			Name       string
			Reason     string
		}
	}
	if err := json.Unmarshal(good.requests()[0].Body, &envelope); err != nil {
		t.Fatal(err)
	}
	if envelope.Type != "endpoint.disabled" || envelope.Data.EndpointID != failing.ID || envelope.Data.Name != "failing" || envelope.Data.Reason != after.DisabledReason {
		t.Errorf("event: %+v", envelope)
	}
	if n := lines.FilterMessage("endpoint disabled").Len(); n != 1 {
		t.Errorf("%d lines", n)
	}
	if text := p.metrics(); !strings.Contains(text, `signet_endpoint_changes_total{change="disabled"} 1`) {
		t.Errorf("metrics: %.500s", text)
	}
	if made := p.deliveries("type=endpoint.disabled"); len(made) != 1 || made[0].EndpointID != told.ID {
		t.Errorf("deliveries of the event: %+v", made)
	}
	if n := len(others.requests()); n != 0 {
		t.Errorf("another tenant is told %d times", n)
	}
}

// Endpoints that answer 410 to everything, the news of each other's end among it, do not go round for ever.
func TestTrouble_newsOfNewsComesToAnEnd(t *testing.T) {
	t.Parallel()
	p := start(t, settings(t))
	const endpoints = 4
	for range endpoints {
		p.endpoint(map[string]any{"url": newSink(t, status(http.StatusGone)).URL})
	}
	p.publish(`{"type":"a","data":1}`)
	var s statsAnswer
	p.eventually("every endpoint is disabled and was told of", func() bool {
		s = p.stats()
		return s.Messages == 1+endpoints && s.Deliveries["pending"]+s.Deliveries["delivering"] == 0
	}, func() any { return s })
	if made := p.deliveries("type=endpoint.disabled"); len(made) != endpoints*(endpoints-1) {
		t.Errorf("%d deliveries of the news, want %d", len(made), endpoints*(endpoints-1))
	}
	for _, d := range p.deliveries("type=endpoint.disabled") {
		if d.State != "paused" && d.State != "failed" {
			t.Errorf("delivery: %+v", d)
		}
	}
}

// While attempts fail the endpoint is left alone, its deliveries wait, and the API says so.
func TestTrouble_breakerIsShown(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.Schedule = relay.Schedule{0, time.Hour}
	p := start(t, cfg)
	to := newSink(t, status(http.StatusInternalServerError))
	made := p.endpoint(map[string]any{"url": to.URL, "rate_limit": 2000.5})
	for range 200 {
		p.publish(`{"type":"a","data":1}`)
	}
	var now endpointAnswer
	p.eventually("it is open", func() bool {
		now = p.read(made.ID)
		return now.Breaker.State == "open" && p.stats().Deliveries["pending"] == 200
	}, func() any { return now })
	if wait := time.Until(now.Breaker.Until); wait <= 0 || wait > 5*time.Second {
		t.Errorf("open until %v", now.Breaker.Until)
	}
	if n := len(to.requests()); n < 20 || n >= 200 {
		t.Errorf("%d requests, want 20 and a few that were under way", n)
	}
	if now.RateLimit != 2000.5 || now.State != "enabled" {
		t.Errorf("endpoint: %+v", now)
	}
	if text := p.metrics(); !strings.Contains(text, `signet_endpoint_changes_total{change="opened"} 1`) {
		t.Errorf("metrics: %.500s", text)
	}
}
