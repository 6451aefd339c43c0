package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

type bulkAnswer struct {
	Matched, Changed int64
	Next, Operation  string
}

// bulk calls an operation on many deliveries.
func (r *rig) bulk(path, body string) (status int, answer bulkAnswer, text string) {
	r.t.Helper()
	header := header("Authorization", "Bearer "+r.AdminToken(), "Content-Type", "application/json")
	got := r.do(r.request(http.MethodPost, "http://"+r.AdminAddr()+"/api/v1/deliveries/"+path, []byte(body), header))
	if got.status == http.StatusOK {
		decode(r.t, got.body, &answer)
	}
	return got.status, answer, got.body
}

func TestAdmin_bulk(t *testing.T) {
	t.Parallel()
	r := start(t, "WEBHOOK_SECRET="+secret)
	for i := range 3 {
		good := fmt.Sprintf(`{"type":"user.created","data":{"id":%d}}`, i)
		r.settled(r.take(good, sign(t, "generic", secret, good)))
		bad := fmt.Sprintf(`{"type":"order.completed","data":{"order_id":%d}}`, i)
		r.settled(r.take(bad, sign(t, "generic", secret, bad)))
	}
	for _, tt := range []struct {
		path, body       string
		matched, changed int64
	}{
		{"retry", `{"dry_run":true}`, 3, 0},
		{"retry", `{"target":"handler:user-created"}`, 0, 0},
		{"retry", `{"type":"order.completed","rate":1000}`, 3, 3},
		{"replay", `{"endpoint":"handler:user-created","dry_run":true}`, 3, 0},
		{"replay", `{"until":"2020-01-01T00:00:00Z"}`, 0, 0},
		{"cancel", `{"type":"user.created"}`, 0, 0},
	} {
		if status, got, text := r.bulk(tt.path, tt.body); status != http.StatusOK || got.Matched != tt.matched || got.Changed != tt.changed || got.Next != "" {
			t.Errorf("%s %s: %d %s, want %d, %d", tt.path, tt.body, status, text, tt.matched, tt.changed)
		}
	}
	_, first, _ := r.bulk("replay", `{"limit":2}`)
	if first.Changed != 2 || first.Next == "" || first.Operation == "" {
		t.Fatalf("%+v", first)
	}
	_, second, text := r.bulk("replay", fmt.Sprintf(`{"cursor":%q,"operation":%q}`, first.Next, first.Operation))
	if second.Changed != 1 || second.Next != "" {
		t.Errorf("%s", text)
	}
	if _, third, text := r.bulk("replay", fmt.Sprintf(`{"operation":%q}`, first.Operation)); third.Changed != 0 {
		t.Errorf("replayed twice: %s", text)
	}
	eventually(t, "all is over", func() bool {
		s := r.stats()
		return s.Deliveries["delivered"] == 6 && s.Deliveries["failed"] == 3
	})
	if s := r.stats(); s.Domain.Users != 3 {
		t.Errorf("stats are %+v", s)
	}
	for body, names := range map[string]string{
		`{"state":"delivering"}`: "state", `{"rate":-1}`: "rate", `{"limit":10001}`: "limit", `{"cursor":"x"}`: "cursor",
		`{"since":"monday"}`: "since", `{"targets":["a"]}`: "targets", `{"state":"delivered"}`: "state",
	} {
		if status, _, text := r.bulk("retry", body); status != http.StatusUnprocessableEntity || !strings.Contains(text, names) {
			t.Errorf("retry %s: %d %s", body, status, text)
		}
	}
	if status, _, text := r.bulk("replay", `{"operation":"mine"}`); status != http.StatusUnprocessableEntity || !strings.Contains(text, "operation") {
		t.Errorf("%d %s", status, text)
	}
}

func TestRetention_removes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := launch(t, dir, "WEBHOOK_SECRET="+secret)
	id := r.take(order, sign(t, "generic", secret, order))
	r.settled(id)
	bad := `{"type":"order.completed","data":{"order_id":1}}`
	failed := r.take(bad, sign(t, "generic", secret, bad))
	r.settled(failed)
	last := r.take(order, sign(t, "generic", secret, order))
	r.settled(last)
	before := r.stats()
	r.stop()

	r = launch(t, dir, "WEBHOOK_SECRET="+secret, "RECEIVER_RETENTION=1ms")
	t.Cleanup(func() { r.stop() })
	eventually(t, "the oldest is gone", func() bool {
		return r.admin(http.MethodGet, "/api/v1/messages/"+id, nil).status == http.StatusNotFound
	})
	for _, kept := range []string{failed, last} {
		if got := r.admin(http.MethodGet, "/api/v1/messages/"+kept, nil); got.status != http.StatusOK {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	if after := r.stats(); after.Messages != before.Messages || after.Deliveries["delivered"] != before.Deliveries["delivered"] || after.Domain != before.Domain {
		t.Errorf("totals went from %+v to %+v", before, after)
	}
	eventually(t, "it is counted", func() bool {
		metrics := r.do(r.request(http.MethodGet, "http://"+r.AdminAddr()+"/metrics", nil, nil)).body
		return strings.Contains(metrics, `signet_removed_total{kind="message"} 1`) && strings.Contains(metrics, `signet_removed_total{kind="delivery"} 1`)
	})
}
