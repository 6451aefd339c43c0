package verify_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/service"
	"example.com/signet/pkg/signature"
	"example.com/signet/services/receiver/internal/handler"
	"example.com/signet/services/receiver/internal/intake"
	"example.com/signet/services/receiver/internal/source"
	"example.com/signet/services/receiver/internal/verify"
)

const (
	publicURL = "https://hooks.example.com/in"
	secret    = "a secret of the tests"
)

var sent = time.Unix(1700000000, 0)

// specs are the sources of the receiver that the verdicts are held against.
func specs() []source.Spec {
	one := func(name, scheme string) source.Spec {
		return source.Spec{Name: name, Schemes: []string{scheme}, Secrets: []string{secret}, MaxBody: 1 << 10}
	}
	return []source.Spec{
		one("github", "github"),
		one("square", "square"),
		one("slack", "slack"),
		{Name: "any", Secrets: []string{secret}, MaxBody: 1 << 10},
		{Name: "unsigned", Unsigned: true, MaxBody: 1 << 10},
	}
}

// startReceiver serves the real intake and returns its address.
func startReceiver(t *testing.T) string {
	t.Helper()
	store, err := relay.Open(t.Context(), relay.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "r.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	sources, err := source.NewSet(specs())
	if err != nil {
		t.Fatal(err)
	}
	router, err := handler.NewRouter(handler.All())
	if err != nil {
		t.Fatal(err)
	}
	in := intake.New(intake.Config{
		Sources: sources, Store: store, Router: router, Metrics: intake.NewMetrics(prometheus.NewRegistry()),
		Log: zap.NewNop(), Now: func() time.Time { return sent }, PublicURL: publicURL,
	})
	server := service.NewServer(service.ServerOptions{Addr: "127.0.0.1:0", BodyLimit: sources.MaxBody(), Errors: in.Errors})
	in.Mount(server.App)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(t.Context()) })
	return server.Addr()
}

