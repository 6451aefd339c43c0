package publish

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/webhook"
	"example.com/signet/services/producer/internal/jsontext"
)

// Bounds of a publication.
const (
	MaxBatch          = 1000
	MaxData           = 256 << 10 // bytes of one event's data
	MaxIdempotencyKey = 400       // bytes; the engine's limit less room for an index
)

// Event is something that happened, to be told to whoever wants to know.
type Event struct {
	Type        string
	Data        json.RawMessage // any JSON value
	ID          string          // the publisher's own; a second event with it is a duplicate. May be empty
	Tenant      string          // whose endpoints are told; empty: those of no tenant
	OrderingKey string          // events with one key reach an endpoint in order; may be empty
}

// InvalidError is what is wrong with one event of a publication.
type InvalidError struct {
	Index   int // in the publication
	Field   string
	Problem string // follows the field's name
}

// Error names the event and the field.
func (e *InvalidError) Error() string {
	return "events[" + strconv.Itoa(e.Index) + "]." + e.Field + " " + e.Problem
}

// check finds the first thing wrong with an event. No problem quotes the data.
func (e Event) check(index int) *InvalidError {
	wrong := func(field, problem string) *InvalidError { return &InvalidError{index, field, problem} }
	switch {
	case !webhook.ValidType(e.Type):
		return wrong("type", fmt.Sprintf("must be 1 to %d letters, digits or any of . _ - / :", webhook.MaxType))
	case len(e.Data) == 0:
		return wrong("data", "is required")
	case len(e.Data) > MaxData:
		return wrong("data", fmt.Sprintf("must be at most %d bytes", MaxData))
	case !jsontext.Valid(e.Data):
		return wrong("data", "must be JSON")
	}
	for _, text := range []struct {
		field, value string
		limit        int
	}{{"id", e.ID, relay.MaxDedupeKey}, {"tenant", e.Tenant, relay.MaxKey}, {"ordering_key", e.OrderingKey, relay.MaxKey}} {
		if !ValidKey(text.value, text.limit) {
			return wrong(text.field, fmt.Sprintf("must be at most %d bytes of text without control characters", text.limit))
		}
	}
	return nil
}

// ValidKey reports whether a text can be kept as a key of at most limit bytes.
func ValidKey(text string, limit int) bool {
	return len(text) <= limit && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// dedupeKey is what makes a second event a duplicate: its own id, or else its place in a request that named a
// key for all of itself. Each tenant has keys of its own; the length in front keeps "a"+"b:c" and "a:b"+"c" apart.
func (e Event) dedupeKey(requestKey string, index int) string {
	id := e.ID
	switch {
	case id == "" && requestKey == "":
		return ""
	case id == "":
		id = requestKey + "#" + strconv.Itoa(index)
	}
	key := strconv.Itoa(len(e.Tenant)) + ":" + e.Tenant + ":" + id
	if len(key) > relay.MaxDedupeKey {
		digest := sha256.Sum256([]byte(key))
		return "sha256:" + hex.EncodeToString(digest[:])
	}
	return key
}

// envelope is the event's body: built once, kept, and sent as it is on every attempt. It is what webhook.Event.Encode
// makes, of parts that have been checked: neither an id of ours nor a valid type needs an escape.
func (e Event) envelope(id string, at time.Time) []byte {
	const names = `{"id":"","type":"","timestamp":"","data":}`
	b := make([]byte, 0, len(names)+len(id)+len(e.Type)+len(time.RFC3339Nano)+len(e.Data))
	b = append(b, `{"id":"`...)
	b = append(b, id...)
	b = append(b, `","type":"`...)
	b = append(b, e.Type...)
	b = append(b, `","timestamp":"`...)
	b = at.UTC().Truncate(time.Millisecond).AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","data":`...)
	b = append(b, e.Data...)
	return append(b, '}')
}
