package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"example.com/signet/pkg/webhook"
)

// farthest is how many letters may be wrong in a word for which another one is suggested.
const farthest = 2

// noArguments is cobra.NoArgs with a suggestion: what is taken for an argument is most often a command misspelt.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !c.HasSubCommands() {
		return fmt.Errorf("%s takes no arguments, but there is %q", c.CommandPath(), args[0])
	}
	c.SuggestionsMinimumDistance = farthest
	return fmt.Errorf("unknown command %q for %q%s; %s --help lists them",
		args[0], c.CommandPath(), suggestion(c.SuggestionsFor(args[0]), ""), c.CommandPath())
}

// one wants the one argument that most commands here have.
func one(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return fmt.Errorf("%s takes exactly one %s, not %d arguments; %s --help has examples", c.CommandPath(), what, len(args), c.CommandPath())
	}
}

// checkURL wants a URL that requests can go to. Its error does not repeat the URL, which may hold a password.
func checkURL(text, name string) error {
	if webhook.CheckURL(text) != nil {
		return usage(name + " must be an http or https URL with a host")
	}
	return nil
}

// flagError words an error of the flags for people, with the flag that was most likely meant.
func flagError(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || unknown.GetSpecifiedShortnames() != "" {
		return err
	}
	return fmt.Errorf("unknown flag: --%s%s", unknown.GetSpecifiedName(), suggestion(nearFlags(c, unknown.GetSpecifiedName()), "--"))
}

// nearFlags lets cobra compare the flags as it compares commands.
func nearFlags(c *cobra.Command, name string) []string {
	words := &cobra.Command{SuggestionsMinimumDistance: farthest}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			words.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
		}
	})
	return words.SuggestionsFor(name)
}

func suggestion(words []string, prefix string) string {
	if len(words) == 0 {
		return ""
	}
	return "; did you mean " + prefix + strings.Join(words, " or "+prefix) + "?"
}
