package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/service"
	"example.com/signet/pkg/signature"
)

// signFlags are what is to be signed, and how it is to be printed.
type signFlags struct {
	payload payloadFlags
	signing keyFlags
	headers []string
	id, at  string
	method  string
	curl    bool
	json    bool
}

// signed is a request as it would be sent.
type signed struct {
	Scheme  string            `json:"scheme"`
	ID      string            `json:"id"`
	Time    time.Time         `json:"time"`
	Method  string            `json:"method"`
	URL     string            `json:"url,omitempty"`
	Headers map[string]string `json:"headers"`
	Body    int               `json:"body_bytes"`

	header http.Header
	body   []byte
}

func newSign(s Surroundings) *cobra.Command {
	var f signFlags
	c := &cobra.Command{
		Use:   "sign [URL]",
		Short: "Print the headers a payload would be sent with, or a curl command",
		Long: `Sign a payload and print the headers it would be sent with, one a line, or with --curl the command that sends it.
Nothing is sent. The signature is over the payload byte for byte: send it as it is.

The URL is needed for --curl, and for schemes that sign it (hubspot, square, twilio). Several secrets sign with each,
as during a rotation, where the scheme can carry several signatures. What is printed is good for as long as the
scheme's tolerance lasts, mostly five minutes. Exit status: 0, or 2 when it was called wrongly.`,
		Example: `  producer sign --payload '{"event":"user.created"}' --secret-file secret
  producer sign http://localhost:8000/webhook --payload-file order.json --scheme stripe --secret-file secret --curl
  printf %s "$BODY" | producer sign --payload-file - --scheme slack --json
  eval "$(producer sign http://localhost:8000/webhook --payload '{}' --curl)"`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return oneURL(c, args)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return sign(c, s, strings.Join(args, ""), f) },
	}
	f.payload.add(c, "the body")
	c.MarkFlagsOneRequired("payload", "payload-file")
	f.signing.add(c, "; may be repeated, the current one first")
	flags := c.Flags()
	flags.StringArrayVar(&f.headers, "header", nil, "add a header, 'Name: value'; may be repeated")
	flags.StringVar(&f.id, "id", "", "the webhook's id (default a new one)")
	flags.StringVar(&f.at, "at", "", "sign as of this time, RFC 3339 or Unix seconds (default now)")
	flags.StringVar(&f.method, "method", http.MethodPost, "the request's method")
	flags.BoolVar(&f.curl, "curl", false, "print a curl command")
	flags.BoolVar(&f.json, "json", false, "print a JSON object")
	c.MarkFlagsMutuallyExclusive("curl", "json")
	return c
}

func sign(c *cobra.Command, s Surroundings, url string, f signFlags) error {
	request, err := f.request(c, s, url)
	if err != nil {
		return err
	}
	if request.Scheme == "gitlab" && request.header.Get("X-Gitlab-Token") != "" {
		if _, err := fmt.Fprintln(s.Err, "note: X-Gitlab-Token is the secret itself; a signing token (whsec_…) stays secret"); err != nil {
			return err
		}
	}
	switch {
	case f.json:
		encoder := json.NewEncoder(s.Out)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(request)
	case f.curl:
		command, err := request.curl(f.payload.file)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(s.Out, command)
		return err
	}
	for _, line := range request.lines() {
		if _, err := fmt.Fprintln(s.Out, line); err != nil {
			return err
		}
	}
	return nil
}

func (f signFlags) request(c *cobra.Command, s Surroundings, url string) (signed, error) {
	r := signed{ID: f.id, Method: f.method, URL: url}
	var err error
	if r.Time, err = parseTime(f.at); err != nil {
		return r, err
	}
	if url != "" {
		if err := checkURL(url, "URL"); err != nil {
			return r, err
		}
	} else if f.curl {
		return r, usage("--curl needs the URL")
	}
	if r.ID == "" {
		r.ID = relay.NewMessageID(r.Time)
	}
	if r.header, err = parseHeaders(f.headers); err != nil {
		return r, err
	}
	r.header.Set("Content-Type", contentType(r.header))
	if r.body, err = f.payload.read(c, s, ""); err != nil {
		return r, err
	}
	scheme, secrets, err := f.signing.resolve(s)
	if err != nil {
		return r, err
	}
	r.Scheme = scheme
	return r, r.sign(secrets)
}

// sign adds the scheme's headers, and the id under a name of its own where the scheme has none for it, as the sender
// does.
func (r *signed) sign(secrets []string) error {
	signer, err := signature.NewSigner(r.Scheme, secrets...)
	if err != nil {
		return service.UsageError{Err: err}
	}
	out := signature.Outgoing{
		ID: r.ID, Time: r.Time, Method: r.Method, URL: r.URL, ContentType: r.header.Get("Content-Type"), Body: r.body,
	}
	if err := signer.Sign(out, r.header); err != nil {
		return service.UsageError{Err: err}
	}
	if !carries(r.header, r.ID) {
		r.header.Set("Idempotency-Key", r.ID)
	}
	r.Body, r.Headers = len(r.body), map[string]string{}
	for name, values := range r.header {
		r.Headers[name] = strings.Join(values, ", ")
	}
	return nil
}

// carries reports whether one of the headers is the id.
func carries(h http.Header, id string) bool {
	for _, values := range h {
		if slices.Contains(values, id) {
			return true
		}
	}
	return false
}

// lines are the headers, sorted.
func (r *signed) lines() []string {
	var lines []string
	for name, values := range r.header {
		for _, value := range values {
			lines = append(lines, name+": "+value)
		}
	}
	slices.Sort(lines)
	return lines
}

// curl is a command for a POSIX shell. A payload that came from a file is read from there again, so that any bytes
// can be sent; --data-raw, unlike --data, takes nothing for the name of a file.
func (r *signed) curl(file string) (string, error) {
	words := []string{"curl", "-i", "-X", quoted(r.Method), quoted(r.URL)}
	for _, line := range r.lines() {
		words = append(words, "\\\n  -H", quoted(line))
	}
	switch {
	case file != "" && file != "-":
		return strings.Join(append(words, "\\\n  --data-binary", quoted("@"+file)), " "), nil
	case slices.Contains(r.body, 0) || len(r.body) > maxWord:
		return "", usage("--curl cannot hold this payload in a command line: give it as a --payload-file")
	}
	return strings.Join(append(words, "\\\n  --data-raw", quoted(string(r.body))), " "), nil
}

// maxWord is the longest word of a command line that is printed; Linux takes 128 KiB.
const maxWord = 100 << 10

// parseTime reads RFC 3339 or Unix seconds; empty means now.
func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Now().Truncate(time.Second), nil
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, service.UsageError{Err: errors.New("--at must be a time such as 2026-01-31T12:00:00Z or 1769857200")}
	}
	return at, nil
}
