package app_test

import (
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
	"example.com/signet/services/producer/internal/egress"
)

// The heart of it: what is published arrives signed, under one id on every attempt, as the same bytes.
func TestDelivery_signedAndRetried(t *testing.T) {
	t.Parallel()
	for _, scheme := range slices.DeleteFunc(signature.Schemes(), func(scheme string) bool {
		return slices.Contains([]string{"linear", "mailgun", "twilio"}, scheme) // they want bodies of their provider's own
	}) {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			p := start(t, settings(t))
			to := newSink(t, func(n int, w http.ResponseWriter) {
				if n < 2 {
					w.WriteHeader([]int{404, 500}[n])
				}
				_, _ = w.Write([]byte("noted"))
			})
			made := p.endpoint(map[string]any{"url": to.URL + "/hook", "scheme": scheme})
			event := p.publish(`{"type":"invoice.paid","data": {"amount": 1.10, "note":"<é>"} }`)
			if event.Deliveries != 1 || event.Duplicate || !strings.HasPrefix(event.ID, "msg_") {
				t.Fatalf("receipt: %+v", event)
			}
			done := p.settled(event.ID, "delivered")
			if done.Attempts != 3 || done.LastStatus != 200 || done.LastError != "" || len(done.AttemptLog) != 3 {
				t.Errorf("delivery: %+v", done)
			}
			if log := done.AttemptLog; log[0].Status != 404 || log[0].Error == "" || log[2].Error != "" || log[2].Response != "noted" {
				t.Errorf("attempts: %+v", log)
			}
			checkRequests(t, to, scheme, made.Secret, event.ID)
		})
	}
}

func checkRequests(t *testing.T, to *sink, scheme, secret, id string) {
	t.Helper()
	if public, err := signature.PublicKey(scheme, secret); err == nil {
		secret = public
	}
	verifier, err := signature.NewVerifier(scheme, []string{secret})
	if err != nil {
		t.Fatal(err)
	}
	requests := to.requests()
	if len(requests) != 3 {
		t.Fatalf("%d requests", len(requests))
	}
	for _, r := range requests {
		match, err := verifier.Verify(signature.Request{Method: "POST", URL: to.URL + "/hook", Header: r.Header, Body: r.Body}, time.Now())
		if err != nil || (match.ID != "" && match.ID != id) {
			t.Errorf("match %+v: %v", match, err)
		}
		if string(r.Body) != string(requests[0].Body) {
			t.Errorf("another body: %s", r.Body)
		}
		if scheme == "github" && match.EventType != "invoice.paid" {
			t.Errorf("type %q", match.EventType)
		}
	}
	var envelope struct {
		ID, Type  string
		Timestamp time.Time
		Data      json.RawMessage
	}
	if err := json.Unmarshal(requests[0].Body, &envelope); err != nil {
		t.Fatal(err)
	}
	if envelope.ID != id || envelope.Type != "invoice.paid" || time.Since(envelope.Timestamp) > time.Minute ||
		string(envelope.Data) != `{"amount": 1.10, "note":"<é>"}` {
		t.Errorf("envelope: %s", requests[0].Body)
	}
}

func TestDelivery_answers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		answer   func(int, http.ResponseWriter)
		state    string
		attempts int
		status   int
		endpoint string
	}{
		{"gone", status(410), "failed", 1, 410, "disabled"},
		{"never", status(500), "failed", 4, 500, "enabled"},
		{"refused", status(401), "failed", 4, 401, "enabled"},
		{"redirected", func(_ int, w http.ResponseWriter) {
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(http.StatusFound)
		}, "failed", 4, 302, "enabled"},
		{"hung up", func(_ int, w http.ResponseWriter) {
			if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
				_ = conn.Close()
			}
		}, "failed", 4, 0, "enabled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, settings(t))
			to := newSink(t, tt.answer)
			made := p.endpoint(map[string]any{"url": to.URL})
			done := p.settled(p.publish(`{"type":"a","data":1}`).ID, tt.state)
			if done.Attempts != tt.attempts || done.LastStatus != tt.status || done.LastError == "" {
				t.Errorf("delivery: %+v", done)
			}
			var after endpointAnswer
			p.must(http.StatusOK, "GET", "/api/v1/endpoints/"+made.ID, nil, &after)
			if after.State != tt.endpoint || (after.State == "disabled") != (after.DisabledReason != "") {
				t.Errorf("endpoint: %+v", after)
			}
		})
	}
}

