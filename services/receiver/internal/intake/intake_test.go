package intake_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/signature"
	"example.com/signet/services/receiver/internal/handler"
	"example.com/signet/services/receiver/internal/intake"
	"example.com/signet/services/receiver/internal/source"
)

// appendFunc stores through a function.
type appendFunc func(context.Context, ...relay.Draft) ([]relay.Receipt, error)

func (f appendFunc) Append(ctx context.Context, drafts ...relay.Draft) ([]relay.Receipt, error) {
	return f(ctx, drafts...)
}

// mount makes a public side over a store, and an observer of its log.
func mount(t *testing.T, store intake.Appender) (*fiber.App, *observer.ObservedLogs) {
	t.Helper()
	return mountSource(t, source.Spec{Name: source.Default, Unsigned: true, MaxBody: 1 << 10}, store)
}

func mountSource(t *testing.T, spec source.Spec, store intake.Appender) (*fiber.App, *observer.ObservedLogs) {
	t.Helper()
	sources, err := source.NewSet([]source.Spec{spec})
	if err != nil {
		t.Fatal(err)
	}
	router, err := handler.NewRouter(handler.All())
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.DebugLevel)
	in := intake.New(intake.Config{
		Sources: sources, Store: store, Router: router, Metrics: intake.NewMetrics(prometheus.NewRegistry()),
		Log: zap.New(core), Now: time.Now, PublicURL: "https://hooks.example.com",
	})
	app := fiber.New()
	in.Mount(app)
	return app, logs
}

func post(t *testing.T, app *fiber.App, body string, pairs ...string) (*http.Response, string) {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhook", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(pairs); i += 2 {
		req.Header.Set(pairs[i], pairs[i+1])
	}
	resp, err := app.Test(req, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(got)
}

func TestIntake_storeCannotWrite(t *testing.T) {
	t.Parallel()
	store, err := relay.Open(t.Context(), relay.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "r.db")})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	app, _ := mount(t, store)
	resp, body := post(t, app, `{}`)
	if want := `{"status":"error","code":"unavailable","message":"Temporarily unavailable"}`; resp.StatusCode != http.StatusServiceUnavailable || body != want {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if got := resp.Header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After is %q", got)
	}
}

