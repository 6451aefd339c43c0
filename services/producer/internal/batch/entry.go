package batch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strings"

	"example.com/signet/pkg/webhook"
)

// Entry is one webhook to be sent.
type Entry struct {
	Number int   // from 1
	Line   int   // where it begins, from 1
	End    int64 // the bytes of the input up to its end

	ID             string // empty: none is given
	URL            string
	Payload        []byte // the bytes to be sent
	Secret, Scheme string // empty: those of the whole batch
	Headers        map[string]string

	Wrong error  // why it cannot be sent; nil: it can
	raw   []byte // as it stands in the input; nil: it is too long
	named bool   // the id is the entry's own
}

// fields are an entry as JSON has it.
type fields struct {
	ID      *string           `json:"id"`
	URL     *string           `json:"url"`
	Payload json.RawMessage   `json:"payload"`
	Secret  *string           `json:"secret"`
	Scheme  *string           `json:"scheme"`
	Headers map[string]string `json:"headers"`
}

// parse fills an entry from JSON.
func (e *Entry) parse(text []byte) { e.Wrong = e.fill(text) }

func (e *Entry) fill(text []byte) error {
	var f fields
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return reword(err)
	}
	if len(bytes.TrimSpace(text[decoder.InputOffset():])) > 0 {
		return errors.New("something follows the entry on its line")
	}
	for value, to := range map[*string]*string{f.ID: &e.ID, f.URL: &e.URL, f.Secret: &e.Secret, f.Scheme: &e.Scheme} {
		if value != nil {
			*to = *value
		}
	}
	e.Headers, e.named = f.Headers, e.ID != ""
	if f.URL == nil || *f.URL == "" {
		return errors.New("url is missing")
	}
	if err := checkHeaders(f.Headers); err != nil {
		return err
	}
	return e.take(f.Payload)
}

// take makes the body of the payload: JSON byte for byte, but of a string its text, for what is not JSON.
func (e *Entry) take(payload json.RawMessage) error {
	if payload == nil {
		return errors.New("payload is missing")
	}
	e.Payload = payload
	if payload[0] != '"' {
		return nil
	}
	var text string
	if err := json.Unmarshal(payload, &text); err != nil {
		return errors.New("payload is not JSON")
	}
	e.Payload = []byte(text)
	if e.isJSON() && !json.Valid(e.Payload) {
		return errors.New(`payload is text that is not JSON; for anything else set "Content-Type" in its headers`)
	}
	return nil
}

func (e *Entry) isJSON() bool {
	for name, value := range e.Headers {
		if strings.EqualFold(name, "Content-Type") {
			media, _, err := mime.ParseMediaType(value)
			return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
		}
	}
	return true
}

func checkHeaders(headers map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		odd := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) }
		if name == "" || strings.IndexFunc(name, odd) >= 0 {
			return fmt.Errorf("headers: %q cannot be the name of a header", name)
		}
		if strings.IndexFunc(headers[name], func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) >= 0 {
			return fmt.Errorf("headers: the value of %q has a line break or another control character in it", name)
		}
	}
	return nil
}

// reword keeps values, which may be secrets, out of what is said about an entry.
func reword(err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field == "":
		return errors.New("an entry must be an object with url and payload")
	case errors.As(err, &wrong):
		kind := "a text in quotes"
		if wrong.Field == "headers" {
			kind = "an object of names and texts"
		}
		return fmt.Errorf("%s must be %s", wrong.Field, kind)
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		return fmt.Errorf("%s is not a field of an entry (id, url, payload, secret, scheme, headers)", strings.TrimPrefix(err.Error(), "json: unknown field "))
	default:
		return fmt.Errorf("not JSON: %w", err)
	}
}

// Label says where an entry stands.
func (e *Entry) Label() string { return fmt.Sprintf("line %d, entry %d", e.Line, e.Number) }

// options are what sets the sending of an entry apart.
func (e *Entry) options() []webhook.SendOption {
	options := []webhook.SendOption{webhook.WithID(e.ID)}
	for name, value := range e.Headers {
		options = append(options, webhook.WithHeader(name, value))
	}
	return options
}
