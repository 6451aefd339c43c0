package command

import (
	"cmp"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/signet/pkg/webhook"
)

// messageFlags are what one webhook consists of, be it sent or only signed.
type messageFlags struct {
	payload   payloadFlags
	eventType string
	headers   []string
	method    string
}

func (f *messageFlags) add(c *cobra.Command) {
	f.payload.add(c, "the body, JSON")
	c.MarkFlagsOneRequired("payload", "payload-file")
	flags := c.Flags()
	flags.StringVar(&f.eventType, "type", "", "wrap the payload in an envelope of this event type")
	flags.StringVar(&f.method, "method", http.MethodPost, "the HTTP method")
	addHeader(c, &f.headers)
}

func addHeader(c *cobra.Command, headers *[]string) {
	c.Flags().StringArrayVar(headers, "header", nil, "add a header, 'Name: value'; may be repeated")
}

// compose reads the payload and makes a request of it, but for the URL and what signs it.
func (f *messageFlags) compose(s Surroundings, id string, at time.Time) (r webhook.Request, err error) {
	if !isToken(f.method) {
		return r, usage("--method must be a method such as POST or PUT")
	}
	r = webhook.Request{Method: f.method, ID: id, Time: at}
	if r.Header, err = parseHeaders(f.headers); err != nil {
		return r, err
	}
	r.Body, err = f.body(s, r)
	return r, err
}

// body reads the payload and makes of it what is sent.
func (f *messageFlags) body(s Surroundings, r webhook.Request) ([]byte, error) {
	payload, from, err := f.payload.read(s, "")
	if err != nil {
		return nil, err
	}
	wrap := f.eventType != ""
	if wrap && !webhook.ValidType(f.eventType) {
		return nil, usage(fmt.Sprintf("--type must be at most %d letters, digits or any of . _ - / :", webhook.MaxType))
	}
	if wrap || isJSON(r.Header) {
		if err := checkJSON(payload); err != nil {
			return nil, usage(fmt.Sprintf("%s is not JSON: %v; for anything else set its --header 'Content-Type: …'", from, err))
		}
	}
	if !wrap {
		return payload, nil
	}
	return webhook.Event{ID: r.ID, Type: f.eventType, Timestamp: r.Time.Truncate(time.Millisecond), Data: payload}.Encode()
}

// contentType is what the body is declared as.
func contentType(h http.Header) string { return cmp.Or(h.Get("Content-Type"), "application/json") }

// isJSON reports whether a body under these headers has to be JSON.
func isJSON(header http.Header) bool {
	media, _, err := mime.ParseMediaType(contentType(header))
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}

func parseHeaders(given []string) (http.Header, error) {
	header := http.Header{}
	for _, line := range given {
		name, value, found := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		if !found || !isToken(name) || strings.IndexFunc(value, isControl) >= 0 {
			return nil, usage("--header must be 'Name: value', without control characters")
		}
		header.Add(name, strings.TrimSpace(value))
	}
	return header, nil
}

// isControl reports whether r cannot stand in a header's value (RFC 9110, section 5.5).
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// isToken reports whether s can be the name of a header or of a method (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	}) < 0
}
