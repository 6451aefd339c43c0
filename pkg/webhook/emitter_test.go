package webhook_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
	"example.com/signet/pkg/webhook"
)

func TestEmitter(t *testing.T) {
	t.Parallel()
	orders, everything, broken, unheard := newSink(t, status(200)), newSink(t, status(200)), newSink(t, status(400)), newSink(t, status(200))
	client := newClient(t, webhook.WithSecret(secret))
	emitter := webhook.NewEmitter(client)
	for _, s := range []struct {
		to       *sink
		patterns []string
		options  []webhook.SendOption
	}{
		{unheard, []string{"user.*", "order"}, nil},
		{orders, []string{"user.created", "order.*"}, []webhook.SendOption{webhook.WithHeader("X-Shop", "1")}},
		{broken, []string{"order.completed"}, nil},
		{everything, nil, nil},
	} {
		if err := emitter.Subscribe(s.to.URL, s.patterns, s.options...); err != nil {
			t.Fatal(err)
		}
	}
	deliveries, err := emitter.Emit(t.Context(), webhook.Event{Type: "order.completed", Data: json.RawMessage(`{"amount": 1.10}`)})
	if !errors.Is(err, webhook.ErrNotDelivered) || len(deliveries) != 3 {
		t.Fatalf("%d deliveries: %v", len(deliveries), err)
	}
	for i, want := range []struct {
		to     *sink
		status webhook.Status
	}{{orders, webhook.StatusSuccess}, {broken, webhook.StatusFailed}, {everything, webhook.StatusSuccess}} {
		d := deliveries[i]
		if d.URL != want.to.URL || d.Status != want.status || d.MessageID != deliveries[0].MessageID || (i > 0 && d.ID == deliveries[0].ID) {
			t.Errorf("delivery %d: %+v", i, d)
		}
		verifyEvent(t, want.to, d.MessageID)
	}
	if n := len(unheard.requests()); n != 0 {
		t.Errorf("%d requests to one that is not subscribed", n)
	}
	if got := orders.requests()[0].Header.Get("X-Shop"); got != "1" {
		t.Errorf("the subscription's option is lost: %q", got)
	}
	if found := client.Deliveries(webhook.Filter{MessageID: deliveries[0].MessageID}); len(found) != 3 {
		t.Errorf("%d are remembered", len(found))
	}
}

// verifyEvent checks that the one request is the event, signed under its id.
func verifyEvent(t *testing.T, to *sink, id string) {
	t.Helper()
	verifier, err := signature.NewVerifier("standard", []string{secret})
	if err != nil {
		t.Fatal(err)
	}
	seen := to.requests()
	if len(seen) != 1 {
		t.Fatalf("%d requests", len(seen))
	}
	match, err := verifier.Verify(signature.Request{Header: seen[0].Header, Body: seen[0].Body}, time.Now())
	if err != nil || match.ID != id {
		t.Errorf("id %q, not %q: %v", match.ID, id, err)
	}
	var event struct {
		ID, Type  string
		Timestamp time.Time
	}
	if err := json.Unmarshal(seen[0].Body, &event); err != nil || event.ID != id || event.Type != "order.completed" || time.Since(event.Timestamp) > time.Minute {
		t.Errorf("event %+v: %v", event, err)
	}
	if !strings.HasSuffix(string(seen[0].Body), `,"data":{"amount": 1.10}}`) {
		t.Errorf("the data was written anew: %s", seen[0].Body)
	}
}

func TestEmitter_subscriptions(t *testing.T) {
	t.Parallel()
	to := newSink(t, status(http.StatusOK))
	emitter := webhook.NewEmitter(newClient(t))
	emit := func(kind string) int {
		t.Helper()
		event, err := webhook.NewEvent(kind, map[string]int{"n": 1})
		if err != nil {
			t.Fatal(err)
		}
		deliveries, err := emitter.Emit(t.Context(), event)
		if err != nil {
			t.Fatal(err)
		}
		return len(deliveries)
	}
	if n := emit("a.b"); n != 0 {
		t.Errorf("%d without a subscription", n)
	}
	for _, patterns := range [][]string{{"x.*"}, {"a.*", "a.b", "*"}} { // the second replaces the first; one delivery however many match
		if err := emitter.Subscribe(to.URL, patterns); err != nil {
			t.Fatal(err)
		}
	}
	if n := emit("a.b"); n != 1 {
		t.Errorf("%d with one subscription", n)
	}
	if !emitter.Unsubscribe(to.URL) || emitter.Unsubscribe(to.URL) || emit("a.b") != 0 {
		t.Error("unsubscribing does nothing")
	}
}

func TestEmitter_refuses(t *testing.T) {
	t.Parallel()
	emitter := webhook.NewEmitter(newClient(t))
	if err := emitter.Subscribe("ftp://hunter2", nil); !errors.Is(err, webhook.ErrInvalidURL) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("URL: %v", err)
	}
	if err := emitter.Subscribe("http://host", []string{"order*"}); !errors.Is(err, webhook.ErrInvalidPattern) {
		t.Errorf("pattern: %v", err)
	}
	for _, event := range []webhook.Event{{Data: []byte("1")}, {Type: "a.b"}, {Type: "a.b", Data: []byte("{")}} {
		if deliveries, err := emitter.Emit(t.Context(), event); !errors.Is(err, webhook.ErrInvalidEvent) || deliveries != nil {
			t.Errorf("%+v: %v", event, err)
		}
	}
	if _, err := webhook.NewEvent("a", make(chan int)); !errors.Is(err, webhook.ErrPayload) {
		t.Errorf("data: %v", err)
	}
}

// An event that is sent without an id has one all the same, and it is the one the signature carries.
func TestClient_SendCompletesEvents(t *testing.T) {
	t.Parallel()
	to := newSink(t, status(http.StatusOK))
	d, err := newClient(t, webhook.WithSecret(secret)).Send(t.Context(), to.URL, webhook.Event{Type: "order.completed", Data: json.RawMessage(`{"amount": 1.10}`)})
	if err != nil {
		t.Fatal(err)
	}
	verifyEvent(t, to, d.MessageID)
}

// An event of a type that no subscription can name is refused before anything is sent.
func TestEvent_refusesTypes(t *testing.T) {
	t.Parallel()
	to := newSink(t, status(http.StatusOK))
	for _, name := range []string{"", "a b", "a\x1b", "a*", strings.Repeat("a", webhook.MaxType+1)} {
		event := webhook.Event{Type: name, Data: []byte("1")}
		if _, err := newClient(t).Send(t.Context(), to.URL, event); !errors.Is(err, webhook.ErrInvalidEvent) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if n := len(to.requests()); n != 0 {
		t.Errorf("%d were sent", n)
	}
}
