package command

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"unicode/utf8"

	"example.com/signet/pkg/webhook"
)

// hidden stands for what is secret.
const hidden = "xxxxx"

// dryRun shows a request instead of sending it.
type dryRun struct {
	sendFlags

	secrets []string
	url     string
}

// shown is a request as --json prints it.
type shown struct {
	Method  string      `json:"method"`
	URL     string      `json:"url"`
	Headers http.Header `json:"headers"`
	Body    string      `json:"body,omitempty"`
	Base64  string      `json:"body_base64,omitempty"` // instead, where it is not text
	Curl    string      `json:"curl"`
}

func (d dryRun) print(to io.Writer, request *http.Request) error {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return err
	}
	d.hide(request)
	command := d.curl(request, body)
	if d.json {
		show := shown{Method: request.Method, URL: webhook.Redact(d.url), Headers: request.Header, Curl: command}
		if utf8.Valid(body) {
			show.Body = string(body)
		} else {
			show.Base64 = base64.StdEncoding.EncodeToString(body)
		}
		return printJSON(to, show)
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	dump, err := httputil.DumpRequestOut(request, false)
	if err != nil {
		return err
	}
	head := strings.ReplaceAll(string(dump), "\r\n", "\n")
	_, err = fmt.Fprintf(to, "%s%s\n\n# the same with curl (%s stands for what is secret):\n%s\n", head, body, hidden, command)
	return err
}

// hide takes out of a request what must not be shown: the secrets where a scheme sends them as they are, and what
// opens doors elsewhere.
func (d dryRun) hide(request *http.Request) {
	for name, values := range request.Header {
		lower := strings.ToLower(name)
		credential := slices.ContainsFunc([]string{"authorization", "cookie", "token", "secret", "password", "api-key", "apikey"},
			func(word string) bool { return strings.Contains(lower, word) })
		for i, value := range values {
			if credential || d.betrays(value) {
				values[i] = hidden
			}
		}
	}
	if request.URL.RawQuery != "" {
		_, request.URL.RawQuery, _ = strings.Cut(webhook.Redact(d.url), "?")
	}
	request.URL.User = nil
}

// betrays reports whether one of the secrets stands in a header's value.
func (d dryRun) betrays(value string) bool {
	return slices.ContainsFunc(d.secrets, func(secret string) bool {
		return value == secret || len(secret) >= 8 && strings.Contains(value, secret)
	})
}

func (d dryRun) curl(request *http.Request, body []byte) string {
	var options []string
	if d.sending.insecure {
		options = append(options, "--insecure")
	}
	options = append(options, fmt.Sprintf("--max-time %g", d.sending.timeout.Seconds()))
	return curl{request: request, url: webhook.Redact(d.url), options: options, body: body}.String()
}
