package command_test

import (
	"bufio"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"example.com/signet/pkg/signature"
)

// TestScripts_tools runs the scripts of sign, secret, load, doctor and of the command line itself, over the real
// binaries of both services.
func TestScripts_tools(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	buildBinary(t, "../..", filepath.Join(bin, "producer"))
	buildBinary(t, "../../../receiver", filepath.Join(bin, "receiver"))
	var scripts []string
	for _, topic := range []string{"sign", "secret", "load", "doctor", "usage"} {
		found, err := filepath.Glob("testdata/script/" + topic + "*.txtar")
		if err != nil || len(found) == 0 {
			t.Fatalf("no scripts about %s: %v", topic, err)
		}
		scripts = append(scripts, found...)
	}
	testscript.Run(t, testscript.Params{
		Files:               scripts,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    scriptExits,
			"receiver": scriptReceiver,
			"server":   scriptServer,
			"verifies": scriptVerifies,
			"junit":    scriptJUnit,
			"json":     scriptJSON,
		},
	})
}

// buildBinary builds what the image has.
func buildBinary(t *testing.T, module, to string) {
	t.Helper()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", to, ".")
	build.Dir = module
	build.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// scriptExits runs a command that must end with a status: exits STATUS command…
func scriptExits(ts *testscript.TestScript, _ bool, args []string) {
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

// scriptReceiver runs the real receiver until the script ends, with these variables, and sets RECEIVER to its address.
func scriptReceiver(ts *testscript.TestScript, _ bool, args []string) {
	path, err := exec.LookPath(filepath.Join(strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator))[0], "receiver"))
	ts.Check(err)
	cmd := exec.Command(path, "serve") //nolint:noctx // it is ended below, by the signal that is to end it
	cmd.Env = append(slices.Clone(args), "LOG_FORMAT=json", "RECEIVER_ADDR=127.0.0.1:0", "RECEIVER_ADMIN_ADDR=127.0.0.1:0",
		"RECEIVER_DATABASE_URL=sqlite:"+ts.MkAbs("receiver.db"))
	cmd.Dir = ts.MkAbs(".")
	told, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ended := make(chan struct{})
	address := make(chan string, 1)
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(told)
		for lines.Scan() {
			var line struct {
				Message string `json:"msg"`
				Source  string
			}
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Source == "default" && strings.HasPrefix(line.Message, "webhooks: ") {
				select {
				case address <- strings.TrimSuffix(strings.TrimPrefix(line.Message, "webhooks: "), "/webhook"):
				default:
				}
			}
		}
		close(address)
	}()
	ts.Defer(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		_ = cmd.Wait() // how it ends is looked at where it is tested
	})
	select {
	case at, ok := <-address:
		if !ok {
			ts.Fatalf("the receiver does not start")
		}
		ts.Setenv("RECEIVER", at)
	case <-time.After(20 * time.Second):
		ts.Fatalf("the receiver is not ready")
	}
}

// scriptServer answers everything with one status until the script ends, and sets SERVER to its address.
func scriptServer(ts *testscript.TestScript, _ bool, args []string) {
	status, err := strconv.Atoi(args[0])
	ts.Check(err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
	}))
	ts.Defer(server.Close)
	ts.Setenv("SERVER", server.URL)
}

// scriptVerifies verifies what sign printed with --json: verifies SCHEME SECRET BODY-FILE, the JSON in stdout. With !
// it must not verify.
func scriptVerifies(ts *testscript.TestScript, neg bool, args []string) {
	var r struct {
		URL, Method string
		Headers     map[string]string
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &r))
	h := http.Header{}
	for name, value := range r.Headers {
		h.Set(name, value)
	}
	known := args[1]
	if info, err := signature.Describe(args[0]); err == nil && info.PublicKey {
		known, err = signature.PublicKey(args[0], known)
		ts.Check(err)
	}
	verifier, err := signature.NewVerifier(args[0], []string{known})
	ts.Check(err)
	_, err = verifier.Verify(signature.Request{Method: r.Method, URL: r.URL, Header: h, Body: []byte(ts.ReadFile(args[2]))}, time.Now())
	if (err == nil) == neg {
		ts.Fatalf("verified: %v", err)
	}
}

// scriptJUnit counts what a JUnit file says: junit FILE TESTS FAILURES SKIPPED.
func scriptJUnit(ts *testscript.TestScript, _ bool, args []string) {
	var report struct {
		XMLName  xml.Name `xml:"testsuites"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Suites   []struct {
			Cases []struct {
				Name    string    `xml:"name,attr"`
				Failure *struct{} `xml:"failure"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	ts.Check(xml.Unmarshal([]byte(ts.ReadFile(args[0])), &report))
	var tests, failures, skipped int
	for _, suite := range report.Suites {
		for _, c := range suite.Cases {
			tests++
			if c.Failure != nil {
				failures++
			}
			if c.Skipped != nil {
				skipped++
			}
		}
	}
	got := []string{strconv.Itoa(tests), strconv.Itoa(failures), strconv.Itoa(skipped)}
	if !slices.Equal(got, args[1:]) || tests != report.Tests || failures != report.Failures {
		ts.Fatalf("tests, failures, skipped: %v, want %v; the head says %d and %d", got, args[1:], report.Tests, report.Failures)
	}
}

// scriptJSON looks into the JSON object in stdout: json NAME WANT, where NAME may go down with dots.
func scriptJSON(ts *testscript.TestScript, neg bool, args []string) {
	var value any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &value))
	for name := range strings.SplitSeq(args[0], ".") {
		object, ok := value.(map[string]any)
		if !ok {
			ts.Fatalf("%s stands in no object", name)
		}
		value = object[name]
	}
	if (fmt.Sprint(value) == args[1]) == neg {
		ts.Fatalf("%s is %v", args[0], value)
	}
}
