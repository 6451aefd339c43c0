package command

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
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

// maxArgument is the longest body that becomes an argument of curl's; systems allow 128 KiB.
const maxArgument = 100 << 10

// dryRun shows a request instead of sending it.
type dryRun struct {
	sendFlags

	key string // the secret; empty: none
	url string
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
	curl := d.curl(request, body)
	if d.json {
		show := shown{Method: request.Method, URL: webhook.Redact(d.url), Headers: request.Header, Curl: curl}
		if utf8.Valid(body) {
			show.Body = string(body)
		} else {
			show.Base64 = base64.StdEncoding.EncodeToString(body)
		}
		encoder := json.NewEncoder(to)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(show)
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	dump, err := httputil.DumpRequestOut(request, false)
	if err != nil {
		return err
	}
	head := strings.ReplaceAll(string(dump), "\r\n", "\n")
	_, err = fmt.Fprintf(to, "%s%s\n\n# the same with curl (%s stands for what is secret):\n%s\n", head, body, hidden, curl)
	return err
}

// hide takes out of a request what must not be shown: the secret where a scheme sends it as it is, and what opens
// doors elsewhere.
func (d dryRun) hide(request *http.Request) {
	for name, values := range request.Header {
		lower := strings.ToLower(name)
		credential := slices.ContainsFunc([]string{"authorization", "cookie", "token", "secret", "password", "api-key", "apikey"},
			func(word string) bool { return strings.Contains(lower, word) })
		for i, value := range values {
			if credential || value == d.key || len(d.key) >= 8 && strings.Contains(value, d.key) {
				values[i] = hidden
			}
		}
	}
	if request.URL.RawQuery != "" {
		_, request.URL.RawQuery, _ = strings.Cut(webhook.Redact(d.url), "?")
	}
	request.URL.User = nil
}

// curl is a command for a POSIX shell that sends the request.
func (d dryRun) curl(request *http.Request, body []byte) string {
	lines := []string{fmt.Sprintf("curl --request %s %s", quote(request.Method), quote(webhook.Redact(d.url)))}
	if d.insecure {
		lines = append(lines, "--insecure")
	}
	lines = append(lines, fmt.Sprintf("--max-time %g", d.timeout.Seconds()))
	if request.Host != request.URL.Host {
		lines = append(lines, "--header "+quote("Host: "+request.Host))
	}
	names := make([]string, 0, len(request.Header))
	for name := range request.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range request.Header[name] {
			lines = append(lines, "--header "+quote(header(name, value)))
		}
	}
	if len(body) <= maxArgument && utf8.Valid(body) && !bytes.ContainsRune(body, 0) {
		lines = append(lines, "--data-raw "+quote(string(body)))
		return strings.Join(lines, " \\\n  ")
	}
	lines = append(lines, "--data-binary @-")
	return "printf %s " + quote(base64.StdEncoding.EncodeToString(body)) + " | base64 -d | " + strings.Join(lines, " \\\n  ")
}

// header is how curl wants one: without a value a header would not be sent, but for the semicolon.
func header(name, value string) string {
	if value == "" {
		return name + ";"
	}
	return name + ": " + value
}

// quote makes one word of s for a POSIX shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') || (r >= '0' && r <= '9') || strings.ContainsRune("_-./:,@%+=", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
