package http1_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/webhook"
	"example.com/signet/services/producer/internal/egress"
)

// came is what came of an attempt.
type came struct {
	class      webhook.Class
	status     int
	response   string // the start of it
	retryAfter time.Duration
	err        error // one that is wrapped, or nil
}

const plain = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"

// behaviour is what a server does, and what must come of it, whoever sends.
type behaviour struct {
	name        string
	script      func(p *peer)
	attempts    int           // 0: 1
	between     bool          // the server has closed the last connection before the next attempt begins
	body        int           // bytes; 0: 2
	timeout     time.Duration // 0: 10 s
	header      http.Header
	cancel      bool // once the server has the request
	last        came
	connections int // 0: 1
	requests    int // that the server read; 0: as many as attempts
}

// answering answers each request in the same way.
func answering(answer string) func(*peer) {
	return func(p *peer) {
		for _, ok := p.request(); ok; _, ok = p.request() {
			p.say(answer)
		}
	}
}

// once answers one request of each connection, and closes.
func once(answer string) func(*peer) {
	return func(p *peer) {
		if _, ok := p.request(); ok {
			p.say(answer)
		}
	}
}

// staying answers one request and says no more, but keeps the connection.
func staying(answer string) func(*peer) {
	return func(p *peer) {
		if _, ok := p.request(); ok {
			p.say(answer)
			<-p.server.done
		}
	}
}

