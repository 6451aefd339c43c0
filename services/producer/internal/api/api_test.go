package api_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/service"
	"example.com/signet/pkg/signature"
	"example.com/signet/services/producer/internal/api"
	"example.com/signet/services/producer/internal/egress"
	"example.com/signet/services/producer/internal/endpoint"
	"example.com/signet/services/producer/internal/keyring"
	"example.com/signet/services/producer/internal/ledger"
	"example.com/signet/services/producer/internal/publish"
)

// open makes the API over a real store, without a listener.
func open(t testing.TB) (*service.Server, *relay.Store) {
	t.Helper()
	var tables []relay.Migrations
	for _, of := range []func() (relay.Migrations, error){keyring.Migrations, endpoint.Migrations, ledger.Migrations} {
		m, err := of()
		if err != nil {
			t.Fatal(err)
		}
		tables = append(tables, m)
	}
	store, err := relay.Open(t.Context(), relay.Config{
		URL: "sqlite:" + filepath.Join(t.TempDir(), "producer.db"), Migrations: tables,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	key, err := keyring.ParseKey(base64.StdEncoding.EncodeToString(make([]byte, keyring.KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.New(key)
	if err != nil {
		t.Fatal(err)
	}
	registry, err := endpoint.NewRegistry(t.Context(), store, ring, egress.NewGuard(egress.AllowList{}), nil)
	if err != nil {
		t.Fatal(err)
	}
	server := service.NewServer(service.ServerOptions{BodyLimit: api.MaxBody})
	api.Register(service.NewAPI(server.App, "test", "test", "token"), api.Rooms{
		Engine: store, Publisher: publish.New(store, registry, nil), Endpoints: registry,
		Books: func(ctx context.Context) (ledger.Books, error) { return ledger.Read(ctx, store) },
	})
	return server, store
}

func post(t testing.TB, server *service.Server, path, body string) *http.Response {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer token")
	request.Header.Set("Content-Type", "application/json")
	response, err := server.App.Test(request, -1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// While the store cannot write, a publisher is told so, and when to come back.
func TestAPI_unavailable(t *testing.T) {
	t.Parallel()
	server, store := open(t)
	const event, batch = `{"type":"a","data":1}`, `{"events":[{"type":"a","data":1}]}`
	if response := post(t, server, "/api/v1/events", event); response.StatusCode != http.StatusAccepted {
		t.Fatalf("before: %d", response.StatusCode)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for path, body := range map[string]string{
		"/api/v1/events": event, "/api/v1/events/batch": batch,
		"/api/v1/endpoints": `{"url":"https://example.com"}`, "/api/v1/deliveries/dlv_1/retry": "",
	} {
		response := post(t, server, path, body)
		if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") != "1" ||
			response.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %v", path, response.StatusCode, response.Header)
		}
	}
}

// A caller's mistake beside a secret is answered without the secret.
func TestAPI_problemsRepeatNoSecret(t *testing.T) {
	t.Parallel()
	server, _ := open(t)
	for name, body := range map[string]string{
		"unknown field": `{"url":"https://example.com","secret":"topsecret-topsecret","tenat":"x"}`,
		"missing field": `{"secret":"topsecret-topsecret"}`,
		"not JSON":      `{"url":"https://example.com","secret":"topsecret-topsecret",}`,
		"wrong type":    `{"url":"https://example.com","secret":["topsecret-topsecret"]}`,
	} {
		response := post(t, server, "/api/v1/endpoints", body)
		answer, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode < 400 || response.StatusCode >= 500 || strings.Contains(string(answer), "topsecret") {
			t.Errorf("%s: %d %s, %v", name, response.StatusCode, answer, err)
		}
	}
}

// A receiver of a scheme with key pairs needs the public half of what is made here.
func TestAPI_endpointWithKeyPair(t *testing.T) {
	t.Parallel()
	server, _ := open(t)
	for scheme, want := range map[string]bool{"standard-ed25519": true, "standard": false} {
		response := post(t, server, "/api/v1/endpoints", `{"url":"https://example.com","scheme":"`+scheme+`"}`)
		var shown struct {
			Secret    string `json:"secret"`
			PublicKey string `json:"public_key"`
		}
		if err := json.NewDecoder(response.Body).Decode(&shown); err != nil || response.StatusCode != http.StatusCreated {
			t.Fatalf("%s: %d, %v", scheme, response.StatusCode, err)
		}
		if public, err := signature.PublicKey(scheme, shown.Secret); (err == nil) != want || public != shown.PublicKey {
			t.Errorf("%s: public key %q, want one: %t", scheme, shown.PublicKey, want)
		}
	}
}

// Numbers and escapes that a decoder would change are kept, and what no decoder takes does no harm.
func FuzzEvents_payload(f *testing.F) {
	for _, seed := range []string{`1`, `{"a":1e400}`, `{"amount":1e999999999}`, `"\ud800"`, `[[[[]]]]`, `{"a":1,"a":2}`, "\xff", `{`, ``} {
		f.Add([]byte(seed))
	}
	server, _ := open(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		body := `{"type":"order.completed","data":` + string(data) + `}`
		switch code := post(t, server, "/api/v1/events", body).StatusCode; code {
		case http.StatusAccepted, http.StatusBadRequest, http.StatusUnprocessableEntity:
		default:
			t.Errorf("%q: %d", data, code)
		}
	})
}
