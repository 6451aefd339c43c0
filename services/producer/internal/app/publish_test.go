package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/webhook"
)

func TestPublish_matching(t *testing.T) {
	t.Parallel()
	p := start(t, settings(t))
	to := newSink(t, nil)
	p.endpoint(map[string]any{"url": to.URL, "events": []string{"order.*"}})
	p.endpoint(map[string]any{"url": to.URL, "events": []string{"user.created", "order.completed"}})
	p.endpoint(map[string]any{"url": to.URL, "tenant": "acme"})
	for event, want := range map[string]int{
		`{"type":"order.completed","data":{}}`:                 2,
		`{"type":"order.a.b","data":{}}`:                       1,
		`{"type":"order.","data":{}}`:                          0,
		`{"type":"order","data":{}}`:                           0,
		`{"type":"user.created","data":{}}`:                    1,
		`{"type":"whatever","data":null,"tenant":"acme"}`:      1,
		`{"type":"user.created","data":{},"tenant":"unknown"}`: 0,
	} {
		if got := p.publish(event); got.Deliveries != want {
			t.Errorf("%s: %d deliveries, not %d", event, got.Deliveries, want)
		}
	}
}

func TestPublish_duplicates(t *testing.T) {
	t.Parallel()
	p := start(t, settings(t))
	to := newSink(t, nil)
	p.endpoint(map[string]any{"url": to.URL})

	first := p.publish(`{"type":"a","data":1,"id":"evt-1"}`)
	again := p.publish(`{"type":"a","data":1,"id":"evt-1"}`)
	if first.Duplicate || !again.Duplicate || again.ID != first.ID || again.Deliveries != 0 {
		t.Errorf("by id: %+v, then %+v", first, again)
	}
	keyed := func(body, key string) (got eventAnswer) {
		p.must(http.StatusAccepted, "POST", "/api/v1/events", body, &got, "Idempotency-Key", key)
		return got
	}
	first, again = keyed(`{"type":"a","data":2}`, "k1"), keyed(`{"type":"a","data":2}`, "k1")
	if first.Duplicate || !again.Duplicate || again.ID != first.ID {
		t.Errorf("by key: %+v, then %+v", first, again)
	}
	if other := keyed(`{"type":"a","data":2}`, "k2"); other.Duplicate {
		t.Errorf("under another key: %+v", other)
	}
	if own := keyed(`{"type":"a","data":2,"id":"evt-2"}`, "k1"); own.Duplicate {
		t.Errorf("its own id wins over the key: %+v", own)
	}
	for _, tenant := range []string{"acme", "other", strings.Repeat("t", 256)} {
		event := fmt.Sprintf(`{"type":"a","data":1,"id":"evt-1","tenant":%q}`, tenant)
		if theirs := p.publish(event); theirs.Duplicate {
			t.Errorf("tenant %.8s: another tenant's id was taken for its own", tenant)
		}
		if again := p.publish(event); !again.Duplicate {
			t.Errorf("tenant %.8s: its own id was not recognised", tenant)
		}
	}
}

type batchAnswer struct {
	Items  []eventAnswer
	Detail string
	Errors []struct{ Location, Message string }
}

func TestPublish_batch(t *testing.T) {
	t.Parallel()
	p := start(t, settings(t))
	to := newSink(t, nil)
	p.endpoint(map[string]any{"url": to.URL, "events": []string{"order.*"}})

	var got batchAnswer
	p.must(http.StatusAccepted, "POST", "/api/v1/events/batch",
		`{"events":[{"type":"order.created","data":1},{"type":"user.created","data":{"id":7}},{"type":"order.created","data":1,"id":"x"},{"type":"order.created","data":1,"id":"x"}]}`,
		&got, "Idempotency-Key", "batch-1")
	if len(got.Items) != 4 || got.Items[0].Deliveries != 1 || got.Items[1].Deliveries != 0 ||
		!got.Items[3].Duplicate || got.Items[3].ID != got.Items[2].ID {
		t.Errorf("items: %+v", got.Items)
	}
	before := p.stats()

	got = batchAnswer{}
	bad := `{"events":[{"type":"user.created","data":{"id":8}},{"type":"a","data":1},{"type":"a","data":1},{"type":"no spaces","data":1}]}`
	if code := p.call("POST", "/api/v1/events/batch", bad, &got); code != http.StatusUnprocessableEntity {
		t.Fatalf("status %d", code)
	}
	if !strings.HasPrefix(got.Detail, "events[3].type") || len(got.Errors) != 1 || got.Errors[0].Location != "body.events[3].type" {
		t.Errorf("problem: %+v", got)
	}
	if after := p.stats(); after.Messages != before.Messages || after.Domain != before.Domain {
		t.Errorf("something was accepted: %+v, then %+v", before, after)
	}
}

