// Command receiver takes webhooks in: it verifies, stores and processes what others send.
package main

import (
	"context"
	"errors"
	"os"

	"example.com/signet/pkg/service"
	"example.com/signet/services/receiver/internal/command"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "dev"

func main() {
	program := command.Program{
		Version: version,
		Environ: os.Environ(),
		Args:    os.Args[1:],
		In:      os.Stdin,
		Out:     os.Stdout,
		Log:     os.Stderr,
	}
	var status command.Status
	code := service.Main("receiver", func(ctx context.Context) error {
		err := program.Run(ctx)
		if errors.As(err, &status) {
			return nil // it has told all there is to tell
		}
		return err
	})
	if status != 0 {
		code = int(status)
	}
	os.Exit(code)
}
