package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

type stats struct {
	Messages   int64
	Deliveries map[string]int64
	Domain     struct {
		Users           int64 `json:"users"`
		OrdersCompleted int64 `json:"orders_completed"`
		RevenueMinor    int64 `json:"revenue_minor"`
	}
}

type message struct {
	ID, Source, Type string
	ReceivedAt       time.Time `json:"received_at"`
	Headers          map[string][]string
	Body             []byte
	Deliveries       []delivery
}

type delivery struct {
	ID         string
	MessageID  string `json:"message_id"`
	Target     string
	Type       string
	State      string
	Attempts   int
	NextAt     *time.Time `json:"next_at"`
	LastError  string     `json:"last_error"`
	ReplayOf   string     `json:"replay_of"`
	AttemptLog []struct {
		Number int
		Error  string
		Detail string
	} `json:"attempt_log"`
}

type list[T any] struct {
	Items []T
	Next  string
}

func (r *rig) stats() (s stats) {
	r.t.Helper()
	r.admin(http.MethodGet, "/api/v1/stats", &s)
	return s
}

// settled waits until every delivery of a message has come to an end.
func (r *rig) settled(id string) (m message) {
	r.t.Helper()
	eventually(r.t, "message "+id+" is settled", func() bool {
		m = message{}
		r.admin(http.MethodGet, "/api/v1/messages/"+id, &m)
		for _, d := range m.Deliveries {
			if d.State == "pending" || d.State == "delivering" {
				return false
			}
		}
		return true
	})
	return m
}

func TestAdmin_message(t *testing.T) {
	t.Parallel()
	r := start(t, "WEBHOOK_SECRET="+secret)
	id := r.take(order, sign(t, "generic", secret, order, "X-Custom", "a", "Authorization", "Basic geheim"))
	m := r.settled(id)
	if m.Source != "default" || m.Type != "order.completed" || string(m.Body) != order || time.Since(m.ReceivedAt) > time.Minute {
		t.Errorf("message is %+v", m)
	}
	if m.Headers["X-Custom"][0] != "a" || m.Headers["Authorization"] != nil {
		t.Errorf("headers are %v", m.Headers)
	}
	if len(m.Deliveries) != 1 || m.Deliveries[0].Target != "handler:order-completed" || m.Deliveries[0].State != "delivered" || m.Deliveries[0].Attempts != 1 {
		t.Fatalf("deliveries are %+v", m.Deliveries)
	}
	var d delivery
	r.admin(http.MethodGet, "/api/v1/deliveries/"+m.Deliveries[0].ID, &d)
	if d.MessageID != id || d.NextAt != nil || len(d.AttemptLog) != 1 || !strings.Contains(d.AttemptLog[0].Detail, "order 12345 completed: 99.99") {
		t.Errorf("delivery is %+v", d)
	}
}

