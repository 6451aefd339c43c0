package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/service"
	"example.com/signet/pkg/webhook"
)

// maxPayload is the most that is sent, in bytes.
const maxPayload = 64 << 20

// sendFlags are how a webhook is to be sent.
type sendFlags struct {
	payload, payloadFile string
	eventType            string
	secret, secretFile   string
	scheme               string
	headers              []string
	maxRetries           int
	timeout              time.Duration
	json                 bool
}

func newSend(s Surroundings) *cobra.Command {
	var f sendFlags
	c := &cobra.Command{
		Use:   "send URL",
		Short: "Send one webhook, signed, and retry it",
		Long: `Send a payload to a URL as a signed webhook. A secret that begins with whsec_ signs Standard Webhooks, any
other X-Hub-Signature-256. Exit status: 0 delivered, 1 not delivered, 2 called wrongly.`,
		Example: `  producer send http://localhost:8000/webhook --payload '{"event":"user.created","data":{"id":123}}'
  echo '{"order_id":"1","amount":9.99}' | producer send https://example.com/hook --payload-file - --type order.completed`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return send(c.Context(), s, args[0], f) },
	}
	flags := c.Flags()
	flags.StringVar(&f.payload, "payload", "", "the body, JSON")
	flags.StringVar(&f.payloadFile, "payload-file", "", "read the body from this file; - is standard input")
	flags.StringVar(&f.eventType, "type", "", "wrap the payload in an envelope of this event type")
	flags.StringVar(&f.secret, "secret", "", "sign with this secret (or set WEBHOOK_SECRET, which other users of the machine cannot see)")
	flags.StringVar(&f.secretFile, "secret-file", "", "sign with the secret in this file")
	flags.StringVar(&f.scheme, "scheme", "", "the signature scheme; by default the secret decides")
	flags.StringArrayVar(&f.headers, "header", nil, "add a header, 'Name: value'; may be repeated")
	flags.IntVar(&f.maxRetries, "max-retries", webhook.DefaultRetries, "how many attempts may follow the first")
	flags.DurationVar(&f.timeout, "timeout", webhook.DefaultTimeout, "how long an attempt may take")
	flags.BoolVar(&f.json, "json", false, "print the result as JSON")
	c.MarkFlagsMutuallyExclusive("payload", "payload-file")
	c.MarkFlagsOneRequired("payload", "payload-file")
	c.MarkFlagsMutuallyExclusive("secret", "secret-file")
	return c
}

func send(ctx context.Context, s Surroundings, url string, f sendFlags) error {
	header, err := parseHeaders(f.headers)
	if err != nil {
		return err
	}
	if f.maxRetries < 0 || f.timeout <= 0 {
		return usage("--max-retries must not be negative, and --timeout must be above 0")
	}
	id := relay.NewMessageID(time.Now())
	payload, err := f.body(s, header, id)
	if err != nil {
		return err
	}
	client, err := f.client(s)
	if err != nil {
		return err
	}
	options := []webhook.SendOption{webhook.WithID(id)}
	for name, values := range header {
		for _, value := range values {
			options = append(options, webhook.WithHeader(name, value))
		}
	}
	started := time.Now()
	delivery, err := client.Send(ctx, url, payload, options...)
	if errors.Is(err, webhook.ErrInvalidURL) {
		return usage("URL must be an http or https URL with a host")
	}
	if printErr := f.report(s.Out, delivery, time.Since(started)); printErr != nil {
		return printErr
	}
	if err != nil {
		return notDelivered
	}
	return nil
}

func parseHeaders(given []string) (http.Header, error) {
	header := http.Header{}
	for _, line := range given {
		name, value, found := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		if !found || name == "" || strings.ContainsAny(name, " \t\r\n") || strings.ContainsAny(value, "\r\n\x00") {
			return nil, usage("--header must be 'Name: value'")
		}
		header.Add(name, strings.TrimSpace(value))
	}
	return header, nil
}

// body reads the payload and makes of it what is sent.
func (f sendFlags) body(s Surroundings, header http.Header, id string) ([]byte, error) {
	payload, err := f.read(s)
	if err != nil {
		return nil, err
	}
	wrap := f.eventType != ""
	if wrap && !webhook.ValidType(f.eventType) {
		return nil, usage("--type must be letters, digits or any of . _ - / :")
	}
	if (wrap || isJSON(header)) && !json.Valid(payload) {
		return nil, usage("the payload is not JSON; for anything else set its --header 'Content-Type: …'")
	}
	if !wrap {
		return payload, nil
	}
	return webhook.Event{ID: id, Type: f.eventType, Timestamp: time.Now().Truncate(time.Millisecond), Data: payload}.Encode()
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

func (f sendFlags) read(s Surroundings) ([]byte, error) {
	switch f.payloadFile {
	case "":
		return []byte(f.payload), nil
	case "-":
		return readAtMost(s.In)
	}
	file, err := os.Open(f.payloadFile)
	if err != nil {
		return nil, service.UsageError{Err: err}
	}
	payload, err := readAtMost(file)
	return payload, errors.Join(err, file.Close())
}

func readAtMost(from io.Reader) ([]byte, error) {
	payload, err := io.ReadAll(io.LimitReader(from, maxPayload+1))
	if err == nil && len(payload) > maxPayload {
		err = usage(fmt.Sprintf("the payload is larger than %d bytes", maxPayload))
	}
	return payload, err
}

// client makes the sender. It sends wherever its user wants to: that is the service's guard, not theirs.
func (f sendFlags) client(s Surroundings) (*webhook.Client, error) {
	options := []webhook.Option{
		webhook.WithRetries(f.maxRetries),
		webhook.WithTimeout(f.timeout),
		webhook.WithUserAgent("Signet/" + s.Version),
	}
	secret, err := f.signingSecret(s)
	if err != nil {
		return nil, err
	}
	if secret == "" {
		if f.scheme != "" {
			return nil, usage("--scheme needs a secret")
		}
		if _, err := fmt.Fprintln(s.Err, "note: sent unsigned, as there is no --secret, --secret-file or WEBHOOK_SECRET"); err != nil {
			return nil, err
		}
	} else {
		options = append(options, webhook.WithSecret(secret))
	}
	if f.scheme != "" {
		options = append(options, webhook.WithScheme(f.scheme))
	}
	client, err := webhook.New(options...)
	if err != nil {
		return nil, service.UsageError{Err: err}
	}
	return client, nil
}

func (f sendFlags) signingSecret(s Surroundings) (string, error) {
	if f.secret != "" {
		return f.secret, nil
	}
	environ := s.Environ
	if f.secretFile != "" {
		environ = []string{"WEBHOOK_SECRET_FILE=" + f.secretFile}
	}
	env, faults := service.ReadEnvironment(environ, func(name string) bool { return name == "WEBHOOK_SECRET" })
	if err := faults.Err(); err != nil {
		return "", service.UsageError{Err: err}
	}
	return env["WEBHOOK_SECRET"], nil
}
