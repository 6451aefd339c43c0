// Package load sends a receiver signed webhooks at a constant rate and measures how long each takes.
//
// The load is open: when a request is due is fixed before the first is sent, and a receiver that answers slowly does
// not get fewer of them. Latency is counted from when a request was due, not from when a connection was free to send it:
// a stall of a second then shows in every request that was due in that second, and not only in those that happened to
// be on their way (what Gil Tene calls coordinated omission). Only what this package's own timer was late by is not
// counted. Vegeta, the best known library for constant rates, counts from
// when a worker picks the request up, which with a bound on connections omits just that wait.
package load

import (
	"context"
	"crypto/tls"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"example.com/signet/pkg/signature"
	"example.com/signet/pkg/webhook"
	"example.com/signet/services/producer/internal/sample"
)

// Bounds of a plan.
const (
	MaxRate        = 50_000         // requests a second
	MaxDuration    = 24 * time.Hour //
	MaxConnections = 4096           //
	MaxTimeout     = 5 * time.Minute
	MaxRequests    = 1_000_000_000 // in all
)

// grace is how long requests on their way are waited for after an interruption.
const grace = time.Second

// Plan is the load to be made. Every field but Header, Signer, UserAgent and Insecure is required, and within the bounds
// above.
type Plan struct {
	URL         string
	Rate        float64       // requests a second
	Duration    time.Duration // in which requests become due
	Connections int           // requests that may be on their way at once, each on an HTTP/1.1 connection of its own
	Timeout     time.Duration // for a request, from when it is sent
	Template    sample.Template
	Header      http.Header       // further headers
	Signer      *signature.Signer // nil: unsigned
	UserAgent   string
	Insecure    bool // take any certificate
}

// Requests is how many become due.
func (p Plan) Requests() int64 { return max(1, int64(p.Rate*p.Duration.Seconds())) }

// run is a load that is being made.
type run struct {
	plan   Plan
	sender *webhook.Sender
	began  time.Time
	next   atomic.Int64 // the number of the next request
	*recorder
}

// Run makes the load and returns when everything due was answered, or given up: what could not be sent within a
// timeout after the end is not sent any more. When ctx ends, nothing more is sent, what is on its way gets a second,
// and the result has what there is.
func Run(ctx context.Context, p Plan) Result {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		MaxConnsPerHost:     p.Connections,
		MaxIdleConnsPerHost: p.Connections,
		DisableCompression:  true,
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: p.Insecure},
	}
	defer transport.CloseIdleConnections()
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })()

	r := &run{plan: p, sender: webhook.NewSender(&http.Client{Transport: transport}, p.UserAgent), began: time.Now()}
	r.recorder = newRecorder(r.began, p.Duration)
	var connections sync.WaitGroup
	for range min(int64(p.Connections), p.Requests()) {
		connections.Go(func() { r.connection(ctx, sending) })
	}
	connections.Wait()
	r.abandon(time.Now())
	return r.result(p, ctx.Err() != nil)
}

// due is when a request is to be sent.
func (r *run) due(number int64) time.Time {
	return r.began.Add(time.Duration(float64(number) / r.plan.Rate * float64(time.Second)))
}

// connection sends one request after the other, each when it is due, or at once when it already was.
func (r *run) connection(ctx, sending context.Context) {
	giveUp := r.began.Add(r.plan.Duration + r.plan.Timeout)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		number := r.next.Add(1) - 1
		if number >= r.plan.Requests() {
			return
		}
		due := r.due(number)
		if wait := time.Until(due); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return // it was not due yet
			}
			due = onTime(due, time.Now())
			r.started(0)
		} else if ctx.Err() != nil || time.Now().After(giveUp) {
			r.unsent(due, time.Now())
			return
		} else {
			r.started(-wait)
		}
		r.send(sending, due)
	}
}

// timerLate bounds what a timer is late by where nothing else keeps the process from running: Linux waits for it in whole
// milliseconds.
const timerLate = 2 * time.Millisecond

// onTime is from when the latency of a request counts that a timer was to start when it was due. One that is later than
// timers are was kept waiting, perhaps by the receiver's use of the same processors.
func onTime(due, started time.Time) time.Time {
	if started.Sub(due) < timerLate {
		return started
	}
	return due
}

func (r *run) send(ctx context.Context, due time.Time) {
	id, now := sample.NewID(), time.Now()
	attempt := r.sender.Attempt(ctx, webhook.Request{
		URL: r.plan.URL, Header: r.plan.Header, ID: id, Time: now,
		Body: r.plan.Template.Fill(id, now), Signer: r.plan.Signer, Timeout: r.plan.Timeout, Once: true,
	})
	r.record(due, time.Now(), attempt)
}

// abandon counts what was due by now and never sent.
func (r *run) abandon(now time.Time) {
	for number := r.next.Load(); number < r.plan.Requests(); number++ {
		due := r.due(number)
		if due.After(now) {
			return
		}
		r.unsent(due, now)
	}
}
