package service_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"example.com/signet/pkg/service"
)

const token = "correct-horse"

type echoInput struct {
	Body struct {
		Text string `json:"text" maxLength:"20"`
	}
}

type echoOutput struct {
	Body struct {
		Text string `json:"text"`
	}
}

func withAPI(t *testing.T) (*service.Server, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	options := service.ServerOptions{BodyLimit: bodyLimit, Log: zap.New(core), Errors: contractErrors}
	return running(t, options, func(app *fiber.App) {
		api := service.NewAPI(app, "Test", "1.2.3", token)
		huma.Post(api, "/api/v1/echo", func(_ context.Context, in *echoInput) (*echoOutput, error) {
			out := &echoOutput{}
			out.Body.Text = in.Body.Text
			return out, nil
		})
		huma.Get(api, "/api/v1/fails", func(context.Context, *struct{}) (*echoOutput, error) {
			return nil, errors.New("secret detail")
		})
		huma.Get(api, "/api/v1/missing", func(context.Context, *struct{}) (*echoOutput, error) {
			return nil, huma.Error404NotFound("no such thing")
		})
		app.Get("/demo", func(c *fiber.Ctx) error { return c.SendString("demo") })
		app.Get("/api/v1/plain", func(*fiber.Ctx) error { return errors.New("secret detail") })
		app.Get("/", func(c *fiber.Ctx) error { return c.SendString("open") })
	}), logs
}

func TestNewAPI_Token(t *testing.T) {
	t.Parallel()
	s, _ := withAPI(t)
	tests := map[string]struct {
		method, path, authorization string
		status                      int
	}{
		"right":               {"GET", "/demo", "Bearer " + token, 200},
		"right, lower case":   {"GET", "/demo", "bearer " + token, 200},
		"none":                {"GET", "/demo", "", 401},
		"wrong":               {"GET", "/demo", "Bearer wrong", 401},
		"longer":              {"GET", "/demo", "Bearer " + token + "x", 401},
		"empty":               {"GET", "/demo", "Bearer ", 401},
		"another scheme":      {"GET", "/demo", "Basic " + token, 401},
		"typed operation":     {"GET", "/api/v1/missing", "", 401},
		"unknown path":        {"GET", "/api/none", "", 401},
		"case of the path":    {"GET", "/API/v1/missing", "", 404},
		"slash at the end":    {"GET", "/api/v1/missing/", "", 401},
		"HEAD":                {"HEAD", "/demo", "", 401},
		"path under the spec": {"GET", "/api/openapi.json/x", "", 401},
		"spec is open":        {"GET", "/api/openapi.json", "", 200},
		"outside":             {"GET", "/", "", 200},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := call(t, s, tt.method, tt.path, "", "Authorization", tt.authorization)
			if a.status != tt.status {
				t.Fatalf("status %d, want %d", a.status, tt.status)
			}
			if tt.status == 401 && (a.header.Get("WWW-Authenticate") != "Bearer" ||
				a.header.Get("Content-Type") != "application/problem+json") {
				t.Errorf("header %v", a.header)
			}
		})
	}
}

func TestBearer_EmptyTokenRefusesAll(t *testing.T) {
	t.Parallel()
	s := running(t, service.ServerOptions{}, func(app *fiber.App) {
		app.Get("/", service.Bearer(""), func(c *fiber.Ctx) error { return c.SendString("in") })
	})
	for _, authorization := range []string{"", "Bearer", "Bearer ", "Bearer x"} {
		if a := call(t, s, "GET", "/", "", "Authorization", authorization); a.status != 401 {
			t.Errorf("%q: status %d, want 401", authorization, a.status)
		}
	}
}

