package http1_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/signet/services/producer/internal/http1"
)

func post(ctx context.Context, t *testing.T, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// exchange makes one exchange and reads its answer.
func exchange(transport http.RoundTripper, r *http.Request) (string, error) {
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

// TestTransport_wire compares what a server is sent with what net/http sends.
func TestTransport_wire(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*http.Request){
		"plain":              func(*http.Request) {},
		"headers":            func(r *http.Request) { r.Header = http.Header{"A": {"1", " 2 "}, "X-B": {"c\td"}, "E": {""}} },
		"a user agent":       func(r *http.Request) { r.Header.Set("User-Agent", "Signet/1") },
		"no user agent":      func(r *http.Request) { r.Header.Set("User-Agent", "") },
		"a query":            func(r *http.Request) { r.URL.RawQuery = "a=b c&d=%20" },
		"no path":            func(r *http.Request) { r.URL.Path = "" },
		"a path to escape":   func(r *http.Request) { r.URL.Path = "/a b/ü" },
		"an escaped path":    func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/a/b", "/a%2fb" },
		"another host":       func(r *http.Request) { r.Host = "other.example:81" },
		"a name of Unicode":  func(r *http.Request) { r.Host = "bücher.example" },
		"a close":            func(r *http.Request) { r.Close = true },
		"a Connection":       func(r *http.Request) { r.Header.Set("Connection", "close") },
		"another method":     func(r *http.Request) { r.Method = http.MethodPut },
		"an unknown length":  func(r *http.Request) { r.ContentLength, r.Body = -1, io.NopCloser(strings.NewReader("abc")) },
		"no body":            func(r *http.Request) { r.ContentLength, r.Body = 0, nil },
		"an expectation":     func(r *http.Request) { r.Header.Set("Expect", "100-continue") },
		"a line in a header": func(r *http.Request) { r.Header.Set("A", "b\r\nC: d") },
		"a name with spaces": func(r *http.Request) { r.Header["A B"] = []string{"c"} },
		"a false length":     func(r *http.Request) { r.Header["Content-Length"] = []string{"1"} },
		"a longer body":      func(r *http.Request) { r.ContentLength = 2 },
		"a shorter body":     func(r *http.Request) { r.ContentLength = 4 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent := map[string]string{}
			for who, transport := range transports(t, nil) {
				to := serve(t, func(p *peer) {
					_ = p.SetDeadline(time.Now().Add(5 * time.Second))
					p.request()
					p.say("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
				})
				r := post(t.Context(), t, to.url(), "abc")
				r.Host = "some.example"
				change(r)
				_, err := exchange(transport, r)
				sent[who] = fmt.Sprint("error ", err != nil)
				to.mu.Lock()
				for _, got := range to.requests {
					sent[who] = fmt.Sprint(got.Method, got.RequestURI, got.Proto, got.Host, got.ContentLength, got.TransferEncoding, got.Close, got.Header)
				}
				to.mu.Unlock()
			}
			if sent["net/http"] != sent["http1"] {
				t.Errorf("sent\n%s, not\n%s", sent["http1"], sent["net/http"])
			}
		})
	}
}

// TestTransport_exchangesStayApart lets many exchanges share connections, some cancelled and some closed early:
// everyone gets the answer to their own request.
func TestTransport_exchangesStayApart(t *testing.T) {
	t.Parallel()
	to := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if bytes.HasSuffix(body, []byte("7")) {
			w.Header().Set("Connection", "close")
		}
		_, _ = w.Write(body)
		if bytes.HasSuffix(body, []byte("3")) {
			w.(http.Flusher).Flush()
			_, _ = w.Write(bytes.Repeat([]byte(" "), 100<<10))
		}
	}))
	t.Cleanup(to.Close)
	transport, dials := onlyHTTP1(t, nil)
	var group sync.WaitGroup
	for worker := range 16 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(worker)))
			for i := range 100 {
				want := fmt.Sprintf("%d-%d", worker, i)
				ctx, cancel := context.WithCancel(t.Context())
				if random.IntN(10) == 0 {
					time.AfterFunc(time.Duration(random.IntN(300))*time.Microsecond, cancel)
				}
				answer, err := transport.RoundTrip(post(ctx, t, to.URL, want))
				if err == nil {
					start := make([]byte, len(want))
					if _, err = io.ReadFull(answer.Body, start); err == nil && string(start) != want {
						t.Errorf("got %q, not %q", start, want)
					}
					if random.IntN(2) == 0 {
						_, _ = io.Copy(io.Discard, answer.Body)
					}
					_ = answer.Body.Close()
				}
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", want, err)
				}
				cancel()
			}
		})
	}
	group.Wait()
	transport.CloseIdleConnections()
	if made, open := dials.count(); open != 0 || made > 1400 {
		t.Errorf("%d connections, of which %d are open", made, open)
	}
}

