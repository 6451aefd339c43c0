package load_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/signet/deploy/bench/internal/load"
)

const secret = "a secret"

// receiver verifies what the generator sends, and remembers the ids.
type receiver struct {
	mu     sync.Mutex
	ids    map[string]int
	wrong  int
	refuse func(n int) bool
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	id, at := request.Header.Get("webhook-id"), request.Header.Get("webhook-timestamp")
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(id + "." + at + "." + string(body)))
	r.mu.Lock()
	defer r.mu.Unlock()
	if request.Header.Get("webhook-signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) ||
		len(body) != load.BodySize || !json.Valid(body) || !strings.Contains(string(body), strings.TrimPrefix(id, "msg_")) {
		r.wrong++
	}
	r.ids[id]++
	if r.refuse != nil && r.refuse(len(r.ids)) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("taken"))
}

func TestClosed(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]load.Closed{
		"until a number is sent": {Total: 500},
		"until time is over":     {WarmUp: 50 * time.Millisecond, Duration: 200 * time.Millisecond},
		"in parts":               {Duration: 200 * time.Millisecond, Parts: 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := &receiver{ids: map[string]int{}, refuse: func(n int) bool { return n%10 == 0 }}
			server := httptest.NewServer(to)
			defer server.Close()
			run.Addr, run.Connections, run.Want = server.Listener.Addr().String(), 4, http.StatusOK
			run.NewRequest = load.Webhooks(secret, "a01", 1)
			result, err := run.Run(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			to.mu.Lock()
			defer to.mu.Unlock()
			if to.wrong > 0 {
				t.Errorf("%d requests were not what they should be", to.wrong)
			}
			if seen := int64(len(to.ids)); seen != result.All+result.Refused || run.Total > 0 && seen != run.Total {
				t.Errorf("%d different ids arrived, but %d were taken and %d refused", seen, result.All, result.Refused)
			}
			if result.Refused == 0 || result.Requests == 0 || result.Requests > result.All || result.Latencies.TotalCount() != result.Requests {
				t.Errorf("%+v, with %d latencies", result, result.Latencies.TotalCount())
			}
			var sum int64
			for _, part := range result.Parts {
				sum += part
			}
			if run.Parts > 0 && (len(result.Parts) != run.Parts || sum != result.Requests || result.Parts[0] == result.Requests) {
				t.Errorf("parts %v of %d requests", result.Parts, result.Requests)
			}
		})
	}
}

func TestClosed_error(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer server.Close()
	run := load.Closed{Addr: server.Listener.Addr().String(), Connections: 2, Total: 10, Want: 200, NewRequest: load.Webhooks(secret, "b", 1)}
	if _, err := run.Run(context.Background()); err == nil {
		t.Error("a connection that breaks is no error")
	}
}

func TestScattered(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	var order int
	last := ""
	for _, name := range []string{"c00000", "c00001"} {
		for n := range uint64(10_000) {
			number := load.Scattered(name, n)
			if seen[number] || len(number) != 16 {
				t.Fatalf("%s %d: %s", name, n, number)
			}
			if seen[number] = true; number > last {
				order++
			}
			last = number
		}
	}
	if order < 9_500 || order > 10_500 { // half of 20,000 steps lead upwards when there is no order
		t.Errorf("%d of 20,000 are greater than the one before", order)
	}
	m := load.NewMessages(secret, "c00000", 1).Scattered()
	if first, second := m.Next(time.Now()), m.Next(time.Now()); first.ID != "msg_"+load.Scattered("c00000", 1) || first.ID == second.ID {
		t.Errorf("%s, %s", first.ID, second.ID)
	}
}