func TestPublish_largestBatch(t *testing.T) {
	t.Parallel()
	p := start(t, settings(t))
	events := make([]string, 1000)
	for i := range events {
		events[i] = fmt.Sprintf(`{"type":"order.completed","data":{"order_id":%d,"amount":"0.01"}}`, i)
	}
	var got batchAnswer
	p.must(http.StatusAccepted, "POST", "/api/v1/events/batch", `{"events":[`+strings.Join(events, ",")+`]}`, &got)
	if s := p.stats(); len(got.Items) != 1000 || s.Domain.OrdersCompleted != 1000 || s.Domain.RevenueMinor != 1000 {
		t.Errorf("%d items, stats %+v", len(got.Items), s)
	}
	over := `{"events":[` + strings.Join(append(events, events[0]), ",") + `]}`
	for name, body := range map[string]string{"none": `{"events":[]}`, "null": `{"events":null}`, "too many": over} {
		if code := p.call("POST", "/api/v1/events/batch", body, nil); code != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", name, code)
		}
	}
}

// Events of one batch about the same order, and about one told of before, count once, however the batch is cut into
// statements.
func TestPublish_batchLedger(t *testing.T) {
	t.Parallel()
	p := start(t, settings(t))
	p.publish(`{"type":"order.completed","data":{"order_id":"3","amount_minor":1000}}`)
	p.publish(`{"type":"user.created","data":{"id":"3"}}`)
	var events []string
	for i := range 91 { // orders and users 0 to 29, three times and one more, the first time with the smallest amount
		events = append(events,
			fmt.Sprintf(`{"type":"order.completed","data":{"order_id":"%d","amount_minor":%d}}`, i%30, 1+i/30),
			fmt.Sprintf(`{"type":"user.created","data":{"id":"%d"}}`, i%30))
	}
	for range 2 {
		p.must(http.StatusAccepted, "POST", "/api/v1/events/batch", `{"events":[`+strings.Join(events, ",")+`]}`, nil)
		if s := p.stats(); s.Domain.Users != 30 || s.Domain.OrdersCompleted != 30 || s.Domain.RevenueMinor != 1000+29 {
			t.Errorf("stats: %+v", s.Domain)
		}
	}
}

// What is sent is the envelope of the library, and the data in it as it came.
func TestPublish_envelope(t *testing.T) {
	t.Parallel()
	p := start(t, settings(t))
	to := newSink(t, nil)
	p.endpoint(map[string]any{"url": to.URL})
	const data = `{"x": 1.50,	"\u00e9" : ["<&>\u2028", 1e400]}`
	event := p.publish(` { "type" : "a/b:c-d_e.f" , "data" : ` + data + ` } `)
	p.settled(event.ID, "delivered")
	body := to.requests()[0].Body
	var sent struct {
		Timestamp time.Time
		Data      json.RawMessage
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		t.Fatal(err)
	}
	want, err := webhook.Event{ID: event.ID, Type: "a/b:c-d_e.f", Timestamp: sent.Timestamp, Data: []byte(data)}.Encode()
	if err != nil || string(body) != string(want) || sent.Timestamp.Truncate(time.Millisecond) != sent.Timestamp {
		t.Errorf("%s, not %s, %v", body, want, err)
	}
}

