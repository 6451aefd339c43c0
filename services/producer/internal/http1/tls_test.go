package http1_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"example.com/signet/pkg/webhook"
	"example.com/signet/services/producer/internal/http1"
)

// secure is a TLS server that notes how it was spoken to.
type secure struct {
	*httptest.Server

	mu    sync.Mutex
	proto []int
	names []string // SNI
}

func newSecure(t *testing.T, change func(*httptest.Server)) *secure {
	t.Helper()
	s := &secure{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.proto, s.names = append(s.proto, r.ProtoMajor), append(s.names, r.TLS.ServerName)
	}))
	change(s.Server)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// trusting trusts the server's certificate, and finds the server under every name.
func trusting(s *secure) func(*http.Transport) {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return func(b *http.Transport) {
		dial := b.DialContext
		b.TLSClientConfig = &tls.Config{RootCAs: pool}
		b.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dial(ctx, network, s.Listener.Addr().String())
		}
		b.ForceAttemptHTTP2 = true
	}
}

func attemptAt(t *testing.T, transport http.RoundTripper, url string) webhook.Attempt {
	t.Helper()
	return webhook.NewSender(&http.Client{Transport: transport}, "").Attempt(t.Context(), webhook.Request{URL: url, Body: []byte("{}")})
}

// An HTTPS server's first webhook goes through net/http, the others not; of two connections each is used on.
func TestTransport_https(t *testing.T) {
	t.Parallel()
	to := newSecure(t, func(*httptest.Server) {})
	transport, dials := onlyHTTP1(t, trusting(to))
	for range 4 {
		if got := attemptAt(t, transport, "https://example.com/hook"); got.Class() != webhook.Delivered {
			t.Fatal(got.Err)
		}
	}
	if made, _ := dials.count(); made != 2 {
		t.Errorf("%d connections", made)
	}
	for i, name := range to.names {
		if name != "example.com" || to.proto[i] != 1 {
			t.Errorf("%q, HTTP/%d", name, to.proto[i])
		}
	}
}

func TestTransport_http2(t *testing.T) {
	t.Parallel()
	to := newSecure(t, func(s *httptest.Server) { s.EnableHTTP2 = true })
	transport, dials := onlyHTTP1(t, trusting(to))
	for range 3 {
		if got := attemptAt(t, transport, "https://example.com/hook"); got.Class() != webhook.Delivered {
			t.Fatal(got.Err)
		}
	}
	if made, _ := dials.count(); made != 1 || to.proto[2] != 2 {
		t.Errorf("%d connections, %v", made, to.proto)
	}
}

// A server that spoke HTTP/1.1 and now speaks HTTP/2 only is found out by one attempt.
func TestTransport_changesItsMind(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	only := false
	to := newSecure(t, func(s *httptest.Server) {
		s.EnableHTTP2 = true
		s.TLS = &tls.Config{NextProtos: []string{"http/1.1"}, GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			mu.Lock()
			defer mu.Unlock()
			if !only {
				return nil, nil
			}
			if !slices.Contains(hello.SupportedProtos, "h2") {
				return nil, errors.New("HTTP/2 only")
			}
			c := s.TLS.Clone()
			c.NextProtos, c.GetConfigForClient = []string{"h2"}, nil
			return c, nil
		}}
	})
	transport, _ := onlyHTTP1(t, trusting(to))
	attempt := func() webhook.Class { return attemptAt(t, transport, "https://example.com/hook").Class() }
	if first, second := attempt(), attempt(); first != webhook.Delivered || second != webhook.Delivered {
		t.Fatal(first, second)
	}
	transport.CloseIdleConnections()
	mu.Lock()
	only = true
	mu.Unlock()
	if first, second, third := attempt(), attempt(), attempt(); first != webhook.Retry || second != webhook.Delivered || third != webhook.Delivered {
		t.Error(first, second, third)
	}
	if last := to.proto[len(to.proto)-1]; last != 2 {
		t.Errorf("HTTP/%d", last)
	}
}

// Certificates are verified by both ways, the second one's too.
func TestTransport_certificates(t *testing.T) {
	t.Parallel()
	to := newSecure(t, func(*httptest.Server) {})
	for name, trust := range map[string]func(*http.Transport){
		"net/http": trusting(to), "http1": trusting(to),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			transport, _ := onlyHTTP1(t, trust)
			if name == "http1" {
				http1.Learn(transport, "https", "another.example")
			}
			got := attemptAt(t, transport, "https://another.example/hook")
			var wrong x509.HostnameError
			if !errors.As(got.Err, &wrong) {
				t.Errorf("the wrong name: %v", got.Err)
			}
			stranger, _ := onlyHTTP1(t, func(b *http.Transport) { trust(b); b.TLSClientConfig = nil })
			if name == "http1" {
				http1.Learn(stranger, "https", "example.com")
			}
			got = attemptAt(t, stranger, "https://example.com/hook")
			var unknown x509.UnknownAuthorityError
			if !errors.As(got.Err, &unknown) {
				t.Errorf("an unknown authority: %v", got.Err)
			}
		})
	}
}

// A server that accepts and never shakes hands is given up after the handshake's timeout.
func TestTransport_handshake(t *testing.T) {
	t.Parallel()
	to := serve(t, func(p *peer) { <-p.server.done })
	transport, dials := onlyHTTP1(t, func(b *http.Transport) { b.TLSHandshakeTimeout = 1 })
	http1.Learn(transport, "https", to.Addr().String())
	if got := attemptAt(t, transport, "https://"+to.Addr().String()); got.Class() != webhook.Retry || got.StatusCode != 0 {
		t.Errorf("%+v", got)
	}
	if _, open := dials.count(); open != 0 {
		t.Errorf("%d connections are open", open)
	}
}
