// Package deliver makes the attempts at sending webhooks to endpoints.
//
// A [Deliverer] resolves an endpoint's id for the delivery engine and turns one attempt's answer into the
// outcome the engine acts on. It never waits and never tries again: when, and how often, is the engine's
// decision. What came of each attempt it tells the log.
package deliver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/webhook"
	"example.com/signet/services/producer/internal/egress"
	"example.com/signet/services/producer/internal/endpoint"
)

// Endpoints finds an endpoint as it is now, so that a changed URL or secret counts for the next attempt.
type Endpoints interface {
	Live(id string) (endpoint.Live, bool)
}

// Sender makes one attempt.
type Sender interface {
	Attempt(ctx context.Context, r webhook.Request) webhook.Attempt
}

// Deliverer runs deliveries. It is safe for concurrent use.
type Deliverer struct {
	endpoints Endpoints
	sender    Sender
	now       func() time.Time
}

// New makes a deliverer. now may be nil.
func New(endpoints Endpoints, sender Sender, now func() time.Time) *Deliverer {
	if now == nil {
		now = time.Now
	}
	return &Deliverer{endpoints: endpoints, sender: sender, now: now}
}

// Resolve finds the runner of a target: every endpoint has one.
func (d *Deliverer) Resolve(targetID string) (relay.Runner, bool) {
	if _, ok := d.endpoints.Live(targetID); !ok {
		return relay.Runner{}, false
	}
	return relay.Remote(d.run).Within(webhook.DefaultTimeout), true
}

var errNoEndpoint = errors.New("the endpoint does not exist any more")

func (d *Deliverer) run(ctx context.Context, job relay.Job) relay.Outcome {
	to, ok := d.endpoints.Live(job.Delivery.TargetID)
	if !ok {
		return relay.Permanent(errNoEndpoint)
	}
	attempt := d.sender.Attempt(ctx, webhook.Request{
		URL:    to.URL,
		Header: headers(to.Scheme, job.Message.Type),
		ID:     job.Message.ID,
		Time:   d.now(),
		Body:   job.Message.Body,
		Signer: to.Signer,
	})
	return outcome(attempt)
}

// headers carries the event's type where the scheme has a header for it.
func headers(scheme, eventType string) http.Header {
	if scheme != "github" {
		return nil
	}
	return http.Header{"X-Github-Event": {eventType}}
}

// outcome decides what an attempt means for its delivery. Unlike a program that sends something once, a service
// has days: an answer of 4xx is often a mistake on the other side that somebody mends, so it is tried again.
func outcome(a webhook.Attempt) relay.Outcome {
	var refused *egress.Refused
	var out relay.Outcome
	switch class := a.Class(); {
	case class == webhook.Delivered:
		out = relay.Delivered("")
	case class == webhook.Gone:
		out = relay.Permanent(a.Err)
		out.Disable = fmt.Sprintf("the endpoint answered %d %s", a.StatusCode, http.StatusText(a.StatusCode))
	case errors.As(a.Err, &refused):
		out = relay.Permanent(refused)
	case a.StatusCode == 0 && class == webhook.Permanent:
		out = relay.Permanent(a.Err)
	default:
		out = relay.Retry(a.Err)
		out.RetryAfter = a.RetryAfter
		out.Throttle = slowsDown(a.StatusCode)
	}
	out.StatusCode = a.StatusCode
	out.Detail = string(a.Response)
	return out
}

// slowsDown holds for the answers that ask for less, rather than complain about one webhook.
func slowsDown(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	default:
		return false
	}
}
