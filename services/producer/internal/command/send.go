package command

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/service"
	"example.com/signet/pkg/webhook"
)

// sendFlags are how a webhook is to be sent.
type sendFlags struct {
	sendingFlags

	payload, payloadFile string
	eventType            string
	headers              []string
	method               string
	json, dryRun         bool
}

func newSend(s Surroundings) *cobra.Command {
	var f sendFlags
	c := &cobra.Command{
		Use:   "send URL",
		Short: "Send one webhook, signed, and retry it",
		Long: `Send a payload to a URL as a signed webhook, byte for byte as it is given; --type wraps it into an event's
envelope. A secret that begins with whsec_ signs Standard Webhooks, any other X-Hub-Signature-256. What may succeed
later (no answer, 408, 425, 429 and 5xx) is tried again with growing waits, or when the receiver's Retry-After says.

Exit status: 0 delivered, 1 not delivered, 2 called wrongly.`,
		Example: `  producer send http://localhost:8000/webhook --secret mysecret --payload '{"event":"user.created","data":{"id":123}}'
  echo '{"order_id":"1","amount":9.99}' | producer send https://example.com/hook --payload-file - --type order.completed
  producer send https://example.com/hook --payload-file order.json --secret-file secret --dry-run`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return send(c.Context(), s, args[0], f) },
	}
	flags := c.Flags()
	flags.StringVar(&f.payload, "payload", "", "the body, JSON")
	flags.StringVar(&f.payloadFile, "payload-file", "", "read the body from this file; - is standard input")
	flags.StringVar(&f.eventType, "type", "", "wrap the payload in an envelope of this event type")
	f.add(c)
	flags.StringArrayVar(&f.headers, "header", nil, "add a header, 'Name: value'; may be repeated")
	flags.StringVar(&f.method, "method", http.MethodPost, "the HTTP method")
	flags.BoolVar(&f.json, "json", false, "print the result as JSON")
	flags.BoolVar(&f.dryRun, "dry-run", false, "send nothing; print the request, and a curl command that sends it (secrets are hidden)")
	c.MarkFlagsMutuallyExclusive("payload", "payload-file")
	c.MarkFlagsOneRequired("payload", "payload-file")
	return c
}

func send(ctx context.Context, s Surroundings, url string, f sendFlags) error {
	id := relay.NewMessageID(time.Now())
	payload, options, err := f.message(s, id)
	if err != nil {
		return err
	}
	secret, err := f.signing(s)
	if err != nil {
		return err
	}
	signer, err := secret.signer(f.scheme, schemeFlag)
	if err != nil {
		return err
	}
	options = append(options, webhook.WithSigner(signer))
	client, done, err := f.client(s, 1)
	if err != nil {
		return service.UsageError{Err: err}
	}
	defer done()
	if f.dryRun {
		request, err := client.Prepare(ctx, url, payload, options...)
		if err != nil {
			return refused(err)
		}
		return errors.Join(secret.note(s), dryRun{f, secret.secret, url}.print(s.Out, request))
	}
	started := time.Now()
	delivery, err := client.Send(ctx, url, payload, options...)
	if errors.Is(err, webhook.ErrInvalidURL) || errors.Is(err, webhook.ErrUnsendable) {
		return refused(err)
	}
	if noteErr := errors.Join(secret.note(s), f.report(s.Out, delivery, time.Since(started))); noteErr != nil {
		return noteErr
	}
	if err != nil {
		return notDelivered
	}
	return nil
}

// message is what is sent, and how, but for its signature.
func (f sendFlags) message(s Surroundings, id string) (payload []byte, options []webhook.SendOption, err error) {
	if err := f.check(); err != nil {
		return nil, nil, err
	}
	if !isToken(f.method) {
		return nil, nil, usage("--method must be a method such as POST or PUT")
	}
	header, err := parseHeaders(f.headers)
	if err != nil {
		return nil, nil, err
	}
	payload, err = f.body(s, header, id)
	if err != nil {
		return nil, nil, err
	}
	options = []webhook.SendOption{webhook.WithID(id), webhook.WithMethod(f.method)}
	for name, values := range header {
		for _, value := range values {
			options = append(options, webhook.WithHeader(name, value))
		}
	}
	return payload, options, nil
}

// refused words why nothing could be sent at all.
func refused(err error) error {
	if errors.Is(err, webhook.ErrInvalidURL) {
		return usage("URL must be an http or https URL with a host")
	}
	return service.UsageError{Err: err}
}
