package e2e_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// maxBody is the receiver's default limit for the default source.
const maxBody = 1 << 20

// body is a payload of the original tutorial, made unique.
func body() string {
	return fmt.Sprintf(`{"event_type":"order.completed","data":{"order_id":%q,"amount":99.99}}`, rand.Text())
}

// TestReceiverImage runs the image alone, as somebody does who only takes in what others send, and walks through the
// contract's table of replies.
func TestReceiverImage(t *testing.T) {
	current, next, old := newSecret(), "the-secret-that-comes-next", "the-secret-that-goes"
	r := startReceiver(t, map[string]string{
		"WEBHOOK_SECRET":     current,
		"WEBHOOK_SECRET_NEW": next,
		"WEBHOOK_SECRET_OLD": old,
	})
	t.Run("signed", func(t *testing.T) { testSigned(t, r, map[string]string{"current": current, "new": next, "old": old}) })
	t.Run("refused", func(t *testing.T) { testRefused(t, r, current) })
	t.Run("duplicate", func(t *testing.T) { testDuplicate(t, r, current) })
	t.Run("limits", func(t *testing.T) { testLimits(t, r, current) })
	t.Run("pages", func(t *testing.T) { testPages(t, r) })
	t.Run("admin", func(t *testing.T) { testAdmin(t, r, current) })
}

// testSigned: every scheme with every secret is accepted, and reaches its handler.
func testSigned(t *testing.T, r *receiver, secrets map[string]string) {
	schemes := map[string]signer{
		"github":                   hexHeader("X-Hub-Signature-256", "sha256="),
		"generic X-Signature-256":  hexHeader("X-Signature-256", "sha256="),
		"generic Signature":        hexHeader("Signature", "sha256="),
		"generic without a prefix": hexHeader("X-Signature-256", ""),
		"standard":                 standard,
	}
	for scheme, sign := range schemes {
		for age, secret := range secrets {
			t.Run(scheme+" "+age, func(t *testing.T) {
				r.applied(t, r.accept(t, signed(body(), secret, sign)))
			})
		}
	}
}

// testRefused: what is not what a holder of the secret sent is refused, and the sender is not told why.
func testRefused(t *testing.T, r *receiver, secret string) {
	github := hexHeader("X-Hub-Signature-256", "sha256=")
	unsigned := webhook{body: []byte(body())}
	tampered := signed(body(), secret, github)
	tampered.body[len(tampered.body)-3] ^= 1
	twoSchemes := signed(body(), secret, github)
	standard(&twoSchemes, secret)
	otherID := signed(body(), secret, standard)
	otherID.header["webhook-id"] = "evt_another"
	cases := map[string]webhook{
		"unsigned":                       unsigned,
		"tampered":                       tampered,
		"another secret":                 signed(body(), "wrong", github),
		"standard, another secret":       signed(body(), newSecret(), standard),
		"standard, another id":           otherID,
		"standard, six minutes ago":      signed(body(), secret, standardAs("evt_past", time.Now().Add(-6*time.Minute))),
		"standard, in six minutes":       signed(body(), secret, standardAs("evt_future", time.Now().Add(6*time.Minute))),
		"not hexadecimal":                {body: []byte(body()), header: map[string]string{"X-Hub-Signature-256": "sha256=zz"}},
		"empty header":                   {body: []byte(body()), header: map[string]string{"X-Hub-Signature-256": ""}},
		"headers of two schemes at once": twoSchemes,
	}
	for name, w := range cases {
		t.Run(name, func(t *testing.T) {
			res := mustSend(t, r.public, w)
			const want = `{"status":"error","code":"invalid_signature","message":"Invalid signature"}`
			if got := strings.TrimSpace(res.body); res.status != http.StatusUnauthorized || got != want {
				t.Errorf("status %d, body %s; want 401 and %s", res.status, got, want)
			}
			wantJSON(t, res)
		})
	}
}

