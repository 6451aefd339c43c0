package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrInvalidEvent is wrapped by the error of an event that cannot be put into an envelope.
var ErrInvalidEvent = errors.New("webhook: invalid event")

// Event is what a webhook tells, in the envelope that the Standard Webhooks specification suggests:
// {"id","type","timestamp","data"}.
type Event struct {
	ID        string          // Send and Emit make one up where it is empty
	Type      string          // such as order.completed, see ValidType
	Timestamp time.Time       // when it happened; Send and Emit put in the present where it is zero
	Data      json.RawMessage // any JSON value
}

// NewEvent makes an event of what encoding/json makes of data. The error is [ErrPayload].
func NewEvent(eventType string, data any) (Event, error) {
	encoded, err := encode(data)
	if err != nil {
		return Event{}, err
	}
	return Event{Type: eventType, Data: encoded}, nil
}

// complete fills in what may be left out.
func (e Event) complete(id string, now time.Time) Event {
	if e.ID == "" {
		e.ID = id
	}
	if e.Timestamp.IsZero() {
		e.Timestamp = now.Truncate(time.Millisecond)
	}
	return e
}

// Encode builds the envelope. Data goes into it byte for byte: numbers keep their digits and strings their
// escapes, which re-encoding would not promise. The timestamp is RFC 3339 in UTC.
func (e Event) Encode() ([]byte, error) {
	if e.ID == "" || e.Type == "" {
		return nil, fmt.Errorf("%w: an id and a type are required", ErrInvalidEvent)
	}
	if !ValidType(e.Type) {
		return nil, fmt.Errorf("%w: the type must have one to %d letters, digits and signs of . _ - / : in it", ErrInvalidEvent, MaxType)
	}
	if !json.Valid(e.Data) {
		return nil, fmt.Errorf("%w: data is not JSON", ErrInvalidEvent)
	}
	head, err := json.Marshal(struct {
		ID        string    `json:"id"`
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
	}{e.ID, e.Type, e.Timestamp.UTC()})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidEvent, err)
	}
	out := make([]byte, 0, len(head)+len(`,"data":`)+len(e.Data))
	out = append(out, head[:len(head)-1]...)
	out = append(out, `,"data":`...)
	out = append(out, e.Data...)
	return append(out, '}'), nil
}
