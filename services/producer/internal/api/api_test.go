package api_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
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
	return postAs(t, server, "application/json", path, body)
}

func postAs(t testing.TB, server *service.Server, contentType, path, body string) *http.Response {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer token")
	request.Header.Set("Content-Type", contentType)
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

// bodies are requests of every kind to publish an event, right and wrong.
func bodies() []string {
	bodies := []string{
		``, `{`, `null`, `[]`, `"a"`, `{}`, `{"type":"a","data":1}x`, "\xff", `{"data":1}`, `{"type":"a"}`, `{"type":"","data":1}`,
		"\n{ \"type\" :\t\"a\" , \"data\" : [ 1 ] }\r ", `{"type":"a","data":1,"dat":2}`, `{"type":1,"data":1}`, `{"type":null,"data":1}`,
		`{"type":1,"type":"a","data":1}`, `{"type":"a","type":1,"data":1}`, `{"type":"b","type":"a","data":2,"data":1}`,
		`{"Type":"a","DATA":1}`, `{"Type":"a","type":"b","data":1}`, `{"type":"a","data":1,"Data":2}`, `{"t\u0079pe":"a","data":1}`,
		`{"type":"\u0061","data":"\ud800"}`, `{"type":"ä","data":1}`, "{\"type\":\"a\",\"data\":\"\xff\"}",
		"{\"type\":\"a\",\"data\":1,\"tenant\":\"\xff\"}", `{"type":"a","data":1,"tenant":"\ud800"}`, `{"type":"a","data":1,"tenant":"\u0000"}`,
		`{"type":"a","data":1,"tenant":"t","ordering_key":"k"}`, `{"type":"a","data":1,"tenant":null}`, `{"type":"a","data":1,"ordering_key":[]}`,
		`{"type":"a","data":` + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000) + `}`,
		`{"type":"a","data":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
		`{"type":"a","data":"` + strings.Repeat("x", publish.MaxData) + `"}`,
	}
	for _, data := range []string{`null`, `0`, `1e400`, `01`, `{"a":1,"a":2}`, `{"a":1,}`, `nul`, ` `, "\"\n\"", `"\x"`} {
		bodies = append(bodies, `{"type":"a","data":`+data+`}`)
	}
	return bodies
}

func batches() []string {
	batches := []string{
		`{"events":[]}`, `{"events":null}`, `{"events":{}}`, `{}`, `{"events":[null]}`, `{"events":[1]}`, `{"Events":[{"type":"a","data":1}]}`,
		`{"events":[{"type":"a","data":1}],"events":[]}`, `{"events":[],"events":[{"type":"a","data":1}]}`, `{"events":[{"type":"a","data":1}],"more":1}`,
		`{"events":[` + strings.Repeat(`{"type":"a","data":1},`, publish.MaxBatch) + `{"type":"a","data":1}]}`,
	}
	for _, one := range bodies() {
		batches = append(batches, one, `{"events":[{"type":"a","data":1},`+one+`]}`)
	}
	return batches
}

// A body is read in one of two ways, which agree in what they take, what they make of it, and what they say of what is
// wrong. Every body of a less usual media type is read in the second.
func TestEvents_readAlike(t *testing.T) {
	t.Parallel()
	server, _ := open(t)
	for path, all := range map[string][]string{"/api/v1/events": bodies(), "/api/v1/events/batch": batches()} {
		for _, body := range all {
			agree(t, server, path, body)
		}
	}
}

func FuzzEvents_readAlike(f *testing.F) {
	for _, body := range append(bodies(), batches()...) {
		f.Add([]byte(body))
	}
	server, _ := open(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		agree(t, server, "/api/v1/events", string(body))
		agree(t, server, "/api/v1/events/batch", string(body))
	})
}

func agree(t *testing.T, server *service.Server, path, body string) {
	t.Helper()
	status, first := outcome(t, server, "application/json", path, body)
	again, second := outcome(t, server, "application/vnd.test+json", path, body)
	if status != again || first != second {
		t.Errorf("%s %.200q:\n%d %s\n%d %s", path, body, status, first, again, second)
	}
}

// outcome is the answer to a request; where it was accepted, the events as they are shown, without what no two have in
// common.
func outcome(t *testing.T, server *service.Server, contentType, path, body string) (status int, text string) {
	t.Helper()
	response := postAs(t, server, contentType, path, body)
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var made struct {
		ID     string
		Items  []struct{ ID string }
		Errors []json.RawMessage
	}
	if err := json.Unmarshal(answer, &made); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusAccepted { // huma tells of several faults in any order, and not always where
		whole, _, _ := strings.Cut(string(answer), `"errors"`)
		return response.StatusCode, fmt.Sprint(response.Header.Get("Content-Type"), whole, len(made.Errors))
	}
	if made.ID != "" {
		made.Items = append(made.Items, struct{ ID string }{made.ID})
	}
	for _, item := range made.Items {
		var shown struct {
			Type, Tenant string
			OrderingKey  string `json:"ordering_key"`
			Body         struct{ Data json.RawMessage }
		}
		if err := json.Unmarshal(get(t, server, "/api/v1/events/"+item.ID), &shown); err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("%q\n", shown)
	}
	return response.StatusCode, text
}

func get(t *testing.T, server *service.Server, path string) []byte {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	request.Header.Set("Authorization", "Bearer token")
	response, err := server.App.Test(request, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// The media types huma knows and those it does not are what they were.
func TestEvents_mediaTypes(t *testing.T) {
	t.Parallel()
	server, _ := open(t)
	for contentType, want := range map[string]int{
		"": 202, "application/json": 202, "application/json; charset=utf-8": 202, "application/json;charset=utf-8": 202,
		"application/cloudevents+json": 202, "text/plain": 415, "application/x-www-form-urlencoded": 415, "application/json; a=+": 415,
		"application/jsonx": 415,
	} {
		if got := postAs(t, server, contentType, "/api/v1/events", `{"type":"a","data":1}`).StatusCode; got != want {
			t.Errorf("%q: %d, not %d", contentType, got, want)
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
