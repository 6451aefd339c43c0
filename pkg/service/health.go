package service

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
)

const (
	probeTimeout = 2 * time.Second
	probeFresh   = time.Second
	reasonLength = 120
)

// Health serves GET /livez, which is always 200, and GET /readyz and /health, which are 200 while probe returns
// nil and else 503 with the probe's error as the reason (its first line, shortened: keep secrets out of it).
//
// The probe has 2 s and must return when its context ends. Its result is used for up to 1 s, and there is never
// more than one probe at a time, so that requests to these routes cannot be turned into load on what it probes.
func Health(r fiber.Router, name, version string, probe func(context.Context) error) {
	check := &checkup{probe: probe}
	ready := func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderCacheControl, "no-store")
		reply := health{Status: "healthy", Service: name, Version: version}
		if err := check.result(); err != nil {
			reply.Status, reply.Reason = "unhealthy", shorten(err.Error())
			c.Status(fiber.StatusServiceUnavailable)
		}
		return c.JSON(reply)
	}
	r.Get("/readyz", ready)
	r.Get("/health", ready)
	r.Get("/livez", func(c *fiber.Ctx) error { return c.JSON(health{Status: "alive"}) })
}

type health struct {
	Status  string `json:"status"`
	Service string `json:"service,omitempty"`
	Version string `json:"version,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// checkup is a probe and its last result.
type checkup struct {
	probe func(context.Context) error

	mu    sync.Mutex // held while probing: whoever comes meanwhile takes the same result
	ended time.Time
	err   error
}

func (c *checkup) result() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended.IsZero() && time.Since(c.ended) < probeFresh {
		return c.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	c.err = c.probe(ctx)
	c.ended = time.Now()
	return c.err
}

func shorten(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	if runes := []rune(text); len(runes) > reasonLength {
		return string(runes[:reasonLength]) + "…"
	}
	return text
}