func TestIntake_unknownErrorStaysInTheLog(t *testing.T) {
	t.Parallel()
	app, logs := mount(t, appendFunc(func(context.Context, ...relay.Draft) ([]relay.Receipt, error) {
		return nil, errors.New("inner detail")
	}))
	resp, body := post(t, app, `{}`)
	if want := `{"status":"error","code":"internal","message":"Internal error"}`; resp.StatusCode != http.StatusInternalServerError || body != want {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if entries := logs.FilterMessage("webhook not taken").All(); len(entries) != 1 || entries[0].ContextMap()["error"] != "inner detail" {
		t.Errorf("the log says %v", entries)
	}
}

// keeper keeps what is appended, in memory of its own as the store does.
func keeper(kept *[]relay.Draft) appendFunc {
	return func(_ context.Context, drafts ...relay.Draft) ([]relay.Receipt, error) {
		for _, d := range drafts {
			d.Type, d.DedupeKey = strings.Clone(d.Type), strings.Clone(d.DedupeKey)
			d.Headers, d.Body = slices.Clone(d.Headers), slices.Clone(d.Body)
			*kept = append(*kept, d)
		}
		return []relay.Receipt{{ID: "msg_1"}}, nil
	}
}

// The memory of a request serves the next one, and nothing of the one before may show.
func TestIntake_usesMemoryAgain(t *testing.T) {
	t.Parallel()
	var kept []relay.Draft
	app, _ := mount(t, keeper(&kept))
	post(t, app, `{"type":"aaaa","n":1}`, "Idempotency-Key", "key-a", "X-Custom", "aaaa")
	for range 20 {
		post(t, app, `{"type":"bbbb","n":2}`, "Idempotency-Key", "key-b", "X-Custom", "bbbb")
	}
	for _, d := range kept[1:] {
		if d.Type != "bbbb" || string(d.Body) != `{"type":"bbbb","n":2}` || !strings.HasPrefix(d.DedupeKey, "key-b:") || bytes.Contains(d.Headers, []byte("aaaa")) {
			t.Errorf("a draft is %+v", d)
		}
	}
	first := kept[0]
	if first.Type != "aaaa" || string(first.Body) != `{"type":"aaaa","n":1}` || !strings.HasPrefix(first.DedupeKey, "key-a:") || !strings.Contains(string(first.Headers), `"X-Custom":["aaaa"]`) {
		t.Errorf("the first draft became %+v", first)
	}
	if !first.Redeliver || first.Source != source.Default || len(first.Targets) != 1 {
		t.Errorf("the draft is %+v", first)
	}
}

// The same for what the signature package finds in the headers.
func TestIntake_usesMemoryOfSignedRequestsAgain(t *testing.T) {
	t.Parallel()
	var kept []relay.Draft
	app, _ := mountSource(t, source.Spec{Name: source.Default, Secrets: []string{"geheim"}, MaxBody: 1 << 10}, keeper(&kept))
	send := func(scheme, letters string) {
		signer, err := signature.NewSigner(scheme, "geheim")
		if err != nil {
			t.Fatal(err)
		}
		body, h := `{"n":"`+letters+`"}`, http.Header{}
		if err := signer.Sign(signature.Outgoing{ID: "id-" + letters, Time: time.Now(), Method: http.MethodPost, Body: []byte(body)}, h); err != nil {
			t.Fatal(err)
		}
		pairs := []string{"X-GitHub-Event", "type-" + letters, "X-Custom", letters}
		for name := range h {
			pairs = append(pairs, name, h.Get(name))
		}
		if resp, reply := post(t, app, body, pairs...); resp.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", resp.StatusCode, reply)
		}
	}
	send("github", "aaaa")
	send("standard", "aaaa")
	for range 20 {
		send("github", "bbbb")
		send("standard", "bbbb")
	}
	for i := 2; i < len(kept); i += 2 {
		github, standard := kept[i], kept[i+1]
		if github.Type != "type-bbbb" || !strings.HasPrefix(github.DedupeKey, "id-bbbb:") || standard.DedupeKey != "id-bbbb" || string(standard.Body) != `{"n":"bbbb"}` ||
			bytes.Contains(append(github.Headers, standard.Headers...), []byte("aaaa")) {
			t.Errorf("drafts are %+v and %+v", github, standard)
		}
	}
	github, standard := kept[0], kept[1]
	if github.Type != "type-aaaa" || !strings.HasPrefix(github.DedupeKey, "id-aaaa:") || !strings.Contains(string(github.Headers), `"X-Custom":["aaaa"]`) {
		t.Errorf("the draft became %+v", github)
	}
	if standard.Type != "unknown" || standard.DedupeKey != "id-aaaa" || string(standard.Body) != `{"n":"aaaa"}` {
		t.Errorf("the draft became %+v", standard)
	}
}

func TestIntake_typeThatCannotBeKept(t *testing.T) {
	t.Parallel()
	var kept relay.Draft
	app, logs := mount(t, appendFunc(func(_ context.Context, drafts ...relay.Draft) ([]relay.Receipt, error) {
		kept = drafts[0]
		return []relay.Receipt{{ID: "msg_1"}}, nil
	}))
	resp, _ := post(t, app, `{"type":"a\nb"}`)
	if resp.StatusCode != http.StatusOK || kept.Type != "unknown" || kept.Targets[0] != "handler:log" {
		t.Errorf("%d, %+v", resp.StatusCode, kept)
	}
	if logs.FilterMessageSnippet("taken as unknown").Len() != 1 {
		t.Error("the log does not tell")
	}
}
