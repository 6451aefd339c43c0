// Package command is the producer's command line.
//
// [Run] parses the arguments and runs one command with everything it touches passed in: environment, input and
// output. Commands talk to people in plain text and to programs through --json and exit statuses.
package command

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"example.com/signet/pkg/service"
)

// Surroundings are what commands read and write.
type Surroundings struct {
	Version string
	Environ []string // lines NAME=value
	In      io.Reader
	Out     io.Writer
	Err     *os.File // also the log's
}

// Status is an exit status that needs no further words: the command has said what it had to.
type Status int

// Error is the status as a number.
func (s Status) Error() string { return "exit status " + strconv.Itoa(int(s)) }

// Exit statuses beside 0.
const (
	notDelivered Status = service.ExitFailure
)

// Run runs one command. Errors: a [Status], a service.UsageError, or any other failure.
func Run(ctx context.Context, args []string, s Surroundings) error {
	root := newRoot(s)
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	ran := false
	for _, c := range append(root.Commands(), root) {
		if run := c.RunE; run != nil {
			c.RunE = func(c *cobra.Command, args []string) error { ran = true; return run(c, args) }
		}
	}
	err := root.ExecuteContext(ctx)
	if err != nil && !ran { // the arguments were refused
		return service.UsageError{Err: err}
	}
	return err
}

func newRoot(s Surroundings) *cobra.Command {
	root := &cobra.Command{
		Use:           "producer",
		Short:         "Publishes events and delivers them as signed webhooks until they arrive",
		Version:       s.Version,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return serve(c.Context(), s) },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(
		&cobra.Command{
			Use: "serve", Short: "Run the service (the default)", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error { return serve(c.Context(), s) },
		},
		&cobra.Command{
			Use: "healthcheck", Short: "Ask the running service whether it is ready", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error { return healthcheck(c.Context(), s) },
		},
		&cobra.Command{
			Use: "token", Short: "Print the API's bearer token", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return token(s) },
		},
		newSecret(s),
		newSend(s),
		newBatch(s),
		newExamples(s),
	)
	return root
}

// usage is an error in how a command was called.
func usage(text string) error { return service.UsageError{Err: errors.New(text)} }
