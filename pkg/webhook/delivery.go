package webhook

import (
	"crypto/rand"
	"errors"
	"fmt"
)

// Errors of Send. The last attempt's own error is wrapped as well.
var (
	// ErrNotDelivered: every attempt failed, the receiver refused for good, or the context ended.
	ErrNotDelivered = errors.New("webhook: not delivered")
	// ErrPayload: the payload cannot be encoded as JSON.
	ErrPayload = errors.New("webhook: payload cannot be encoded")
)

// Status is where a delivery stands.
type Status string

// The statuses of a delivery, in the order they are passed through.
const (
	StatusPending  Status = "pending"  // nothing sent yet
	StatusSending  Status = "sending"  // an attempt is on its way
	StatusRetrying Status = "retrying" // waits for the next attempt
	StatusSuccess  Status = "success"  // the receiver answered 2xx
	StatusFailed   Status = "failed"   // given up
)

// Delivery is one payload on its way to one URL, with every attempt made so far.
type Delivery struct {
	ID       string // the webhook's id, the same on every attempt
	URL      string // as given; use Redact before showing it
	Status   Status
	Attempts []Attempt
}

// Last is the latest attempt, or the zero value when there was none.
func (d Delivery) Last() Attempt {
	if len(d.Attempts) == 0 {
		return Attempt{}
	}
	return d.Attempts[len(d.Attempts)-1]
}

func (d *Delivery) failure(cause error) error {
	attempts := "attempts"
	if len(d.Attempts) == 1 {
		attempts = "attempt"
	}
	return fmt.Errorf("%w to %s after %d %s: %w", ErrNotDelivered, Redact(d.URL), len(d.Attempts), attempts, cause)
}

// newID makes a random webhook id. It has no ".", which Standard Webhooks forbids in one.
func newID() string { return "msg_" + rand.Text() }