func TestAdmin_shapes(t *testing.T) {
	t.Parallel()
	r := start(t, "WEBHOOK_SECRET="+secret)
	for path, want := range map[string]string{
		"/api/v1/messages":      `{"items":[],"next":""}`,
		"/api/v1/deliveries":    `{"items":[],"next":""}`,
		"/api/v1/domain/orders": `{"items":[],"next":""}`,
		"/api/v1/domain/users":  `{"items":[],"next":""}`,
		"/api/v1/stats":         `{"messages":0,"deliveries":{"cancelled":0,"delivered":0,"delivering":0,"failed":0,"paused":0,"pending":0},"domain":{"users":0,"orders_completed":0,"revenue_minor":0}}`,
	} {
		if got := strings.TrimSpace(r.admin(http.MethodGet, path, nil).body); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
	id := r.take(order, sign(t, "generic", secret, order))
	d := r.settled(id).Deliveries[0].ID
	for path, want := range map[string]string{
		"/api/v1/deliveries":    `{"items":[{"id":"` + d + `","message_id":"` + id + `","target":"handler:order-completed","endpoint_id":"handler:order-completed","type":"order.completed","state":"delivered","attempts":1,"next_at":null,"last_status":0,"last_error":""}],"next":""}`,
		"/api/v1/domain/orders": `{"items":[{"order_id":"12345","amount_minor":9999,"currency":"","applied":1,"revenue_minor":9999}],"next":""}`,
	} {
		if got := strings.TrimSpace(r.admin(http.MethodGet, path, nil).body); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

func TestAdmin_refuses(t *testing.T) {
	t.Parallel()
	r := start(t, "WEBHOOK_SECRET="+secret)
	for path, c := range map[string]struct {
		status int
		names  string
	}{
		"/api/v1/messages/msg_none":        {404, ""},
		"/api/v1/deliveries/dlv_none":      {404, ""},
		"/api/v1/messages?limit=0":         {422, "limit"},
		"/api/v1/messages?limit=many":      {422, "limit"},
		"/api/v1/messages?state=lost":      {422, "state"},
		"/api/v1/deliveries?since=monday":  {422, "since"},
		"/api/v1/deliveries?limit=201":     {422, "limit"},
		"/api/v1/messages?cursor=%21":      {422, "cursor"},
		"/api/v1/domain/orders?cursor=%21": {422, "cursor"},
		"/api/v1/nothing":                  {404, ""},
	} {
		got := r.admin(http.MethodGet, path, nil)
		if got.status != c.status || !strings.Contains(got.body, c.names) || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	for _, path := range []string{"/api/v1/messages/msg_none/replay", "/api/v1/deliveries/dlv_none/retry"} {
		if got := r.admin(http.MethodPost, path, nil); got.status != http.StatusNotFound {
			t.Errorf("POST %s: %d %s", path, got.status, got.body)
		}
	}
	bare := r.do(r.request(http.MethodGet, "http://"+r.AdminAddr()+"/api/v1/stats", nil, nil))
	if bare.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", bare.status)
	}
	spec := r.do(r.request(http.MethodGet, "http://"+r.AdminAddr()+"/api/openapi.json", nil, nil))
	if spec.status != http.StatusOK || !strings.Contains(spec.body, "/api/v1/domain/users") {
		t.Errorf("OpenAPI: %d", spec.status)
	}
}

func TestAdmin_replayAndRetry(t *testing.T) {
	t.Parallel()
	r := start(t, "WEBHOOK_SECRET="+secret)
	good := r.take(order, sign(t, "generic", secret, order))
	bad := `{"type":"order.completed","data":{"order_id":1}}`
	broken := r.take(bad, sign(t, "generic", secret, bad))
	first := r.settled(good).Deliveries[0]
	for n := 2; n <= 3; n++ { // replaying twice makes two deliveries, not three
		var again list[delivery]
		r.admin(http.MethodPost, "/api/v1/messages/"+good+"/replay", &again)
		if len(again.Items) != 1 || again.Items[0].ID == first.ID {
			t.Fatalf("replay %d: %+v", n, again)
		}
		if m := r.settled(good); len(m.Deliveries) != n {
			t.Errorf("%d deliveries after replay %d", len(m.Deliveries), n)
		}
	}
	failed := r.settled(broken).Deliveries[0]
	var d delivery
	r.admin(http.MethodGet, "/api/v1/deliveries/"+failed.ID, &d)
	if d.State != "failed" || !strings.Contains(d.LastError, "amount is missing") || d.Attempts != 1 {
		t.Errorf("the dead letter is %+v", d)
	}
	var retried list[delivery]
	r.admin(http.MethodPost, "/api/v1/messages/"+broken+"/replay", &retried)
	if len(retried.Items) != 1 || retried.Items[0].ID != failed.ID {
		t.Errorf("replaying what failed: %+v", retried)
	}
	r.settled(broken)
	r.admin(http.MethodPost, "/api/v1/deliveries/"+failed.ID+"/retry", &d)
	if m := r.settled(broken); m.Deliveries[0].Attempts != 3 {
		t.Errorf("after two retries: %+v", m.Deliveries)
	}
	if got := r.admin(http.MethodPost, "/api/v1/deliveries/"+first.ID+"/retry", nil); got.status != http.StatusConflict {
		t.Errorf("retrying what is delivered: %d %s", got.status, got.body)
	}
	s := r.stats()
	if s.Domain.OrdersCompleted != 1 || s.Domain.RevenueMinor != 9999 || s.Deliveries["delivered"] != 3 || s.Deliveries["failed"] != 1 {
		t.Errorf("stats are %+v", s)
	}
}

func TestAdmin_filtersAndPages(t *testing.T) {
	t.Parallel()
	r := start(t, "WEBHOOK_SECRET="+secret, "GITHUB_WEBHOOK_SECRET=hub")
	const n = 7
	for i := range n {
		body := fmt.Sprintf(`{"type":"user.created","data":{"id":%d}}`, i)
		r.settled(r.take(body, sign(t, "generic", secret, body)))
	}
	push := r.post("/webhook/github", `{}`, sign(t, "github", "hub", `{}`, "X-GitHub-Event", "push"))
	var a accepted
	decode(t, push.body, &a)
	r.settled(a.ID)
	for query, want := range map[string]int{
		"": n + 1, "?source=github": 1, "?type=push": 1, "?type=user.created": n, "?state=delivered": n + 1, "?state=failed": 0,
		"?since=2100-01-01T00:00:00Z": 0, "?until=2100-01-01T00:00:00Z": n + 1, "?source=default&type=push": 0,
	} {
		var found list[message]
		r.admin(http.MethodGet, "/api/v1/messages"+query, &found)
		if len(found.Items) != want {
			t.Errorf("messages%s: %d, want %d", query, len(found.Items), want)
		}
	}
	for query, want := range map[string]int{
		"?message=" + a.ID: 1, "?target=handler:user-created": n, "?target=handler:log": 1, "?state=delivered&type=push": 1, "?state=pending": 0,
	} {
		var found list[delivery]
		r.admin(http.MethodGet, "/api/v1/deliveries"+query, &found)
		if len(found.Items) != want {
			t.Errorf("deliveries%s: %d, want %d", query, len(found.Items), want)
		}
	}
	for _, path := range []string{"/api/v1/messages", "/api/v1/deliveries", "/api/v1/domain/users"} {
		total, cursor := 0, ""
		for page := 0; page == 0 || cursor != ""; page++ {
			var found list[map[string]any]
			r.admin(http.MethodGet, path+"?limit=3&cursor="+cursor, &found)
			total, cursor = total+len(found.Items), found.Next
		}
		if want := map[bool]int{true: n, false: n + 1}[strings.Contains(path, "users")]; total != want {
			t.Errorf("%s in pages: %d, want %d", path, total, want)
		}
	}
}

func TestAdmin_metrics(t *testing.T) {
	t.Parallel()
	r := start(t, "WEBHOOK_SECRET="+secret)
	r.settled(r.take(order, sign(t, "generic", secret, order)))
	for i := range 5 {
		r.post(fmt.Sprintf("/webhook/stranger%d", i), order, nil)
	}
	r.post("/webhook", order, nil)
	want := []string{
		`signet_webhooks_total{outcome="accepted",source="default"} 1`,
		`signet_webhooks_total{outcome="rejected",source="unknown"} 5`,
		`signet_rejections_total{reason="missing",source="default"} 1`,
		`signet_rejections_total{reason="unknown_source",source="unknown"} 5`,
		`signet_deliveries_total{state="delivered",target="handler:order-completed"} 1`,
	}
	var got reply
	eventually(t, "the metrics are complete", func() bool {
		got = r.do(r.request(http.MethodGet, "http://"+r.AdminAddr()+"/metrics", nil, nil))
		for _, line := range want {
			if !strings.Contains(got.body, line+"\n") {
				return false
			}
		}
		return true
	})
	if strings.Contains(got.body, "stranger") {
		t.Error("a stranger makes metrics")
	}
}
