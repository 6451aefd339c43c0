package service_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"example.com/signet/pkg/service"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 500)
	tests := map[string]struct {
		failure error
		status  int
		want    string // of /readyz and /health
	}{
		"healthy":     {nil, 200, `{"status":"healthy","service":"s","version":"v1"}`},
		"unhealthy":   {errors.New("disk full\nat line 2"), 503, `{"status":"unhealthy","service":"s","version":"v1","reason":"disk full"}`},
		"long reason": {errors.New(long), 503, `{"status":"unhealthy","service":"s","version":"v1","reason":"` + long[:240] + `…"}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := running(t, service.ServerOptions{}, func(app *fiber.App) {
				service.Health(app, "s", "v1", func(ctx context.Context) error {
					if _, bounded := ctx.Deadline(); !bounded {
						t.Error("the probe has no deadline")
					}
					return tt.failure
				})
			})
			for _, path := range []string{"/readyz", "/health"} {
				if a := call(t, s, "GET", path, ""); a.status != tt.status || a.body != tt.want {
					t.Errorf("%s: %d %s, want %d %s", path, a.status, a.body, tt.status, tt.want)
				}
			}
			if a := call(t, s, "GET", "/livez", ""); a.status != 200 || a.body != `{"status":"alive"}` {
				t.Errorf("/livez: %d %s", a.status, a.body)
			}
			err := service.Healthcheck(t.Context(), s.Addr())
			if (tt.failure == nil) != (err == nil) || (err != nil && !errors.Is(err, service.ErrUnhealthy)) {
				t.Errorf("health check: %v", err)
			}
		})
	}
}

func TestHealth_ProbesAreNotAmplified(t *testing.T) {
	t.Parallel()
	var probes atomic.Int32
	s := running(t, service.ServerOptions{}, func(app *fiber.App) {
		service.Health(app, "s", "v1", func(context.Context) error {
			if probes.Add(1) > 1 {
				return errors.New("changed")
			}
			return nil
		})
	})
	began := time.Now()
	const requests = 200
	for range requests {
		call(t, s, "GET", "/readyz", "")
	}
	if n, most := probes.Load(), int32(time.Since(began)/time.Second)+1; n > most {
		t.Errorf("%d probes for %d requests in %s, want at most %d", n, requests, time.Since(began), most)
	}
	for call(t, s, "GET", "/readyz", "").status != 503 { // a result does not stay for ever
		if time.Since(began) > 30*time.Second {
			t.Fatal("still the first result after 30 s")
		}
	}
}

func TestHealthcheck_Addresses(t *testing.T) {
	t.Parallel()
	s := running(t, service.ServerOptions{}, func(app *fiber.App) {
		service.Health(app, "s", "v1", func(context.Context) error { return nil })
	})
	_, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{":" + port, "0.0.0.0:" + port, "[::]:" + port, "127.0.0.1:" + port} {
		if err := service.Healthcheck(t.Context(), addr); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
	for _, addr := range []string{"", "nonsense", closedPort(t)} {
		if err := service.Healthcheck(t.Context(), addr); err == nil || errors.Is(err, service.ErrUnhealthy) {
			t.Errorf("%q: %v, want an error of another kind", addr, err)
		}
	}
}

// closedPort is an address nobody listens on.
func closedPort(t *testing.T) string {
	t.Helper()
	s := service.NewServer(service.ServerOptions{Addr: "127.0.0.1:0"})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(s.Addr())
}
