package unanswered_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/signet/services/producer/internal/unanswered"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listener answers every connection in its own way.
func listener(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(c))
			answer(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return "http://" + l.Addr().String()
}

func TestReason(t *testing.T) {
	t.Parallel()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		url  string
		want string
	}{
		"refused":     {nil, "http://127.0.0.1:1", unanswered.Refused},
		"host":        {nil, "http://nowhere.invalid", unanswered.UnknownHost},
		"certificate": {nil, secure.URL, unanswered.Certificate},
		"no TLS":      {nil, "https" + plain.URL[len("http"):], unanswered.NoTLS},
		"cancelled":   {gone, plain.URL, unanswered.Cancelled},
		"closed":      {nil, listener(t, func(net.Conn) {}), unanswered.Closed},
		"reset":       {nil, listener(t, func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }), unanswered.Reset},
		"no HTTP":     {nil, listener(t, func(c net.Conn) { _, _ = io.WriteString(c, "220 smtp\r\n\r\n") }), unanswered.Malformed},
		"late":        {nil, listener(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }), unanswered.Late},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := c.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
			response, err := client.Do(request)
			if err == nil {
				_ = response.Body.Close()
				t.Fatalf("answered %d", response.StatusCode)
			}
			if got := unanswered.Reason(err); got != c.want {
				t.Errorf("%q, want %q, for %v", got, c.want, err)
			}
		})
	}
}
