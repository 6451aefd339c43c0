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
	ID        string
	Type      string
	Timestamp time.Time
	Data      json.RawMessage // any JSON value
}

// Encode builds the envelope. Data goes into it byte for byte: numbers keep their digits and strings their
// escapes, which re-encoding would not promise. The timestamp is RFC 3339 in UTC.
func (e Event) Encode() ([]byte, error) {
	if e.ID == "" || e.Type == "" {
		return nil, fmt.Errorf("%w: an id and a type are required", ErrInvalidEvent)
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
