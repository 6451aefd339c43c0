package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// ErrUnhealthy says that a service answered, but not that it is ready.
var ErrUnhealthy = errors.New("unhealthy")

const healthcheckTimeout = 3 * time.Second

// Healthcheck asks the service that listens on addr ("host:port", as in [ServerOptions]) on this machine for
// GET /readyz. Any answer but 200 is [ErrUnhealthy]. It takes at most 3 s. A container image without a shell
// calls it through its own binary.
func Healthcheck(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("address %q: %w", addr, err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // and no proxy
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // only read from
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	return fmt.Errorf("%w: status %d: %s", ErrUnhealthy, resp.StatusCode, strings.TrimSpace(string(body)))
}
