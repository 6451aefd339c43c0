package doctor_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
	"example.com/signet/services/producer/internal/doctor"
)

// publicURL is the base that the receiver is known by; nothing listens there.
const publicURL = "https://hooks.example.com"

func buildReceiver(t *testing.T, dir string) string {
	t.Helper()
	binary := filepath.Join(dir, "receiver")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	build.Dir = "../../../receiver"
	build.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// startReceiver builds and runs the real receiver until the test ends, and answers its address.
func startReceiver(t *testing.T, variables ...string) string {
	t.Helper()
	dir := t.TempDir()
	binary := buildReceiver(t, dir)
	running := exec.Command(binary) //nolint:noctx // ended by the signal that is to end it
	running.Env = append(variables, "LOG_FORMAT=json", "RECEIVER_ADDR=127.0.0.1:0", "RECEIVER_ADMIN_ADDR=127.0.0.1:0",
		"RECEIVER_DATABASE_URL=sqlite:"+filepath.Join(dir, "receiver.db"))
	running.Dir = dir
	log, err := running.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		defer close(ready)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			var line struct{ Msg, Address string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
				ready <- line.Address
			}
		}
	}()
	t.Cleanup(func() {
		_ = running.Process.Signal(syscall.SIGTERM)
		<-ended
		if err := running.Wait(); err != nil {
			t.Errorf("receiver: %v", err)
		}
	})
	select {
	case address := <-ready:
		if address == "" {
			t.Fatal("the receiver does not start")
		}
		return "http://" + address
	case <-time.After(30 * time.Second):
		t.Fatal("the receiver is not ready")
	}
	return ""
}

// described is a scheme that no provider has.
const described = "hmac-sha512:header=X-Acme-Signature,encoding=base64,id=X-Acme-Id,timestamp=X-Acme-Time,signed={timestamp}.{id}.{body}"

// source is one of the receiver's, and what its sender signs with.
type source struct{ path, scheme, secret, old string }

// newSource makes secrets for a source of the scheme's own, and the variables that set it up.
func newSource(t *testing.T, info signature.Info) (s source, variables []string) {
	t.Helper()
	name := strings.ReplaceAll(info.Name, "-", "_")
	if info.Name == described {
		name, variables = "acme", []string{"ACME_WEBHOOK_SCHEME=" + described}
	}
	s = source{path: "/webhook/" + name, scheme: info.Name}
	for variable, into := range map[string]*string{"_WEBHOOK_SECRET=": &s.secret, "_WEBHOOK_SECRET_OLD=": &s.old} {
		made, err := signature.NewSecret(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		known := made
		if info.PublicKey {
			if known, err = signature.PublicKey(info.Name, made); err != nil {
				t.Fatal(err)
			}
		}
		*into = made
		variables = append(variables, strings.ToUpper(name)+variable+known)
	}
	return s, variables
}

// everySource has one for each scheme that can sign, and the default one for each that it finds from the headers.
func everySource(t *testing.T) (sources []source, variables []string) {
	t.Helper()
	variables = []string{"WEBHOOK_SECRET_NEW=" + secret, "WEBHOOK_SECRET_OLD=" + oldSecret}
	for _, scheme := range append(signature.Schemes(), described) {
		info, err := signature.Describe(scheme)
		if err != nil {
			t.Fatal(err)
		}
		if info.Detected {
			sources = append(sources, source{"/webhook", scheme, secret, oldSecret})
		}
		if info.CanSign {
			own, more := newSource(t, info)
			sources, variables = append(sources, own), append(variables, more...)
		}
	}
	return sources, variables
}

// TestRun_receiver: Signet's own receiver handles every case rightly that applies, in every scheme that can sign, and where
// it finds the scheme from the headers.
func TestRun_receiver(t *testing.T) {
	t.Parallel()
	sources, variables := everySource(t)
	address := startReceiver(t, append(variables, "RECEIVER_MAX_BODY=1MiB", "RECEIVER_PUBLIC_URL="+publicURL)...)
	reports := make([]doctor.Report, len(sources))
	faults := make([]error, len(sources))
	var running sync.WaitGroup
	for i, s := range sources { // all at once: each waits for a slow sender to be cut off
		cfg := newConfig(t, address+s.path, s.scheme)
		cfg.PublicURL, cfg.Secret, cfg.OldSecret, cfg.Oversize = publicURL+s.path, s.secret, s.old, 2<<20
		cfg.Timeout, cfg.SlowLimit = time.Minute, 5*time.Minute
		running.Go(func() { reports[i], faults[i] = doctor.Run(t.Context(), cfg, func(doctor.Finding) {}) })
	}
	running.Wait()
	always := []string{"valid", "raw-bytes", "missing-header", "wrong-secret", "replayed", "duplicate-id", "rotation", "oversized", "media-type", "slow-body"}
	for i, s := range sources {
		t.Run(s.path+" "+s.scheme, func(t *testing.T) {
			got := reports[i]
			t.Logf("%d right, not applicable %v", got.Count(doctor.Passed), named(got, doctor.NotApplicable))
			if faults[i] != nil || !got.Healthy() {
				t.Errorf("%v; failed %v, unknown %v:\n%+v", faults[i], named(got, doctor.Failed), named(got, doctor.Unknown), got.Findings)
			}
			for _, name := range always {
				if !slices.Contains(named(got, doctor.Passed), name) {
					t.Errorf("%s did not pass", name)
				}
			}
		})
	}
}
