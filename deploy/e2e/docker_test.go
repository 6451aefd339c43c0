package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// required reports whether a missing tool fails a test rather than skips it.
func required() bool { return os.Getenv("REQUIRE_DOCKER") == "1" }

// missing ends the test for want of a tool: as a failure where the machine promised to have it.
func missing(t *testing.T, what string) {
	t.Helper()
	if required() {
		t.Fatalf("%s, and REQUIRE_DOCKER=1 forbids to skip this test", what)
	}
	t.Skipf("*** SKIPPED: %s ***", what)
}

// repository is the root of the tree these tests stand in.
func repository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// engine answers once for the whole run, so that the lack of an engine costs one timeout and not one a test.
var engine = sync.OnceValue(func() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := run(ctx, ".", nil, "docker", "compose", "version")
	if err != nil {
		return err
	}
	_, err = run(ctx, ".", nil, "docker", "info")
	return err
})

// built builds every image of the shipped Compose file, once for the whole run.
var built = sync.OnceValue(func() error {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	_, err := run(ctx, "../..", nil, "docker", "compose", "build", "--quiet")
	return err
})

// needImages skips or fails the test where there is no engine, and builds the images where there is one.
func needImages(t *testing.T) {
	t.Helper()
	if err := engine(); err != nil {
		missing(t, fmt.Sprintf("no Docker engine with the compose plugin answers (%v)", err))
	}
	if err := built(); err != nil {
		t.Fatalf("building the images: %v", err)
	}
}

// run gives what a command printed on its standard output. Its error carries the end of what the command complained.
func run(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		complaint := strings.TrimSpace(stderr.String())
		return stdout.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, complaint[max(0, len(complaint)-2000):])
	}
	return stdout.String(), nil
}

// docker runs a docker command that has to succeed within two minutes.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	out, err := run(ctx, ".", nil, "docker", args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// logs gives both output streams of a container, from its first start on unless an option says otherwise.
func logs(t *testing.T, container string, options ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", append(append([]string{"logs"}, options...), container)...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker logs %s: %v", container, err)
	}
	return string(out)
}

// stopGracefully stops a container as Docker does (SIGTERM) and demands that it ends by itself, within ten seconds.
func stopGracefully(t *testing.T, container string) {
	t.Helper()
	begin := time.Now()
	docker(t, "stop", "--time=30", container)
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("stopping took %s, more than 10s", took)
	}
	if code := docker(t, "inspect", "--format={{.State.ExitCode}}", container); code != "0" {
		t.Errorf("exit code %s after docker stop, want 0\n%s", code, logs(t, container))
	}
}

// eventually asks until there is no error any more, and fails the test with the last one when the deadline passes.
func eventually(t *testing.T, within time.Duration, what string, ask func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := errors.New("never answered")
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %s: %v", what, within, last)
		case <-tick.C:
		}
	}
}
