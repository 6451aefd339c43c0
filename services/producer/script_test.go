package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets scripts run this binary as the producer's: main is main.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"producer": main})
}

// TestScripts runs testdata/script against a server that keeps what it is sent ($SINK) and against the real receiver,
// where a script starts one. See the commands below and beside for what scripts can ask.
func TestScripts(t *testing.T) {
	t.Parallel()
	readme, err := filepath.Abs("README.md")
	if err != nil {
		t.Fatal(err)
	}
	receiver := sync.OnceValues(func() (string, error) { return buildReceiver(t) })
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			s := newSink()
			env.Defer(s.Close)
			env.Values[sinkKey{}] = s
			env.Setenv("SINK", s.URL)
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("README", readme)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":    exits,
			"lines":    manyLines,
			"envsubst": envsubst,

			"received": received,
			"body":     body,
			"text":     text,
			"header":   header,
			"verify":   verify,
			"ids":      ids,
			"open":     func(ts *testscript.TestScript, _ bool, _ []string) { sinkOf(ts).release() },
			"waitfor":  waitFor,

			"receiver": func(ts *testscript.TestScript, _ bool, args []string) { startReceiver(ts, receiver, args) },
			"effects":  effects,

			"verifies": verifies,
			"junit":    junit,
			"json":     jsonValue,
		},
	})
}

func poll(ts *testscript.TestScript, what string, done func() bool) {
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("waited in vain for %s", what)
		}
	}
}

// exits STATUS COMMAND…: the command ends with that status.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// lines FILE N TEXT: a file of so many lines; # in TEXT is the line's number.
func manyLines(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	var text strings.Builder
	for i := range n {
		text.WriteString(strings.ReplaceAll(args[2], "#", strconv.Itoa(i+1)) + "\n")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text.String()), 0o600))
}

// envsubst FILE…: $SINK and $RECEIVER in files become what they stand for.
func envsubst(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}