// holding answers when it is told to, so that several connections are needed at once.
func holding(t *testing.T, n int) (url string) {
	t.Helper()
	var mu sync.Mutex
	waiting, all := 0, make(chan struct{})
	to := serve(t, func(p *peer) {
		for first := true; ; first = false {
			if _, ok := p.request(); !ok {
				return
			}
			if first {
				mu.Lock()
				if waiting++; waiting == n {
					close(all)
				}
				mu.Unlock()
				<-all
			}
			p.say(plain)
		}
	})
	return to.url()
}

func several(t *testing.T, transport http.RoundTripper, url string, n int) {
	t.Helper()
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			if _, err := exchange(transport, post(t.Context(), t, url, "x")); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestTransport_idleConnections(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*http.Transport)
		want   int // open connections after five exchanges with one server and three with another
	}{
		"no bounds":           {func(b *http.Transport) { b.MaxIdleConnsPerHost = 10 }, 8},
		"for each host":       {func(b *http.Transport) { b.MaxIdleConnsPerHost = 2 }, 4},
		"net/http's default":  {func(b *http.Transport) { b.MaxIdleConnsPerHost = 0 }, 4},
		"in all":              {func(b *http.Transport) { b.MaxIdleConnsPerHost, b.MaxIdleConns = 10, 4 }, 4},
		"until the time over": {func(b *http.Transport) { b.IdleConnTimeout = 30 * time.Millisecond }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			transport, dials := onlyHTTP1(t, tt.change)
			one, other := holding(t, 5), holding(t, 3)
			several(t, transport, one, 5)
			several(t, transport, other, 3)
			awaitOpen(t, dials, tt.want)
			made, _ := dials.count()
			if _, err := exchange(transport, post(t.Context(), t, other, "x")); err != nil {
				t.Error(err)
			}
			if again, _ := dials.count(); tt.want > 0 && again != made {
				t.Error("the connection used last is not used again")
			}
			transport.CloseIdleConnections()
			awaitOpen(t, dials, 0)
		})
	}
}

func awaitOpen(t *testing.T, d *dials, want int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		_, open := d.count()
		if open == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are open, not %d", open, want)
		}
	}
}

func TestTransport_bodyAfterItsEnd(t *testing.T) {
	t.Parallel()
	to := serve(t, answering(plain))
	transport, _ := onlyHTTP1(t, nil)
	answer, err := transport.RoundTrip(post(t.Context(), t, to.url(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(answer.Body); string(body) != "OK" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
	if n, err := answer.Body.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %d, %v", n, err)
	}
	if err := errors.Join(answer.Body.Close(), answer.Body.Close()); err != nil {
		t.Error(err)
	}
	if _, err := answer.Body.Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("after Close: %v", err)
	}
}

// A transport with a proxy leaves everything to net/http, which knows about proxies.
func TestTransport_proxy(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.RequestURI }))
	t.Cleanup(proxy.Close)
	transport, _ := onlyHTTP1(t, func(b *http.Transport) {
		b.Proxy = func(r *http.Request) (*url.URL, error) { return r.URL.Parse(proxy.URL) }
	})
	if _, err := exchange(transport, post(t.Context(), t, "http://some.example/hook", "x")); err != nil {
		t.Fatal(err)
	}
	if uri := <-seen; uri != "http://some.example/hook" {
		t.Error(uri)
	}
}

var _ http.RoundTripper = (*http1.Transport)(nil)
