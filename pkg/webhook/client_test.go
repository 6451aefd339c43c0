package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
	"example.com/signet/pkg/webhook"
)

// newClient retries without making the tests wait.
func newClient(t *testing.T, opts ...webhook.Option) *webhook.Client {
	t.Helper()
	opts = append([]webhook.Option{
		webhook.WithHTTPClient(newHTTPClient(t)),
		webhook.WithBackoff(time.Millisecond, 2*time.Millisecond),
	}, opts...)
	client, err := webhook.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func TestClient_Send(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		answers  []int // the last one repeats
		retries  int
		status   webhook.Status
		attempts int
	}{
		{"at once", []int{200}, 3, webhook.StatusSuccess, 1},
		{"after two failures", []int{500, 503, 202}, 3, webhook.StatusSuccess, 3},
		{"never", []int{500}, 3, webhook.StatusFailed, 4},
		{"no retries", []int{500, 200}, 0, webhook.StatusFailed, 1},
		{"refused", []int{400, 200}, 3, webhook.StatusFailed, 1},
		{"gone", []int{410, 200}, 3, webhook.StatusFailed, 1},
		{"redirected", []int{302, 200}, 3, webhook.StatusFailed, 1},
		{"timeout, too early, too many", []int{408, 425, 429, 200}, 3, webhook.StatusSuccess, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			to := newSink(t, func(n int, w http.ResponseWriter) { w.WriteHeader(tt.answers[min(n, len(tt.answers)-1)]) })
			client := newClient(t, webhook.WithSecret(secret), webhook.WithRetries(tt.retries))

			delivery, err := client.Send(t.Context(), to.URL, map[string]int{"n": 1})
			if delivery.Status != tt.status || len(delivery.Attempts) != tt.attempts || len(to.requests()) != tt.attempts {
				t.Fatalf("%s after %d attempts, %d requests: %v", delivery.Status, len(delivery.Attempts), len(to.requests()), err)
			}
			if (err == nil) != (tt.status == webhook.StatusSuccess) || (err != nil && !errors.Is(err, webhook.ErrNotDelivered)) {
				t.Errorf("error: %v", err)
			}
			verifyAll(t, to, delivery)
		})
	}
}

// verifyAll checks that every attempt carried a genuine signature over the same id and body.
func verifyAll(t *testing.T, to *sink, delivery webhook.Delivery) {
	t.Helper()
	verifier, err := signature.NewVerifier("standard", []string{secret})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range to.requests() {
		match, err := verifier.Verify(signature.Request{Header: r.Header, Body: r.Body}, time.Now())
		if err != nil || match.ID != delivery.MessageID || string(r.Body) != `{"n":1}` {
			t.Errorf("id %q, not %q; body %s: %v", match.ID, delivery.MessageID, r.Body, err)
		}
	}
}