func ordinary() []behaviour {
	delivered := came{class: webhook.Delivered, status: 200, response: "OK"}
	long := strings.Repeat("x", 10<<20)
	return []behaviour{
		{name: "a length", script: answering(plain), attempts: 3, last: delivered},
		{name: "no content", script: answering("HTTP/1.1 204 No Content\r\n\r\n"), attempts: 3, last: came{class: webhook.Delivered, status: 204}},
		{name: "an empty body", script: answering("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"), attempts: 3, last: came{class: webhook.Delivered, status: 202}},
		{name: "chunks", script: answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nO\r\n1;a=b\r\nK\r\n0\r\n\r\n"), attempts: 3, last: delivered},
		{name: "chunks and a trailer", script: answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n2\r\nOK\r\n0\r\nA: b\r\n\r\n"), attempts: 3, last: delivered},
		{name: "a body until the end", script: once("HTTP/1.1 200 OK\r\n\r\nOK"), attempts: 2, connections: 2, last: delivered},
		{name: "HTTP/1.0", script: once("HTTP/1.0 200 OK\r\n\r\nOK"), attempts: 2, connections: 2, last: delivered},
		{name: "HTTP/1.0, kept alive", script: answering("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nOK"), attempts: 2, last: delivered},
		{name: "HTTP/1.0, a length", script: answering("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nOK"), attempts: 2, connections: 2, last: delivered},
		{name: "Connection: close", script: answering("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nOK"), attempts: 2, connections: 2, last: delivered},
		{name: "100 first", script: answering("HTTP/1.1 100 Continue\r\n\r\n" + plain), attempts: 2, last: delivered},
		{name: "102 and 103 first", script: answering("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + plain), attempts: 2, last: delivered},
		{name: "101", script: once("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"), attempts: 2, connections: 2, last: came{class: webhook.Permanent, status: 101}},
		{name: "a redirect", script: answering("HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"), attempts: 2, last: came{class: webhook.Permanent, status: 302}},
		{name: "too many", script: answering("HTTP/1.1 429 \r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"), last: came{class: webhook.Retry, status: 429, retryAfter: 7 * time.Second}},
		{name: "gone", script: answering("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"), last: came{class: webhook.Gone, status: 410}},
		{name: "gzip is left alone", script: answering("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nOK"), last: delivered},
		{name: "bare line feeds", script: answering("HTTP/1.1 200 OK\nContent-Length: 2\n\nOK"), attempts: 2, last: delivered},
		{name: "16 KiB of answer", script: answering("HTTP/1.1 200 OK\r\nContent-Length: 16384\r\n\r\n" + long[:16384]), attempts: 2, last: came{class: webhook.Delivered, status: 200, response: long[:1024]}},
		{name: "64 KiB of answer", script: answering("HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + long[:65536]), attempts: 2, last: came{class: webhook.Delivered, status: 200, response: long[:1024]}},
		{name: "10 MiB of answer", script: answering("HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n" + long), attempts: 2, connections: 2, last: came{class: webhook.Delivered, status: 200, response: long[:1024]}},
		{name: "a large webhook", script: answering(plain), attempts: 2, body: 1 << 20, last: delivered},
		{name: "more bytes than the answer has", script: staying(plain + "HTTP/1.1 200 OK\r\n"), attempts: 2, connections: 2, last: delivered},
	}
}

func hostile() []behaviour {
	lost := came{class: webhook.Retry}
	late := came{class: webhook.Retry, err: context.DeadlineExceeded}
	delivered := came{class: webhook.Delivered, status: 200, response: "OK"}
	return []behaviour{
		{name: "no HTTP", script: once("SSH-2.0-OpenSSH_9.9\r\n\r\n"), last: lost},
		{name: "a status that is no number", script: once("HTTP/1.1 2OO OK\r\n\r\n"), last: lost},
		{name: "a header without a colon", script: once("HTTP/1.1 200 OK\r\nNonsense\r\n\r\n"), last: lost},
		{name: "two lengths", script: once("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nOK"), last: lost},
		{name: "a negative length", script: once("HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nOK"), last: lost},
		{name: "a coding nobody knows", script: once("HTTP/1.1 200 OK\r\nTransfer-Encoding: zip\r\n\r\nOK"), last: lost},
		{name: "chunks and a length", script: once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n2\r\nOK\r\n0\r\n\r\n"), last: delivered},
		{name: "a chunk that is none", script: once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nOK"), last: came{class: webhook.Delivered, status: 200}},
		{name: "headers without end", script: func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\n")
			for p.server.going() {
				p.say("A: " + strings.Repeat("b", 1000) + "\r\n")
			}
		}, last: lost},
		{name: "one endless header", script: func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\nA: ")
			for p.server.going() {
				p.say(strings.Repeat("b", 1000))
			}
		}, last: lost},
		{name: "early hints without end", script: func(p *peer) {
			p.request()
			for p.server.going() {
				p.say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
			}
		}, last: lost},
		{name: "closed without an answer", script: once(""), last: lost},
		{name: "reset without an answer", script: func(p *peer) { p.request(); p.reset() }, last: lost},
		{name: "closed in the headers", script: once("HTTP/1.1 200 OK\r\nConte"), last: lost},
		{name: "closed in the body", script: once("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nOK"), last: delivered},
		{name: "closed in a chunk", script: once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nOK"), last: delivered},
		{name: "no answer", script: staying(""), timeout: 50 * time.Millisecond, last: late},
		{name: "no end of the headers", script: staying("HTTP/1.1 200 OK\r\n"), timeout: 50 * time.Millisecond, last: late},
		{name: "no end of the body", script: staying("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nOK"), timeout: 50 * time.Millisecond, last: delivered},
		{name: "headers a byte at a time", script: func(p *peer) {
			p.request()
			for p.server.going() {
				p.say("H")
				time.Sleep(5 * time.Millisecond) // this is what the server is like
			}
		}, timeout: 50 * time.Millisecond, last: lost},
		{name: "the attempt is cancelled", script: staying(""), cancel: true, last: came{class: webhook.Retry, err: context.Canceled}},
		{name: "an answer before the webhook's end", script: func(p *peer) {
			_, _ = p.in.Peek(1)
			p.say("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			p.request()
		}, body: 30 << 10, requests: -1, last: came{class: webhook.Permanent, status: 413}},
		{name: "an answer, and the webhook is never read", script: func(p *peer) {
			_, _ = p.in.Peek(1)
			p.say("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			<-p.server.done
		}, body: 8 << 20, requests: -1, last: came{class: webhook.Permanent, status: 413}},
	}
}

// stale are about connections that the server closes when they have been used.
func stale() []behaviour {
	delivered := came{class: webhook.Delivered, status: 200, response: "OK"}
	// breaking answers the first request of each connection, and breaks at the second, which it has read.
	breaking := func(p *peer) {
		if _, ok := p.request(); ok {
			p.say(plain)
			p.request()
		}
	}
	return []behaviour{
		{name: "closed while idle", script: once(plain), attempts: 3, between: true, connections: 3, last: delivered},
		{name: "reset while idle", script: func(p *peer) { p.request(); p.say(plain); p.reset() }, attempts: 1, last: delivered},
		{name: "told why and closed while idle", script: once(plain + "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"), attempts: 2, between: true, connections: 2, last: delivered},
		{name: "closed instead of a second answer", script: breaking, attempts: 2, last: came{class: webhook.Retry}},
		{
			name: "closed instead of a second answer, and the webhook may be repeated", script: breaking, attempts: 2,
			header: http.Header{"Idempotency-Key": {"k"}}, connections: 2, requests: 3, last: delivered,
		},
	}
}

func (s *server) going() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// TestTransport_behavesAsNetHTTP runs every behaviour against net/http and against this package's transport: what
// comes of it is the same, and so is what the server sees.
func TestTransport_behavesAsNetHTTP(t *testing.T) {
	t.Parallel()
	for _, b := range slices.Concat(ordinary(), hostile(), stale()) {
		for name := range transports(t, nil) {
			t.Run(b.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				b.run(t, transports(t, nil)[name])
			})
		}
	}
}

func (b behaviour) run(t *testing.T, transport http.RoundTripper) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	script := b.script
	if b.cancel {
		script = func(p *peer) { p.request(); cancel(); <-p.server.done }
	}
	to := serve(t, func(p *peer) { _ = p.SetDeadline(time.Now().Add(20 * time.Second)); script(p) })
	header := b.header
	if _, theirs := transport.(*http.Transport); theirs && b.between {
		header = http.Header{"Idempotency-Key": {"k"}} // it notices soon, but perhaps not in time: then it may try again
	}
	timeout := b.timeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	sender := webhook.NewSender(&http.Client{Transport: transport}, "")
	attempts := max(b.attempts, 1)
	var last webhook.Attempt
	began := time.Now()
	for i := range attempts {
		if i > 0 && b.between {
			to.awaitClosed(t)
		}
		last = sender.Attempt(ctx, webhook.Request{
			URL: to.url(), Body: []byte(strings.Repeat("x", max(b.body, 2))), Header: header, Timeout: timeout,
		})
	}
	b.check(t, last)
	if took := time.Since(began); took > 9*time.Second {
		t.Errorf("took %s", took)
	}
	connections, requests := to.connections()
	if connections != max(b.connections, 1) || b.requests >= 0 && requests != max(b.requests, attempts) {
		t.Errorf("%d connections and %d requests, want %d and %d", connections, requests, max(b.connections, 1), max(b.requests, attempts))
	}
}

func (b behaviour) check(t *testing.T, got webhook.Attempt) {
	t.Helper()
	if got.Class() != b.last.class || got.StatusCode != b.last.status || string(got.Response) != b.last.response || got.RetryAfter != b.last.retryAfter {
		t.Errorf("%s, %d, %.40q, %s: %v", got.Class(), got.StatusCode, got.Response, got.RetryAfter, got.Err)
	}
	if b.last.err != nil && !errors.Is(got.Err, b.last.err) {
		t.Errorf("error %v, want %v", got.Err, b.last.err)
	}
}

// TestTransport_refusal shows that the guard judges these connections too.
func TestTransport_refusal(t *testing.T) {
	t.Parallel()
	to := serve(t, answering(plain))
	for name, transport := range transports(t, func(b *http.Transport) { b.DialContext = egress.NewGuard(egress.AllowList{}).Transport().DialContext }) {
		got := webhook.NewSender(&http.Client{Transport: transport}, "").Attempt(t.Context(), webhook.Request{URL: to.url(), Body: []byte("{}")})
		var refused *egress.Refused
		if !errors.As(got.Err, &refused) {
			t.Errorf("%s: %v", name, got.Err)
		}
	}
	if n, _ := to.connections(); n > 0 {
		t.Errorf("%d connections", n)
	}
}
