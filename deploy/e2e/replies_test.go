package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// get makes a GET request and demands a status.
func get(ctx context.Context, url string, header map[string]string, want int) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return reply{}, err
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	r, err := answer(req)
	if err != nil {
		return r, err
	}
	if r.status != want {
		return r, fmt.Errorf("GET %s: status %d, want %d: %.300s", url, r.status, want, r.body)
	}
	return r, nil
}

// acceptedBody is the contract's reply to an accepted webhook, to the byte.
var acceptedBody = regexp.MustCompile(`^\{"status":"success","message":"Webhook accepted","id":"(msg_[0-9A-Za-z_-]+)","duplicate":(true|false)\}$`)

// accepted demands the contract's reply to an accepted webhook and reads it.
func accepted(t *testing.T, r reply) (id string, duplicate bool) {
	t.Helper()
	parts := acceptedBody.FindStringSubmatch(strings.TrimSpace(r.body))
	if r.status != http.StatusOK || parts == nil {
		t.Fatalf("status %d, body %s; want 200 and %s", r.status, r.body, acceptedBody)
	}
	wantJSON(t, r)
	return parts[1], parts[2] == "true"
}

// refused demands one of the contract's refusals: its status, its code, and nothing that the contract does not have.
func refused(t *testing.T, r reply, status int, code string) {
	t.Helper()
	var body map[string]string
	if err := json.Unmarshal([]byte(r.body), &body); err != nil {
		t.Fatalf("status %d, body %q: %v", r.status, r.body, err)
	}
	if r.status != status || body["status"] != "error" || body["code"] != code || body["message"] == "" || len(body) != 3 {
		t.Fatalf("status %d, body %s; want %d with code %s", r.status, r.body, status, code)
	}
	wantJSON(t, r)
}

func wantJSON(t *testing.T, r reply) {
	t.Helper()
	if got := r.header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
		t.Errorf("Content-Type %q, want application/json", got)
	}
}

// deliveredAmong finds a message in a list and reports what is still missing of its deliveries.
func deliveredAmong(items []message, id string) error {
	at := slices.IndexFunc(items, func(m message) bool { return m.ID == id })
	if at < 0 {
		return errors.New("it is not listed")
	}
	if len(items[at].Deliveries) == 0 {
		return errors.New("it has no delivery")
	}
	for _, d := range items[at].Deliveries {
		if d.State != "delivered" {
			return fmt.Errorf("delivery to %s is %s after %d attempts", d.Target, d.State, d.Attempts)
		}
	}
	return nil
}
