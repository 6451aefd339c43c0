package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCompose brings the shipped docker-compose.yml up as it stands: orders made in the producer take effect in the
// receiver with nothing set up before, and go on doing so after everything was taken down and brought up again.
func TestCompose(t *testing.T) {
	s := startStack(t)
	first := s.flowing(t, 0)

	t.Run("hardened", func(t *testing.T) { testHardened(t, s) })
	t.Run("published", func(t *testing.T) { testPublished(t, s) })
	t.Run("locked", func(t *testing.T) { testLocked(t, s) })
	t.Run("by hand", func(t *testing.T) { testByHand(t, s) })
	t.Run("commands", func(t *testing.T) { testCommands(t, s) })
	t.Run("tells its addresses and no secret", func(t *testing.T) {
		for _, service := range []string{"receiver", "producer"} {
			log := logs(t, s.container(t, service))
			wantNoSecret(t, log, s.receiver.token, s.producer.token, "whsec_")
			if !strings.Contains(log, "http://") {
				t.Errorf("the %s's log names no address to open:\n%.1000s", service, log)
			}
		}
	})
	t.Run("comes up again with what it had", func(t *testing.T) {
		tokens := [...]string{s.receiver.token, s.producer.token}
		s.must(t, "down")
		s.up(t)
		if tokens != [...]string{s.receiver.token, s.producer.token} {
			t.Error("the tokens have changed")
		}
		s.flowing(t, first.OrdersCompleted)
	})
}

// testByHand: an order that a person makes and completes in the producer is completed in the receiver.
func testByHand(t *testing.T, s *stack) {
	var user struct {
		ID string `json:"id"`
	}
	var made struct {
		ID string `json:"order_id"`
	}
	post := func(path string, payload, into any, status int) {
		t.Helper()
		if err := s.producer.call(t.Context(), http.MethodPost, path, payload, into, status); err != nil {
			t.Fatal(err)
		}
	}
	post("/demo/users", map[string]any{"name": "Ada", "email": "ada@example.com"}, &user, http.StatusCreated)
	post("/demo/orders", map[string]any{"user_id": user.ID, "amount": 19.99}, &made, http.StatusCreated)
	post("/demo/orders/"+made.ID+"/complete", nil, nil, http.StatusOK)
	eventually(t, 20*time.Second, "order "+made.ID+" is completed", func(ctx context.Context) error {
		listed, err := s.receiver.orders(ctx)
		if err != nil {
			return err
		}
		if !slices.Contains(listed, order{ID: made.ID, AmountMinor: 1999, Currency: "EUR", Applied: 1}) {
			return fmt.Errorf("it is not among the %d orders listed", len(listed))
		}
		return nil
	})
}

// testHardened: no container of the project is root, can write beside its volumes, or can gain a right.
func testHardened(t *testing.T, s *stack) {
	const want = "65532:65532 true [ALL] [no-new-privileges:true]"
	for _, service := range []string{"secret", "receiver", "producer"} {
		got := docker(t, "inspect", "--format={{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}", s.container(t, service))
		if got != want {
			t.Errorf("%s: %s, want %s", service, got, want)
		}
	}
}

// testPublished: only the port that senders use leaves this machine.
func testPublished(t *testing.T, s *stack) {
	for _, private := range []struct {
		service string
		port    int
	}{{"receiver", 8001}, {"producer", 8080}, {"producer", 8081}} {
		for _, at := range strings.Fields(publishedAt(t, s.container(t, private.service), private.port)) {
			if !strings.HasPrefix(at, "127.0.0.1:") {
				t.Errorf("the %s's port %d is published on %s", private.service, private.port, at)
			}
		}
	}
}

// testLocked: neither service does anything for somebody who has neither its token nor the secret.
func testLocked(t *testing.T, s *stack) {
	stranger := api{base: s.producer.base, token: s.receiver.token}
	for _, path := range []string{"/demo/users", "/demo/orders", "/api/v1/events"} {
		if err := stranger.call(t.Context(), http.MethodPost, path, map[string]any{}, nil, http.StatusUnauthorized); err != nil {
			t.Error(err)
		}
	}
	stranger.base = s.receiver.base
	stranger.token = s.producer.token
	if err := stranger.call(t.Context(), http.MethodGet, "/api/v1/messages", nil, nil, http.StatusUnauthorized); err != nil {
		t.Error(err)
	}
	forged := mustSend(t, s.public, signed(body(), newSecret(), standard))
	refused(t, forged, http.StatusUnauthorized, "invalid_signature")
}
