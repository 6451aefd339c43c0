package service_test

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain_ExitStatus(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		mode   string
		status int
		stderr string
	}{
		"success":                       {"nil", 0, ""},
		"failure":                       {"error", 1, "child: boom\n"},
		"wrong usage":                   {"usage", 2, "child: flags: no such flag\n"},
		"cancellation without a signal": {"cancelled", 1, "child: context canceled\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd, stderr := child(t, tt.mode)
			err := cmd.Run()
			if got := cmd.ProcessState.ExitCode(); got != tt.status {
				t.Errorf("exit status %d (%v), want %d", got, err, tt.status)
			}
			if stderr.String() != tt.stderr {
				t.Errorf("standard error %q, want %q", stderr, tt.stderr)
			}
		})
	}
}

func TestMain_Signals(t *testing.T) {
	t.Parallel()
	for name, sig := range map[string]os.Signal{"SIGINT": os.Interrupt, "SIGTERM": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd, stderr := child(t, "wait")
			lines := start(t, cmd)
			expectLine(t, lines, "running")
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
				t.Errorf("ended with %v and %q, want success and silence", err, stderr)
			}
		})
	}
}

func TestMain_SecondSignal(t *testing.T) {
	t.Parallel()
	cmd, _ := child(t, "stubborn")
	lines := start(t, cmd)
	expectLine(t, lines, "running")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	expectLine(t, lines, "stopping")

	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	deadline := time.After(20 * time.Second)
	again := time.NewTicker(10 * time.Millisecond) // the default action is restored just after the context ends
	defer again.Stop()
	for {
		select {
		case err := <-ended:
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				t.Errorf("ended with %v, want the signal's death", err)
			}
			return
		case <-again.C:
			_ = cmd.Process.Signal(syscall.SIGTERM)
		case <-deadline:
			_ = cmd.Process.Kill()
			t.Fatal("still running after the second signal")
		}
	}
}

func child(t *testing.T, mode string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childMode+"="+mode)
	stderr := &bytes.Buffer{}
	cmd.Stderr = stderr
	return cmd, stderr
}

func start(t *testing.T, cmd *exec.Cmd) *bufio.Scanner {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return bufio.NewScanner(out)
}

func expectLine(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	if !lines.Scan() || strings.TrimSpace(lines.Text()) != want {
		t.Fatalf("line %q (%v), want %q", lines.Text(), lines.Err(), want)
	}
}
