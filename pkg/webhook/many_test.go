package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/signet/pkg/webhook"
)

func TestClient_SendMany(t *testing.T) {
	t.Parallel()
	const concurrency, n = 4, 40
	var now, most atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		most.Store(max(most.Load(), now.Add(1))) // may miss the most by a race, never invent it
		defer now.Add(-1)
		time.Sleep(time.Millisecond)
		if r.URL.Path == "/7" || r.URL.Path == "/8" {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(server.Close)
	client := newClient(t, webhook.WithConcurrency(concurrency))
	messages := make([]webhook.Message, n)
	for i := range messages {
		messages[i] = webhook.Message{
			URL: fmt.Sprintf("%s/%d", server.URL, i), Payload: map[string]int{"n": i},
			Options: []webhook.SendOption{webhook.WithID(fmt.Sprintf("msg_%d", i))},
		}
	}
	messages[9].Payload = make(chan int)

	results := client.SendMany(t.Context(), messages)
	if len(results) != n {
		t.Fatalf("%d results", len(results))
	}
	for i, r := range results {
		var want error
		switch i {
		case 7, 8:
			want = webhook.ErrNotDelivered
		case 9:
			want = webhook.ErrPayload
		}
		if r.URL != messages[i].URL || r.MessageID != fmt.Sprintf("msg_%d", i) || !errors.Is(r.Err, want) || (r.Err == nil) != (r.Status == webhook.StatusSuccess) {
			t.Errorf("result %d: %+v", i, r)
		}
	}
	if got := most.Load(); got > concurrency || got < 2 {
		t.Errorf("%d at once", got)
	}
	if got := client.SendMany(t.Context(), nil); len(got) != 0 {
		t.Errorf("of none: %v", got)
	}
}

func TestClient_SendMany_contextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	to := newSink(t, func(_ int, w http.ResponseWriter) {
		cancel()
		w.WriteHeader(http.StatusInternalServerError)
	})
	messages := []webhook.Message{{URL: to.URL, Payload: 1}, {URL: to.URL, Payload: 2}, {URL: to.URL, Payload: 3}}
	results := newClient(t, webhook.WithConcurrency(1)).SendMany(ctx, messages)
	for i, r := range results {
		if !errors.Is(r.Err, context.Canceled) || r.Status != webhook.StatusFailed || (i > 0 && len(r.Attempts) != 0) {
			t.Errorf("result %d: %+v", i, r)
		}
	}
	if n := len(to.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestClient_history(t *testing.T) {
	t.Parallel()
	to := newSink(t, func(n int, w http.ResponseWriter) {
		if n == 2 {
			w.WriteHeader(http.StatusTeapot)
		}
	})
	client := newClient(t, webhook.WithHistory(4))
	var ids []string
	for i := range 6 {
		d, _ := client.Send(t.Context(), to.URL, i, webhook.WithID(fmt.Sprint("msg_", i)))
		ids = append(ids, d.ID)
		d.Attempts[0].StatusCode = 999 // the caller's own copy
	}
	for i, id := range ids {
		d, ok := client.Delivery(id)
		if ok != (i >= 2) || ok && (d.MessageID != fmt.Sprint("msg_", i) || len(d.Attempts) != 1 || d.Last().StatusCode == 999) {
			t.Errorf("%d: %v, %+v", i, ok, d)
		}
	}
	if _, ok := client.Delivery("dlv_none"); ok {
		t.Error("found what never was")
	}
	third, _ := client.Delivery(ids[3])
	for name, tt := range map[string]struct {
		filter webhook.Filter
		want   []int
	}{
		"all, the latest first": {webhook.Filter{}, []int{5, 4, 3, 2}},
		"failed":                {webhook.Filter{Status: webhook.StatusFailed}, []int{2}},
		"succeeded, limited":    {webhook.Filter{Status: webhook.StatusSuccess, Limit: 2}, []int{5, 4}},
		"message":               {webhook.Filter{MessageID: "msg_4"}, []int{4}},
		"URL":                   {webhook.Filter{URL: to.URL, Limit: 1}, []int{5}},
		"other URL":             {webhook.Filter{URL: to.URL + "/"}, nil},
		"since":                 {webhook.Filter{Since: third.CreatedAt}, []int{5, 4, 3}},
		"all at once":           {webhook.Filter{URL: to.URL, Status: webhook.StatusFailed, MessageID: "msg_3"}, nil},
	} {
		got := client.Deliveries(tt.filter)
		if len(got) != len(tt.want) {
			t.Errorf("%s: %d of them", name, len(got))
			continue
		}
		for i, d := range got {
			if d.ID != ids[tt.want[i]] {
				t.Errorf("%s: %s at %d", name, d.MessageID, i)
			}
		}
	}
	stats := client.Stats()
	if stats.Total() != 6 || stats.Attempts != 6 || stats.Deliveries[webhook.StatusSuccess] != 5 || stats.Deliveries[webhook.StatusFailed] != 1 {
		t.Errorf("stats forget with the history: %+v", stats)
	}
}

func TestClient_historyIsBounded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // so that nothing is sent
	client := newClient(t)
	for range webhook.DefaultHistory + 100 {
		_, _ = client.Send(ctx, "http://127.0.0.1:1", 1)
	}
	if n := len(client.Deliveries(webhook.Filter{})); n != webhook.DefaultHistory {
		t.Errorf("%d are remembered", n)
	}
	none := newClient(t, webhook.WithHistory(0))
	d, _ := none.Send(ctx, "http://127.0.0.1:1", 1)
	if _, ok := none.Delivery(d.ID); ok || len(none.Deliveries(webhook.Filter{})) != 0 || none.Stats().Deliveries[webhook.StatusFailed] != 1 {
		t.Error("remembers what it should not, or counts nothing")
	}
}

func TestClient_Stats(t *testing.T) {
	t.Parallel()
	waiting, release := make(chan struct{}), make(chan struct{})
	to := newSink(t, func(n int, w http.ResponseWriter) {
		switch n {
		case 1:
			w.WriteHeader(http.StatusInternalServerError)
		case 3:
			w.WriteHeader(http.StatusBadRequest)
		case 4:
			close(waiting)
			<-release
		}
	})
	client := newClient(t)
	empty := client.Stats()
	if empty.Total() != 0 || empty.SuccessRate() != 0 || empty.Took.Max != 0 || len(empty.Deliveries) != 5 {
		t.Errorf("of none: %+v", empty)
	}
	for range 3 { // 200; 500, 200; 400
		_, _ = client.Send(t.Context(), to.URL, 1)
	}
	var group sync.WaitGroup
	group.Go(func() { _, _ = client.Send(t.Context(), to.URL, 1) })
	<-waiting
	s := client.Stats()
	close(release)
	group.Wait()
	if s.Deliveries[webhook.StatusSuccess] != 2 || s.Deliveries[webhook.StatusFailed] != 1 || s.Deliveries[webhook.StatusSending] != 1 || s.Total() != 4 || s.Attempts != 4 {
		t.Errorf("stats: %+v", s)
	}
	if s.SuccessRate() < 0.66 || s.SuccessRate() > 0.67 {
		t.Errorf("rate %v", s.SuccessRate())
	}
	if p := s.Took; p.P50 <= 0 || p.P50 > p.P90 || p.P90 > p.P95 || p.P95 > p.P99 || p.P99 > p.Max {
		t.Errorf("percentiles: %+v", p)
	}
}

func TestPercentiles(t *testing.T) {
	t.Parallel()
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i)
	}
	for _, tt := range []struct {
		took []time.Duration
		want webhook.Percentiles
	}{
		{nil, webhook.Percentiles{}},
		{[]time.Duration{7}, webhook.Percentiles{P50: 7, P90: 7, P95: 7, P99: 7, Max: 7}},
		{[]time.Duration{2, 1}, webhook.Percentiles{P50: 1, P90: 2, P95: 2, P99: 2, Max: 2}},
		{hundred, webhook.Percentiles{P50: 50, P90: 90, P95: 95, P99: 99, Max: 100}},
	} {
		if got := webhook.PercentilesOf(tt.took); got != tt.want {
			t.Errorf("%v: %+v", tt.took, got)
		}
	}
}
