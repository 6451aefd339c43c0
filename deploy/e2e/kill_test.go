package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	minimumRate     = 200 // events a second accepted before each kill
	minimumInFlight = 24  // deliveries under way at each kill
)

// TestKill kills the receiver under load, later the producer, and starts each again: every event that was accepted
// arrives, none takes effect twice, and the books balance, order by order.
func TestKill(t *testing.T) {
	s := startStack(t, "DEMO_RATE=1", "LOG_FORMAT=json")
	l := startLoad(t, s.producer)

	t.Log("receiver:", l.inFlight(t))
	kill(t, s.container(t, "receiver"))
	if now := s.producerStats(t); now.undelivered() < minimumInFlight {
		t.Errorf("right after the receiver's kill %d deliveries are undelivered, want at least %d", now.undelivered(), minimumInFlight)
	}
	l.goesOn(t, 500)
	s.startAgain(t, "receiver")

	t.Log("producer:", l.inFlight(t))
	s.stalled(t, func() { kill(t, s.container(t, "producer")) })
	s.startAgain(t, "producer")
	if l.failures.Load() == 0 {
		t.Error("no request failed: nobody was publishing when the producer was killed")
	}
	if n := s.takenBack(t, "producer"); n < minimumInFlight {
		t.Errorf("the producer took %d leases back, want at least %d: too little was in flight when it was killed", n, minimumInFlight)
	}
	l.goesOn(t, 500)
	l.end()
	t.Logf("%d requests failed and were made again, %d events were duplicates by then", l.failures.Load(), l.ledger.duplicates)

	s.balance(t, &l.ledger)
	if n := s.repeated(t); n == 0 {
		t.Error("nothing reached the receiver twice, so that nothing could have taken effect twice")
	} else {
		t.Logf("%d deliveries reached the receiver a second time", n)
	}
	testPublishedAgain(t, s, l)
}

// TestStop stops each service as Docker does under the same load: it ends by itself and in time, gives back what it
// held, and nothing is lost.
func TestStop(t *testing.T) {
	s := startStack(t, "DEMO_RATE=1", "LOG_FORMAT=json")
	l := startLoad(t, s.producer)
	for _, service := range []string{"receiver", "producer"} {
		t.Log(service+":", l.inFlight(t))
		stopGracefully(t, s.container(t, service))
		s.startAgain(t, service)
		if n := s.takenBack(t, service); n != 0 {
			t.Errorf("the %s stopped with %d leases still held", service, n)
		}
		l.goesOn(t, 500)
	}
	l.end()
	s.balance(t, &l.ledger)
}

// kill ends a container at once, as a power cut of its process would.
func kill(t *testing.T, container string) {
	t.Helper()
	docker(t, "kill", "--signal=KILL", container)
}

// stalled calls what is to happen while the receiver stands still with dozens of requests under way. When it goes on, it
// accepts them, whatever has become of their sender meanwhile: they are on its disk, and are delivered once more.
func (s *stack) stalled(t *testing.T, happens func()) {
	t.Helper()
	id := s.container(t, "receiver")
	docker(t, "pause", id)
	var once sync.Once
	goOn := func() { once.Do(func() { docker(t, "unpause", id) }) }
	t.Cleanup(goOn) // a test that ends in between must not leave what cannot be stopped
	eventually(t, 10*time.Second, "dozens of requests are under way", func(ctx context.Context) error {
		now, err := s.producer.stats(ctx)
		if err == nil && now.Deliveries.Delivering < minimumInFlight {
			err = fmt.Errorf("deliveries %+v", now.Deliveries)
		}
		return err
	})
	happens()
	goOn()
}

// startAgain starts a service's container and waits until it takes requests.
func (s *stack) startAgain(t *testing.T, service string) {
	t.Helper()
	docker(t, "start", s.container(t, service))
	s.ready(t)
}

// producerStats is the producer's view at this moment.
func (s *stack) producerStats(t *testing.T) stats {
	t.Helper()
	now, err := s.producer.stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// takenBack is the number of leases that a service said at its last start to have taken back from its predecessor.
func (s *stack) takenBack(t *testing.T, service string) int {
	t.Helper()
	id := s.container(t, service)
	started := docker(t, "inspect", "--format={{.State.StartedAt}}", id)
	taken := 0
	for line := range strings.Lines(logs(t, id, "--since="+started)) {
		var entry struct{ Count int }
		if strings.Contains(line, `"leases taken back"`) && json.Unmarshal([]byte(line), &entry) == nil {
			taken = entry.Count
		}
	}
	return taken
}

// repeated is the number of webhooks that the receiver recognised as duplicates since its last start.
func (s *stack) repeated(t *testing.T) int {
	t.Helper()
	found := regexp.MustCompile(`(?m)^signet_webhooks_total\{outcome="duplicate",source="default"\} (\d+)$`).
		FindStringSubmatch(fetch(t, s.receiver.base+"/metrics", nil, http.StatusOK).body)
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// testPublishedAgain: a batch published once more is answered with its first ids, and changes no book.
func testPublishedAgain(t *testing.T, s *stack, l *load) {
	t.Helper()
	events, _ := orders("0-0")
	again, err := s.producer.publish(t.Context(), events)
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range again {
		if first := l.ledger.messages[events[i].ID]; got.ID != first || !got.Duplicate {
			t.Fatalf("event %s published again: %+v; want the id %s, as a duplicate", events[i].ID, got, first)
		}
	}
	s.balance(t, &l.ledger)
}
