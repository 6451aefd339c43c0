// Command receiver takes webhooks in: it verifies, stores and processes what others send.
package main

import (
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
		Out:     os.Stdout,
		Log:     os.Stderr,
	}
	os.Exit(service.Main("receiver", program.Run))
}
