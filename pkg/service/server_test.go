package service_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"example.com/signet/pkg/service"
)

const bodyLimit = 1 << 20

// running starts a server with the routes added by add and stops it when the test ends.
func running(t *testing.T, o service.ServerOptions, add func(*fiber.App)) *service.Server {
	t.Helper()
	o.Addr = "127.0.0.1:0"
	s := service.NewServer(o)
	add(s.App)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return s
}

// answer is what a test wants to know of a reply.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("body %q: %v", a.body, err)
	}
	return v
}

// call sends one request on a connection of its own.
func call(t *testing.T, s *service.Server, method, path, body string, header ...string) answer {
	t.Helper()
	a, err := send(t.Context(), "http://"+s.Addr()+path, method, strings.NewReader(body), header...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func send(ctx context.Context, url, method string, body io.Reader, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(content)}, err
}

// dial opens a raw connection that gives up after 20 s.
func dial(t *testing.T, s *service.Server) net.Conn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// contractErrors is an error reply such as a service has.
func contractErrors(c *fiber.Ctx, status int, err error) error {
	return c.Status(status).JSON(fiber.Map{"status": "error", "code": status, "path": c.Path(), "text": err.Error()})
}

func TestServer_ErrorsAreWordedByTheService(t *testing.T) {
	t.Parallel()
	s := running(t, service.ServerOptions{Errors: contractErrors}, func(app *fiber.App) {
		app.Get("/fails", func(*fiber.Ctx) error { return errors.New("inner") })
		app.Get("/teapot", func(*fiber.Ctx) error { return fiber.NewError(fiber.StatusTeapot) })
		app.Post("/large", func(*fiber.Ctx) error { return service.ErrBodyTooLarge })
	})
	tests := map[string]struct {
		request string // as sent; the connection is closed by the server or by "Connection: close"
		status  int
		path    string
	}{
		"unknown path":       {"GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, "/none"},
		"unknown method":     {"BREW /fails HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 501, "/fails"},
		"other method":       {"DELETE /fails HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405, "/fails"},
		"failing handler":    {"GET /fails HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 500, "/fails"},
		"handler's status":   {"GET /teapot HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 418, "/teapot"},
		"handler's limit":    {"POST /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1", 413, "/large"},
		"header too large":   {"GET /fails HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", 431, ""},
		"not HTTP":           {"hello\r\n\r\n", 400, ""},
		"broken header":      {"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, ""},
		"bad content length": {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n", 400, ""},
		"two lengths":        {"POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "/large"},
		"broken chunk":       {"POST /large HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400, "/large"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, s)
			if _, err := io.WriteString(conn, tt.request); err != nil {
				t.Fatal(err)
			}
			status, body := reply(t, conn)
			if status != tt.status || body["code"] != float64(tt.status) {
				t.Errorf("status %d, body %v; want %d from Errors", status, body, tt.status)
			}
			if tt.path != "" && body["path"] != tt.path {
				t.Errorf("path %v, want %q", body["path"], tt.path)
			}
			if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 {
				t.Errorf("after the reply %q, %v; want the end of the connection", rest, err)
			}
		})
	}
}

func reply(t *testing.T, conn net.Conn) (status int, body map[string]any) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

func TestServer_DefaultErrorsAreProblems(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.InfoLevel)
	s := running(t, service.ServerOptions{Log: zap.New(core)}, func(app *fiber.App) {
		app.Get("/fails", func(*fiber.Ctx) error { return errors.New("secret detail") })
	})
	a := call(t, s, "GET", "/fails", "")
	if a.status != 500 || a.header.Get("Content-Type") != "application/problem+json" ||
		a.json(t)["title"] != "Internal Server Error" || strings.Contains(a.body, "secret") {
		t.Errorf("reply %+v", a)
	}
	for _, e := range logs.All() {
		if fmt.Sprint(e.ContextMap()["error"]) == "secret detail" && e.ContextMap()["path"] == "/fails" {
			return
		}
	}
	t.Errorf("log %+v, want the error's text once", logs.All())
}

func TestServer_Panics(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.InfoLevel)
	s := running(t, service.ServerOptions{Log: zap.New(core), Errors: func(c *fiber.Ctx, status int, err error) error {
		if c.Path() == "/twice" {
			panic("in the error reply")
		}
		return contractErrors(c, status, err)
	}}, func(app *fiber.App) {
		app.Get("/once", func(*fiber.Ctx) error { panic("in the handler") })
		app.Get("/twice", func(*fiber.Ctx) error { panic("in the handler") })
		app.Get("/fine", func(c *fiber.Ctx) error { return c.SendString("fine") })
	})
	if a := call(t, s, "GET", "/once", ""); a.status != 500 || a.json(t)["text"] != "Internal Server Error" {
		t.Errorf("a panic: %+v", a)
	}
	if a := call(t, s, "GET", "/twice", ""); a.status != 500 {
		t.Errorf("a panic in the error reply: %+v", a)
	}
	if a := call(t, s, "GET", "/fine", ""); a.body != "fine" {
		t.Errorf("afterwards: %+v", a)
	}
	entries := logs.FilterMessage("panic while serving a request").All()
	if len(entries) != 2 || !strings.Contains(entries[0].Stack, "server_test.go") ||
		entries[0].ContextMap()["panic"] != "in the handler" {
		t.Errorf("log %+v, want two panics with their stacks", entries)
	}
}

func TestServer_StartNamesTheAddress(t *testing.T) {
	t.Parallel()
	first := running(t, service.ServerOptions{}, func(*fiber.App) {})
	second := service.NewServer(service.ServerOptions{Addr: first.Addr()})
	if err := second.Start(); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), first.Addr()) {
		t.Errorf("error %v, want one about an address in use that names %s", err, first.Addr())
	}
	if err := second.Stop(t.Context()); err != nil {
		t.Errorf("stop of a server that never started: %v", err)
	}
}

func TestServer_StopWaitsForRequests(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	s := service.NewServer(service.ServerOptions{Addr: "127.0.0.1:0"})
	s.App.Get("/slow", func(c *fiber.Ctx) error {
		close(entered)
		<-leave
		return c.SendString("done")
	})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	answers, stopped := make(chan answer, 1), make(chan error, 1)
	go func() {
		a, err := send(context.Background(), "http://"+s.Addr()+"/slow", "GET", nil)
		if err != nil {
			t.Error(err)
		}
		answers <- a
	}()
	<-entered
	go func() { stopped <- s.Stop(context.Background()) }()
	refusesConnections(t, s)
	select {
	case err := <-stopped:
		t.Fatalf("stopped with a request under way: %v", err)
	default:
	}
	close(leave)
	if a := <-answers; a.body != "done" {
		t.Errorf("answer %+v", a)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
	select {
	case err := <-s.Failed():
		t.Errorf("failed: %v", err)
	default:
	}
}

func refusesConnections(t *testing.T, s *service.Server) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, err := send(t.Context(), "http://"+s.Addr()+"/none", "GET", nil); errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the port is still open")
		}
	}
}

func TestServer_StopGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	s := service.NewServer(service.ServerOptions{Addr: "127.0.0.1:0"})
	s.App.Get("/slow", func(*fiber.Ctx) error {
		close(entered)
		<-leave
		return nil
	})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := send(context.Background(), "http://"+s.Addr()+"/slow", "GET", nil)
		answered <- err
	}()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := s.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stop with a request under way: %v, want the deadline", err)
	}
	close(leave)
	if err := <-answered; err != nil {
		t.Errorf("the request under way: %v", err)
	}
}

