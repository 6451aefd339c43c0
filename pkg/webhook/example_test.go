package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"example.com/signet/pkg/signature"
	"example.com/signet/pkg/webhook"
)

// receive is a receiver that takes what is signed with secret. The first request it answers 503, as if it had just
// been restarted.
func receive(secret string) *httptest.Server {
	verifier, err := signature.NewVerifier("standard", []string{secret})
	if err != nil {
		panic(err)
	}
	var requests atomic.Int64
	take := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "thanks")
	})
	return httptest.NewServer(signature.Middleware(verifier)(take))
}

const exampleSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// Send signs a payload, and sends it again when that makes sense.
func ExampleClient_Send() {
	server := receive(exampleSecret)
	defer server.Close()

	client, err := webhook.New(
		webhook.WithSecret(exampleSecret),
		webhook.WithRetries(3),
		webhook.WithBackoff(10*time.Millisecond, time.Second),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()

	delivery, err := client.Send(context.Background(), server.URL+"/webhook", map[string]any{"event": "user.created", "data": map[string]int{"id": 123}})
	fmt.Println(delivery.Status, err)
	for _, attempt := range delivery.Attempts {
		fmt.Printf("%d %q %v\n", attempt.StatusCode, attempt.Response, attempt.Err)
	}
	// Output:
	// success <nil>
	// 503 "" answered 503 Service Unavailable
	// 200 "thanks" <nil>
}

// An error says that, and why, it was not delivered.
func ExampleClient_Send_notDelivered() {
	server := receive(exampleSecret)
	defer server.Close()
	client, err := webhook.New(webhook.WithSecret("whsec_" + strings.Repeat("A", 32))) // not the receiver's
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()

	delivery, err := client.Send(context.Background(), server.URL, []byte(`{}`))
	fmt.Println(errors.Is(err, webhook.ErrNotDelivered), delivery.Status, delivery.Last().StatusCode, delivery.Last().Class())
	// Output: true failed 401 permanent
}

// SendMany sends many at once, and tells what came of each in their order.
func ExampleClient_SendMany() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/closed" {
			w.WriteHeader(http.StatusGone)
		}
	}))
	defer server.Close()
	client, err := webhook.New(webhook.WithConcurrency(2))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()

	results := client.SendMany(context.Background(), []webhook.Message{
		{URL: server.URL + "/a", Payload: []byte(`{"n":1}`)},
		{URL: server.URL + "/closed", Payload: []byte(`{"n":2}`)},
		{URL: server.URL + "/b", Payload: []byte(`{"n":3}`)},
	})
	for i, result := range results {
		fmt.Println(i, result.Status, result.Last().StatusCode)
	}
	stats := client.Stats()
	fmt.Printf("%d attempts, %.0f %% delivered\n", stats.Attempts, 100*stats.SuccessRate())
	// Output:
	// 0 success 200
	// 1 failed 410
	// 2 success 200
	// 3 attempts, 67 % delivered
}

// A callback sees every change of a delivery's status.
func ExampleClient_OnDelivery() {
	server := receive(exampleSecret)
	defer server.Close()
	client, err := webhook.New(webhook.WithSecret(exampleSecret), webhook.WithBackoff(time.Millisecond, time.Millisecond))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()
	client.OnDelivery(func(d webhook.Delivery) { fmt.Println(d.Status, len(d.Attempts)) })

	delivery, err := client.Send(context.Background(), server.URL, []byte(`{}`))
	if err != nil {
		fmt.Println(err)
	}
	remembered, ok := client.Delivery(delivery.ID)
	fmt.Println(ok, remembered.Status, len(client.Deliveries(webhook.Filter{Status: webhook.StatusFailed})))
	// Output:
	// pending 0
	// sending 0
	// retrying 1
	// sending 1
	// success 2
	// true success 0
}

// An emitter sends each event to all who are subscribed to its type.
func ExampleEmitter() {
	show := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Println(r.URL.Path, string(body))
	})
	server := httptest.NewServer(show)
	defer server.Close()
	client, err := webhook.New(webhook.WithConcurrency(1))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()

	emitter := webhook.NewEmitter(client)
	err = errors.Join(
		emitter.Subscribe(server.URL+"/shop", []string{"order.*"}),
		emitter.Subscribe(server.URL+"/crm", []string{"user.created", "user.deleted"}),
		emitter.Subscribe(server.URL+"/archive", nil),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	deliveries, err := emitter.Emit(context.Background(), webhook.Event{
		ID: "msg_1", Type: "order.completed", Timestamp: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC), Data: []byte(`{"amount":12.50}`),
	})
	fmt.Println(len(deliveries), err)
	// Output:
	// /shop {"id":"msg_1","type":"order.completed","timestamp":"2026-01-31T12:00:00Z","data":{"amount":12.50}}
	// /archive {"id":"msg_1","type":"order.completed","timestamp":"2026-01-31T12:00:00Z","data":{"amount":12.50}}
	// 2 <nil>
}

// A Sender makes one attempt, for programs that have a queue and a schedule of their own.
func ExampleSender() {
	server := receive(exampleSecret)
	defer server.Close()
	signer, err := signature.NewSigner("standard", exampleSecret)
	if err != nil {
		fmt.Println(err)
		return
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	sender := webhook.NewSender(&http.Client{Transport: transport}, "shop/1.0")
	for range 2 {
		attempt := sender.Attempt(context.Background(), webhook.Request{
			URL: server.URL, ID: "msg_1", Body: []byte(`{"n":1}`), Signer: signer, Timeout: 5 * time.Second,
		})
		fmt.Println(attempt.StatusCode, attempt.Class())
	}
	// Output:
	// 503 retry
	// 200 delivered
}
