package command

import (
	"crypto/tls"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"example.com/signet/pkg/webhook"
)

// defaultWait is what a receiver may ask for of somebody who waits for the command to end.
const defaultWait = 5 * time.Minute

// sendingFlags are what the commands that send webhooks have in common.
type sendingFlags struct {
	keyFlags

	maxRetries int
	timeout    time.Duration
	maxWait    time.Duration
	insecure   bool
}

func (f *sendingFlags) add(c *cobra.Command) {
	f.keyFlags.add(c, currentFirst)
	flags := c.Flags()
	flags.IntVar(&f.maxRetries, "max-retries", webhook.DefaultRetries, "how many attempts may follow the first")
	flags.DurationVar(&f.timeout, "timeout", webhook.DefaultTimeout, "how long an attempt may take")
	flags.DurationVar(&f.maxWait, "max-wait", defaultWait, "give up when the receiver's Retry-After asks for a longer wait, up to 24h")
	flags.BoolVar(&f.insecure, "insecure", false, "do not check TLS certificates")
}

func (f *sendingFlags) check() error {
	if f.maxRetries < 0 {
		return usage("--max-retries must not be negative")
	}
	if f.timeout <= 0 {
		return usage("--timeout must be above 0")
	}
	if f.maxWait < 0 || f.maxWait > webhook.MaxRetryAfter {
		return usage("--max-wait must be from 0s to 24h")
	}
	return nil
}

// client sends wherever its user wants to: guarding against private targets is the service's matter, not theirs.
// done gives its connections back.
func (f *sendingFlags) client(s Surroundings, concurrent int, more ...webhook.Option) (client *webhook.Client, done func(), err error) {
	transport := &http.Transport{}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		transport = standard.Clone()
	}
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = max(transport.MaxIdleConns, concurrent), concurrent
	if f.insecure {
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // what --insecure asks for
	}
	client, err = webhook.New(append([]webhook.Option{
		webhook.WithHTTPClient(&http.Client{Transport: transport}),
		webhook.WithRetries(f.maxRetries),
		webhook.WithTimeout(f.timeout),
		webhook.WithPatience(f.maxWait),
		webhook.WithConcurrency(concurrent),
		webhook.WithUserAgent("Signet/" + s.Version),
	}, more...)...)
	if err != nil {
		return nil, nil, err
	}
	return client, func() {
		_ = client.Close()
		transport.CloseIdleConnections()
	}, nil
}