func TestDelivery_throttledByTheEndpoint(t *testing.T) {
	t.Parallel()
	p := start(t, settings(t))
	to := newSink(t, func(n int, w http.ResponseWriter) {
		if n == 0 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	p.endpoint(map[string]any{"url": to.URL, "concurrency": 1})
	began := time.Now()
	event := p.publish(`{"type":"a","data":1}`)
	done := p.settled(event.ID, "delivered")
	if done.Attempts != 2 || time.Since(began) < time.Second {
		t.Errorf("%d attempts within %s", done.Attempts, time.Since(began))
	}
}

func TestDelivery_guard(t *testing.T) {
	t.Parallel()
	to := newSink(t, nil)
	_, port, err := net.SplitHostPort(to.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("a literal address is refused at once", func(t *testing.T) {
		t.Parallel()
		cfg := settings(t)
		cfg.AllowPrivate = egress.AllowList{}
		p := start(t, cfg)
		var problem struct {
			Detail string
			Errors []struct{ Location string }
		}
		if got := p.call("POST", "/api/v1/endpoints", map[string]any{"url": to.URL}, &problem); got != 422 {
			t.Fatalf("status %d", got)
		}
		if len(problem.Errors) != 1 || problem.Errors[0].Location != "body.url" || !strings.Contains(problem.Detail, "loopback") {
			t.Errorf("problem: %+v", problem)
		}
	})
	t.Run("a name is refused for what it resolves to", func(t *testing.T) {
		t.Parallel()
		cfg := settings(t)
		cfg.AllowPrivate = egress.AllowList{}
		p := start(t, cfg)
		p.endpoint(map[string]any{"url": "http://localhost:" + port})
		done := p.settled(p.publish(`{"type":"a","data":1}`).ID, "failed")
		if done.Attempts != 1 || !strings.Contains(done.LastError, "loopback") {
			t.Errorf("delivery: %+v", done)
		}
	})
	t.Run("an allowed name is not", func(t *testing.T) {
		t.Parallel()
		cfg := settings(t)
		if cfg.AllowPrivate, err = egress.ParseAllowList("localhost:" + port); err != nil {
			t.Fatal(err)
		}
		p := start(t, cfg)
		p.endpoint(map[string]any{"url": "http://localhost:" + port})
		p.settled(p.publish(`{"type":"a","data":1}`).ID, "delivered")
	})
}

func TestEndpoint_disabledKeepsItsDeliveries(t *testing.T) {
	t.Parallel()
	p := start(t, settings(t))
	to := newSink(t, nil)
	made := p.endpoint(map[string]any{"url": to.URL})
	var after endpointAnswer
	p.must(http.StatusOK, "POST", "/api/v1/endpoints/"+made.ID+"/disable", nil, &after)
	if after.State != "disabled" {
		t.Errorf("endpoint: %+v", after)
	}
	event := p.publish(`{"type":"a","data":1}`)
	if event.Deliveries != 1 {
		t.Errorf("receipt: %+v", event)
	}
	p.settled(event.ID, "paused")
	if s := p.stats(); s.Deliveries["paused"] != 1 || s.Deliveries["pending"] != 0 {
		t.Errorf("stats: %+v", s)
	}
	p.must(http.StatusOK, "POST", "/api/v1/endpoints/"+made.ID+"/enable", nil, &after)
	p.settled(event.ID, "delivered")
	if len(to.requests()) != 1 || after.State != "enabled" {
		t.Errorf("%d requests, endpoint %+v", len(to.requests()), after)
	}
}

func TestDelivery_retry(t *testing.T) {
	t.Parallel()
	p := start(t, settings(t))
	to := newSink(t, func(n int, w http.ResponseWriter) {
		if n < 4 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	p.endpoint(map[string]any{"url": to.URL})
	failed := p.settled(p.publish(`{"type":"a","data":1}`).ID, "failed")
	var retried deliveryAnswer
	p.must(http.StatusOK, "POST", "/api/v1/deliveries/"+failed.ID+"/retry", nil, &retried)
	if retried.ID != failed.ID {
		t.Errorf("another delivery: %+v", retried)
	}
	done := p.settled(failed.MessageID, "delivered")
	if done.Attempts != 5 {
		t.Errorf("%d attempts", done.Attempts)
	}
	if got := p.call("POST", "/api/v1/deliveries/"+failed.ID+"/retry", nil, nil); got != http.StatusConflict {
		t.Errorf("retry of a delivered one: %d", got)
	}
	if got := p.call("POST", "/api/v1/deliveries/dlv_none/retry", nil, nil); got != http.StatusNotFound {
		t.Errorf("retry of none: %d", got)
	}
}
