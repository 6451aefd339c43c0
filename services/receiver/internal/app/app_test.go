package app_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"

	"example.com/signet/pkg/relay"
	"example.com/signet/services/receiver/internal/app"
	"example.com/signet/services/receiver/internal/config"
)

func TestApp_oneDatabaseOneReceiver(t *testing.T) {
	t.Parallel()
	r := start(t, "WEBHOOK_SECRET="+secret)
	cfg, err := config.Load(environ(r.dir, "WEBHOOK_SECRET="+secret))
	if err != nil {
		t.Fatal(err)
	}
	second, err := app.New(cfg, app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = second.Start(t.Context())
	if !errors.Is(err, relay.ErrLocked) || !strings.Contains(err.Error(), filepath.Join(r.dir, "receiver.db")+" is in use by another receiver") {
		t.Errorf("the second receiver: %v", err)
	}
	if got := r.post("/webhook", order, sign(t, "github", secret, order)); got.status != http.StatusOK {
		t.Errorf("the first one suffers: %d %s", got.status, got.body)
	}
}

func TestApp_portInUse(t *testing.T) {
	t.Parallel()
	r := start(t, "WEBHOOK_SECRET="+secret)
	for _, variable := range []string{"RECEIVER_ADDR=" + r.Addr(), "RECEIVER_ADMIN_ADDR=" + r.Addr()} {
		dir := t.TempDir()
		lines := append([]string{variable}, environ(dir)...)
		cfg, err := config.Load(lines)
		if err != nil {
			t.Fatal(err)
		}
		second, err := app.New(cfg, app.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := second.Start(t.Context()); err == nil || !strings.Contains(err.Error(), r.Addr()) {
			t.Errorf("%s: %v", variable, err)
		}
		third := launch(t, dir) // nothing was left open
		third.ready()
		third.stop()
	}
}

func TestApp_keepsAcrossRestarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := launch(t, dir, "WEBHOOK_SECRET="+secret)
	id := first.take(order, sign(t, "standard", secret, order))
	first.settled(id)
	token := first.AdminToken()
	first.stop()
	if mode := fileMode(t, filepath.Join(dir, "receiver-admin-token")); mode != 0o600 {
		t.Errorf("the token's file has mode %o", mode)
	}
	second := launch(t, dir, "WEBHOOK_SECRET="+secret)
	defer second.stop()
	if second.AdminToken() != token || len(token) < 32 {
		t.Error("the token changed")
	}
	var again accepted
	decode(t, second.post("/webhook", order, sign(t, "standard", secret, order)).body, &again)
	if !again.Duplicate || again.ID != id {
		t.Errorf("after a restart: %+v, want the duplicate of %s", again, id)
	}
	if s := second.stats(); s.Domain.RevenueMinor != 9999 || s.Messages != 1 {
		t.Errorf("stats are %+v", s)
	}
}

func TestApp_stopLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := launch(t, dir, "WEBHOOK_SECRET="+secret)
	const n = 200
	var senders sync.WaitGroup
	for worker := range 8 {
		senders.Go(func() {
			for i := range n / 8 {
				body := fmt.Sprintf(`{"type":"order.completed","data":{"order_id":"%d-%d","amount":1.25}}`, worker, i)
				if got := first.post("/webhook", body, sign(t, "generic", secret, body)); got.status != http.StatusOK {
					t.Errorf("%d %s", got.status, got.body)
				}
			}
		})
	}
	senders.Wait()
	first.stop()
	second := launch(t, dir, "WEBHOOK_SECRET="+secret)
	defer second.stop()
	var s stats
	eventually(t, "every order took effect", func() bool {
		s = second.stats()
		return s.Deliveries["delivered"] == n
	})
	if s.Messages != n || s.Domain.OrdersCompleted != n || s.Domain.RevenueMinor != n*125 {
		t.Errorf("stats are %+v", s)
	}
}

func TestApp_duplicateOfFailedIsTriedAgain(t *testing.T) {
	t.Parallel()
	r := start(t, "WEBHOOK_SECRET="+secret)
	body := `{"type":"order.completed","data":{}}`
	id := r.take(body, sign(t, "standard", secret, body))
	if m := r.settled(id); m.Deliveries[0].State != "failed" {
		t.Fatalf("deliveries are %+v", m.Deliveries)
	}
	r.take(body, sign(t, "standard", secret, body))
	eventually(t, "the failed delivery is tried again", func() bool { return r.settled(id).Deliveries[0].Attempts == 2 })
}

func TestApp_tellsAPerson(t *testing.T) {
	t.Parallel()
	r := start(t, "WEBHOOK_SECRET="+secret, "GITHUB_WEBHOOK_SECRET=hub", "RECEIVER_TYPO=1")
	r.settled(r.take(order, sign(t, "generic", secret, order)))
	r.post("/webhook", order, sign(t, "generic", "wrong", order))
	for _, line := range []string{
		"webhooks: http://localhost:", "/webhook/github", "admin API: http://localhost:", "/api/openapi.json", "order.completed applied", "webhook refused", "mean nothing here",
	} {
		eventually(t, "the log says "+line, func() bool { return r.logs.FilterMessageSnippet(line).Len() > 0 })
	}
	refused := r.logs.FilterMessage("webhook refused").All()[0].ContextMap()
	if refused["reason"] != "mismatch" || refused["source"] != "default" {
		t.Errorf("the refusal says %v", refused)
	}
	applied := r.logs.FilterMessage("order.completed applied").All()[0].ContextMap()
	if applied["detail"] != "order 12345 completed: 99.99 (revenue 99.99)" || applied["handler"] != "handler:order-completed" {
		t.Errorf("the outcome says %v", applied)
	}
	for _, entry := range r.logs.All() {
		text := entry.Message + fmt.Sprint(entry.ContextMap())
		for _, never := range []string{secret, r.AdminToken(), "hub\""} {
			if strings.Contains(text, never) {
				t.Errorf("a secret stands in the log: %s", text)
			}
		}
	}
}

func TestApp_Run(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(environ(t.TempDir(), "RECEIVER_ADMIN_TOKEN=set by hand"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(cfg, app.Options{Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := os.Stat(cfg.TokenFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a token was made beside the one that was set: %v", err)
	}
}
