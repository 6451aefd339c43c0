package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

type bulkAnswer struct {
	Matched, Changed int64
	Next, Operation  string
}

func TestAPI_recoverAndBulk(t *testing.T) {
	t.Parallel()
	p := start(t, settings(t))
	var down atomic.Bool
	down.Store(true)
	sink := newSink(t, func(_ int, w http.ResponseWriter) {
		if down.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	ep := p.endpoint(map[string]any{"url": sink.URL})
	other := p.endpoint(map[string]any{"url": sink.URL, "events": []string{"other.*"}})
	since := time.Now().Add(-time.Minute).UTC()
	var ids []string
	for range 4 {
		ids = append(ids, p.publish(map[string]any{"type": "order.completed", "data": map[string]any{}}).ID)
	}
	for _, id := range ids {
		p.settled(id, "failed")
	}
	down.Store(false)

	recovery := "/api/v1/endpoints/" + ep.ID + "/recover"
	var got bulkAnswer
	p.must(http.StatusOK, "POST", recovery, map[string]any{"since": since, "dry_run": true}, &got)
	if got != (bulkAnswer{Matched: 4}) {
		t.Errorf("dry run: %+v", got)
	}
	p.must(http.StatusOK, "POST", recovery, map[string]any{"since": since, "until": since}, &got)
	if got.Matched != 0 {
		t.Errorf("outside of the time: %+v", got)
	}
	p.must(http.StatusOK, "POST", "/api/v1/endpoints/"+other.ID+"/recover", map[string]any{"since": since}, &got)
	if got.Matched != 0 {
		t.Errorf("of another endpoint: %+v", got)
	}
	p.must(http.StatusOK, "POST", recovery, map[string]any{"since": since, "rate": 100}, &got)
	if got != (bulkAnswer{Matched: 4, Changed: 4}) {
		t.Errorf("%+v", got)
	}
	for _, id := range ids {
		if d := p.settled(id, "delivered"); d.Attempts != 5 {
			t.Errorf("%+v", d)
		}
	}
	got = bulkAnswer{}
	p.must(http.StatusOK, "POST", "/api/v1/deliveries/replay", map[string]any{"endpoint": ep.ID, "state": "delivered"}, &got)
	if got.Changed != 4 || !strings.HasPrefix(got.Operation, "rpl_") {
		t.Errorf("%+v", got)
	}
	p.must(http.StatusOK, "POST", "/api/v1/deliveries/replay", map[string]any{"endpoint": ep.ID, "operation": got.Operation}, &got)
	if got.Changed != 0 {
		t.Errorf("replayed twice: %+v", got)
	}
	eventually(t, "the replays arrive", func() bool { return p.stats().Deliveries["delivered"] == 8 }, func() any { return p.stats() })

	p.must(http.StatusOK, "POST", "/api/v1/endpoints/"+ep.ID+"/disable", nil, nil)
	waits := p.publish(map[string]any{"type": "order.completed", "data": map[string]any{}}).ID
	p.settled(waits, "paused")
	p.must(http.StatusOK, "POST", "/api/v1/deliveries/cancel", map[string]any{"endpoint": ep.ID}, &got)
	if got.Changed != 1 {
		t.Errorf("cancelled %+v", got)
	}
	p.settled(waits, "cancelled")
	p.must(http.StatusOK, "POST", "/api/v1/deliveries/retry", map[string]any{"message": waits, "state": "cancelled"}, &got)
	if got.Changed != 1 {
		t.Errorf("retried %+v", got)
	}
}

func TestAPI_bulkRefuses(t *testing.T) {
	t.Parallel()
	p := start(t, settings(t))
	ep := p.endpoint(map[string]any{"url": "http://127.0.0.1:9"})
	for _, tt := range []struct {
		path, body, names string
		status            int
	}{
		{"/api/v1/endpoints/ep_none/recover", `{"since":"2026-01-01T00:00:00Z"}`, "", 404},
		{"/api/v1/endpoints/" + ep.ID + "/recover", `{}`, "since", 422},
		{"/api/v1/endpoints/" + ep.ID + "/recover", `{"since":"2026-01-01T00:00:00Z","rate":-1}`, "rate", 422},
		{"/api/v1/deliveries/retry", `{"state":"delivered"}`, "state", 422},
		{"/api/v1/deliveries/retry", `{"state":"lost"}`, "state", 422},
		{"/api/v1/deliveries/cancel", `{"state":"cancelled"}`, "state", 422},
		{"/api/v1/deliveries/replay", `{"operation":"mine"}`, "operation", 422},
		{"/api/v1/deliveries/replay", `{"cursor":"mine"}`, "cursor", 422},
		{"/api/v1/deliveries/replay", `{"limit":10001}`, "limit", 422},
		{"/api/v1/deliveries/replay", ``, "body", 400},
	} {
		var answer map[string]any
		if got := p.call("POST", tt.path, tt.body, &answer); got != tt.status {
			t.Errorf("%s %s: %d, not %d: %v", tt.path, tt.body, got, tt.status, answer)
		}
		if !strings.Contains(fmt.Sprint(answer), tt.names) {
			t.Errorf("%s %s: %v does not name %s", tt.path, tt.body, answer, tt.names)
		}
	}
}

func TestRetention_removes(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.Retention.Delivered = time.Millisecond
	p := start(t, cfg)
	first := p.publish(map[string]any{"type": "a", "data": map[string]any{}, "id": "key"})
	p.publish(map[string]any{"type": "a", "data": map[string]any{}})
	p.end() // the next pass is a minute away
	p = start(t, cfg)
	eventually(t, "the first is gone", func() bool {
		return p.call("GET", "/api/v1/events/"+first.ID, nil, nil) == http.StatusNotFound
	}, func() any { return p.stats() })
	if s := p.stats(); s.Messages != 2 {
		t.Errorf("totals are %+v", s)
	}
}
