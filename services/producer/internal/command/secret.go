package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.com/signet/pkg/service"
	"example.com/signet/pkg/signature"
)

// secretMode lets the group read: two services of different users share the file through it.
const secretMode = 0o640

func newSecret(s Surroundings) *cobra.Command {
	var scheme, file string
	var quiet bool
	c := &cobra.Command{
		Use:   "secret",
		Short: "Make a strong webhook secret",
		Long: `Print a new strong webhook secret. With --file, print the secret in that file, which is made when it is
absent; that is safe to run at every start, and by several processes at once.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if !slices.Contains(signature.Schemes(), scheme) {
				return usage("--scheme must be one of " + strings.Join(signature.Schemes(), ", "))
			}
			if quiet && file == "" {
				return usage("--quiet needs --file: nothing would be left of the secret")
			}
			return secret(s, scheme, file, quiet)
		},
	}
	c.Flags().StringVar(&scheme, "scheme", "standard", "the signature scheme it is for")
	c.Flags().StringVar(&file, "file", "", "keep it in this file")
	c.Flags().BoolVar(&quiet, "quiet", false, "do not print it")
	return c
}

func secret(s Surroundings, scheme, file string, quiet bool) error {
	generate := func() (string, error) { return signature.NewSecret(scheme) }
	var value string
	var err error
	if file == "" {
		value, err = generate()
	} else {
		value, _, err = service.LoadOrCreate(file, secretMode, generate)
	}
	if err != nil || quiet {
		return err
	}
	_, err = fmt.Fprintln(s.Out, value)
	return err
}
