// Command producer publishes events and delivers them as signed webhooks until they arrive.
package main

import (
	"context"
	"errors"
	"io"
	"log"
	"os"

	"example.com/signet/pkg/service"
	"example.com/signet/services/producer/internal/command"
)

// version is set by the linker.
var version = "dev"

func main() {
	log.SetOutput(io.Discard) // net/http's remarks about connections; what matters is an error, or goes to the service's own log
	var status command.Status
	code := service.Main("producer", func(ctx context.Context) error {
		err := command.Run(ctx, os.Args[1:], command.Surroundings{
			Version: version, Environ: os.Environ(), In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		})
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