// testDuplicate: the same id again is answered with the first message's id, and takes no second effect.
func testDuplicate(t *testing.T, r *receiver, secret string) {
	w := signed(body(), secret, standardAs("evt_"+rand.Text(), time.Now()))
	first := r.accept(t, w)
	second, duplicate := accepted(t, mustSend(t, r.public, w))
	if second != first || !duplicate {
		t.Errorf("again: id %s, duplicate %t; want %s, true", second, duplicate, first)
	}
	r.applied(t, first)
	var payload struct {
		Data struct {
			OrderID string `json:"order_id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(w.body, &payload); err != nil {
		t.Fatal(err)
	}
	orders, err := r.admin.orders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range orders {
		if o.ID == payload.Data.OrderID && o.Applied == 1 && o.AmountMinor == 9999 {
			return
		}
	}
	t.Errorf("no order %s with 99.99, applied once, among %d", payload.Data.OrderID, len(orders))
}

// testLimits: what the receiver does not take is refused with the contract's status, however well it is signed.
func testLimits(t *testing.T, r *receiver, secret string) {
	github := hexHeader("X-Hub-Signature-256", "sha256=")
	sized := func(n int) string { return `{"padding":"` + strings.Repeat("x", n-len(`{"padding":""}`)) + `"}` }
	t.Run("as large as allowed", func(t *testing.T) { r.accept(t, signed(sized(maxBody), secret, github)) })
	t.Run("one byte over", func(t *testing.T) {
		refused(t, mustSend(t, r.public, signed(sized(maxBody+1), secret, github)), http.StatusRequestEntityTooLarge, "body_too_large")
	})
	t.Run("four times as large", func(t *testing.T) {
		refused(t, mustSend(t, r.public, signed(sized(4*maxBody), secret, github)), http.StatusRequestEntityTooLarge, "body_too_large")
	})
	t.Run("not JSON", func(t *testing.T) {
		refused(t, mustSend(t, r.public, signed(`{"type":`, secret, github)), http.StatusBadRequest, "invalid_json")
	})
	t.Run("plain text", func(t *testing.T) {
		w := signed(`{"type":"order.completed"}`, secret, github)
		w.contentType = "text/plain"
		refused(t, mustSend(t, r.public, w), http.StatusUnsupportedMediaType, "unsupported_media_type")
	})
	t.Run("unknown source", func(t *testing.T) {
		w := signed(body(), secret, github)
		w.path = "/webhook/nosuch"
		refused(t, mustSend(t, r.public, w), http.StatusNotFound, "unknown_source")
	})
}

// testPages: what a person or a probe asks for on the public port.
func testPages(t *testing.T, r *receiver) {
	index := fetch(t, r.public+"/", nil, http.StatusOK)
	var about struct {
		Name, Version string
		Endpoints     any
	}
	if err := json.Unmarshal([]byte(index.body), &about); err != nil || about.Name == "" || about.Version == "" || about.Endpoints == nil {
		t.Errorf("GET /: %v in %s; want a name, a version and endpoints", err, index.body)
	}
	page := fetch(t, r.public+"/", map[string]string{"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}, http.StatusOK)
	if !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") || !strings.Contains(page.body, "<html") {
		t.Errorf("GET / as a browser: %s, %.200s; want a page", page.header.Get("Content-Type"), page.body)
	}
	var health struct{ Status string }
	if err := json.Unmarshal([]byte(fetch(t, r.public+"/health", nil, http.StatusOK).body), &health); err != nil || health.Status != "healthy" {
		t.Errorf("GET /health: status %q, %v; want healthy", health.Status, err)
	}
	fetch(t, r.public+"/livez", nil, http.StatusOK)
	fetch(t, r.public+"/readyz", nil, http.StatusOK)
	// What is the administrator's is not on the port that the internet sees.
	for _, path := range []string{"/metrics", "/api/v1/messages", "/api/openapi.json"} {
		fetch(t, r.public+path, map[string]string{"Authorization": "Bearer " + adminToken}, http.StatusNotFound)
	}
}

// testAdmin: the admin API opens to its token alone.
func testAdmin(t *testing.T, r *receiver, secret string) {
	id := r.accept(t, signed(body(), secret, standard))
	for name, header := range map[string]map[string]string{
		"no token":      nil,
		"another token": {"Authorization": "Bearer another"},
		"basic":         {"Authorization": "Basic " + adminToken},
	} {
		t.Run(name, func(t *testing.T) {
			res := fetch(t, r.admin.base+"/api/v1/messages", header, http.StatusUnauthorized)
			if got := res.header.Get("Content-Type"); !strings.HasPrefix(got, "application/problem+json") {
				t.Errorf("Content-Type %q, want application/problem+json", got)
			}
		})
	}
	eventually(t, 10*time.Second, "the message is listed", func(ctx context.Context) error { return r.delivered(ctx, id) })
	var one struct {
		ID   string `json:"id"`
		Type string `json:"type"`
		Body []byte `json:"body"`
	}
	if err := r.admin.call(t.Context(), http.MethodGet, "/api/v1/messages/"+id, nil, &one, http.StatusOK); err != nil {
		t.Fatal(err)
	}
	if one.ID != id || one.Type != "order.completed" || !json.Valid(one.Body) {
		t.Errorf("message %+v; want id %s, type order.completed and the raw body", one, id)
	}
	fetch(t, r.admin.base+"/metrics", nil, http.StatusOK)
}

// fetch is get where no failure is acceptable.
func fetch(t *testing.T, url string, header map[string]string, want int) reply {
	t.Helper()
	r, err := get(t.Context(), url, header, want)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
