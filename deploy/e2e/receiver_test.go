package e2e_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// adminToken is what the receivers of these tests are told to take on their admin port.
const adminToken = "e2e-admin-token-0123456789abcdef0123456789"

// receiver is the receiver's image, started alone as somebody would who has no producer.
type receiver struct {
	container testcontainers.Container
	public    string // base URL of the port senders use
	admin     api
}

// startReceiver runs the image hardened as the shipped Compose file does, and waits until it takes requests. The
// database lies in the volume that the image declares.
func startReceiver(t *testing.T, env map[string]string) *receiver {
	t.Helper()
	needImages(t)
	settings := map[string]string{"RECEIVER_ADMIN_TOKEN": adminToken}
	for name, value := range env {
		settings[name] = value
	}
	ctr, err := testcontainers.Run(
		t.Context(), "signet/receiver",
		testcontainers.WithEnv(settings),
		testcontainers.WithExposedPorts("8000/tcp", "8001/tcp"),
		testcontainers.WithHostConfigModifier(func(host *container.HostConfig) {
			host.ReadonlyRootfs = true
			host.CapDrop = []string{"ALL"}
			host.SecurityOpt = []string{"no-new-privileges:true"}
		}),
		testcontainers.WithWaitStrategy(wait.ForHTTP("/readyz").WithPort("8000/tcp").WithStartupTimeout(30*time.Second)),
	)
	testcontainers.CleanupContainer(t, ctr)
	if err != nil {
		if ctr != nil {
			t.Log(containerLog(ctr))
		}
		t.Fatalf("starting signet/receiver: %v", err)
	}
	r := &receiver{container: ctr}
	r.locate(t)
	return r
}

// containerLog is what a container has printed, as far as it can be had.
func containerLog(ctr testcontainers.Container) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := ctr.Logs(ctx)
	if err != nil {
		return err.Error()
	}
	defer out.Close()
	text, _ := io.ReadAll(out) // what could be read is what there is to show
	return string(text)
}

// locate asks for the host's ports, which are others after every start of the container.
func (r *receiver) locate(t *testing.T) {
	t.Helper()
	public, err := r.container.PortEndpoint(t.Context(), "8000/tcp", "http")
	if err != nil {
		t.Fatal(err)
	}
	admin, err := r.container.PortEndpoint(t.Context(), "8001/tcp", "http")
	if err != nil {
		t.Fatal(err)
	}
	r.public, r.admin = public, api{base: admin, token: adminToken}
}

// startAgain starts the stopped container and waits until it takes requests.
func (r *receiver) startAgain(t *testing.T) {
	t.Helper()
	docker(t, "start", r.container.GetContainerID())
	r.locate(t)
	eventually(t, 30*time.Second, "the receiver is ready again", func(ctx context.Context) error {
		_, err := get(ctx, r.public+"/readyz", nil, http.StatusOK)
		return err
	})
}

// accept sends a webhook that has to be accepted, and gives the id of its message.
func (r *receiver) accept(t *testing.T, w webhook) string {
	t.Helper()
	id, duplicate := accepted(t, mustSend(t, r.public, w))
	if duplicate {
		t.Fatalf("message %s: a first delivery is reported as a duplicate", id)
	}
	return id
}

// applied waits until every delivery of the message has been made.
func (r *receiver) applied(t *testing.T, id string) {
	t.Helper()
	eventually(t, 20*time.Second, "message "+id+" is delivered to its handlers", func(ctx context.Context) error {
		return r.delivered(ctx, id)
	})
}

func (r *receiver) delivered(ctx context.Context, id string) error {
	items, err := r.admin.messages(ctx)
	if err != nil {
		return err
	}
	return deliveredAmong(items, id)
}
