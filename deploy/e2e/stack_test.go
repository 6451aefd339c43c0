package e2e_test

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// stack is the shipped docker-compose.yml, brought up as a project of its own on ports of its own.
type stack struct {
	project            string
	files              []string // below the repository's root; none: the one that Compose finds
	env                []string
	public             string // base URL of the receiver's public port
	receiver, producer api
}

// newStack is a project with a name of its own.
func newStack(settings ...string) *stack {
	return &stack{project: "signet-e2e-" + strings.ToLower(rand.Text()[:8]), env: settings}
}

// startStack brings the shipped file up as it stands, with settings a user could put into .env, and takes everything
// away at the end, volumes too.
func startStack(t *testing.T, settings ...string) *stack {
	t.Helper()
	needImages(t)
	s := newStack(settings...)
	s.public = s.publish(t, "RECEIVER_PORT")
	s.receiver.base = s.publish(t, "RECEIVER_ADMIN_PORT")
	s.producer.base = s.publish(t, "PRODUCER_PORT")
	s.publish(t, "PRODUCER_ADMIN_PORT")
	t.Cleanup(func() { s.remove(t) })
	s.up(t)
	return s
}

// publish chooses the host port that a variable of the Compose file publishes, and gives its base URL.
func (s *stack) publish(t *testing.T, variable string) string {
	t.Helper()
	port := os.Getenv(variable)
	if port == "" {
		port = freePort(t)
		s.env = append(s.env, variable+"="+port)
	}
	return "http://127.0.0.1:" + port
}

// freePort is a port that was free a moment ago, below those that systems give to connections and to listeners that
// ask for any: tests beside this one do not take it meanwhile.
func freePort(t *testing.T) string {
	t.Helper()
	var config net.ListenConfig
	var err error
	for range 100 {
		port := strconv.Itoa(16_384 + mathrand.IntN(16_384))
		var l net.Listener
		if l, err = config.Listen(t.Context(), "tcp", "127.0.0.1:"+port); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal(err)
	return ""
}

// compose runs docker compose on the shipped file.
func (s *stack) compose(ctx context.Context, args ...string) (string, error) {
	all := []string{"compose", "--project-name", s.project}
	for _, file := range s.files {
		all = append(all, "--file", file)
	}
	out, err := run(ctx, "../..", s.env, "docker", append(all, args...)...)
	return strings.TrimSpace(out), err
}

// must is compose where it has to succeed within two minutes.
func (s *stack) must(t *testing.T, args ...string) string {
	t.Helper()
	return s.mustWithin(t, 2*time.Minute, args...)
}

func (s *stack) mustWithin(t *testing.T, limit time.Duration, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	out, err := s.compose(ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// up starts the project, waits until both services take requests, and asks each for its token, as its owner would.
func (s *stack) up(t *testing.T) {
	t.Helper()
	s.must(t, "up", "--detach", "--no-build")
	s.ready(t)
	s.receiver.token = s.must(t, "exec", "-T", "receiver", "/signet", "token")
	s.producer.token = s.must(t, "exec", "-T", "producer", "/signet", "token")
}

// ready waits until both services take requests.
func (s *stack) ready(t *testing.T) {
	t.Helper()
	for name, base := range map[string]string{"receiver": s.public, "producer": s.producer.base} {
		eventually(t, time.Minute, "the "+name+" is ready", func(ctx context.Context) error {
			_, err := get(ctx, base+"/readyz", nil, http.StatusOK)
			return err
		})
	}
}

// container is the id of a service's container, running or not.
func (s *stack) container(t *testing.T, service string) string {
	t.Helper()
	id := s.must(t, "ps", "--all", "--quiet", service)
	if id == "" || strings.Contains(id, "\n") {
		t.Fatalf("%s has the containers %q, want one", service, id)
	}
	return id
}

// remove takes the project away. A failed test shows first what its services had to say.
func (s *stack) remove(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if t.Failed() {
		out, err := s.compose(ctx, "logs", "--no-color", "--tail=60")
		t.Logf("docker compose logs (%v):\n%s", err, out)
	}
	if _, err := s.compose(ctx, "down", "--volumes", "--remove-orphans", "--timeout=5"); err != nil {
		t.Errorf("taking the project away: %v", err)
	}
}

// flowing waits until the receiver has applied more orders than it had.
func (s *stack) flowing(t *testing.T, than int64) books {
	t.Helper()
	var now books
	eventually(t, time.Minute, "orders made in the producer are completed in the receiver", func(ctx context.Context) error {
		got, err := s.receiver.stats(ctx)
		if err != nil {
			return err
		}
		if now = got.Domain; now.OrdersCompleted <= than || now.Users == 0 || now.RevenueMinor == 0 {
			return fmt.Errorf("the receiver's books are %+v", now)
		}
		return nil
	})
	return now
}

// publishedAt is where Docker publishes a port of a container, as address:port lines.
func publishedAt(t *testing.T, container string, port int) string {
	t.Helper()
	return docker(t, "port", container, strconv.Itoa(port)+"/tcp")
}
