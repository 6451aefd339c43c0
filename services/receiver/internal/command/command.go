// Package command is the receiver's command line: which words start what. What they start stands in the
// packages app and service.
package command

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"example.com/signet/pkg/service"
	"example.com/signet/services/receiver/internal/app"
	"example.com/signet/services/receiver/internal/config"
)

// Program is what a command line is run with.
type Program struct {
	Version string
	Environ []string  // as os.Environ gives it
	Args    []string  // without the program's name
	In      io.Reader // what a command reads when it is told no file
	Out     io.Writer // what a command answers
	Log     *os.File  // what the service tells while it runs
}

// Run runs the command line until it is done or ctx ends. Errors: a [Status], a service.UsageError, or any other
// failure.
func (p Program) Run(ctx context.Context) error {
	root := &cobra.Command{
		Use:           "receiver",
		Short:         "Takes webhooks in: verified, stored, applied once",
		Version:       p.Version,
		Args:          usage(cobra.NoArgs),
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          p.serve,
	}
	root.AddCommand(
		&cobra.Command{Use: "serve", Short: "Run the receiver (also without any word)", Args: usage(cobra.NoArgs), RunE: p.serve},
		&cobra.Command{Use: "healthcheck", Short: "Ask the receiver on this machine whether it is ready", Args: usage(cobra.NoArgs), RunE: p.healthcheck},
		&cobra.Command{Use: "token", Short: "Print the admin token", Args: usage(cobra.NoArgs), RunE: p.token},
		p.newVerify(),
	)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return service.UsageError{Err: err} })
	root.SetArgs(p.Args)
	root.SetOut(p.Out)
	root.SetErr(p.Out)
	return root.ExecuteContext(ctx)
}

// usage marks what is wrong with arguments as an error of usage.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return service.UsageError{Err: err}
		}
		return nil
	}
}

func (p Program) serve(cmd *cobra.Command, _ []string) error {
	cfg, err := p.load()
	if err != nil {
		return err
	}
	log, err := service.NewLogger(cfg.LogLevel, cfg.LogFormat, p.Log)
	if err != nil {
		return err
	}
	receiver, err := app.New(cfg, app.Options{Version: p.Version, Log: log})
	if err != nil {
		return err
	}
	return receiver.Run(cmd.Context())
}

func (p Program) healthcheck(cmd *cobra.Command, _ []string) error {
	addr, err := config.Address(p.Environ)
	if err != nil {
		return err
	}
	return service.Healthcheck(cmd.Context(), addr)
}

func (p Program) token(*cobra.Command, []string) error {
	cfg, err := p.load()
	if err != nil {
		return err
	}
	token, _, err := app.AdminToken(cfg)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.Out, token)
	return err
}

func (p Program) load() (config.Config, error) {
	cfg, err := config.Load(p.Environ)
	if err != nil {
		return cfg, fmt.Errorf("configuration:\n%w", err)
	}
	return cfg, nil
}
