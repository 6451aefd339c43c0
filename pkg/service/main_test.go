package service_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"example.com/signet/pkg/service"
)

// childMode, in the environment, makes the test binary act as a program that calls Main.
const childMode = "SERVICE_TEST_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childMode); mode != "" {
		os.Exit(service.Main("child", childRun(mode)))
	}
	goleak.VerifyTestMain(m,
		// fasthttp keeps one process-wide clock for the Date header.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		// Its idle workers are looked after by a goroutine that wakes every 10 s, also after the server has stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

func childRun(mode string) func(context.Context) error {
	return func(ctx context.Context) error {
		switch mode {
		case "nil":
			return nil
		case "error":
			return errors.New("boom")
		case "usage":
			return fmt.Errorf("flags: %w", service.UsageError{Err: errors.New("no such flag")})
		case "cancelled":
			return context.Canceled
		}
		fmt.Println("running")
		<-ctx.Done()
		if mode == "stubborn" {
			fmt.Println("stopping")
			select {}
		}
		return fmt.Errorf("stopped: %w", ctx.Err())
	}
}