func TestClient_payloads(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 500, time.UTC)
	tests := []struct {
		name    string
		payload any
		want    string
	}{
		{"bytes", []byte(" {\"a\": 1.0} "), ` {"a": 1.0} `},
		{"raw JSON", json.RawMessage(`{"a": "<"}`), `{"a": "<"}`},
		{
			"event",
			webhook.Event{ID: "msg_7", Type: "a.b", Timestamp: at, Data: json.RawMessage(`{"x": 1.10}`)},
			`{"id":"msg_7","type":"a.b","timestamp":"2026-03-01T12:00:00.0000005Z","data":{"x": 1.10}}`,
		},
		{"value", struct{ A int }{1}, `{"A":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			to := newSink(t, status(http.StatusOK))
			if _, err := newClient(t).Send(t.Context(), to.URL, tt.payload); err != nil {
				t.Fatal(err)
			}
			if got := string(to.requests()[0].Body); got != tt.want {
				t.Errorf("sent %s, not %s", got, tt.want)
			}
		})
	}
}

func TestClient_refusesPayloads(t *testing.T) {
	t.Parallel()
	to := newSink(t, status(http.StatusOK))
	client := newClient(t)
	for want, payload := range map[error]any{
		webhook.ErrPayload:      make(chan int),
		webhook.ErrInvalidEvent: webhook.Event{ID: "a", Type: "b", Data: json.RawMessage("{")},
	} {
		delivery, err := client.Send(t.Context(), to.URL, payload)
		if !errors.Is(err, want) || delivery.Status != webhook.StatusFailed {
			t.Errorf("%s: %v", delivery.Status, err)
		}
	}
	if n := len(to.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestClient_contextEndsTheWait(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	to := newSink(t, func(_ int, w http.ResponseWriter) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
		time.AfterFunc(20*time.Millisecond, cancel)
	})
	delivery, err := newClient(t).Send(ctx, to.URL, []byte("{}"))
	if !errors.Is(err, context.Canceled) || !errors.Is(err, webhook.ErrNotDelivered) {
		t.Errorf("error: %v", err)
	}
	if delivery.Status != webhook.StatusFailed || len(delivery.Attempts) != 1 || delivery.Last().RetryAfter != time.Hour {
		t.Errorf("delivery: %+v", delivery)
	}
}

func TestClient_honoursRetryAfter(t *testing.T) {
	t.Parallel()
	to := newSink(t, func(n int, w http.ResponseWriter) {
		if n == 0 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	delivery, err := newClient(t).Send(t.Context(), to.URL, []byte("{}"), webhook.WithID("msg_x"), webhook.WithHeader("X-A", "1"))
	if err != nil {
		t.Fatal(err)
	}
	if wait := delivery.Attempts[1].At.Sub(delivery.Attempts[0].At); wait < time.Second {
		t.Errorf("waited %s only", wait)
	}
	if delivery.MessageID != "msg_x" || to.requests()[0].Header.Get("X-A") != "1" {
		t.Errorf("options were lost: %+v", delivery)
	}
}

func TestClient_schemes(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, secret, scheme, header string }{
		{"whsec_", secret, "", "Webhook-Signature"},
		{"other", "mysecret", "", "X-Hub-Signature-256"},
		{"named", "mysecret", "generic", "X-Signature-256"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			to := newSink(t, status(http.StatusOK))
			opts := []webhook.Option{webhook.WithSecret(tt.secret)}
			if tt.scheme != "" {
				opts = append(opts, webhook.WithScheme(tt.scheme))
			}
			if _, err := newClient(t, opts...).Send(t.Context(), to.URL, []byte("{}")); err != nil {
				t.Fatal(err)
			}
			if to.requests()[0].Header.Get(tt.header) == "" {
				t.Errorf("no %s in %v", tt.header, to.requests()[0].Header)
			}
		})
	}
}

func TestNew_refuses(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]webhook.Option{
		"empty secret":            webhook.WithSecret(""),
		"undecodable secret":      webhook.WithSecret("whsec_!"),
		"scheme without a secret": webhook.WithScheme("standard"),
		"negative retries":        webhook.WithRetries(-1),
		"negative timeout":        webhook.WithTimeout(-1),
		"no backoff":              webhook.WithBackoff(0, 0),
		"longest below first":     webhook.WithBackoff(2, 1),
		"no concurrency":          webhook.WithConcurrency(0),
		"negative history":        webhook.WithHistory(-1),
		"no logger":               webhook.WithLogger(nil),
	} {
		if _, err := webhook.New(opt); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := webhook.New(webhook.WithSecret("x"), webhook.WithScheme("morse")); !errors.Is(err, signature.ErrUnknownScheme) {
		t.Errorf("unknown scheme: %v", err)
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"https://host/a/b":                        "https://host/a/b",
		"https://user:hunter2@host:8443/a?x=1&y=": "https://host:8443/a?x=xxxxx&y=xxxxx",
		"https://host/?hunter2":                   "https://host/?xxxxx",
		"https://host/#hunter2":                   "https://host/",
		"http://user:hunter2/x@host":              "(invalid URL)",
		"mailto:hunter2@host":                     "(invalid URL)",
		"http://[::1]:80/":                        "http://[::1]:80/",
		"/relative?t=hunter2":                     "/relative?t=xxxxx",
		"http://h/?\u009b31m=1&a%5Bb%5D=2&%zz=3":  "http://h/?%C2%9B31m=xxxxx&a%5Bb%5D=xxxxx&%25zz=xxxxx",
	} {
		if got := webhook.Redact(given); got != want {
			t.Errorf("%s: %s, not %s", given, got, want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("user", "hunter2", "q")
	f.Fuzz(func(t *testing.T, user, password, query string) {
		shown := webhook.Redact("https://" + user + ":hunter2" + password + "@host.example/?t=hunter2" + query)
		if strings.Contains(shown, "hunter2") && !strings.Contains(user+password+query, "hunter2") &&
			!strings.ContainsAny(user+password+query, "/?#@&=") {
			t.Errorf("shown: %s", shown)
		}
	})
}

func FuzzEvent_Encode(f *testing.F) {
	f.Add("msg_1", "order.completed", []byte(`{"a":1.10}`))
	f.Fuzz(func(t *testing.T, id, kind string, data []byte) {
		out, err := webhook.Event{ID: id, Type: kind, Timestamp: time.Unix(1, 0), Data: data}.Encode()
		if err != nil {
			if !errors.Is(err, webhook.ErrInvalidEvent) {
				t.Errorf("error: %v", err)
			}
			return
		}
		var back struct{ Data json.RawMessage }
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if string(back.Data) != strings.TrimSpace(string(data)) {
			t.Errorf("data %q became %q", data, back.Data)
		}
	})
}
