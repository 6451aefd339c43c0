package e2e_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestReceiverContainer: the image needs no right and no place but its volume, says itself how it is, and keeps what
// it accepted through a kill and through a stop.
func TestReceiverContainer(t *testing.T) {
	secret := newSecret()
	r := startReceiver(t, map[string]string{"WEBHOOK_SECRET": secret})
	id := r.container.GetContainerID()

	t.Run("is not root", func(t *testing.T) {
		if user := docker(t, "image", "inspect", "--format={{.Config.User}}", "signet/receiver"); user != "65532:65532" {
			t.Errorf("the image's user is %q", user)
		}
		// One line of titles, then one a process.
		shown := strings.Fields(docker(t, "top", id, "-o", "pid,uid"))
		if len(shown) != 4 || shown[3] != "65532" {
			t.Errorf("docker top shows %v, want one process of 65532", shown)
		}
	})
	t.Run("is small", func(t *testing.T) {
		if size := compressed(t, "signet/receiver"); size > 12<<20 {
			t.Errorf("the image has %d bytes compressed, want at most 12 MiB", size)
		}
	})
	t.Run("reports its health through the binary", func(t *testing.T) {
		eventually(t, 40*time.Second, "the container is healthy", func(context.Context) error {
			if state := docker(t, "inspect", "--format={{.State.Health.Status}}", id); state != "healthy" {
				return fmt.Errorf("it is %s", state)
			}
			return nil
		})
	})
	kept := []string{r.accept(t, signed(body(), secret, standard))}
	t.Run("keeps what it accepted through a kill", func(t *testing.T) {
		docker(t, "kill", "--signal=KILL", id)
		r.startAgain(t)
		r.wantListed(t, kept)
	})
	kept = append(kept, r.accept(t, signed(body(), secret, standard)))
	t.Run("stops by itself and keeps what it accepted", func(t *testing.T) {
		stopGracefully(t, id)
		r.startAgain(t)
		r.wantListed(t, kept)
	})
	t.Run("logs no secret", func(t *testing.T) {
		wantNoSecret(t, logs(t, id), secret, adminToken)
	})
}

// compressed is the size of an image as a registry would hold it.
func compressed(t *testing.T, image string) int64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "docker", "save", image)
	var size counter
	packer := gzip.NewWriter(&size)
	cmd.Stdout = packer
	if err := errors.Join(cmd.Run(), packer.Close()); err != nil {
		t.Fatalf("docker save %s: %v", image, err)
	}
	return int64(size)
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// wantListed demands that each of the messages is listed and delivered.
func (r *receiver) wantListed(t *testing.T, ids []string) {
	t.Helper()
	for _, id := range ids {
		r.applied(t, id)
	}
}

// wantNoSecret demands that none of the secrets stands in a log.
func wantNoSecret(t *testing.T, log string, secrets ...string) {
	t.Helper()
	lines := strings.Split(log, "\n")
	for _, secret := range secrets {
		if at := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, secret) }); at >= 0 {
			t.Errorf("line %d of the log holds a secret", at+1)
		}
	}
}