func TestServer_StopRightAfterStart(t *testing.T) {
	t.Parallel()
	for range 200 {
		s := service.NewServer(service.ServerOptions{Addr: "127.0.0.1:0"})
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := s.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
}

// A client that holds a connection without finishing its request must not hold up the end of the process.
func TestServer_StopDoesNotWaitForSilentClients(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]string{
		"nothing":          "",
		"half a header":    "POST / HTTP/1.1\r\nHos",
		"half a body":      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nhalf",
		"half a chunk":     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf",
		"a refused body":   fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\nhalf", 3<<20),
		"a whole request":  "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"half of a second": "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := service.NewServer(service.ServerOptions{Addr: "127.0.0.1:0", BodyLimit: bodyLimit})
			s.App.Get("/", func(c *fiber.Ctx) error { return c.SendString("fine") })
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
			conn := dial(t, s)
			if _, err := io.WriteString(conn, sent); err != nil {
				t.Fatal(err)
			}
			// A request that is answered proves that the server has accepted the silent connection before it.
			if _, err := send(t.Context(), "http://"+s.Addr()+"/", "GET", nil); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
			defer cancel()
			if err := s.Stop(ctx); err != nil {
				t.Errorf("stop: %v", err)
			}
		})
	}
}

func TestServer_KeepsConnections(t *testing.T) {
	t.Parallel()
	s := running(t, service.ServerOptions{}, func(app *fiber.App) {
		app.Post("/", func(c *fiber.Ctx) error { return c.Send(c.BodyRaw()) })
	})
	conn := dial(t, s)
	in := bufio.NewReader(conn)
	bodies := []string{"", "a", strings.Repeat("b", 8<<10), strings.Repeat("c", 20<<10), strings.Repeat("d", 300<<10), "e"}
	for i, body := range bodies {
		var request string
		if i%2 == 0 {
			request = fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		} else {
			request = fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)
		}
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !bytes.Equal(got, []byte(body)) {
			t.Errorf("request %d: %d bytes, %v; want its own %d", i, len(got), err, len(body))
		}
	}
}
