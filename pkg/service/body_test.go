package service_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gofiber/fiber/v2"

	"example.com/signet/pkg/service"
)

const tooLarge = 3 << 20

func receiving(t *testing.T) (s *service.Server, taken *atomic.Int64) {
	t.Helper()
	taken = &atomic.Int64{}
	s = running(t, service.ServerOptions{BodyLimit: bodyLimit, Errors: contractErrors}, func(app *fiber.App) {
		app.Post("/webhook", func(c *fiber.Ctx) error {
			taken.Add(1)
			return c.Send(c.BodyRaw())
		})
		app.Post("/small", func(c *fiber.Ctx) error {
			body, err := service.ReadBody(c, 10)
			if err != nil {
				return err
			}
			return c.Send(body)
		})
	})
	return s, taken
}

func TestServer_BodyOverTheLimitIsAnsweredReliably(t *testing.T) {
	t.Parallel()
	s, taken := receiving(t)
	body := bytes.Repeat([]byte("x"), tooLarge)
	senders := map[string]func(t *testing.T) (status int, path any){
		"net/http, content length": func(t *testing.T) (int, any) {
			return sendLarge(t, s, bytes.NewReader(body))
		},
		"net/http, chunked": func(t *testing.T) (int, any) {
			return sendLarge(t, s, io.MultiReader(bytes.NewReader(body)))
		},
		"net/http, expecting 100": func(t *testing.T) (int, any) {
			return sendLarge(t, s, bytes.NewReader(body), "Expect", "100-continue")
		},
		"socket, content length": func(t *testing.T) (int, any) {
			return writeLarge(t, s, fmt.Sprintf("Content-Length: %d", tooLarge), string(body))
		},
		"socket, chunked": func(t *testing.T) (int, any) {
			chunk := fmt.Sprintf("%x\r\n%s\r\n", 64<<10, body[:64<<10])
			return writeLarge(t, s, "Transfer-Encoding: chunked", strings.Repeat(chunk, tooLarge/(64<<10))+"0\r\n\r\n")
		},
		"socket, one large chunk": func(t *testing.T) (int, any) {
			return writeLarge(t, s, "Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", tooLarge, body))
		},
	}
	for name, sender := range senders {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i := range 50 {
				if status, path := sender(t); status != 413 || path != "/webhook" {
					t.Fatalf("attempt %d: status %d for path %v, want 413 for /webhook", i, status, path)
				}
			}
			if n := taken.Load(); n != 0 {
				t.Errorf("the handler ran %d times", n)
			}
		})
	}
}

func sendLarge(t *testing.T, s *service.Server, body io.Reader, header ...string) (int, any) {
	t.Helper()
	a, err := send(t.Context(), "http://"+s.Addr()+"/webhook", "POST", body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return a.status, a.json(t)["path"]
}

// writeLarge is a simple client: it writes everything before it reads anything.
func writeLarge(t *testing.T, s *service.Server, header, body string) (int, any) {
	t.Helper()
	conn := dial(t, s)
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "POST /webhook HTTP/1.1\r\nHost: x\r\n"+header+"\r\n\r\n"+body); err != nil {
		t.Fatal(err)
	}
	status, answer := reply(t, conn)
	return status, answer["path"]
}

func TestServer_BodiesArriveAsSent(t *testing.T) {
	t.Parallel()
	s, _ := receiving(t)
	var zipped, form bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, strings.Repeat("0", 10<<20))
	_ = z.Close()
	m := multipart.NewWriter(&form)
	_ = m.WriteField("name", "value")
	_ = m.Close()
	tests := map[string]struct {
		body   string
		header []string
	}{
		"empty":            {body: ""},
		"at the limit":     {body: strings.Repeat("x", bodyLimit)},
		"about one buffer": {body: strings.Repeat("x", 16<<10)},
		"one more":         {body: strings.Repeat("x", 16<<10+1)},
		"compressed":       {zipped.String(), []string{"Content-Encoding", "gzip"}},
		"multipart":        {form.String(), []string{"Content-Type", m.FormDataContentType()}},
	}
	for name, tt := range tests {
		for how, wrap := range map[string]func(io.Reader) io.Reader{
			"content length": func(r io.Reader) io.Reader { return r },
			"chunked":        func(r io.Reader) io.Reader { return io.MultiReader(r) },
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				a, err := send(t.Context(), "http://"+s.Addr()+"/webhook", "POST", wrap(strings.NewReader(tt.body)), tt.header...)
				if err != nil || a.status != 200 || a.body != tt.body {
					t.Errorf("status %d, %d bytes, %v; want 200 and %d bytes", a.status, len(a.body), err, len(tt.body))
				}
			})
		}
	}
}

func TestServer_OneByteOverTheLimit(t *testing.T) {
	t.Parallel()
	s, _ := receiving(t)
	body := strings.Repeat("x", bodyLimit+1)
	for name, r := range map[string]io.Reader{
		"content length": strings.NewReader(body), "chunked": io.MultiReader(strings.NewReader(body)),
	} {
		if a, err := send(t.Context(), "http://"+s.Addr()+"/webhook", "POST", r); err != nil || a.status != 413 {
			t.Errorf("%s: status %d, %v; want 413", name, a.status, err)
		}
	}
}

// A body that stops short of its declared length must not pass for a whole one.
func TestServer_TruncatedBody(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"within the first read": "Content-Length: 100\r\n\r\nshort",
		"later":                 "Content-Length: 100000\r\n\r\n" + strings.Repeat("x", 50_000),
		"chunked":               "Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, taken := receiving(t)
			conn := dial(t, s)
			if _, err := io.WriteString(conn, "POST /webhook HTTP/1.1\r\nHost: x\r\n"+request); err != nil {
				t.Fatal(err)
			}
			if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if status, _ := reply(t, conn); status != http.StatusBadRequest {
				t.Errorf("status %d, want 400", status)
			}
			if n := taken.Load(); n != 0 {
				t.Errorf("the handler ran %d times", n)
			}
		})
	}
}

func TestReadBody(t *testing.T) {
	t.Parallel()
	s, _ := receiving(t)
	if a := call(t, s, "POST", "/small", "0123456789"); a.status != 200 || a.body != "0123456789" {
		t.Errorf("at the limit: %+v", a)
	}
	if a := call(t, s, "POST", "/small", "0123456789+"); a.status != 413 {
		t.Errorf("over the limit: %+v", a)
	}
	if a := call(t, s, "POST", "/small", ""); a.status != 200 || a.body != "" {
		t.Errorf("empty: %+v", a)
	}
}

// Memory is taken for what has arrived, not for what a client announces.
func TestServer_AnnouncedBodiesTakeNoMemory(t *testing.T) { //nolint:paralleltest // measures the heap
	const clients, announced = 100, 20 << 20
	entered := make(chan struct{}, 1)
	s := running(t, service.ServerOptions{BodyLimit: announced}, func(app *fiber.App) {
		app.Get("/", func(c *fiber.Ctx) error { return c.SendString("fine") })
		app.Post("/", func(*fiber.Ctx) error { entered <- struct{}{}; return nil })
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	part := strings.Repeat("x", 9<<10)
	for range clients {
		conn := dial(t, s)
		request := fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", announced, part)
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
	}
	if a := call(t, s, "GET", "/", ""); a.status != 200 {
		t.Fatalf("a plain request meanwhile: %+v", a)
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.Sys) - int64(before.Sys); grown > 64<<20 {
		t.Errorf("memory grew by %d MiB for %d half-sent bodies", grown>>20, clients)
	}
	if len(entered) != 0 {
		t.Error("a handler ran on half a body")
	}
}
