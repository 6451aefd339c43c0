package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/service"
	"example.com/signet/pkg/webhook"
)

// sendFlags are how a webhook is to be sent.
type sendFlags struct {
	message      messageFlags
	sending      sendingFlags
	json, dryRun bool
}

func newSend(s Surroundings) *cobra.Command {
	var f sendFlags
	c := &cobra.Command{
		Use:   "send URL",
		Short: "Send one webhook, signed, and retry it",
		Long: `Send a payload to a URL as a signed webhook, byte for byte as it is given; --type wraps it into an event's
envelope. A secret that begins with whsec_ signs Standard Webhooks, any other X-Hub-Signature-256. What may succeed
later (no answer, 408, 425, 429 and 5xx) is tried again with growing waits, or when the receiver's Retry-After says,
unless that is longer than --max-wait.

Exit status: 0 delivered, 1 not delivered, 2 called wrongly.`,
		Example: `  producer send http://localhost:8000/webhook --secret mysecret --payload '{"event":"user.created","data":{"id":123}}'
  echo '{"order_id":"1","amount":9.99}' | producer send https://example.com/hook --payload-file - --type order.completed
  producer send https://example.com/hook --payload-file order.json --secret-file secret --dry-run`,
		Args:              one("URL"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(c *cobra.Command, args []string) error { return send(c.Context(), s, args[0], f) },
	}
	f.message.add(c)
	f.sending.add(c)
	flags := c.Flags()
	flags.BoolVar(&f.json, "json", false, "print the result as JSON")
	flags.BoolVar(&f.dryRun, "dry-run", false, "send nothing; print the request, and a curl command that sends it (secrets are hidden)")
	return c
}

func send(ctx context.Context, s Surroundings, url string, f sendFlags) error {
	if err := errors.Join(checkURL(url, "URL"), f.sending.check()); err != nil {
		return service.UsageError{Err: err}
	}
	now := time.Now()
	message, err := f.message.compose(s, relay.NewMessageID(now), now)
	if err != nil {
		return err
	}
	signing, err := f.sending.signing(s)
	if err != nil {
		return err
	}
	client, done, err := f.sending.client(s, 1)
	if err != nil {
		return service.UsageError{Err: err}
	}
	defer done()
	options := append(optionsOf(message), webhook.WithSigner(signing.signer))
	if f.dryRun {
		request, err := client.Prepare(ctx, url, message.Body, options...)
		if err != nil {
			return service.UsageError{Err: err}
		}
		return errors.Join(signing.note(s), dryRun{f, signing.keys.secrets(), url}.print(s.Out, request))
	}
	client.OnDelivery(func(d webhook.Delivery) { tellWait(s, d) })
	started := time.Now()
	delivery, err := client.Send(ctx, url, message.Body, options...)
	if errors.Is(err, webhook.ErrInvalidURL) || errors.Is(err, webhook.ErrUnsendable) {
		return service.UsageError{Err: err}
	}
	if noteErr := errors.Join(signing.note(s), f.report(s, delivery, time.Since(started))); noteErr != nil {
		return noteErr
	}
	if err != nil {
		_, _ = fmt.Fprintln(s.Err, err) // the status says so too
		return notDelivered
	}
	return nil
}

// tellWait says why nothing happens for a while.
func tellWait(s Surroundings, d webhook.Delivery) {
	if d.Status == webhook.StatusRetrying {
		_, _ = fmt.Fprintf(s.Err, "attempt %d: %v; the next one in %s\n", len(d.Attempts), d.Last().Err, time.Until(d.NextAt).Round(100*time.Millisecond))
	}
}

// optionsOf has a client send a message as it is, at whatever time each attempt is.
func optionsOf(message webhook.Request) []webhook.SendOption {
	options := []webhook.SendOption{webhook.WithID(message.ID), webhook.WithMethod(message.Method)}
	for name, values := range message.Header {
		for _, value := range values {
			options = append(options, webhook.WithHeader(name, value))
		}
	}
	return options
}
