package e2e_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestDurability traces the receiver's system calls through one accepted webhook: the write-ahead log is on disk
// before the sender is told so. A kill cannot show that, because what a killed process has written survives it.
func TestDurability(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		missing(t, "strace is not installed")
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "receiver")
	if _, err := run(t.Context(), filepath.Join(repository(t), "services", "receiver"), []string{"GOWORK=off", "CGO_ENABLED=0"}, "go", "build", "-o", binary, "."); err != nil {
		t.Fatal(err)
	}
	secret := newSecret()
	public := "127.0.0.1:" + freePort(t)
	trace := filepath.Join(dir, "trace")
	stop := startTraced(t, dir, trace, binary, map[string]string{
		"RECEIVER_ADDR":         public,
		"RECEIVER_ADMIN_ADDR":   "127.0.0.1:0",
		"RECEIVER_ADMIN_TOKEN":  adminToken,
		"RECEIVER_DATABASE_URL": "sqlite:" + filepath.Join(dir, "receiver.db"),
		"WEBHOOK_SECRET":        secret,
	})
	eventually(t, 30*time.Second, "the traced receiver is ready", func(ctx context.Context) error {
		_, err := get(ctx, "http://"+public+"/readyz", nil, http.StatusOK)
		return err
	})
	order := rand.Text()
	accepted(t, mustSend(t, "http://"+public, signed(`{"event_type":"order.completed","data":{"order_id":"`+order+`","amount":99.99}}`, secret, standard)))
	stop()

	log, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	if err := durable(parseTrace(string(log)), "receiver.db-wal", order); err != nil {
		t.Errorf("%v, in this trace:\n%.20000s", err, log)
	}
}

// startTraced runs a binary under strace. The function it gives back ends both and waits for them.
func startTraced(t *testing.T, dir, trace, binary string, env map[string]string) (stop func()) {
	t.Helper()
	// -y names the file behind each descriptor; -s is more than a page of the database, so that the webhook is seen.
	cmd := exec.CommandContext(context.Background(), "strace", "-f", "-y", "-s", "8192", "-o", trace,
		"-e", "trace=read,recvfrom,recvmsg,readv,write,writev,sendto,sendmsg,pwrite64,pwritev,fsync,fdatasync,sync_file_range,msync", binary, "serve")
	cmd.Dir = dir
	cmd.Env = os.Environ()
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // strace passes no signal on, so the group is signalled
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end := func(signal syscall.Signal) {
		if !ended {
			ended = true
			if err := errors.Join(syscall.Kill(-cmd.Process.Pid, signal), cmd.Wait()); err != nil {
				t.Errorf("ending the traced receiver: %v", err)
			}
		}
	}
	t.Cleanup(func() { end(syscall.SIGKILL) })
	return func() { end(syscall.SIGTERM) }
}
