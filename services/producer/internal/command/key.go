package command

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"example.com/signet/pkg/service"
	"example.com/signet/pkg/signature"
	"example.com/signet/pkg/webhook"
)

const schemeFlag = "--scheme"

// keyFlags are what a command that signs is told of it.
type keyFlags struct {
	secrets     []string
	secretFiles []string
	scheme      string
}

// add adds the flags; several says what more than one secret means.
func (f *keyFlags) add(c *cobra.Command, several string) {
	flags := c.Flags()
	flags.StringArrayVar(&f.secrets, "secret", nil, "sign with this secret (or set WEBHOOK_SECRET, which other users of the machine cannot see); "+several)
	flags.StringArrayVar(&f.secretFiles, "secret-file", nil, "sign with the secret in this file; "+several)
	flags.StringVar(&f.scheme, "scheme", "", "the signature scheme, by name or description; by default the secret decides: standard for whsec_…, else github")
	completeScheme(c, true)
}

// currentFirst is what several secrets mean to most commands.
const currentFirst = "may be repeated, the current one first"

// key is a secret, and where it was found.
type key struct {
	secret string
	source string // the flag, variable or field
}

// keys are secrets, the current one first; none: nothing is signed.
type keys []key

// keys finds the secrets. Those of --secret stand before those of --secret-file; the environment's counts only without
// either. Errors are of usage and hold no secret.
func (f *keyFlags) keys(s Surroundings) (keys, error) {
	var found keys
	for _, secret := range f.secrets {
		if secret == "" {
			return nil, usage("--secret is empty")
		}
		found = append(found, key{secret, "--secret"})
	}
	for _, file := range f.secretFiles {
		secret, faults := readSecret([]string{"WEBHOOK_SECRET_FILE=" + file})
		if len(faults) > 0 {
			return nil, usage("--secret-file " + faults[0].Problem)
		}
		if secret == "" {
			return nil, usage("--secret-file " + file + " is empty")
		}
		found = append(found, key{secret, "--secret-file"})
	}
	if len(found) > 0 {
		return found, nil
	}
	secret, faults := readSecret(s.Environ)
	if err := faults.Err(); err != nil {
		return nil, service.UsageError{Err: err}
	}
	if secret != "" {
		found = keys{{secret, "WEBHOOK_SECRET"}}
	}
	return found, nil
}

// readSecret finds WEBHOOK_SECRET, or what WEBHOOK_SECRET_FILE holds; empty: neither.
func readSecret(environ []string) (string, service.Faults) {
	env, faults := service.ReadEnvironment(environ, func(name string) bool { return name == "WEBHOOK_SECRET" })
	return env["WEBHOOK_SECRET"], faults
}

// signing is how requests are signed; the zero value is not at all.
type signing struct {
	keys   keys
	scheme string
	signer *signature.Signer
}

// signing finds secrets and scheme, and proves that they fit.
func (f *keyFlags) signing(s Surroundings) (signing, error) {
	found, err := f.keys(s)
	if err != nil {
		return signing{}, err
	}
	return found.signing(f.scheme, schemeFlag)
}

// required is signing where a secret must be.
func (f *keyFlags) required(s Surroundings) (signing, error) {
	found, err := f.keys(s)
	if err == nil && len(found) == 0 {
		err = usage("a secret is required: --secret-file, --secret or WEBHOOK_SECRET")
	}
	if err != nil {
		return signing{}, err
	}
	return found.signing(f.scheme, schemeFlag)
}

// signing signs with the secrets, by the scheme that is named or that the first one shows. Errors name what the scheme
// comes from, or the secret.
func (k keys) signing(scheme, named string) (signing, error) {
	if len(k) == 0 {
		if scheme != "" {
			return signing{}, usage(named + " needs a secret")
		}
		return signing{}, nil
	}
	scheme = cmp.Or(scheme, webhook.SchemeOf(k[0].secret))
	signer, err := signature.NewSigner(scheme, k.secrets()...)
	if err == nil {
		return signing{k, scheme, signer}, nil
	}
	if errors.Is(err, signature.ErrUnknownScheme) || errors.Is(err, signature.ErrUnsignable) {
		return signing{}, service.UsageError{Err: fmt.Errorf("%s: %w", named, err)}
	}
	source := k[0].source
	for _, one := range k {
		if _, err := signature.NewSigner(scheme, one.secret); err != nil {
			source = one.source
			break
		}
	}
	return signing{}, service.UsageError{Err: fmt.Errorf("%s: %w", source, err)}
}

func (k keys) secrets() []string {
	secrets := make([]string, len(k))
	for i, one := range k {
		secrets[i] = one.secret
	}
	return secrets
}

// note tells that nothing will be signed.
func (s signing) note(to Surroundings) error {
	if s.signer != nil {
		return nil
	}
	_, err := fmt.Fprintln(to.Err, "note: unsigned, as there is no --secret, --secret-file or WEBHOOK_SECRET")
	return err
}

// completeScheme offers the names of schemes, those that can sign or all.
func completeScheme(c *cobra.Command, canSign bool) {
	_ = c.RegisterFlagCompletionFunc("scheme", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, name := range signature.Schemes() {
			if info, err := signature.Describe(name); err == nil && (info.CanSign || !canSign) {
				names = append(names, name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}) // fails only for a flag that is not there, and usage_completion.txtar asks for this one
}
