package intake_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/service"
	"example.com/signet/pkg/signature"
	"example.com/signet/services/receiver/internal/handler"
	"example.com/signet/services/receiver/internal/intake"
	"example.com/signet/services/receiver/internal/source"
)

const benchSecret = "the secret of a benchmark"

// BenchmarkReceive takes one webhook over and over, from the bytes on the connection to those of the reply: all that
// a request costs but the store and the system's calls. Beside it stands what somebody would write by hand, a
// handler of the same server that checks the HMAC and does nothing else.
func BenchmarkReceive(b *testing.B) {
	now := time.Unix(1_800_000_000, 0)
	request := benchRequest(b, now)
	b.Run("intake", func(b *testing.B) { serve(b, benchIntake(b, now), request) })
	b.Run("bare", func(b *testing.B) { serve(b, benchBare(), request) })
}

// benchRequest is a signed event of 580 bytes as it comes over the wire.
func benchRequest(b *testing.B, now time.Time) []byte {
	b.Helper()
	const head, tail = `{"type":"order.completed","timestamp":"2026-01-01T00:00:00Z","data":{"order_id":"0000000000000001","amount_minor":4999,"currency":"EUR","note":"`, `"}}`
	body := head + strings.Repeat("n", 580-len(head)-len(tail)) + tail
	signer, err := signature.NewSigner("standard", benchSecret)
	if err != nil {
		b.Fatal(err)
	}
	h := http.Header{}
	if err := signer.Sign(signature.Outgoing{ID: "msg_0000000000000001", Time: now, Method: http.MethodPost, Body: []byte(body)}, h); err != nil {
		b.Fatal(err)
	}
	return fmt.Appendf(nil, "POST /webhook HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Type: application/json\r\n"+
		"webhook-id: %s\r\nwebhook-timestamp: %s\r\nwebhook-signature: %s\r\nContent-Length: %d\r\n\r\n%s",
		h.Get("webhook-id"), h.Get("webhook-timestamp"), h.Get("webhook-signature"), len(body), body)
}

func benchIntake(b *testing.B, now time.Time) *fiber.App {
	b.Helper()
	sources, err := source.NewSet([]source.Spec{{Name: source.Default, Secrets: []string{benchSecret}, MaxBody: 1 << 20}})
	if err != nil {
		b.Fatal(err)
	}
	router, err := handler.NewRouter(handler.All())
	if err != nil {
		b.Fatal(err)
	}
	receipts := []relay.Receipt{{ID: "msg_00000000000000000000000000"}}
	in := intake.New(intake.Config{
		Sources: sources, Router: router, Metrics: intake.NewMetrics(prometheus.NewRegistry()), Log: zap.NewNop(),
		Now:   func() time.Time { return now },
		Store: appendFunc(func(context.Context, ...relay.Draft) ([]relay.Receipt, error) { return receipts, nil }),
	})
	server := service.NewServer(service.ServerOptions{Errors: in.Errors})
	service.Health(server.App, "bench", "", func(context.Context) error { return nil })
	intake.Front(server.App, "bench", "", nil)
	in.Mount(server.App)
	return server.App
}

// benchBare is the handler by hand.
func benchBare() *fiber.App {
	app := service.NewServer(service.ServerOptions{}).App
	app.Server().Handler = app.Handler() // without what the server puts around its routes
	app.Post("/webhook", func(c *fiber.Ctx) error {
		mac := hmac.New(sha256.New, []byte(benchSecret))
		mac.Write([]byte(c.Get("webhook-id") + "." + c.Get("webhook-timestamp") + "."))
		mac.Write(c.Request().Body())
		want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
		if !hmac.Equal([]byte(want), []byte(c.Get("webhook-signature"))) {
			return c.SendStatus(fiber.StatusUnauthorized)
		}
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.SendString(`{"status":"success","message":"Webhook accepted","id":"msg_00000000000000000000000000","duplicate":false}`)
	})
	return app
}

// serve has the app's server answer the request b.N times on one connection.
func serve(b *testing.B, app *fiber.App, request []byte) {
	b.Helper()
	app.Handler() // builds the routes
	conn := &repeating{request: request, left: 1}
	if err := app.Server().ServeConn(conn); err != nil || !bytes.HasPrefix(conn.last, []byte("HTTP/1.1 200 OK\r\n")) {
		b.Fatalf("%v, %s", err, conn.last)
	}
	conn.left = b.N
	b.ReportAllocs()
	b.ResetTimer()
	if err := app.Server().ServeConn(conn); err != nil {
		b.Fatal(err)
	}
}

// repeating is a connection whose client sends one request over and over, each after the answer to the one before.
type repeating struct {
	net.Conn

	request []byte
	left    int
	last    []byte
}

func (r *repeating) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	r.left--
	return copy(p, r.request), nil
}

func (r *repeating) Write(p []byte) (int, error) {
	r.last = append(r.last[:0], p...)
	return len(p), nil
}

func (*repeating) Close() error                     { return nil }
func (*repeating) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*repeating) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*repeating) SetDeadline(time.Time) error      { return nil }
func (*repeating) SetReadDeadline(time.Time) error  { return nil }
func (*repeating) SetWriteDeadline(time.Time) error { return nil }
