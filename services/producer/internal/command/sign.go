package command

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/service"
	"example.com/signet/pkg/signature"
	"example.com/signet/pkg/webhook"
)

// signFlags are what is to be signed, and how it is to be printed.
type signFlags struct {
	message    messageFlags
	key        keyFlags
	id, at     string
	curl, json bool
}

func newSign(s Surroundings) *cobra.Command {
	var f signFlags
	c := &cobra.Command{
		Use:   "sign [URL]",
		Short: "Print the headers a payload would be sent with, or a curl command",
		Long: `Sign a payload and print the headers it would be sent with, one a line, or with --curl the command that sends it.
Nothing is sent. The signature is over the payload byte for byte: send it as it is. With --type it is over the envelope
that the payload is wrapped into, which then stands below the headers.

The URL is needed for --curl, and for schemes that sign it (hubspot, square, twilio). Several secrets sign with each,
as during a rotation, where the scheme can carry several signatures. What is printed is good for as long as the
scheme's tolerance lasts, mostly five minutes. Exit status: 0, or 2 when it was called wrongly.`,
		Example: `  producer sign --payload '{"event":"user.created"}' --secret-file secret
  producer sign http://localhost:8000/webhook --payload-file order.json --scheme stripe --secret-file secret --curl
  printf %s "$BODY" | producer sign --payload-file - --scheme slack --json
  eval "$(producer sign http://localhost:8000/webhook --payload '{}' --curl)"`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return one("URL")(c, args)
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			return sign(c.Context(), s, strings.Join(args, ""), f)
		},
	}
	f.message.add(c)
	f.key.add(c, currentFirst)
	flags := c.Flags()
	flags.StringVar(&f.id, "id", "", "the webhook's id (default a new one)")
	flags.StringVar(&f.at, "at", "", "sign as of this time, RFC 3339 or Unix seconds (default now)")
	flags.BoolVar(&f.curl, "curl", false, "print a curl command")
	flags.BoolVar(&f.json, "json", false, "print a JSON object")
	c.MarkFlagsMutuallyExclusive("curl", "json")
	return c
}

func sign(ctx context.Context, s Surroundings, url string, f signFlags) error {
	message, err := f.compose(s, url)
	if err != nil {
		return err
	}
	signing, err := f.key.required(s)
	if err != nil {
		return err
	}
	message.Signer = signing.signer
	request, err := prepare(ctx, signing.scheme, message)
	if err != nil {
		return err
	}
	if signing.scheme == "gitlab" && request.Header.Get("X-Gitlab-Token") != "" {
		if _, err := fmt.Fprintln(s.Err, "note: X-Gitlab-Token is the secret itself; a signing token (whsec_…) stays secret"); err != nil {
			return err
		}
	}
	switch {
	case f.json:
		return printJSON(s.Out, f.signed(signing.scheme, message, request))
	case f.curl:
		_, err := fmt.Fprintln(s.Out, curl{request, url, []string{"--include"}, message.Body, f.file()})
		return err
	}
	lines := headerLines(request)
	if f.message.eventType != "" {
		lines = append(lines, "", string(message.Body)) // else nobody would know it
	}
	_, err = fmt.Fprintln(s.Out, strings.Join(lines, "\n"))
	return err
}

// compose makes the message, with an id and a time of its own unless it was given them.
func (f signFlags) compose(s Surroundings, url string) (m webhook.Request, err error) {
	at, err := parseTime(f.at)
	if err != nil {
		return m, err
	}
	if url != "" {
		if err := checkURL(url, "URL"); err != nil {
			return m, err
		}
	} else if f.curl {
		return m, usage("--curl needs the URL")
	}
	if f.id == "" {
		f.id = relay.NewMessageID(at)
	}
	m, err = f.message.compose(s, f.id, at)
	m.URL = url
	return m, err
}

// nowhere stands for the URL where none is given and none is signed.
const nowhere = "http://nowhere.invalid/"

// prepare makes the very request that would be sent, but for the name of the program that sends it.
func prepare(ctx context.Context, scheme string, m webhook.Request) (*http.Request, error) {
	if m.URL == "" {
		if info, err := signature.Describe(scheme); err != nil || info.SignsURL {
			return nil, usage(scheme + " signs the URL: give it as an argument")
		}
		m.URL = nowhere
	}
	request, err := webhook.NewSender(nil, "").Prepare(ctx, m)
	if err != nil {
		return nil, service.UsageError{Err: err}
	}
	if m.Header.Get("User-Agent") == "" {
		request.Header.Del("User-Agent")
	}
	return request, nil
}

// file is what holds the body as it is sent; empty: nothing does.
func (f signFlags) file() string {
	if f.message.payload.file == "-" || f.message.eventType != "" {
		return ""
	}
	return f.message.payload.file
}

// signed is a request as --json prints it.
type signed struct {
	Scheme   string            `json:"scheme"`
	ID       string            `json:"id"`
	Time     time.Time         `json:"time"`
	Method   string            `json:"method"`
	URL      string            `json:"url,omitempty"`
	Headers  map[string]string `json:"headers"`
	Bytes    int               `json:"body_bytes"`
	Envelope string            `json:"body,omitempty"` // with --type: what was signed instead of the payload
}

func (f signFlags) signed(scheme string, m webhook.Request, request *http.Request) signed {
	r := signed{Scheme: scheme, ID: m.ID, Time: m.Time, Method: m.Method, URL: m.URL, Headers: map[string]string{}, Bytes: len(m.Body)}
	for name, values := range request.Header {
		r.Headers[name] = strings.Join(values, ", ")
	}
	if f.message.eventType != "" {
		r.Envelope = string(m.Body)
	}
	return r
}

// parseTime reads RFC 3339 or Unix seconds; empty means now.
func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Now().Truncate(time.Second), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if seconds, wrong := strconv.ParseInt(text, 10, 64); wrong == nil {
		at, err = time.Unix(seconds, 0), nil
	}
	if err != nil || at.Unix() < 0 || at.UTC().Year() > 9999 {
		return at, usage("--at must be a time from 1970 to 9999, such as 2026-01-31T12:00:00Z or 1769857200 (seconds)")
	}
	return at, nil
}
