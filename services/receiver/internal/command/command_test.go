package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/signet/pkg/service"
	"example.com/signet/services/receiver/internal/command"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp's: one for each server that looks every 10 s whether it was stopped, and one for ever.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
	)
}

func run(t *testing.T, environ []string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := command.Program{Version: "1.2.3", Environ: environ, Args: args, Out: &out, Log: os.Stderr}.Run(t.Context())
	return out.String(), err
}

func TestProgram_token(t *testing.T) {
	t.Parallel()
	database := "RECEIVER_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "r.db")
	made, err := run(t, []string{database}, "token")
	if err != nil || !regexp.MustCompile(`^[0-9a-f]{64}\n$`).MatchString(made) {
		t.Fatalf("token: %q, %v", made, err)
	}
	if again, err := run(t, []string{database}, "token"); err != nil || again != made {
		t.Errorf("the second time: %q, %v", again, err)
	}
	if set, err := run(t, []string{database, "RECEIVER_ADMIN_TOKEN=mine"}, "token"); err != nil || set != "mine\n" {
		t.Errorf("a token that is set: %q, %v", set, err)
	}
}

func TestProgram_usage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"fly"}, {"serve", "now"}, {"--nope"}, {"token", "x"}} {
		_, err := run(t, nil, args...)
		var usage service.UsageError
		if !errors.As(err, &usage) {
			t.Errorf("%v: %v", args, err)
		}
	}
	if out, err := run(t, nil, "--version"); err != nil || !strings.Contains(out, "1.2.3") {
		t.Errorf("--version: %q, %v", out, err)
	}
}

func TestProgram_configuration(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"serve"}, {"token"}} {
		_, err := run(t, []string{"RECEIVER_MAX_BODY=0", "WEBHOOK_SECRET=your-secret-key-here"}, args...)
		if err == nil || !strings.Contains(err.Error(), "RECEIVER_MAX_BODY: ") || !strings.Contains(err.Error(), "WEBHOOK_SECRET: ") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestProgram_serve(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	told, log, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	environ := []string{
		"RECEIVER_ADDR=127.0.0.1:0", "RECEIVER_ADMIN_ADDR=127.0.0.1:0", "LOG_FORMAT=json", "WEBHOOK_SECRET=s",
		"RECEIVER_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "r.db"),
	}
	done := make(chan error, 1)
	go func() {
		done <- command.Program{Environ: environ, Out: os.Stderr, Log: log}.Run(ctx)
		_ = log.Close()
	}()
	var address string
	for lines := json.NewDecoder(told); ; {
		var line struct{ Msg, Address string }
		if err := lines.Decode(&line); err != nil {
			break // it has ended
		}
		if line.Msg == "ready" {
			address = line.Address
			if _, err := run(t, []string{"RECEIVER_ADDR=" + address}, "healthcheck"); err != nil {
				t.Errorf("ready, but not healthy: %v", err)
			}
			stop()
		}
	}
	if err := <-done; err != nil || address == "" {
		t.Errorf("serve at %q: %v", address, err)
	}
	if _, err := run(t, []string{"RECEIVER_ADDR=" + address}, "healthcheck"); err == nil {
		t.Error("healthy when it has ended")
	}
}
