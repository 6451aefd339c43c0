package webhook

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"
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

func statuses() []Status {
	return []Status{StatusPending, StatusSending, StatusRetrying, StatusSuccess, StatusFailed}
}

// Delivery is one payload on its way to one URL, with every attempt made so far.
type Delivery struct {
	ID        string // this delivery's own
	MessageID string // the webhook's id, the same on every attempt and for every URL; the receiver sees it
	URL       string // as given; use Redact before showing it
	Status    Status
	CreatedAt time.Time
	NextAt    time.Time // of the next attempt, while it is retrying; else zero
	Attempts  []Attempt
}

// clone shares nothing that somebody might change, but for the beginnings of responses.
func (d Delivery) clone() Delivery {
	d.Attempts = slices.Clone(d.Attempts)
	return d
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

// newID makes a random id. It has no ".", which Standard Webhooks forbids in one.
func newID(prefix string) string { return prefix + rand.Text() }
