// Package event reads events out of raw request bodies: their type for the intake, their fields for the
// handlers.
//
// It understands the envelope {"id","type","timestamp","data":{…}}, its older forms with "event_type" or
// "event" in place of "type", the same without a "data" wrapper, and GitHub's form, whose field "payload" is
// the JSON. It works on the bytes as they arrived, decodes no more of them than it is asked for, and keeps
// nothing. What an event means is the handlers' affair.
package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"unicode"
	"unicode/utf8"

	"example.com/signet/pkg/relay"
)

// Unknown is the type of an event that does not say its type, or says one that cannot be kept.
const Unknown = "unknown"

// ErrPayload says that the body is not the event its type promises; the text names the field.
var ErrPayload = errors.New("bad payload")

// IsJSON reports whether body is one JSON object or array.
func IsJSON(body []byte) bool {
	_, ok := Open(body, "")
	return ok
}

// FormPayload returns the JSON in the field "payload" of a form, and whether that field is all there is. It
// takes no other form, because the signature does not cover the media type: read tolerantly, a genuine JSON
// event with "&payload=…&" in a text of its own would be a form that says what the text's author likes.
func FormPayload(body []byte) ([]byte, bool) {
	encoded, ok := bytes.CutPrefix(body, []byte("payload="))
	if !ok || bytes.ContainsAny(encoded, "&;") {
		return nil, false
	}
	payload, err := url.QueryUnescape(string(encoded))
	return []byte(payload), err == nil
}

// CleanType returns t, or Unknown and false when the store cannot keep it or a log line would be broken by it:
// too long, not UTF-8, or with control characters.
func CleanType(t string) (string, bool) {
	if t == "" || len(t) > relay.MaxType || !utf8.ValidString(t) {
		return Unknown, false
	}
	for _, r := range t {
		if unicode.IsControl(r) {
			return Unknown, false
		}
	}
	return t, true
}

// Fields are the fields of an event's data.
type Fields struct {
	object []byte // valid JSON
}

// Parse finds the fields of an event: those of "data", or the event's own where it has no "data".
func Parse(body []byte) (Fields, error) {
	document := body
	if payload, ok := FormPayload(body); ok && !IsJSON(body) {
		document = payload
	}
	if !IsJSON(document) || document[skipSpace(document, 0)] != '{' {
		return Fields{}, fmt.Errorf("%w: the body is not a JSON object", ErrPayload)
	}
	data, found := member(document, "data")
	switch {
	case !found || string(data) == "null":
		return Fields{object: document}, nil
	case data[0] != '{':
		return Fields{}, fmt.Errorf("%w: data must be an object", ErrPayload)
	}
	return Fields{object: data}, nil
}

// value returns a field's JSON; an explicit null counts as absent.
func (f Fields) value(name string) (json.RawMessage, bool) {
	value, found := member(f.object, name)
	return value, found && string(value) != "null"
}
