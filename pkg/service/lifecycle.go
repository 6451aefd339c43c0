package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Exit statuses of [Main].
const (
	ExitOK      = 0
	ExitFailure = 1
	ExitUsage   = 2
)

// UsageError is an error in how a command was called; [Main] exits with [ExitUsage] for it.
type UsageError struct{ Err error }

// Error is the text of Err.
func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap is Err.
func (e UsageError) Unwrap() error { return e.Err }

// Main calls run with a context that ends at the first SIGINT or SIGTERM, and returns the process's exit status:
// [ExitOK] when run returned nil, or the cancellation after a signal; otherwise the error is printed once to
// standard error as "name: error" and the status is [ExitUsage] for a [UsageError], else [ExitFailure]. A second
// signal ends the process at once.
func Main(name string, run func(ctx context.Context) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Once the first signal has been seen, the next one meets the default action again.
	defer context.AfterFunc(ctx, stop)()

	err := run(ctx)
	if err == nil || (ctx.Err() != nil && errors.Is(err, context.Canceled)) {
		return ExitOK
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	var usage UsageError
	if errors.As(err, &usage) {
		return ExitUsage
	}
	return ExitFailure
}
