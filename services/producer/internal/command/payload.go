package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"example.com/signet/pkg/service"
	"example.com/signet/pkg/webhook"
)

// maxPayload is the most that is sent, in bytes.
const maxPayload = 64 << 20

// body reads the payload and makes of it what is sent.
func (f sendFlags) body(s Surroundings, header http.Header, id string) ([]byte, error) {
	payload, from, err := f.read(s)
	if err != nil {
		return nil, err
	}
	wrap := f.eventType != ""
	if wrap && !webhook.ValidType(f.eventType) {
		return nil, usage(fmt.Sprintf("--type must be at most %d letters, digits or any of . _ - / :", webhook.MaxType))
	}
	if wrap || isJSON(header) {
		if err := checkJSON(payload); err != nil {
			return nil, usage(fmt.Sprintf("%s is not JSON: %v; for anything else set its --header 'Content-Type: …'", from, err))
		}
	}
	if !wrap {
		return payload, nil
	}
	return webhook.Event{ID: id, Type: f.eventType, Timestamp: time.Now().Truncate(time.Millisecond), Data: payload}.Encode()
}

// checkJSON tells where a text stops being JSON.
func checkJSON(text []byte) error {
	if json.Valid(text) {
		return nil
	}
	var value json.RawMessage
	err := json.Unmarshal(text, &value)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("line %d: %w", 1+strings.Count(string(text[:min(int(syntax.Offset), len(text))]), "\n"), err)
	}
	return err
}

// isJSON reports whether a body under these headers has to be JSON; without a content type it is sent as such.
func isJSON(header http.Header) bool {
	given := header.Get("Content-Type")
	if given == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(given)
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}

// read tells too where the payload comes from, for what is said about it.
func (f sendFlags) read(s Surroundings) (payload []byte, from string, err error) {
	switch f.payloadFile {
	case "":
		return []byte(f.payload), "--payload", nil
	case "-":
		payload, err = readAtMost(s.In, "standard input")
		return payload, "standard input", err
	}
	file, err := os.Open(f.payloadFile)
	if err != nil {
		return nil, "", service.UsageError{Err: fmt.Errorf("--payload-file: %w", err)}
	}
	payload, err = readAtMost(file, "--payload-file")
	return payload, "--payload-file " + f.payloadFile, errors.Join(err, file.Close())
}

func readAtMost(from io.Reader, name string) ([]byte, error) {
	payload, err := io.ReadAll(io.LimitReader(from, maxPayload+1))
	if err != nil {
		return nil, service.UsageError{Err: fmt.Errorf("%s: %w", name, err)}
	}
	if len(payload) > maxPayload {
		return nil, usage(fmt.Sprintf("%s is larger than %d bytes", name, maxPayload))
	}
	return payload, nil
}

func parseHeaders(given []string) (http.Header, error) {
	header := http.Header{}
	for _, line := range given {
		name, value, found := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		if !found || !isToken(name) || strings.ContainsAny(value, "\r\n\x00") {
			return nil, usage("--header must be 'Name: value'")
		}
		header.Add(name, strings.TrimSpace(value))
	}
	return header, nil
}

// isToken reports whether s can be the name of a header or of a method (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	}) < 0
}

// isURL reports whether a webhook can go there.
func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}