func TestNewAPI_Replies(t *testing.T) {
	t.Parallel()
	s, _ := withAPI(t)
	tests := map[string]struct {
		method, path, body string
		header             []string
		status             int
		title, detail      string // of a problem document
	}{
		"typed":             {method: "POST", path: "/api/v1/echo", body: `{"text":"x"}`, status: 200},
		"identity":          {"POST", "/api/v1/echo", `{"text":"x"}`, []string{"Content-Encoding", "identity"}, 200, "", ""},
		"compressed":        {"POST", "/api/v1/echo", "x", []string{"Content-Encoding", "gzip"}, 415, "Unsupported Media Type", "compressed request bodies are not accepted"},
		"twice compressed":  {"POST", "/api/v1/echo", "x", []string{"Content-Encoding", "identity", "Content-Encoding", "gzip"}, 415, "Unsupported Media Type", "compressed request bodies are not accepted"},
		"empty body":        {"POST", "/api/v1/echo", "", nil, 400, "Bad Request", "request body is required"},
		"invalid":           {"POST", "/api/v1/echo", `{"text":1}`, nil, 422, "Unprocessable Entity", "validation failed"},
		"unknown path":      {"GET", "/api/none", "", nil, 404, "Not Found", "Cannot GET /api/none"},
		"unknown demo path": {"GET", "/demo/none", "", nil, 404, "Not Found", "Cannot GET /demo/none"},
		"other method":      {"GET", "/api/v1/echo", "", nil, 405, "Method Not Allowed", ""},
		"declared error":    {"GET", "/api/v1/missing", "", nil, 404, "Not Found", "no such thing"},
		"failure, typed":    {"GET", "/api/v1/fails", "", nil, 500, "Internal Server Error", "unexpected error occurred"},
		"failure, plain":    {"GET", "/api/v1/plain", "", nil, 500, "Internal Server Error", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := append([]string{"Authorization", "Bearer " + token, "Content-Type", "application/json"}, tt.header...)
			a := call(t, s, tt.method, tt.path, tt.body, header...)
			body := a.json(t)
			if a.status != tt.status {
				t.Fatalf("%d %s, want %d", a.status, a.body, tt.status)
			}
			if tt.status == 200 {
				if strings.TrimSpace(a.body) != `{"text":"x"}` || a.header.Get("Link") != "" {
					t.Errorf("body %s, Link %q", a.body, a.header.Get("Link"))
				}
				return
			}
			detail, _ := body["detail"].(string)
			if a.header.Get("Content-Type") != "application/problem+json" || body["status"] != float64(tt.status) ||
				body["title"] != tt.title || detail != tt.detail || strings.Contains(a.body, "secret") {
				t.Errorf("%v %s", a.header, a.body)
			}
		})
	}
}

func TestNewAPI_FailuresAreLogged(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/api/v1/fails", "/api/v1/plain"} {
		s, logs := withAPI(t)
		call(t, s, "GET", path, "", "Authorization", "Bearer "+token)
		call(t, s, "GET", "/api/v1/missing", "", "Authorization", "Bearer "+token)
		entries := logs.All()
		if len(entries) != 1 || entries[0].ContextMap()["path"] != path ||
			!strings.Contains(entries[0].ContextMap()["error"].(string), "secret detail") {
			t.Errorf("%s: log %+v, want its error once", path, entries)
		}
	}
}

func TestNewAPI_Spec(t *testing.T) {
	t.Parallel()
	s, _ := withAPI(t)
	a := call(t, s, "GET", "/api/openapi.json", "")
	spec := a.json(t)
	version, _ := spec["openapi"].(string)
	paths, _ := spec["paths"].(map[string]any)
	if !strings.HasPrefix(version, "3.1") || paths["/api/v1/echo"] == nil || spec["security"] == nil ||
		!strings.Contains(a.body, `"scheme":"bearer"`) || strings.Contains(a.body, "$schema") {
		t.Errorf("document %s", a.body)
	}
	if got := a.header.Get("Content-Type"); got != "application/openapi+json" {
		t.Errorf("content type %q", got)
	}
	for _, path := range []string{"/docs", "/openapi.json", "/schemas/EchoOutputBody.json"} {
		if a := call(t, s, "GET", path, ""); a.status != 404 {
			t.Errorf("%s: status %d, want 404", path, a.status)
		}
	}
}

func TestNewMetrics(t *testing.T) {
	t.Parallel()
	s := running(t, service.ServerOptions{}, func(app *fiber.App) { service.NewMetrics(app) })
	a := call(t, s, "GET", "/metrics", "")
	for _, metric := range []string{"go_goroutines", "process_open_fds"} {
		if !strings.Contains(a.body, "\n"+metric+" ") {
			t.Errorf("no %s in the metrics", metric)
		}
	}
}
