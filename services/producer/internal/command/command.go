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
	failed       Status = service.ExitFailure // what was asked for was done, and did not go well
)

// Run runs one command. Errors: a [Status], a service.UsageError, or any other failure.
func Run(ctx context.Context, args []string, s Surroundings) error {
	root := newRoot(s)
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	ran := false
	watch(root, &ran)
	err := root.ExecuteContext(ctx)
	if err != nil && !ran { // the arguments were refused
		return service.UsageError{Err: err}
	}
	return err
}

// watch notes when a command is run, be it one below another.
func watch(c *cobra.Command, ran *bool) {
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, args []string) error { *ran = true; return run(c, args) }
	}
	for _, below := range c.Commands() {
		watch(below, ran)
	}
}

func newRoot(s Surroundings) *cobra.Command {
	root := &cobra.Command{
		Use:   "producer",
		Short: "Publishes events and delivers them as signed webhooks until they arrive",
		Example: `  producer                                                  # run the service
  producer send http://localhost:8000/webhook --payload '{}' # without one
  producer COMMAND --help                                   # each has examples`,
		Version:       s.Version,
		Args:          noArguments,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return serve(c.Context(), s) },
	}
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		&cobra.Command{
			Use: "serve", Short: "Run the service (the default)", Args: noArguments,
			Example: `  DEMO=true PRODUCER_ENDPOINTS=https://example.com/hook PRODUCER_ENDPOINTS_SECRET_FILE=secret producer serve`,
			RunE:    func(c *cobra.Command, _ []string) error { return serve(c.Context(), s) },
		},
		&cobra.Command{
			Use: "healthcheck", Short: "Ask the running service whether it is ready", Args: noArguments,
			Example: `  PRODUCER_ADDR=:8080 producer healthcheck && echo ready`,
			RunE:    func(c *cobra.Command, _ []string) error { return healthcheck(c.Context(), s) },
		},
		&cobra.Command{
			Use: "token", Short: "Print the API's bearer token", Args: noArguments,
			Example: `  curl -H "Authorization: Bearer $(producer token)" localhost:8080/api/v1/stats`,
			RunE:    func(*cobra.Command, []string) error { return token(s) },
		},
		newSecret(s),
		newSend(s),
		newBatch(s),
		newExamples(s),
		newSign(s),
		newLoad(s),
		newDoctor(s),
	)
	addCompletion(root)
	return root
}

// addCompletion makes cobra's own completion command now instead of at its run, and gives it an example.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Args = noArguments
			c.RunE = func(*cobra.Command, []string) error { return usage("name the shell: bash, fish, powershell or zsh") }
			c.Example = `  source <(producer completion bash)                                     # for this shell
  producer completion zsh > "${fpath[1]}/_producer"                      # for every zsh
  docker run --rm signet/producer completion fish > ~/.config/fish/completions/producer.fish`
		}
	}
}

// usage is an error in how a command was called.
func usage(text string) error { return service.UsageError{Err: errors.New(text)} }
