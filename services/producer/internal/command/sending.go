package command

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"example.com/signet/pkg/service"
	"example.com/signet/pkg/signature"
	"example.com/signet/pkg/webhook"
)

// sendingFlags are what the commands that send webhooks have in common.
type sendingFlags struct {
	secret, secretFile string
	scheme             string
	maxRetries         int
	timeout            time.Duration
	insecure           bool
}

func (f *sendingFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.secret, "secret", "", "sign with this secret (or set WEBHOOK_SECRET, which other users of the machine cannot see)")
	flags.StringVar(&f.secretFile, "secret-file", "", "sign with the secret in this file")
	flags.StringVar(&f.scheme, "scheme", "", "the signature scheme; by default the secret decides")
	flags.IntVar(&f.maxRetries, "max-retries", webhook.DefaultRetries, "how many attempts may follow the first")
	flags.DurationVar(&f.timeout, "timeout", webhook.DefaultTimeout, "how long an attempt may take")
	flags.BoolVar(&f.insecure, "insecure", false, "do not check TLS certificates")
	c.MarkFlagsMutuallyExclusive("secret", "secret-file")
}

func (f *sendingFlags) check() error {
	if f.maxRetries < 0 {
		return usage("--max-retries must not be negative")
	}
	if f.timeout <= 0 {
		return usage("--timeout must be above 0")
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

const schemeFlag = "--scheme"

// signing is a secret, and where it was found.
type signing struct {
	secret string // empty: there is none
	source string // the flag or variable
}

// signing finds the secret: in the flags, or else in the environment.
func (f *sendingFlags) signing(s Surroundings) (signing, error) {
	if f.secret != "" {
		return signing{f.secret, "--secret"}, nil
	}
	environ, source := s.Environ, "WEBHOOK_SECRET"
	if f.secretFile != "" {
		environ, source = []string{"WEBHOOK_SECRET_FILE=" + f.secretFile}, "--secret-file"
	}
	env, faults := service.ReadEnvironment(environ, func(name string) bool { return name == "WEBHOOK_SECRET" })
	if err := faults.Err(); err != nil {
		if f.secretFile != "" {
			err = fmt.Errorf("--secret-file cannot be used: %w", err)
		}
		return signing{}, service.UsageError{Err: err}
	}
	if f.secretFile != "" && env["WEBHOOK_SECRET"] == "" {
		return signing{}, usage("--secret-file is empty")
	}
	return signing{env["WEBHOOK_SECRET"], source}, nil
}

// signer signs with the secret, by the scheme that is named or that it shows; nil when there is none. Errors name what
// the scheme comes from, or the secret.
func (s signing) signer(scheme, named string) (*signature.Signer, error) {
	if s.secret == "" {
		if scheme != "" {
			return nil, usage(named + " needs a secret")
		}
		return nil, nil
	}
	if scheme == "" {
		scheme = webhook.SchemeOf(s.secret)
	}
	signer, err := signature.NewSigner(scheme, s.secret)
	switch {
	case errors.Is(err, signature.ErrUnknownScheme), errors.Is(err, signature.ErrUnsignable):
		return nil, service.UsageError{Err: fmt.Errorf("%s: %w", named, err)}
	case err != nil:
		return nil, service.UsageError{Err: fmt.Errorf("%s: %w", s.source, err)}
	}
	return signer, nil
}

// note tells that nothing will be signed.
func (s signing) note(to Surroundings) error {
	if s.secret != "" {
		return nil
	}
	_, err := fmt.Fprintln(to.Err, "note: unsigned, as there is no --secret, --secret-file or WEBHOOK_SECRET")
	return err
}