func TestPublish_refuses(t *testing.T) {
	t.Parallel()
	p := start(t, settings(t))
	for name, tt := range map[string]struct {
		body string
		want int
	}{
		"no type":          {`{"data":1}`, 422},
		"empty type":       {`{"type":"","data":1}`, 422},
		"type with star":   {`{"type":"a*","data":1}`, 422},
		"long type":        {`{"type":"` + strings.Repeat("a", 257) + `","data":1}`, 422},
		"no data":          {`{"type":"a"}`, 422},
		"unknown field":    {`{"type":"a","data":1,"dat":2}`, 422},
		"wrong kind":       {`{"type":1,"data":1}`, 422},
		"not JSON":         {`{"type":"a",`, 400},
		"nothing":          {``, 400},
		"control in id":    {`{"type":"a","data":1,"id":"a\u0000"}`, 422},
		"long tenant":      {`{"type":"a","data":1,"tenant":"` + strings.Repeat("t", 257) + `"}`, 422},
		"large data":       {`{"type":"a","data":"` + strings.Repeat("x", 256<<10) + `"}`, 422},
		"large body":       {`{"type":"a","data":"` + strings.Repeat("x", 5<<20) + `"}`, 413},
		"largest data":     {`{"type":"a","data":"` + strings.Repeat("x", 256<<10-2) + `"}`, 202},
		"data of any kind": {`{"type":"a","data":null}`, 202},
	} {
		if got := p.call("POST", "/api/v1/events", tt.body, nil); got != tt.want {
			t.Errorf("%s: %d, not %d", name, got, tt.want)
		}
	}
	if got := p.call("POST", "/api/v1/events", `{"type":"a","data":1}`, nil, "Idempotency-Key", strings.Repeat("k", 401)); got != 422 {
		t.Errorf("long key: %d", got)
	}
}

func TestPublish_domain(t *testing.T) {
	t.Parallel()
	p := start(t, settings(t))
	for _, event := range []string{
		`{"type":"user.created","data":{"id":123}}`,
		`{"type":"user.created","data":{"user_id":"123"}}`, // the same user
		`{"type":"user.created","data":{"name":"nobody"}}`, // not understood: sent, not counted
		`{"type":"user.created","data":{"id":124},"id":"e"}`,
		`{"type":"user.created","data":{"id":125},"id":"e"}`, // a duplicate
		`{"type":"order.created","data":{"order_id":"1","amount":5}}`,
		`{"type":"order.completed","data":{"order_id":"1","amount":19.99,"currency":"EUR"}}`,
		`{"type":"order.completed","data":{"order_id":"1","amount":500}}`,
		`{"type":"order.completed","data":{"order_id":"2","amount":1,"amount_minor":7}}`,
		`{"type":"order.completed","data":{"order_id":"3","amount":0.001}}`,
		`{"type":"order.completed","data":{"order_id":"4","amount":-1}}`,
	} {
		p.publish(event)
	}
	s := p.stats()
	if s.Domain.Users != 2 || s.Domain.OrdersCompleted != 2 || s.Domain.RevenueMinor != 2006 || s.Messages != 10 {
		t.Errorf("stats: %+v", s)
	}
}

func TestShowEvent(t *testing.T) {
	t.Parallel()
	p := start(t, settings(t))
	to := newSink(t, nil)
	p.endpoint(map[string]any{"url": to.URL})
	event := p.publish(`{"type":"a.b","data":{"x": 1.50},"ordering_key":"k"}`)
	p.settled(event.ID, "delivered")
	var shown struct {
		ID, Type, Source string
		OrderingKey      string `json:"ordering_key"`
		Body             struct{ Data struct{ X float64 } }
		Deliveries       []deliveryAnswer
	}
	p.must(http.StatusOK, "GET", "/api/v1/events/"+event.ID, nil, &shown)
	if shown.ID != event.ID || shown.Type != "a.b" || shown.Source != "api" || shown.OrderingKey != "k" ||
		shown.Body.Data.X != 1.5 || len(shown.Deliveries) != 1 {
		t.Errorf("event: %+v", shown)
	}
	if got := p.call("GET", "/api/v1/events/msg_none", nil, nil); got != http.StatusNotFound {
		t.Errorf("none: %d", got)
	}
}
