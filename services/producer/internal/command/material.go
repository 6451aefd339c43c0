package command

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"example.com/signet/pkg/service"
	"example.com/signet/pkg/signature"
	"example.com/signet/pkg/webhook"
)

// keyFlags are what commands that sign are told of it.
type keyFlags struct {
	secrets     []string
	secretFiles []string
	scheme      string
}

// add adds the flags; several says what more than one secret means.
func (g *keyFlags) add(c *cobra.Command, several string) {
	flags := c.Flags()
	flags.StringArrayVar(&g.secrets, "secret", nil, "sign with this secret (or set WEBHOOK_SECRET, which other users of the machine cannot see)"+several)
	flags.StringArrayVar(&g.secretFiles, "secret-file", nil, "sign with the secret in this file"+several)
	flags.StringVar(&g.scheme, "scheme", "", "the signature scheme, by name or description; by default the secret decides: standard for whsec_…, else github")
	completeScheme(c, true)
}

// resolve finds secrets and scheme, and proves that they fit. There is at least one secret; those of --secret stand
// before those of --secret-file, and the environment's counts only without either. Errors are of usage and hold no
// secret.
func (g *keyFlags) resolve(s Surroundings) (scheme string, secrets []string, err error) {
	secrets = append(secrets, g.secrets...)
	for _, file := range g.secretFiles {
		value, err := readSecret([]string{"WEBHOOK_SECRET_FILE=" + file})
		if err != nil {
			return "", nil, fmt.Errorf("--secret-file: %w", err)
		}
		if value == "" {
			return "", nil, usage("--secret-file: " + file + " is empty")
		}
		secrets = append(secrets, value)
	}
	if len(secrets) == 0 {
		value, err := readSecret(s.Environ)
		if err != nil {
			return "", nil, err
		}
		if value == "" {
			return "", nil, usage("a secret is required: --secret-file, --secret or WEBHOOK_SECRET")
		}
		secrets = append(secrets, value)
	}
	scheme = cmp.Or(g.scheme, webhook.SchemeOf(secrets[0]))
	if _, err := signature.NewSigner(scheme, secrets...); err != nil {
		return "", nil, service.UsageError{Err: fmt.Errorf("%s: %w", faultyFlag(err), err)}
	}
	return scheme, secrets, nil
}

// faultyFlag names the flag that an error of signature.NewSigner is about.
func faultyFlag(err error) string {
	if errors.Is(err, signature.ErrUnknownScheme) || errors.Is(err, signature.ErrUnsignable) {
		return "--scheme"
	}
	return "--secret"
}

// readSecret finds WEBHOOK_SECRET, or what WEBHOOK_SECRET_FILE holds; empty: neither.
func readSecret(environ []string) (string, error) {
	env, faults := service.ReadEnvironment(environ, func(name string) bool { return name == "WEBHOOK_SECRET" })
	if err := faults.Err(); err != nil {
		return "", service.UsageError{Err: err}
	}
	return env["WEBHOOK_SECRET"], nil
}

// payloadFlags are where the body is that a command is given.
type payloadFlags struct{ inline, file string }

func (p *payloadFlags) add(c *cobra.Command, what string) {
	c.Flags().StringVar(&p.inline, "payload", "", what)
	c.Flags().StringVar(&p.file, "payload-file", "", "read it from this file; - is standard input")
	c.MarkFlagsMutuallyExclusive("payload", "payload-file")
}

// read returns the bytes, or otherwise where neither flag is given.
func (p *payloadFlags) read(c *cobra.Command, s Surroundings, otherwise string) ([]byte, error) {
	switch {
	case c.Flags().Changed("payload"):
		return []byte(p.inline), nil
	case p.file == "":
		return []byte(otherwise), nil
	case p.file == "-":
		return readPayload(s.In)
	}
	file, err := os.Open(p.file)
	if err != nil {
		return nil, service.UsageError{Err: fmt.Errorf("--payload-file: %w", err)}
	}
	body, err := readPayload(file)
	return body, errors.Join(err, file.Close())
}

func readPayload(from io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, maxPayload+1))
	if err == nil && len(body) > maxPayload {
		err = usage(fmt.Sprintf("--payload-file has more than %d bytes", maxPayload))
	}
	return body, err
}

// checkURL wants a URL that requests can go to. Its error does not repeat the URL, which may hold a password.
func checkURL(text, name string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usage(name + " must be an http or https URL with a host")
	}
	return nil
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
	}) // fails only for a flag that is not there, and TestCompletion asks for this one
}

// contentType is what the body is declared as.
func contentType(h http.Header) string { return cmp.Or(h.Get("Content-Type"), "application/json") }

// quoted makes one word of text for a shell (POSIX, section 2.2.2).
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
