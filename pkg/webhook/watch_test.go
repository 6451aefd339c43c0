package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"example.com/signet/pkg/webhook"
)

func TestClient_OnDelivery(t *testing.T) {
	t.Parallel()
	to := newSink(t, func(n int, w http.ResponseWriter) {
		if n == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	client := newClient(t)
	var mu sync.Mutex
	var told []string
	remove := client.OnDelivery(func(d webhook.Delivery) {
		seen, ok := client.Delivery(d.ID) // what it is told can be asked for already
		mu.Lock()
		defer mu.Unlock()
		if !ok || seen.Status != d.Status || len(seen.Attempts) != len(d.Attempts) {
			t.Errorf("told of %+v, remembered is %+v", d, seen)
		}
		told = append(told, string(d.Status)+strings.Repeat("+", len(d.Attempts)))
	})
	others := 0
	client.OnDelivery(func(webhook.Delivery) { others++ })
	if _, err := client.Send(t.Context(), to.URL, 1); err != nil {
		t.Fatal(err)
	}
	if want := []string{"pending", "sending", "retrying+", "sending+", "success++"}; !slices.Equal(told, want) {
		t.Errorf("told %v", told)
	}
	remove()
	remove()
	if _, err := client.Send(t.Context(), to.URL, 1); err != nil || len(told) != 5 || others != 5+3 {
		t.Errorf("told %v, others %d: %v", told, others, err)
	}
}

// Everything at once, for the race detector, and so that nobody waits for anybody for ever.
func TestClient_isSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	to := newSink(t, func(n int, w http.ResponseWriter) {
		if n%3 == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	client := newClient(t, webhook.WithHistory(10), webhook.WithSecret(secret))
	emitter := webhook.NewEmitter(client)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			remove := client.OnDelivery(func(d webhook.Delivery) { client.Delivery(d.ID) })
			defer remove()
			if err := emitter.Subscribe(to.URL, nil); err != nil {
				t.Error(err)
			}
			for range 10 {
				_, _ = client.Send(t.Context(), to.URL, 1)
				_, _ = emitter.Emit(t.Context(), webhook.Event{Type: "a.b", Data: []byte("1")})
				client.Deliveries(webhook.Filter{Status: webhook.StatusSuccess})
				client.Stats()
			}
		})
	}
	group.Wait()
	if s := client.Stats(); s.Total() != 160 || s.Deliveries[webhook.StatusSuccess]+s.Deliveries[webhook.StatusFailed] != 160 {
		t.Errorf("stats: %+v", s)
	}
}

// Close ends a wait, an attempt and a queue alike, and leaves no goroutine: its own transport's neither.
func TestClient_Close(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	begun := make(chan struct{}, 1)
	to := newSink(t, func(_ int, w http.ResponseWriter) {
		begun <- struct{}{}
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	client, err := webhook.New(webhook.WithConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	retrying := make(chan struct{}, 10)
	client.OnDelivery(func(d webhook.Delivery) {
		if d.Status == webhook.StatusRetrying {
			retrying <- struct{}{}
		}
	})
	results := make(chan []webhook.Result)
	go func() {
		results <- client.SendMany(context.Background(), []webhook.Message{{URL: to.URL, Payload: 1}, {URL: to.URL, Payload: 2}})
	}()
	<-begun
	<-retrying
	if err := errors.Join(client.Close(), client.Close()); err != nil {
		t.Fatal(err)
	}
	for i, r := range <-results {
		if !errors.Is(r.Err, webhook.ErrClosed) || !errors.Is(r.Err, webhook.ErrNotDelivered) || r.Status != webhook.StatusFailed || len(r.Attempts) != 1-i {
			t.Errorf("result %d: %+v", i, r)
		}
	}
	if d, err := client.Send(t.Context(), to.URL, 1); !errors.Is(err, webhook.ErrClosed) || len(d.Attempts) != 0 {
		t.Errorf("after: %+v, %v", d, err)
	}
	if s := client.Stats(); s.Deliveries[webhook.StatusFailed] != 3 {
		t.Errorf("stats: %+v", s)
	}
	to.Close()
	if err := goleak.Find(ignore); err != nil {
		t.Error(err)
	}
}

func TestClient_CloseEndsAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		defer b.stop()
		time.AfterFunc(time.Second, func() { _ = b.client.Close() })
		began := time.Now()
		d, err := b.client.Send(t.Context(), bubbleURL, 1)
		if took := time.Since(began); took != time.Second || !errors.Is(err, webhook.ErrClosed) || len(d.Attempts) != 1 {
			t.Errorf("after %s: %+v, %v", took, d, err)
		}
	})
}

func TestClient_logs(t *testing.T) {
	t.Parallel()
	to := newSink(t, func(n int, w http.ResponseWriter) {
		if n == 0 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	client := newClient(t, webhook.WithLogger(log), webhook.WithSecret(secret))
	target, err := url.Parse(to.URL)
	if err != nil {
		t.Fatal(err)
	}
	target.User, target.RawQuery = url.UserPassword("me", "hunter2"), "token=hunter2"
	if _, err := client.Send(t.Context(), target.String(), map[string]string{"payload": "hunter2"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`level=WARN`, `attempt=1 status=502`, `reason="answered 502 Bad Gateway"`, `level=DEBUG msg="webhook delivered"`, `attempt=2 status=200`, "token=xxxxx", "wait="} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in\n%s", want, &out)
		}
	}
	for _, secret := range []string{"hunter2", secret, secret[len("whsec_"):]} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the log shows a secret:\n%s", &out)
		}
	}
}
