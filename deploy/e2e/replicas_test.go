package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// replica is one container of a service of which there are several.
type replica struct {
	id     string // the container's
	public string // base URL of the receiver's public port, or of the producer's API
	api    api
}

// replicas is the shipped Compose file with its override for PostgreSQL, two containers of each service.
type replicas struct {
	*stack
	receivers, producers []replica
}

func startReplicas(t *testing.T, settings ...string) *replicas {
	t.Helper()
	needImages(t)
	s := &replicas{stack: newStack(settings...)}
	s.files = []string{"docker-compose.yml", "deploy/compose/postgres.yml"}
	for _, ports := range []string{"RECEIVER_PORTS", "RECEIVER_ADMIN_PORTS", "PRODUCER_PORTS", "PRODUCER_ADMIN_PORTS"} {
		s.env = append(s.env, ports+"=0") // any that are free
	}
	t.Cleanup(func() { s.remove(t) })
	s.mustWithin(t, 5*time.Minute, "up", "--detach", "--no-build") // the database's image may have to be pulled
	s.receivers = s.find(t, "receiver", 8000, 8001)
	s.producers = s.find(t, "producer", 8080, 8080)
	s.receiver, s.producer, s.public = s.receivers[1].api, s.producers[1].api, s.receivers[1].public
	return s
}

// find finds the two containers of a service, and waits until they take requests.
func (s *replicas) find(t *testing.T, service string, public, private int) []replica {
	t.Helper()
	var all []replica
	for index, id := range strings.Fields(s.must(t, "ps", "--quiet", service)) {
		r := replica{id: id, public: "http://" + reachable(t, id, public)}
		r.api = api{base: "http://" + reachable(t, id, private), token: s.must(t, "exec", "-T", "--index", strconv.Itoa(index+1), service, "/signet", "token")}
		s.wait(t, service, r)
		all = append(all, r)
	}
	if len(all) != 2 || all[0].api.token == "" || all[0].api.token != all[1].api.token {
		t.Fatalf("%d containers of the %s, want two with the same token", len(all), service)
	}
	return all
}

// reachable is where a container's port is published on this machine.
func reachable(t *testing.T, id string, port int) string {
	t.Helper()
	for _, at := range strings.Fields(publishedAt(t, id, port)) {
		if at, any := strings.CutPrefix(at, "0.0.0.0:"); any {
			return "127.0.0.1:" + at
		}
		if strings.HasPrefix(at, "127.0.0.1:") {
			return at
		}
	}
	t.Fatalf("port %d of %s is not published", port, id)
	return ""
}

func (s *replicas) wait(t *testing.T, service string, r replica) {
	t.Helper()
	eventually(t, time.Minute, "the "+service+" is ready", func(ctx context.Context) error {
		_, err := get(ctx, r.public+"/readyz", nil, http.StatusOK)
		return err
	})
}

// TestReplicas kills one replica of each service under load: the other goes on, and finishes what the dead one had begun.
// Every event that was accepted arrives, none takes effect twice, and the books balance, order by order.
func TestReplicas(t *testing.T) {
	s := startReplicas(t, "DEMO_RATE=1", "LOG_FORMAT=json")
	l := startLoad(t, s.producers[1].api)
	l.goesOn(t, 1000)
	for i, r := range s.receivers {
		eventually(t, time.Minute, fmt.Sprintf("receiver %d takes its part", i+1), func(ctx context.Context) error {
			if n := taken(ctx, r); n == 0 {
				return fmt.Errorf("it has taken none of %d events", l.ledger.count())
			}
			return nil
		})
	}

	t.Log("receiver:", l.inFlight(t))
	kill(t, s.receivers[0].id)
	before, err := s.receiver.stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l.goesOn(t, 500)
	s.flowing(t, before.Domain.OrdersCompleted)

	t.Log("producer:", l.inFlight(t))
	kill(t, s.producers[0].id)
	sent := s.producerStats(t)
	l.goesOn(t, 500)
	eventually(t, time.Minute, "the other producer delivers", func(ctx context.Context) error {
		now, err := s.producer.stats(ctx)
		if err == nil && now.Deliveries.Delivered <= sent.Deliveries.Delivered {
			err = fmt.Errorf("%d delivered before and after", now.Deliveries.Delivered)
		}
		return err
	})
	l.end()
	if n := l.failures.Load(); n > 0 {
		t.Errorf("%d requests to the producer that was not killed failed", n)
	}
	s.balance(t, &l.ledger)

	for service, r := range map[string]replica{"receiver": s.receivers[0], "producer": s.producers[0]} {
		docker(t, "start", r.id)
		back := r
		back.public = "http://" + reachable(t, r.id, map[string]int{"receiver": 8000, "producer": 8080}[service]) // a free port, again
		s.wait(t, service, back)
	}
	s.balance(t, &l.ledger)
}

// taken is how many webhooks a receiver itself has accepted since it started.
func taken(ctx context.Context, r replica) int {
	got, err := get(ctx, r.api.base+"/metrics", nil, http.StatusOK)
	if err != nil {
		return 0
	}
	found := regexp.MustCompile(`(?m)^signet_webhooks_total\{outcome="accepted",source="default"\} (\d+)$`).FindStringSubmatch(got.body)
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(found[1]) // digits
	return n
}