// statusOf sends a request as it is, and returns the status of the reply.
func statusOf(t *testing.T, addr string, request []byte) int {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// foretold is the status that a verdict promises.
func foretold(v verify.Verdict) int {
	if !v.Valid {
		return http.StatusUnauthorized
	}
	for _, note := range v.Notes {
		if said, found := strings.CutPrefix(note, "the receiver would answer "); found {
			status, _, _ := strings.Cut(said, " ")
			code, _ := strconv.Atoi(status)
			return code
		}
	}
	return http.StatusOK
}

// signedBy returns the headers of a genuine request, one line each.
func signedBy(t *testing.T, scheme, url, body string) string {
	t.Helper()
	signer, err := signature.NewSigner(scheme, secret)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	err = signer.Sign(signature.Outgoing{ID: "msg_1", Time: sent, Method: http.MethodPost, URL: url, Body: []byte(body)}, h)
	if err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	if err := h.Write(&lines); err != nil {
		t.Fatal(err)
	}
	return lines.String()
}

// TestAsk_agreesWithTheReceiver sends requests to the real intake and wants the verdict on the same bytes to
// promise what the receiver answers.
func TestAsk_agreesWithTheReceiver(t *testing.T) {
	t.Parallel()
	addr := startReceiver(t)
	const body = `{"type":"order.completed"}`
	const plainJSON = "Content-Type: application/json\r\n"
	github := func(body string) string { return signedBy(t, "github", "", body) }
	square := func(target string) string { return signedBy(t, "square", publicURL+target, body) + plainJSON }
	folded := func(with string) string { return strings.Replace(github(body), "256: ", "256:"+with, 1) }
	trailed := func(with string) string { return strings.Replace(github(body), "\r\n", with+"\r\n", 1) }
	for name, c := range map[string]struct {
		source, target, head, body string
		status                     int
	}{
		"json":                        {"github", "", github(body) + plainJSON, body, 200},
		"json of a vendor":            {"github", "", github(body) + "Content-Type: application/vnd.x+json\r\n", body, 200},
		"no media type":               {"github", "", github(body), body, 200},
		"no media type, no json":      {"github", "", github("hello"), "hello", 415},
		"no json":                     {"github", "", github("hello") + plainJSON, "hello", 400},
		"a number":                    {"github", "", github("7") + plainJSON, "7", 400},
		"text":                        {"github", "", github(body) + "Content-Type: text/plain\r\n", body, 415},
		"two media types":             {"github", "", github(body) + "Content-Type: text/plain\r\n" + plainJSON, body, 200},
		"two media types, bad last":   {"github", "", github(body) + plainJSON + "Content-Type: text/plain\r\n", body, 415},
		"form":                        {"github", "", github("payload=%7B%7D") + "Content-Type: application/x-www-form-urlencoded\r\n", "payload=%7B%7D", 200},
		"form, no json":               {"github", "", github("payload=7") + "Content-Type: application/x-www-form-urlencoded\r\n", "payload=7", 400},
		"form, another field":         {"github", "", github("a=%7B%7D") + "Content-Type: application/x-www-form-urlencoded\r\n", "a=%7B%7D", 415},
		"fields":                      {"slack", "", signedBy(t, "slack", "", "a=b") + "Content-Type: application/x-www-form-urlencoded\r\n", "a=b", 200},
		"fields that are json":        {"slack", "", signedBy(t, "slack", "", body) + "Content-Type: application/x-www-form-urlencoded\r\n", body, 415},
		"handshake, not as json":      {"slack", "", signedBy(t, "slack", "", `{"type":"url_verification","challenge":"abc"}`) + "Content-Type: text/plain\r\n", `{"type":"url_verification","challenge":"abc"}`, 200},
		"handshake, no challenge":     {"slack", "", signedBy(t, "slack", "", `{"type":"url_verification","challenge":""}`) + plainJSON, `{"type":"url_verification","challenge":""}`, 401},
		"largest":                     {"github", "", github(`["`+strings.Repeat("x", 1020)+`"]`) + plainJSON, `["` + strings.Repeat("x", 1020) + `"]`, 200},
		"too large":                   {"github", "", github(`["`+strings.Repeat("x", 1021)+`"]`) + plainJSON, `["` + strings.Repeat("x", 1021) + `"]`, 413},
		"detected":                    {"any", "", github(body) + plainJSON, body, 200},
		"detected, text":              {"any", "", github(body) + "Content-Type: text/plain\r\n", body, 415},
		"unsigned":                    {"unsigned", "", plainJSON, body, 200},
		"unsigned, no json":           {"unsigned", "", plainJSON, "hello", 400},
		"unsigned form":               {"unsigned", "", "Content-Type: application/x-www-form-urlencoded\r\n", "payload=%7B%7D", 415},
		"not genuine":                 {"github", "", github(body+" ") + "Content-Type: text/plain\r\n", body, 401},
		"signed url":                  {"square", "/webhook/square?a=b", square("/webhook/square?a=b"), body, 200},
		"signed url, another":         {"square", "/webhook/square?a=c", square("/webhook/square?a=b"), body, 401},
		"a url in the query":          {"square", "/webhook/square?return=https://x/", square("/webhook/square?return=https://x/"), body, 200},
		"absolute":                    {"square", "http://inside:8000/webhook/square?a=b", square("/webhook/square?a=b"), body, 200},
		"absolute, signed as such":    {"square", "http://inside/webhook/square", signedBy(t, "square", "http://inside/webhook/square", body), body, 401},
		"absolute, URL in the query":  {"square", "http://inside/webhook/square?a=http://b#c", square("/webhook/square?a=http://b"), body, 200},
		"folded":                      {"github", "", folded("\r\n "), body, 200},
		"folded with a tab":           {"github", "", folded("\r\n\t  "), body, 200},
		"folded twice":                {"github", "", folded("\r\n \t\r\n "), body, 200},
		"folded, nothing after":       {"github", "", trailed("\r\n "), body, 401},
		"folded, space before":        {"github", "", folded("  \t\r\n "), body, 200},
		"folded inside the signature": {"github", "", strings.Replace(github(body), "sha256=", "sha256=\r\n ", 1), body, 401},
		"folded media type":           {"github", "", github(body) + "Content-Type: application/json;\r\n charset=utf-8\r\n", body, 200},
		"folded media type, text":     {"github", "", github(body) + "Content-Type:\r\n text/plain\r\n", body, 415},
	} {
		t.Run(name, func(t *testing.T) {
			target := c.target
			if target == "" {
				target = "/webhook/" + c.source
			}
			request := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: inside:8000\r\nContent-Length: %d\r\n%s\r\n%s", target, len(c.body), c.head, c.body)
			if got := statusOf(t, addr, request); got != c.status {
				t.Errorf("the receiver answers %d, want %d", got, c.status)
			}
			verdict := ask(t, c.source, request)
			if got := foretold(verdict); got != c.status {
				t.Errorf("the verdict promises %d, want %d: %+v", got, c.status, verdict)
			}
		})
	}
}

// ask verifies what stands in a file, for one of the receiver's sources.
func ask(t *testing.T, name string, request []byte) verify.Verdict {
	t.Helper()
	capture, err := verify.ParseCapture(request)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range specs() {
		if spec.Name != name {
			continue
		}
		verdict, err := verify.Ask(verify.Question{Request: capture.Request(publicURL), Source: spec, At: sent})
		if err != nil {
			t.Fatal(err)
		}
		return verdict
	}
	t.Fatalf("no source %s", name)
	return verify.Verdict{}
}

// TestAsk_encoded: the intake judges a Content-Encoding before the body, so the body tells nothing.
func TestAsk_encoded(t *testing.T) {
	t.Parallel()
	head := signedBy(t, "github", "", "hello") + "Content-Type: application/json\r\nContent-Encoding: gzip\r\n"
	verdict := ask(t, "github", []byte("POST /webhook/github HTTP/1.1\r\n"+head+"\r\nhello"))
	if !verdict.Valid || len(verdict.Notes) != 0 {
		t.Errorf("%+v", verdict)
	}
}
