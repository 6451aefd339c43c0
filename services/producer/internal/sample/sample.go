// Package sample makes events to try a receiver with. Each is new: it has an id and a time of its own, in its body as in
// its headers, so that no receiver takes it for one that it had before.
//
// It neither signs nor sends.
package sample

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Default is the template used when nobody brings another. It has the id under the names that providers give it, and
// the time where Linear signs it; nothing that a handler of real events would act upon.
const Default = `{"id":"{{id}}","event_id":"{{id}}","type":"signet.sample","timestamp":"{{time}}","webhookTimestamp":{{ms}},` +
	`"data":{"note":"made to try a receiver; nothing happened"}}`

// What stands in a template for what is new in each event.
const (
	idMark   = "{{id}}"   // the event's id
	timeMark = "{{time}}" // its time, RFC 3339 in UTC with seconds
	msMark   = "{{ms}}"   // the same in milliseconds since 1970
)

// ErrNotJSON says that what a template makes is not JSON.
var ErrNotJSON = errors.New("it is not JSON once {{id}}, {{time}} and {{ms}} are filled in")

// Template is the text of an event, with marks where its id and time belong. It never changes.
type Template struct{ text string }

// Parse makes a template of the text of a JSON value in which {{id}}, {{time}} and {{ms}} may stand. The only error
// is ErrNotJSON.
func Parse(text []byte) (Template, error) {
	t := Template{string(text)}
	if !json.Valid(t.Fill(NewID(), time.Unix(1, 0))) {
		return Template{}, ErrNotJSON
	}
	return t, nil
}

// Identifies reports whether the body of each event says its id.
func (t Template) Identifies() bool { return strings.Contains(t.text, idMark) }

// Fill is the body of the event with this id and time. Everything but the marks stays as it was written.
func (t Template) Fill(id string, at time.Time) []byte {
	return []byte(strings.NewReplacer(
		idMark, id, timeMark, at.UTC().Format(time.RFC3339), msMark, strconv.FormatInt(at.UnixMilli(), 10),
	).Replace(t.text))
}

// NewID is a random id that every scheme can sign: letters, digits and a low line.
func NewID() string { return "evt_" + rand.Text() }

// Respell writes a JSON text in other bytes that mean the same: with a space inside the brackets of an object or a list,
// as some schemes want a body to begin and end with those, and around anything else.
func Respell(body []byte) []byte {
	space := []byte(" ")
	if n := len(body); n > 1 && (body[0] == '{' || body[0] == '[') {
		return bytes.Join([][]byte{body[:1], body[1 : n-1], body[n-1:]}, space)
	}
	return bytes.Join([][]byte{nil, body, nil}, space)
}
