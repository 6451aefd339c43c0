package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"example.com/signet/pkg/service"
	"example.com/signet/pkg/signature"
	"example.com/signet/pkg/webhook"
)

// secretMode lets the group read: two services of different users share the file through it.
const secretMode = 0o640

// secretFlags are what secret is wanted, and where.
type secretFlags struct {
	scheme, file        string
	quiet, public, json bool
}

func newSecret(s Surroundings) *cobra.Command {
	var f secretFlags
	c := &cobra.Command{
		Use:   "secret",
		Short: "Make a strong webhook secret",
		Long: `Print a new strong webhook secret in the format of its scheme: whsec_… for Standard Webhooks and its kin, a private
key where the scheme has key pairs (standard-ed25519, discord, sendgrid), otherwise 64 hexadecimal digits. Beside a
private key the public one, which is all that the receiver gets, is told on standard error; --public prints it instead.

With --file, print the secret in that file, which is made when it is absent; that is safe to run at every start, and by
several processes at once.`,
		Example: `  producer secret
  producer secret --scheme github --file /run/secrets/webhook
  producer secret --scheme standard-ed25519 --file key && producer secret --scheme standard-ed25519 --file key --public
  docker run --rm signet/producer secret --scheme discord --json`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return f.run(s) },
	}
	c.Flags().StringVar(&f.scheme, "scheme", "standard", "the signature scheme it is for, by name or description")
	c.Flags().StringVar(&f.file, "file", "", "keep it in this file")
	c.Flags().BoolVar(&f.quiet, "quiet", false, "do not print it")
	c.Flags().BoolVar(&f.public, "public", false, "print the public key instead, which is what the receiver is given; needs --file")
	c.Flags().BoolVar(&f.json, "json", false, "print a JSON object")
	c.MarkFlagsMutuallyExclusive("quiet", "public")
	c.MarkFlagsMutuallyExclusive("quiet", "json")
	completeScheme(c, false)
	return c
}

func (f secretFlags) run(s Surroundings) error {
	info, err := signature.Describe(f.scheme)
	switch {
	case err != nil:
		return usage("--scheme must be one of " + strings.Join(signature.Schemes(), ", ") +
			", or a description such as hmac-sha256:header=X-Acme-Signature")
	case f.quiet && f.file == "":
		return usage("--quiet needs --file: nothing would be left of the secret")
	case f.public && !info.PublicKey:
		return usage("--public: both ends of " + f.scheme + " share one secret, there is no public key")
	case f.public && f.file == "":
		return usage("--public needs --file: nothing would be left of the private key")
	}
	value, err := f.secret()
	if err != nil || f.quiet {
		return err
	}
	var public string
	if info.PublicKey {
		if public, err = signature.PublicKey(f.scheme, value); err != nil {
			return fmt.Errorf("--file: %w", err)
		}
	}
	return f.print(s, value, public)
}

// secret makes one, or takes what the file has.
func (f secretFlags) secret() (string, error) {
	generate := func() (string, error) { return signature.NewSecret(f.scheme) }
	if f.file == "" {
		return generate()
	}
	value, _, err := service.LoadOrCreate(f.file, secretMode, generate)
	if err != nil {
		return "", err
	}
	return value, f.fits(value)
}

// fits makes sure that what a file has is of this scheme: another's private key would be shown as a secret to share.
func (f secretFlags) fits(value string) error {
	info, err := signature.Describe(f.scheme)
	switch {
	case err != nil:
	case !info.PublicKey && webhook.SchemeOf(value) == "standard-ed25519":
		err = errors.New("it holds a private key")
	case info.CanSign:
		_, err = signature.NewSigner(f.scheme, value)
	}
	if err != nil {
		return fmt.Errorf("--file %s has no secret of the scheme %s: %w", f.file, f.scheme, err)
	}
	return nil
}

func (f secretFlags) print(s Surroundings, value, public string) error {
	switch {
	case f.json:
		shown := struct {
			Scheme string `json:"scheme"`
			Secret string `json:"secret,omitempty"`
			Public string `json:"public_key,omitempty"`
		}{f.scheme, value, public}
		if f.public {
			shown.Secret = ""
		}
		return printJSON(s.Out, shown)
	case f.public:
		_, err := fmt.Fprintln(s.Out, public)
		return err
	case public != "":
		if _, err := fmt.Fprintf(s.Err, "public key, for the receiver: %s\n", public); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(s.Out, value)
	return err
}
